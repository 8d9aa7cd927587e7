"""Routing problems for peers that live in a process of their own: what they can take, written down, and asked."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import peers_python
from benchmarks.routing_peers import NO_LIMIT
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import UNLIMITED, RoutingProblem

PEERS = ("ortools", "vroom")

MOST_STOPS = 2_500
"""Both peers want a whole matrix; beyond it reading that takes longer than a run."""

_GRACE_S = 15.0
"""Beside the seconds of a run: starting the interpreter, building the model, a limit that is looked at late."""

_SCALES = (1, 10, 100, 1000)


def left_out(problem: RoutingProblem) -> str:
    """Why the peers do not run on ``problem``; empty where they do."""
    if problem.n_stops > MOST_STOPS:
        return f"more than {MOST_STOPS} stops"
    t = problem.data.vehicles
    plain = (
        len(t) == 1
        and problem.vehicle_start[0] == problem.vehicle_end[0] >= 0
        and t[0].fixed_cost == 0
        and t[0].cost_per_distance == 1
        and t[0].cost_per_duration == 0
        and not np.isfinite(problem.max_distance).any()
        and not np.isfinite(problem.max_duration_s).any()
        and problem.vehicle_max_stops[0] >= problem.n_stops
        and not (problem.release_s > 0).any()
        and not problem.has_shipments
        and not problem.has_multiple_windows
        and not problem.has_pinned_places
        and not problem.optional.any()
        and not problem.pickup.any()
        and bool(problem.compatible.all())
    )
    return "" if plain else "more than loads and time windows on one kind of vehicle"


def write_task(problem: RoutingProblem, path: Path) -> None:
    """``problem`` in whole numbers: distances and times by the least power of ten that makes them so, at most 1,000."""
    nodes = np.concatenate((problem.vehicle_start[:1], problem.stop_location))
    travel = problem.profiles[int(problem.vehicle_profile[0])]
    distance = travel.distance_matrix(nodes, nodes)
    duration = travel.duration_matrix_s(nodes, nodes)
    scale = next((s for s in _SCALES if np.allclose(distance * s, np.round(distance * s), atol=1e-6)), _SCALES[-1])

    def whole(values: Any) -> Any:
        return np.minimum(np.round(np.asarray(values, dtype=float) * scale), NO_LIMIT).astype(np.int64)

    shift = (problem.shift_earliest_s[:1], problem.shift_latest_s[:1])
    np.savez(
        path,
        distance=whole(distance),
        duration=whole(duration),
        earliest=whole(np.concatenate((shift[0], problem.earliest_s))),
        latest=whole(np.concatenate((shift[1], problem.latest_s))),
        service=whole(problem.service_s),
        timed=problem.has_time,
        demand=problem.delivery,
        capacity=np.where(problem.capacity[0] >= UNLIMITED, NO_LIMIT, problem.capacity[0]),
        vehicles=min(int(problem.vehicle_count[0]), problem.n_stops),
    )


def run_peer(engine: str, problem: RoutingProblem, seconds: float) -> dict[str, Any]:
    """The plan of ``engine`` after ``seconds`` by the wall clock; its process is ended when it takes much longer."""
    reason = left_out(problem)
    if reason:
        return {"accepted": False, "left_out": reason}
    python = peers_python()
    if python is None:
        return {"accepted": False, "left_out": "make peers has not been run"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        write_task(problem, path)
        script = Path(__file__).with_name("routing_peers.py")
        begun = time.monotonic()
        try:
            done = subprocess.run(
                [str(python), str(script), engine, str(path), str(seconds)],
                capture_output=True,
                text=True,
                timeout=seconds + _GRACE_S + problem.n_stops / 50,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"accepted": True, "feasible": False, "gap": None, "elapsed_s": time.monotonic() - begun}
    if done.returncode != 0:
        raise RuntimeError(f"{engine}: {done.stderr.strip()[-500:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    if "missing" in answer:
        return {"accepted": False, "left_out": answer["missing"]}
    row = {
        "accepted": True,
        "feasible": False,
        "gap": None,
        "elapsed_s": answer["elapsed_s"],
        "version": answer["version"],
    }
    if answer["routes"] is not None:
        plan = RoutingPlan(tuple(Route(0, tuple(stop - 1 for stop in stops)) for stops in answer["routes"]))
        verdict = problem.verify(plan)
        row |= {"feasible": verdict.feasible, "objective": verdict.objective}
    return row
