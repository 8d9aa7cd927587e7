"""Faults: a device's process is killed, stopped, or given little time; or its answers are falsified."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from solvers.errors import PolicyUnmet

PROCESS_KINDS = ("outage", "latency", "partition")
KINDS = (*PROCESS_KINDS, "corrupt")

_SLOW_RUN_S, _SLOW_STOP_S = 0.01, 0.09
_AGAIN_S = 0.1

PidOf = Callable[[], int | None]
"""The process of the backend's device now; ``None``: it does not answer."""


class Fault:
    """One backend's device in trouble between `begin` and `end`, on this machine.

    Parameters
    ----------
    kind
        ``"outage"``: killed, and killed again whenever it is back. ``"partition"``: stopped, so that nothing it is
        sent is answered and no connection breaks. ``"latency"``: it runs a tenth of the time.
    pid_of
        Finds the process.

    Raises
    ------
    PolicyUnmet
        When the device's process is not one of ours on this machine.
    """

    def __init__(self, kind: str, pid_of: PidOf) -> None:
        if kind not in PROCESS_KINDS:
            raise ValueError(f"kind is {kind!r}; allowed: {', '.join(PROCESS_KINDS)}")
        self.kind, self._pid_of = kind, pid_of
        self._over = threading.Event()
        self._pid = _checked(pid_of())
        self._thread = threading.Thread(target={"outage": self._kill, "latency": self._slow}.get(kind, self._stop))
        self.kills = 0

    def begin(self) -> None:
        """From now on."""
        self._thread.start()

    def end(self) -> None:
        """The device may recover."""
        self._over.set()
        self._thread.join()

    def _stop(self) -> None:
        os.kill(self._pid, signal.SIGSTOP)
        self._over.wait()
        _signal(self._pid, signal.SIGCONT)

    def _kill(self) -> None:
        pid: int | None = self._pid
        while True:
            if pid is not None:
                self.kills += 1
                _signal(_checked(pid), signal.SIGKILL)
            if self._over.wait(_AGAIN_S):
                return
            pid = self._pid_of()

    def _slow(self) -> None:
        while not self._over.is_set():
            _signal(self._pid, signal.SIGSTOP)
            self._over.wait(_SLOW_STOP_S)
            _signal(self._pid, signal.SIGCONT)
            self._over.wait(_SLOW_RUN_S)


class Corruption:
    """One backend whose answers are falsified between `begin` and `end`: samples come over variables that nobody sent.

    Parameters
    ----------
    call
        Runs a function in the device's process, on its actor, and waits for its end.
    """

    def __init__(self, call: Callable[[Callable[[Any], None]], None]) -> None:
        self.kind, self._call = "corrupt", call

    def begin(self) -> None:
        """From now on."""
        self._call(falsify)

    def end(self) -> None:
        """Answers are the backend's own again."""
        self._call(heal)


def falsify(device: Any) -> None:
    """Put a falsifier in front of the backend of a device actor."""
    if not isinstance(device._backend, _Falsified):
        device._backend = _Falsified(device._backend)


def heal(device: Any) -> None:
    """Undo `falsify`."""
    if isinstance(device._backend, _Falsified):
        device._backend = device._backend.backend


class _Falsified:
    """A backend whose samples are over other variables than those of the program."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def fetch(self, job: Any) -> Any:
        samples = self.backend.fetch(job)
        others = {name: f"falsified-{place}" for place, name in enumerate(samples.variables)}
        return samples.relabel_variables(others, inplace=False)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended by itself meanwhile


def _checked(pid: int | None) -> int:
    """``pid`` when it is a device of ours: a drill must never hit another process."""
    if pid is None:
        raise PolicyUnmet("the backend's device does not answer; a drill begins with a healthy one")
    try:
        title = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError as error:
        raise PolicyUnmet(f"process {pid} of the backend's device is not on this machine") from error
    if "ray::Device" not in title:
        raise PolicyUnmet(f"process {pid} is {title[:60]!r}, not a device; nothing was done to it")
    return pid
