"""pg8000's connection with a statement in one round trip. Needs the extra ``postgres``; `store.postgres` imports it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

from pg8000 import core  # type: ignore[import-untyped]
from pg8000.converters import make_params  # type: ignore[import-untyped]
from pg8000.exceptions import InterfaceError  # type: ignore[import-untyped]
from pg8000.legacy import Connection  # type: ignore[import-untyped]

_DESCRIBE_PORTAL = core._create_message(core.DESCRIBE, core.PORTAL + core.NULL_BYTE)


class FastConnection(Connection):
    """Sends all messages of a statement at once and waits for one answer, where pg8000 waits for three."""

    def execute_unnamed(
        self, statement: str, vals: Sequence[Any] = (), oids: Sequence[int] = (), stream: Any = None
    ) -> core.Context:
        """Run one statement with its parameters."""
        if stream is not None:
            return super().execute_unnamed(statement, vals, oids, stream)
        if self._sock is None:
            raise InterfaceError("connection is closed")
        context = core.Context(statement)
        params = make_params(self.py_types, vals)
        self.send_PARSE(core.NULL_BYTE, statement, oids)
        self.send_BIND(core.NULL_BYTE, params)
        core._write(self._sock, _DESCRIBE_PORTAL)
        self.send_EXECUTE()
        core._write(self._sock, core.SYNC_MSG)
        core._flush(self._sock)
        self.handle_messages(context)
        return context

    def handle_messages(self, context: core.Context) -> None:
        """Read until the answer is complete; where the server hung up, say why if it did."""
        try:
            super().handle_messages(context)
        except InterfaceError as error:
            if context.error is None or context.error is error:
                raise
            raise InterfaceError(f"network error after {context.error}") from error

    def close(self) -> None:
        """Close the connection, also one that the server has closed already."""
        try:
            super().close()
        except InterfaceError as error:
            if "network error" not in str(error):
                raise


def connect(**parameters: Any) -> FastConnection:
    """A connection; ``timeout`` bounds only how long connecting may take, not how long a statement may."""
    connection = FastConnection(**parameters)
    connection._usock.settimeout(None)
    if connection._usock.family != socket.AF_UNIX:
        # Without it a statement of more than 8 KiB, such as a signed decision, waits 40 ms for an acknowledgement.
        connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
