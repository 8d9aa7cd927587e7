"""``python -m services.drills.run``: one drill on a running service, in a process that joins its Ray cluster.

Reads its orders as JSON on standard input and writes its findings as JSON on standard output.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from actors.names import NAMESPACE, SCHEDULER, actor, device_name
from federation.watch import Event, Happened
from services.client import Client, read_key
from services.drills.faults import Corruption, Fault
from services.drills.findings import Round, findings
from services.drills.load import Load, LoadConfig
from solvers.errors import PolicyUnmet

_PID_S = 0.5
_CALL_S = 5.0
_RECOVER_S = 20.0
_CALM_S = 2.0
"""Between two rounds, and before the first."""


@dataclass(frozen=True)
class Order:
    """What to do.

    Parameters
    ----------
    grpc_address, ray_address, state_dir
        Of the running service.
    rounds
        Pairs of fault and backend, one after the other.
    outage_s
        How long each fault lasts.
    load
        What is sent all the while.
    """

    grpc_address: str
    ray_address: str
    state_dir: str
    rounds: tuple[tuple[str, str], ...]
    outage_s: float
    load: LoadConfig = field(default_factory=LoadConfig)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Order:
        """Inverse of `dataclasses.asdict`."""
        rounds = tuple((kind, backend) for kind, backend in data["rounds"])
        return cls(**{**data, "rounds": rounds, "load": LoadConfig(**data["load"])})


def drill(order: Order) -> dict[str, Any]:
    """Do it. The cluster must have been joined."""
    backends = _backends()
    for _, backend in order.rounds:
        _check_group(backend, backends)
    with Client(order.grpc_address, read_key(Path(order.state_dir))) as client:
        load = Load(client, order.load)
        load.warm_up()
        began_s = time.time()
        load.start()
        try:
            time.sleep(_CALM_S)
            rounds = [_round(kind, backend, order.outage_s) for kind, backend in order.rounds]
        finally:
            load.stop()
        spent = _spent(client, order.load.project)
    return findings(rounds, happened(began_s), load, {view["name"]: view["group"] for view in backends}, spent)


def _round(kind: str, backend: str, seconds: float) -> Round:
    """One fault, and the wait until the backend answers calls again."""
    fault = Corruption(partial(_in_device, backend)) if kind == "corrupt" else Fault(kind, lambda: _pid(backend))
    began_s = time.time()
    fault.begin()
    try:
        time.sleep(seconds)
    finally:
        fault.end()
    ended_s = time.time()
    give_up_s = time.monotonic() + _RECOVER_S
    while time.monotonic() < give_up_s and not _well(backend, happened(began_s)):
        time.sleep(0.2)
    recovered_s = time.time()
    time.sleep(_CALM_S)
    return Round(kind, backend, began_s, ended_s, recovered_s)


def _well(backend: str, since: Sequence[Happened]) -> bool:
    """Whether a backend that went down has answered a probe, or never went down and has answered a call."""
    own = [entry.event for entry in since if entry.backend == backend]
    if Event.DOWN not in own and Event.OPENED not in own:
        return Event.OK in own[-3:]
    last_down = max(place for place, event in enumerate(own) if event in (Event.DOWN, Event.OPENED))
    return Event.OK in own[last_down:]


def happened(since_s: float) -> tuple[Happened, ...]:
    """The scheduler's log of its backends."""
    entries: tuple[Happened, ...] = ray.get(actor(SCHEDULER).happened.remote(since_s), timeout=_CALL_S)
    return entries


def _backends() -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = ray.get(actor(SCHEDULER).backends.remote(), timeout=_CALL_S)
    return views


def _check_group(backend: str, backends: list[dict[str, Any]]) -> None:
    groups = {view["name"]: view["group"] for view in backends}
    if backend not in groups:
        raise PolicyUnmet(f"backend is {backend!r}; configured: {', '.join(groups)}")
    if not groups[backend]:
        raise PolicyUnmet(f"backend {backend!r} is in no [[federation.groups]]: nothing could take over from it")


def _pid(backend: str) -> int | None:
    try:
        pid: int = ray.get(actor(device_name(backend)).pid.remote(), timeout=_PID_S)
    except (RayError, GetTimeoutError, ValueError):
        return None
    return pid


def _in_device(backend: str, function: Callable[[Any], None]) -> None:
    """Run a function on the device's actor."""
    ray.get(actor(device_name(backend)).__ray_call__.remote(function), timeout=_CALL_S)


def _spent(client: Client, project: str) -> dict[str, float]:
    """Limit and spendings of the budgets that the load was charged to, in US dollars."""
    from protos.federation_pb2 import GetBudgetRequest

    budget = client.call(client.federation.GetBudget, GetBudgetRequest(project=project))
    return {"limit": budget.limit.usd, "settled": budget.settled.usd, "reserved": budget.reserved.usd}


def main() -> int:
    """Join, drill, write; a refusal is written as ``{"error": ...}``."""
    order = Order.from_json(json.load(sys.stdin))
    ray.init(address=order.ray_address, namespace=NAMESPACE, log_to_driver=False, logging_level="error")
    try:
        result = drill(order)
    except PolicyUnmet as error:
        result = {"error": str(error)}
    finally:
        ray.shutdown()
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
