"""One real service for the whole test session: real Ray, real Serve, real processes, loopback only."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from protos import (
    decisions_pb2_grpc,
    federation_pb2_grpc,
    invoices_pb2_grpc,
    jobs_pb2_grpc,
    routing_pb2_grpc,
    sampling_pb2_grpc,
)
from services import host
from services.config import ServiceConfig

_ANSWER_S = 30.0
_BROKEN: list[tuple[str, ...]] = []
"""Roles that a test has killed since the service was last known to be whole."""


@dataclass(frozen=True)
class Service:
    """A running service and how to call it with a key."""

    info: host.ServiceInfo
    config: ServiceConfig
    channel: grpc.Channel
    key: str

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.key}")]

    def stub(self, name: str) -> Any:
        return {
            "routing": routing_pb2_grpc.RoutingServiceStub,
            "invoices": invoices_pb2_grpc.InvoiceServiceStub,
            "sampling": sampling_pb2_grpc.SamplingServiceStub,
            "jobs": jobs_pb2_grpc.JobServiceStub,
            "federation": federation_pb2_grpc.FederationServiceStub,
            "decisions": decisions_pb2_grpc.DecisionServiceStub,
        }[name](self.channel)

    def call(self, service: str, method: str, request: Any, timeout_s: float = 60.0, **metadata: str) -> Any:
        """One unary call with the key; ``metadata`` is added (underscores become dashes)."""
        extra = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        return getattr(self.stub(service), method)(request, timeout=timeout_s, metadata=[*self.metadata, *extra])

    def pids(self) -> dict[str, list[int]]:
        return host.actor_pids(self.info)

    def kill(self, *roles: str) -> list[int]:
        """SIGKILL the actors' processes of ``roles``; their pids."""
        pids = self.pids()
        killed = [pid for role in roles for pid in pids[role]]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        _BROKEN.append(roles)
        return killed

    def wait_until_whole(self) -> None:
        """Wait until every actor answers again, so that one test's ruins are not the next one's."""
        give_up_s = time.monotonic() + 90
        while time.monotonic() < give_up_s:
            pids = self.pids()
            if (
                len(pids["workers"]) == self.config.workers
                and len(pids["coordinators"]) == self.config.coordinators
                and len(pids["scheduler"]) == 1
            ):
                return
            time.sleep(0.5)
        raise TimeoutError(f"actors are not back after 90 s: {pids}")


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """The service on SQLite, in a state folder of its own."""
    with tempfile.TemporaryDirectory(prefix="isinglass-test-") as folder:
        config = ServiceConfig(
            state_dir=Path(folder) / "state",
            grpc_port=free_port(),
            http_port=free_port(),
            dashboard_port=0,
            workers=2,
        )
        info = host.start(config)
        try:
            with grpc.insecure_channel(info.grpc_address) as channel:
                grpc.channel_ready_future(channel).result(timeout=_ANSWER_S)
                yield Service(info, config, channel, (config.state_dir / "key").read_text().strip())
        finally:
            host.stop(config.state_dir)


@pytest.fixture(autouse=True)
def _whole(request: pytest.FixtureRequest) -> None:
    """A test that comes after one that killed processes waits until every actor is back."""
    if "service" in request.fixturenames and _BROKEN:
        request.getfixturevalue("service").wait_until_whole()
        _BROKEN.clear()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], None]:
    """Wait until a condition holds, or fail."""

    def wait(condition: Callable[[], bool], timeout_s: float) -> None:
        give_up_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > give_up_s:
                raise AssertionError(f"still not so after {timeout_s} s")
            time.sleep(0.05)

    return wait
