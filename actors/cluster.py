"""Put the actors on a Ray cluster, and find their processes."""

from __future__ import annotations

from collections.abc import Sequence
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
from backends.config import BackendConfig, backends_from_tables, needs_gpu
from solvers.errors import IsinglassError, PolicyUnmet

START_S = 120.0
GPU_SHARE = 0.01
"""Of a GPU, what a device that needs one asks of Ray, which so puts it where there is one; many may share it."""

COMPILE_S = 600.0
"""Most that compiling every kernel may take, the first time on a machine."""

MOST_COMPILING = 4
"""Workers among whom compiling is shared: there are four steps."""


def start(settings: Settings) -> None:
    """Create every actor that is not there yet and wait until it answers; warm the workers.

    Raises
    ------
    PolicyUnmet
        When the cluster has several nodes and the database is SQLite, too few cores for the workers, or no GPU for a
        backend that needs one.

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
    backends = backends_from_tables(settings.backends).backends
    if fault := gpu_fault(backends, ray.cluster_resources().get("GPU", 0)):
        raise PolicyUnmet(fault)
    workers = [_create(Worker, worker_name(i), settings, worker_name(i)) for i in range(settings.workers)]
    devices = [
        _create(Device, device_name(c.name), settings, c.name, device_name(c.name), gpus=GPU_SHARE * needs_gpu(c))
        for c in backends
    ]
    scheduler = _create(Scheduler, SCHEDULER, settings)
    coordinators = [
        _create(Coordinator, coordinator_name(i), settings, coordinator_name(i)) for i in range(settings.coordinators)
    ]
    # Workers share what is not in numba's cache yet; then everybody only loads it.
    parts = min(len(workers), MOST_COMPILING)
    ray.get([workers[part].compile.remote(part, parts) for part in range(parts)], timeout=COMPILE_S)
    waiting = [worker.warm.remote() for worker in workers]
    waiting += [coordinator.warm.remote() for coordinator in coordinators]
    waiting.append(scheduler.pid.remote())
    ray.get(waiting, timeout=START_S)
    for config, device in zip(backends, devices, strict=True):
        try:
            ray.get(device.warm.remote(), timeout=START_S)
        except (RayError, IsinglassError) as error:  # a vendor that is away now is for the scheduler to watch
            if needs_gpu(config):
                raise PolicyUnmet(f'backend {config.name!r} has device = "cuda" and does not start: {error}') from error
            logs.logger().warning("device_not_warm", exc_info=True)


def gpu_fault(backends: Sequence[BackendConfig], gpus: float) -> str:
    """What is wrong with asking for a GPU in a cluster that has ``gpus`` of them; ``""``: nothing."""
    needing = [config.name for config in backends if needs_gpu(config)]
    if not needing or gpus > 0:
        return ""
    return (
        f"options.device is 'cuda' for backend {', '.join(needing)}; the cluster has no GPU; "
        "allowed here: auto (a GPU where there is one), cpu"
    )


def _create(kind: Any, name: str, *arguments: Any, gpus: float = 0.0) -> Any:
    """The named actor of class ``kind``, created unless it is there."""
    options: dict[str, Any] = {"name": name, "namespace": NAMESPACE, "get_if_exists": True, "lifetime": "detached"}
    if gpus:
        options["num_gpus"] = gpus
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
