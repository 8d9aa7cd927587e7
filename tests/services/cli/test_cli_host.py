"""`isinglass up`, `down`, `status`, and a service that is started for one call. The service itself is a stand-in."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cli_fake_service import FakeService, Run

from protos.common_pb2 import SolveReport
from protos.routing_pb2 import OptimizeToursResponse
from services import host
from services.host import ServiceInfo, StartFailed


@dataclass
class FakeHost:
    """Starts and stops nothing, and remembers what it was asked for."""

    info: ServiceInfo
    running: bool = False
    fails: Exception | None = None
    configs: list[Any] = field(default_factory=list)

    def start(self, config: Any) -> ServiceInfo:
        self.configs.append(config)
        if self.fails:
            raise self.fails
        was_running, self.running = self.running, True
        return replace(self.info, already_running=was_running)

    def stop(self, _state_dir: Path, _timeout_s: float = 60.0) -> bool:
        if self.fails:
            raise self.fails
        was_running, self.running = self.running, False
        return was_running

    def status(self, _state_dir: Path) -> ServiceInfo | None:
        return self.info if self.running else None

    @contextmanager
    def temporary(self, config: Any) -> Iterator[ServiceInfo]:
        info = self.start(config)
        try:
            yield info
        finally:
            self.stop(config.state_dir)


@pytest.fixture
def fake_host(service: FakeService, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    monkeypatch.delenv("ISINGLASS_ADDRESS")
    info = ServiceInfo(
        pid=12,
        grpc_address=service.address,
        http_address="127.0.0.1:8000",
        dashboard_url="",
        ray_address="127.0.0.1:6379",
        state_dir=tmp_path,
        started_at="2026-11-20T10:00:00+00:00",
    )
    fake = FakeHost(info)
    for name in ("start", "stop", "status", "temporary"):
        monkeypatch.setattr(host, name, getattr(fake, name))
    return fake


def test_up_starts_the_service_as_the_options_say(run: Run, fake_host: FakeHost) -> None:
    outcome = run("up", "--grpc-port", "9100", "--workers", "2")
    assert outcome.code == 0
    assert "Isinglass is up." in outcome.out
    assert fake_host.info.grpc_address in outcome.out
    (config,) = fake_host.configs
    assert (config.grpc_port, config.workers, config.http_port) == (9100, 2, 8000)


def test_up_twice_says_that_it_is_up(run: Run, fake_host: FakeHost) -> None:
    run("up")
    outcome = run("up")
    assert outcome.code == 0
    assert "up already" in outcome.out
    assert run("up", "--json").json["already_running"] is True


def test_up_that_cannot_start_has_exit_code_3_and_the_reason(run: Run, fake_host: FakeHost) -> None:
    fake_host.fails = StartFailed("port 9000 is in use")
    outcome = run("up")
    assert outcome.code == 3
    assert "port 9000 is in use" in outcome.err


def test_status_has_exit_code_3_when_nothing_runs(run: Run, fake_host: FakeHost) -> None:
    assert run("status").code == 3
    assert run("status", "--json").json == {"running": False}
    fake_host.running = True
    assert run("status").code == 0
    assert run("status", "--json").json["pid"] == 12


def test_down_stops_and_says_when_there_was_nothing_to_stop(run: Run, fake_host: FakeHost) -> None:
    fake_host.running = True
    assert run("down").out == "Isinglass is down.\n"
    assert run("down").out == "No service was running.\n"
    fake_host.running, fake_host.fails = True, TimeoutError("process 12 still runs")
    outcome = run("down")
    assert outcome.code == 1
    assert "process 12 still runs" in outcome.err


def test_solve_uses_the_service_that_runs(run: Run, fake_host: FakeHost, service: FakeService, tmp_path: Path) -> None:
    fake_host.running = True
    outcome = solve(run, service, tmp_path)
    assert fake_host.configs == []
    assert outcome.err == ""


def test_solve_starts_a_service_for_the_call_and_stops_it(
    run: Run, fake_host: FakeHost, service: FakeService, tmp_path: Path
) -> None:
    outcome = solve(run, service, tmp_path)
    assert "starting one for this call" in outcome.err
    assert "s to start the service" in outcome.err
    assert outcome.json["elapsed_s"] == 0.5, "the service's own time, without its start"
    assert len(fake_host.configs) == 1
    assert not fake_host.running


def test_solve_without_a_service_that_can_start_has_exit_code_3(
    run: Run, fake_host: FakeHost, service: FakeService, tmp_path: Path
) -> None:
    fake_host.fails = StartFailed("no memory")
    outcome = solve(run, service, tmp_path)
    assert outcome.code == 3
    assert outcome.json["code"] == "UNAVAILABLE"


def solve(run: Run, service: FakeService, folder: Path) -> Any:
    report = SolveReport(job_id="j", feasible=True)
    report.timings.total_s = 0.5
    service.answers["OptimizeTours"] = OptimizeToursResponse(report=report)
    path = folder / "p.json"
    path.write_text(json.dumps({"visits": [{"id": "a"}]}))
    return run("solve", path, "--json")


def test_the_key_in_the_state_folder_is_sent(
    run: Run, fake_host: FakeHost, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ISINGLASS_KEY")
    state = tmp_path / "state"
    state.mkdir()
    (state / "key").write_text("from-file\n")
    fake_host.running = True
    solve(run, service, tmp_path)
    assert service.metadata[-1]["authorization"] == "Bearer from-file"


def test_a_wrong_setting_is_refused_by_name(
    run: Run, fake_host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "service.toml"
    path.write_text("workers = -1\ncolour = 'red'\n")
    outcome = run("--config", path, "up", "--json")
    assert outcome.code == 1
    assert "colour" in outcome.out
    assert fake_host.configs == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_solve_stops_the_service_that_it_started(
    run: Run, fake_host: FakeHost, service: FakeService, tmp_path: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def interrupt(_request: Any) -> OptimizeToursResponse:
        os.kill(os.getpid(), number)
        time.sleep(1.0)
        return OptimizeToursResponse()

    service.answers["OptimizeTours"] = interrupt
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"visits": [{"id": "a"}]}))
    outcome = run("solve", path, "--json")
    assert outcome.code == 130
    assert outcome.out == ""
    assert len(fake_host.configs) == 1
    assert not fake_host.running
    assert signal.getsignal(signal.SIGTERM) == before
