"""How a command reaches a service: the address given, the one running here, or one started for the call."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli.output import note
from services.client import Client, ServiceError, read_key

if TYPE_CHECKING:
    from services.config import ServiceConfig


@dataclass
class Session:
    """Options that hold for every command.

    Parameters
    ----------
    state_dir
        State folder; ``None``: as configured.
    config_path
        TOML file of the service; ``None``: the one in the state folder, when there is one.
    address
        Service to call, ``host:port`` or ``https://host:port``; empty: the one of the state folder.
    certificate_authority
        PEM file with the roots to trust under TLS.

    """

    state_dir: Path | None = None
    config_path: Path | None = None
    address: str = ""
    certificate_authority: Path | None = None
    started_s: float | None = field(default=None, init=False)
    """Seconds it took to start a service for this call; ``None`` when none was started."""

    def config(self, **overrides: Any) -> ServiceConfig:
        """The configuration of the service of this state folder."""
        from services.config import ServiceConfig

        return ServiceConfig.load(self.config_path, state_dir=self.state_dir, **overrides)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """A client of the service; one is started for the call when none runs.

        Raises
        ------
        ServiceError
            When a service can neither be reached nor started.

        """
        config = self.config()
        if self.address:
            with Client(self.address, read_key(config.state_dir), self.certificate_authority) as client:
                yield client
            return
        from services import host

        info = host.status(config.state_dir)
        if info is not None:
            with Client(info.grpc_address, read_key(config.state_dir)) as client:
                yield client
            return
        note("isinglass: no service is running; starting one for this call (`isinglass up` keeps one)")
        started = time.monotonic()
        with ExitStack() as stack:
            stack.enter_context(_interrupted_by_sigterm())
            try:
                info = stack.enter_context(host.temporary(config))
            except (OSError, RuntimeError, TimeoutError) as error:
                raise ServiceError("UNAVAILABLE", f"the service could not be started: {error}") from error
            self.started_s = time.monotonic() - started
            with Client(info.grpc_address, read_key(config.state_dir)) as client:
                yield client


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the call as Ctrl-C does, so that a service that was started for it is stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
