"""Whether an actor's process is its first."""

from __future__ import annotations

import warnings

import ray


def came_back() -> bool:
    """Whether the actor that this process is has died before; False in a process that is no actor.

    Who came back gets ready by itself. At a start `actors.cluster` says when: some workers compile what numba has not
    cached yet, and compiling the same in every process at once would take as many times as long.
    """
    context = ray.get_runtime_context()
    if context.get_actor_id() is None:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own method asks a property that Ray has deprecated
        return bool(context.was_current_actor_reconstructed)
