"""The answers of a batch on their way to OUT: none twice and none lost, also when the program is killed.

Answers are appended as lines of JSON: to OUT itself, or, for Parquet, which cannot be appended to, to ``OUT.part``, of
which OUT is made at the end. ``OUT.batch`` names the batch: its id makes the idempotency keys of the jobs, so that a
job whose answer was not written yet is found again instead of being solved again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import click

from services.cli.batch_inputs import PARQUET
from solvers.errors import FieldViolation, InvalidProblem


class Answers:
    """Holds OUT for one program at a time.

    Parameters
    ----------
    target
        OUT.
    resume
        Go on with what is there already; otherwise there must be nothing.

    Raises
    ------
    click.UsageError
        When OUT is there and ``resume`` is not given, or another program writes it.
    InvalidProblem
        When what is there was not written by a batch.

    """

    def __init__(self, target: Path, resume: bool) -> None:
        self._target = target
        self._is_parquet = target.suffix == PARQUET
        if self._is_parquet:
            from services.cli.batch_parquet import arrow

            arrow()  # said before anything is solved
        self._lines = target.with_name(target.name + ".part") if self._is_parquet else target
        self._note = target.with_name(target.name + ".batch")
        if not resume and (target.exists() or self._lines.exists()):
            raise click.UsageError(f"{target} exists; give --resume to go on with it, or another name")
        self._lock = self._locked(resume)
        try:
            self._kept = self._note_of(self._lock.read()) if resume else {}
            self.id = str(self._kept.get("id") or secrets.token_hex(16))
            self._attempts = Counter(self._kept.get("attempts", {}))
            self.done = self._take_up() if resume else set[str]()
            self._write_note()
            self._out = self._lines.open("a", encoding="utf-8")
        except BaseException:
            self._lock.close()
            raise
        self.failed = 0

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._out.close()
        self._lock.close()

    def key(self, name: str, request: bytes) -> str:
        """The idempotency key of a job: the same for the same request, until its answer was an error."""
        parts = (self.id, name, str(self._attempts[name]), hashlib.sha256(request).hexdigest())
        return "batch-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def write(self, line: dict[str, Any]) -> None:
        """Keep one answer; it outlives the program from here on."""
        self._out.write(_text(line) + "\n")
        self._out.flush()
        self.done.add(line["input"])
        self.failed += "error" in line

    def finish(self) -> None:
        """Every input has its line: make OUT what it is to be. Lines with an error may be asked again later."""
        self._out.flush()
        os.fsync(self._out.fileno())
        if self._is_parquet:
            from services.cli.batch_parquet import write_answers

            write_answers(_read(self._lines), self._target)
            self._lines.unlink()
        if not self.failed:
            self._note.unlink()

    def _locked(self, resume: bool) -> TextIO:
        descriptor = os.open(self._note, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise click.UsageError(f"another batch is writing {self._target}") from None
        if not resume:
            os.ftruncate(descriptor, 0)
        return os.fdopen(descriptor, "r+", encoding="utf-8")

    def _note_of(self, text: str) -> dict[str, Any]:
        """The note; one that was being written when the program died holds nothing yet."""
        try:
            note: dict[str, Any] = json.loads(text) if text.strip() else {}
        except json.JSONDecodeError as error:
            raise InvalidProblem(
                [FieldViolation(str(self._note), f"is no note of a batch: {error.msg}", "remove it to ask again")]
            ) from error
        return note

    def _write_note(self) -> None:
        self._lock.seek(0)
        self._lock.write(_text({"id": self.id, "attempts": dict(self._attempts)}))
        self._lock.truncate()
        self._lock.flush()
        os.fsync(self._lock.fileno())

    def _take_up(self) -> set[str]:
        """Inputs that have an answer. What is an error, or was cut off by a kill, is taken out, to be asked again."""
        found: dict[str, dict[str, Any]] = {}
        if self._is_parquet and self._target.exists() and not self._lines.exists():
            from services.cli.batch_parquet import read_answers

            found = {line["input"]: line for line in read_answers(self._target)}
        elif self._lines.exists():
            found = {line["input"]: line for line in _read(self._lines)}
        errors = [name for name, line in found.items() if "error" in line]
        for name in errors:
            del found[name]
        self._attempts.update(errors)
        self._write_note()  # before the errors are gone: a kill in between asks under a new key, and no answer is lost
        beside = self._lines.with_name(f".{self._lines.name}.{os.getpid()}")
        with beside.open("w", encoding="utf-8") as out:
            out.writelines(_text(line) + "\n" for line in found.values())
            out.flush()
            os.fsync(out.fileno())
        beside.replace(self._lines)
        return set(found)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of ``path``, but the last one where it has no end: the program was killed as it wrote it."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                if not isinstance(value["input"], str):
                    raise TypeError(f"input is {value['input']!r}")
            except (ValueError, TypeError, KeyError) as error:
                fault = FieldViolation(f"{path}, line {number}", "is no answer of a batch", "what batch wrote")
                raise InvalidProblem([fault]) from error
            yield value


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
