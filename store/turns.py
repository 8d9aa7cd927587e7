"""Writers of one process take turns in one transaction: several small writes share one commit.

SQLite has one writer at a time, and a commit is one wait for the disk, however little was written. So those who came
while a transaction was under way form the group that is next: each writes in turn, behind a savepoint of its own, and
one commit makes all of it durable. A writer who finds nobody at it begins at once and waits for nobody: his group is
himself, and it is closed. What a writer did is undone alone when it fails, and nobody is told of success before the
commit of the group.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from store.errors import TooBusy

GROUP_MOST = 64
"""Most writers that share one commit: the first of them waits for the last."""


@dataclass(eq=False)
class _Turn:
    """One writer's place; ``group`` is set once it was taken out of the queue, ``begins`` when the turn has come."""

    begins: threading.Event = field(default_factory=threading.Event)
    group: _Group | None = None


class _Group:
    """Writers that share one transaction."""

    def __init__(self, turns: list[_Turn]) -> None:
        self.turns = turns
        """Those who have not begun yet; the first begins at once."""
        self.connection: Connection | None = None
        self.is_shared = len(turns) > 1
        self.over = threading.Event()
        self.error: BaseException | None = None
        """Why the whole transaction is lost, if it is."""


class Turns:
    """The queue of writers for one SQLite file in this process.

    Parameters
    ----------
    most
        Most writers in one transaction; 1: each has one to himself.

    """

    def __init__(self, most: int = GROUP_MOST) -> None:
        self.set_most(most)
        self._lock = threading.Lock()
        self._waiting: deque[_Turn] = deque()
        self._is_busy = False

    def set_most(self, most: int) -> None:
        """Change how many writers share one transaction, from the next one on."""
        if most < 1:
            raise ValueError(f"most is {most}; allowed: >= 1")
        self._most = most

    @contextmanager
    def write(self, engine: Engine, wait_s: float) -> Iterator[Connection]:
        """A transaction on ``engine``, shared with whoever waited at the same time; durable when this ends.

        Raises
        ------
        TooBusy
            When others were at it for longer than ``wait_s`` seconds.

        """
        group = self._come(wait_s)
        try:
            with self._part(group, engine) as connection:
                yield connection
        finally:
            self._next(group)
        group.over.wait()  # everybody's body is short, and the commit is the disk's
        if group.error is not None:
            raise group.error

    def _come(self, wait_s: float) -> _Group:
        """Wait for the turn; the group that it is in."""
        turn = _Turn()
        with self._lock:
            if not self._is_busy:
                self._is_busy = True
                return _Group([])
            self._waiting.append(turn)
        if not turn.begins.wait(wait_s):
            with self._lock:
                if turn.group is None:
                    self._waiting.remove(turn)
                    raise TooBusy("the database is locked by another thread", 1.0)
            turn.begins.wait()  # in a group already: those before it are at it
        assert turn.group is not None  # noqa: S101 - set before `begins` is
        return turn.group

    @contextmanager
    def _part(self, group: _Group, engine: Engine) -> Iterator[Connection]:
        """One writer's part of the group's transaction."""
        if group.error is not None:
            raise group.error
        if group.connection is None:
            try:
                connection = engine.connect()
                group.connection = connection
                connection.begin()
            except BaseException as error:
                group.error = error
                raise
        if not group.is_shared:
            try:
                yield group.connection
            except BaseException as error:
                group.error = error
                raise
            return
        part = group.connection.begin_nested()
        try:
            yield group.connection
        except BaseException:
            self._undo(group, part.rollback)
            raise
        self._undo(group, part.commit)

    @staticmethod
    def _undo(group: _Group, end: Callable[[], None]) -> None:
        """End a writer's savepoint; where that fails, SQLite has rolled back the transaction of all."""
        try:
            end()
        except BaseException as error:
            group.error = error
            raise

    def _next(self, group: _Group) -> None:
        """Let the next of the group write, or end it and begin the one of those who came meanwhile."""
        if group.turns:
            group.turns.pop(0).begins.set()
            return
        try:
            self._end(group)
        finally:
            group.over.set()
            self._begin_next()

    @staticmethod
    def _end(group: _Group) -> None:
        connection, group.connection = group.connection, None
        if connection is None:
            return
        try:
            transaction = connection.get_transaction()
            if transaction is not None and group.error is None:
                transaction.commit()
            elif transaction is not None:
                transaction.rollback()
        except BaseException as error:  # noqa: BLE001 - every writer of the group is told
            group.error = group.error or error
        finally:
            connection.close()

    def _begin_next(self) -> None:
        with self._lock:
            turns = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            self._is_busy = bool(turns)
            if not turns:
                return
            group = _Group(turns)
            for turn in turns:
                turn.group = group
            first = turns.pop(0)
        first.begins.set()
