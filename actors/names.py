"""Names of the actors and how they are found."""

from __future__ import annotations

from typing import Any

import ray

NAMESPACE = "isinglass"
SCHEDULER = "scheduler"


def worker_name(index: int) -> str:
    return f"worker-{index}"


def coordinator_name(index: int) -> str:
    return f"coordinator-{index}"


def device_name(backend: str) -> str:
    return f"device-{backend}"


_handles: dict[str, Any] = {}


def actor(name: str) -> Any:
    """Handle of the named actor; looked up once a process.

    A handle stays good when the actor restarts.

    Raises
    ------
    ValueError
        When there is no such actor.

    """
    handle = _handles.get(name)
    if handle is None:
        handle = _handles[name] = ray.get_actor(name, namespace=NAMESPACE)
    return handle
