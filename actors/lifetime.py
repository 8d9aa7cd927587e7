"""Whether an actor's process is its first."""

from __future__ import annotations

import ray


def came_back() -> bool:
    """Whether the actor that this process is has died before.

    Who came back gets ready by itself. At a start `actors.cluster` says when: some workers compile what numba has not
    cached yet, and compiling the same in every process at once would take as many times as long.
    """
    return bool(ray.get_runtime_context().was_current_actor_reconstructed)
