"""Start, find and stop the service on this machine. Light to import: Ray stays in the daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from services.config import ServiceConfig
from services.environment import environment, write_private

START_S = 900.0
"""The first start on a machine compiles every kernel; later ones take seconds."""
_POLL_S = 0.1
_LOG_LINES = 15
_ROLL_CALL_S = 60.0


@dataclass(frozen=True)
class ServiceInfo:
    """A running service."""

    pid: int
    grpc_address: str
    http_address: str
    dashboard_url: str
    ray_address: str
    state_dir: Path
    started_at: str
    already_running: bool = False


class StartFailed(RuntimeError):
    """The service did not become healthy; the message holds the end of its log."""


def status(state_dir: Path) -> ServiceInfo | None:
    """The service on ``state_dir``, or ``None`` when none runs."""
    path = state_dir / "service.json"
    try:
        values = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if not _alive(values["pid"]):
        path.unlink(missing_ok=True)
        return None
    return ServiceInfo(
        pid=values["pid"],
        grpc_address=values["grpc_address"],
        http_address=values["http_address"],
        dashboard_url=values["dashboard_url"],
        ray_address=values["ray_address"],
        state_dir=state_dir,
        started_at=values["started_at"],
    )


def start(config: ServiceConfig) -> ServiceInfo:
    """Start the service in the background and wait until it is healthy; at once when it is up already.

    Raises
    ------
    StartFailed
        When it ends before that, or is not healthy within `START_S` seconds.

    """
    running = status(config.state_dir)
    if running is not None:
        return replace(running, already_running=True)
    config.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = config.state_dir / "service.log"
    values = {**asdict(config), "state_dir": str(config.state_dir.resolve())}
    passed = config.state_dir / "daemon.json"  # a file, not an argument: a database URL may hold a password
    write_private(passed, json.dumps(values))
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "services.daemon", str(passed)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment(config.state_dir)},
            start_new_session=True,
        )
    give_up_s = time.monotonic() + START_S
    try:
        while time.monotonic() < give_up_s:
            if process.poll() is not None:
                raise StartFailed(f"the service ended with code {process.returncode}; {_tail(log)}")
            info = status(config.state_dir)
            if info is not None and info.pid == process.pid:
                process.returncode = 0  # it outlives us: keep the interpreter from warning about a running child
                return info
            time.sleep(_POLL_S)
        raise StartFailed(f"the service is not healthy after {START_S:.0f} s; {_tail(log)}")
    except BaseException:
        if process.poll() is None:
            process.terminate()
        raise


def stop(state_dir: Path, timeout_s: float = 60.0) -> bool:
    """Stop the service on ``state_dir`` and wait for its end; whether one was running.

    Raises
    ------
    TimeoutError
        When it still runs after ``timeout_s`` seconds.

    """
    info = status(state_dir)
    if info is None:
        return False
    os.kill(info.pid, signal.SIGTERM)
    give_up_s = time.monotonic() + timeout_s
    while _alive(info.pid):
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"process {info.pid} still runs {timeout_s:.0f} s after SIGTERM")
        time.sleep(_POLL_S)
    return True


@contextmanager
def temporary(config: ServiceConfig) -> Iterator[ServiceInfo]:
    """A service for one call; one that runs already is used and left running."""
    info = start(config)
    try:
        yield info
    finally:
        if not info.already_running:
            stop(config.state_dir)


def actor_pids(info: ServiceInfo) -> dict[str, list[int]]:
    """Process ids by role: ``workers``, ``coordinators``, ``scheduler``, ``devices``.

    Asked by a process of its own, since Ray takes its authentication from the environment it is imported in.
    """
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "services.roll_call", info.ray_address],
        env={**os.environ, **environment(info.state_dir)},
        capture_output=True,
        text=True,
        timeout=_ROLL_CALL_S,
        check=True,
    )
    pids: dict[str, list[int]] = json.loads(done.stdout.splitlines()[-1])
    return pids


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:  # a child of ours that ended is no longer a service
        with Path(f"/proc/{pid}/stat").open() as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, IndexError):
        return Path("/proc").is_dir() is False


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    return f"end of {log}:\n" + "\n".join(lines)
