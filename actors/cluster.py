"""Put the actors on a Ray cluster, and find their processes."""

from __future__ import annotations

from typing import Any

import ray
from ray.exceptions import RayError

from actors import logs
from actors.coordinator import Coordinator
from actors.device import Device
from actors.names import NAMESPACE, SCHEDULER, coordinator_name, device_name, worker_name
from actors.scheduler import Scheduler
from actors.settings import Settings
from actors.worker import Worker
from backends.config import backends_from_tables
from solvers.errors import IsinglassError, PolicyUnmet

START_S = 120.0
COMPILE_S = 600.0
"""Most that compiling every kernel may take, the first time on a machine."""


def start(settings: Settings) -> None:
    """Create every actor that is not there yet and wait until it answers; warm the workers.

    Raises
    ------
    PolicyUnmet
        When the cluster has several nodes and the database is SQLite, or too few cores for the workers.

    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) > 1 and settings.database_url.startswith("sqlite"):
        raise PolicyUnmet(
            f"the cluster has {len(nodes)} nodes and database_url is SQLite, which serves one node; "
            "set database_url to postgresql+pg8000://..."
        )
    if len(nodes) > 1 and settings.artifacts_url == f"file://{settings.state_dir}/artifacts":
        raise PolicyUnmet(
            f"the cluster has {len(nodes)} nodes and artifacts_url is a folder of this one; "
            "set artifacts_url to a folder or an object store that every node reaches"
        )
    cores = int(ray.cluster_resources().get("CPU", 0))
    if settings.workers > cores:
        raise PolicyUnmet(f"workers is {settings.workers}; the cluster has {cores} cores, one a worker")
    workers = [_create(Worker, worker_name(i), settings, worker_name(i)) for i in range(settings.workers)]
    devices = [
        _create(Device, device_name(c.name), settings, c.name, device_name(c.name))
        for c in backends_from_tables(settings.backends).backends
    ]
    scheduler = _create(Scheduler, SCHEDULER, settings)
    coordinators = [
        _create(Coordinator, coordinator_name(i), settings, coordinator_name(i)) for i in range(settings.coordinators)
    ]
    # The first one compiles what is not in numba's cache yet; the others then only load it.
    ray.get(workers[0].warm.remote(), timeout=COMPILE_S)
    waiting = [worker.warm.remote() for worker in workers[1:]]
    waiting += [coordinator.warm.remote() for coordinator in coordinators]
    waiting.append(scheduler.pid.remote())
    ray.get(waiting, timeout=START_S)
    for device in devices:
        try:
            ray.get(device.warm.remote(), timeout=START_S)
        except (RayError, IsinglassError):  # a vendor that is away now is for the scheduler to watch
            logs.logger().warning("device_not_warm", exc_info=True)


def _create(kind: Any, name: str, *arguments: Any) -> Any:
    """The named actor of class ``kind``, created unless it is there."""
    options = {"name": name, "namespace": NAMESPACE, "get_if_exists": True, "lifetime": "detached"}
    return kind.options(**options).remote(*arguments)


def stop() -> None:
    """End every actor, on a cluster that goes on without us."""
    for name in _names():
        ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)


def pids() -> dict[str, list[int]]:
    """Process ids by role; an actor that is down is left out."""
    found: dict[str, list[int]] = {"workers": [], "coordinators": [], "scheduler": [], "devices": []}
    for name in sorted(_names()):
        role = name.split("-")[0]
        role = role if role == SCHEDULER else role + "s"
        try:
            answer = ray.get(ray.get_actor(name, namespace=NAMESPACE).pid.remote(), timeout=5)
        except (RayError, ValueError):
            continue
        found[role].append(answer)
    return found


def _names() -> list[str]:
    """Names of our actors on the cluster."""
    roles = ("worker-", "coordinator-", "device-", SCHEDULER)
    named = ray.util.list_named_actors(all_namespaces=True)
    return [entry["name"] for entry in named if entry["namespace"] == NAMESPACE and entry["name"].startswith(roles)]
