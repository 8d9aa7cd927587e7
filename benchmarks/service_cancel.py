"""How long a cancel takes until workers are free again: CancelJob, and a client of a synchronous call that goes away.

``python -m benchmarks.service_cancel`` asks the service of the state folder. What workers do is asked of themselves on
the cluster, every few milliseconds, so that the figures are a little too high, never too low.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.service import quantiles_ms

TARGET_S = 0.1
CALLS = 20
VISITS = 150
_WAIT_S = 30.0
_DEADLINE_S = 60


def run(calls: int = CALLS) -> dict[str, Any]:
    """Measure on the service of the state folder.

    Returns
    -------
    dict
        For ``cancel_job`` and ``client_gone``: from the call until every worker has stopped (``stopped``) and until the
        scheduler can give every worker to somebody else (``free``); ``within_target`` by the p95 of ``stopped``.

    """
    from services import host
    from services.config import default_state_dir
    from services.environment import environment

    info = host.status(default_state_dir())
    if info is None:
        raise RuntimeError("no service runs here: isinglass up")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.service_cancel", "measure", info.ray_address, info.grpc_address, str(calls)],
        env={**os.environ, **environment(info.state_dir)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def routing_request(seed: int) -> Any:
    """Visits that keep every worker busy until the deadline."""
    from protos.common_pb2 import SolvePolicy
    from protos.routing_pb2 import OptimizeToursRequest, Point, TravelProfile

    chance = np.random.default_rng(seed)
    request = OptimizeToursRequest(policy=SolvePolicy(seed=seed))
    request.policy.deadline.FromSeconds(_DEADLINE_S)
    problem = request.problem
    for place, (x, y) in enumerate(chance.integers(0, 1000, size=(VISITS + 1, 2))):
        problem.locations.add(id=str(place), point=Point(x=float(x), y=float(y)))
    problem.profiles.add(metric=TravelProfile.EUCLIDEAN_ROUNDED)
    vehicle = problem.vehicles.add(id="van", count=VISITS, start_location="0", end_location="0", cost_per_distance=1.0)
    vehicle.load_limits["load"] = 50
    for place in range(1, VISITS + 1):
        visit = problem.visits.add(id=str(place), location=str(place))
        visit.delivery["load"] = int(chance.integers(1, 20))
    return request


def _measure(ray_address: str, grpc_address: str, calls: int) -> dict[str, Any]:
    import ray

    from actors.names import NAMESPACE
    from services.client import Client, read_key
    from services.config import default_state_dir

    ray.init(address=ray_address, namespace=NAMESPACE, log_to_driver=False, logging_level="error")
    with Client(grpc_address, read_key(default_state_dir())) as client:
        cancel_job = [_cancelled_job(client, seed) for seed in range(calls)]
        client_gone = [_client_gone(client, calls + seed) for seed in range(calls)]
    figures = {"cancel_job": cancel_job, "client_gone": client_gone}
    result: dict[str, Any] = {"bench": "service_cancel", "calls": calls, "target_ms": 1e3 * TARGET_S}
    for name, samples in figures.items():
        result[name] = {part: quantiles_ms([sample[part] for sample in samples]) for part in samples[0]}
    result["within_target"] = all(result[name]["stopped"]["p95_ms"] <= 1e3 * TARGET_S for name in figures)
    return result


def _cancelled_job(client: Any, seed: int) -> dict[str, float]:
    from protos.jobs_pb2 import CancelJobRequest, SubmitJobRequest

    _until(_all_free)
    job = client.call(client.jobs.SubmitJob, SubmitJobRequest(routing=routing_request(seed)))
    _until(_busy)
    time.sleep(0.3)
    started = time.perf_counter()
    reply = client.start(client.jobs.CancelJob, CancelJobRequest(job_id=job.id))
    return _freed(started) | {"replied": _replied(reply, started)}


def _client_gone(client: Any, seed: int) -> dict[str, float]:
    _until(_all_free)
    call = client.start(client.routing.OptimizeTours, routing_request(seed), 2.0 * _DEADLINE_S)
    _until(_busy)
    time.sleep(0.3)
    started = time.perf_counter()
    call.cancel()
    return _freed(started)


def _freed(started: float) -> dict[str, float]:
    stopped_s = _until(lambda: not _busy()) - started
    return {"stopped": stopped_s, "free": _until(_all_free) - started}


def _replied(reply: Any, started: float) -> float:
    reply.result()
    return time.perf_counter() - started


def _busy() -> bool:
    """Whether any worker works."""
    import ray

    from actors.names import actor

    return any(status["seat"] for status in ray.get([actor(name).status.remote() for name in _workers()]))


def _all_free() -> bool:
    """Whether the scheduler has every worker to give."""
    import ray

    from actors.names import SCHEDULER, actor

    return len(ray.get(actor(SCHEDULER).idle.remote())) == len(_workers())


def _workers() -> list[str]:
    if not _names:
        import ray

        from actors.names import SCHEDULER, actor, worker_name

        pulse = ray.get(actor(SCHEDULER).pulse.remote())
        _names.extend(worker_name(i) for i in range(pulse.workers))
    return _names


_names: list[str] = []


def _until(condition: Callable[[], bool]) -> float:
    """Wait for ``condition``; the moment when it held."""
    give_up_s = time.perf_counter() + _WAIT_S
    while not condition():
        if time.perf_counter() > give_up_s:
            raise TimeoutError(f"still not so after {_WAIT_S:.0f} s: {condition}")
        time.sleep(0.001)
    return time.perf_counter()


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"Cancelling a solve of {VISITS} visits on every worker, {result['calls']} times", ""]
    lines.append(f"{'':44}{'p50':>10}{'p95':>10}{'max':>10}")
    names = {
        ("cancel_job", "stopped"): "CancelJob until every worker has stopped",
        ("cancel_job", "free"): "  until the scheduler can give them away",
        ("cancel_job", "replied"): "  until the reply",
        ("client_gone", "stopped"): "client gone until every worker has stopped",
        ("client_gone", "free"): "  until the scheduler can give them away",
    }
    for (side, part), text in names.items():
        figures = result[side][part]
        lines.append(f"{text:44}" + "".join(f"{figures[q]:>7.0f} ms" for q in ("p50_ms", "p95_ms", "max_ms")))
    verdict = "within" if result["within_target"] else "NOT within"
    return "\n".join([*lines, "", f"workers stopped: {verdict} {result['target_ms']:.0f} ms at p95"])


def main() -> None:
    """``[CALLS]``: measure and show a table; ``measure RAY GRPC CALLS``: what of it runs on the cluster, as JSON."""
    if sys.argv[1:2] == ["measure"]:
        sys.stdout.write(json.dumps(_measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))) + "\n")
        return
    sys.stdout.write(table(run(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)) + "\n")


if __name__ == "__main__":
    main()
