"""OR-Tools and VROOM on a routing problem, in a process of their own: ``python routing_peers.py ENGINE TASK SECONDS``.

Stands alone (numpy and the peer), so that it also runs under an interpreter that has peers which the product's
environment has not. TASK is an ``.npz`` that `benchmarks.routing_peer_tasks` writes, in whole numbers. Prints one JSON
object: the version and the routes, by customer from 1, or what is missing.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import numpy as np

NO_LIMIT = 2**40


def ortools_routes(task: Any, seconds: float) -> list[list[int]] | None:
    """Guided local search from the cheapest arc, as OR-Tools' own guide sets it; ``seconds`` is what a solve takes."""
    from ortools.constraint_solver import pywrapcp, routing_enums_pb2

    n, vehicles = len(task["distance"]), int(task["vehicles"])
    manager = pywrapcp.RoutingIndexManager(n, vehicles, 0)
    routing = pywrapcp.RoutingModel(manager)
    routing.SetArcCostEvaluatorOfAllVehicles(routing.RegisterTransitMatrix(task["distance"].tolist()))
    for d, capacity in enumerate(task["capacity"].tolist()):
        load = routing.RegisterUnaryTransitVector([0, *task["demand"][:, d].tolist()])
        routing.AddDimension(load, 0, capacity, True, f"load{d}")
    if bool(task["timed"]):
        spent = task["duration"] + np.concatenate(([0], task["service"]))[:, None]
        latest = int(task["latest"][0])
        routing.AddDimension(routing.RegisterTransitMatrix(spent.tolist()), latest, latest, False, "time")
        clock = routing.GetDimensionOrDie("time")
        for node in range(1, n):
            window = (int(task["earliest"][node]), min(int(task["latest"][node]), latest))
            clock.CumulVar(manager.NodeToIndex(node)).SetRange(*window)
        for vehicle in range(vehicles):
            clock.CumulVar(routing.Start(vehicle)).SetRange(int(task["earliest"][0]), latest)
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GUIDED_LOCAL_SEARCH
    parameters.time_limit.FromTimedelta(timedelta(seconds=seconds))
    solution = routing.SolveWithParameters(parameters)
    if solution is None:
        return None
    routes = []
    for vehicle in range(vehicles):
        at, stops = routing.Start(vehicle), []
        while not routing.IsEnd(at := solution.Value(routing.NextVar(at))):
            stops.append(manager.IndexToNode(at))
        if stops:
            routes.append(stops)
    return routes


def vroom_routes(task: Any, seconds: float) -> list[list[int]] | None:
    """One solve at the highest exploration level; VROOM ends by itself, or at the time limit that it looks at."""
    import vroom

    problem = vroom.Input()
    problem.set_durations_matrix("car", task["duration"].astype(np.uint32))
    problem.set_costs_matrix("car", task["distance"].astype(np.uint32))
    capacity = task["capacity"].tolist()
    timed = bool(task["timed"])
    shift = {"time_window": (int(task["earliest"][0]), int(task["latest"][0]))} if timed else {}
    problem.add_vehicle(
        [vroom.Vehicle(k, start=0, end=0, capacity=capacity, **shift) for k in range(int(task["vehicles"]))]
    )
    jobs = []
    for node in range(1, len(task["distance"])):
        windows = {}
        if timed and task["latest"][node] < NO_LIMIT:
            windows = {"time_windows": [(int(task["earliest"][node]), int(task["latest"][node]))]}
        service = int(task["service"][node - 1])
        amount = task["demand"][node - 1].tolist()
        jobs.append(vroom.Job(node, location=node, delivery=amount, default_service=service, **windows))
    problem.add_job(jobs)
    found = problem.solve(exploration_level=5, nb_threads=1, timeout=timedelta(seconds=seconds))
    if found.unassigned:
        return None
    steps = found.routes
    steps = steps[steps["type"] == "job"]
    return [rows["id"].astype(int).tolist() for _, rows in steps.groupby("vehicle_id", sort=False)]


ENGINES = {"ortools": ("ortools", ortools_routes), "vroom": ("pyvroom", vroom_routes)}


def main() -> None:
    """Solve the task of the command line."""
    engine, path, seconds = sys.argv[1:4]
    package, solve = ENGINES[engine]
    with np.load(path) as task:
        begun = time.monotonic()
        try:
            routes = solve(dict(task), float(seconds))
        except ImportError as error:
            print(json.dumps({"missing": f"{package}: {error}"}))
            return
        print(json.dumps({"version": version(package), "routes": routes, "elapsed_s": time.monotonic() - begun}))


if __name__ == "__main__":
    main()
