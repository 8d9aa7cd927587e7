"""A solver strategy: anytime, deterministic in (problem, seed, control trace), stopped from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol

from solvers.problem import P
from solvers.stop import Never, Stop


@dataclass(frozen=True)
class Context(Generic[P]):
    """What a strategy may know beside its problem.

    Parameters
    ----------
    seed
        All chance comes from it (0 <= seed < 2**63).
    stop
        To be asked at least every 20 ms of work.
    incumbent
        A feasible plan to improve, or ``None``.
    target_gap
        Stop is wanted once a proved gap is at most this (0 <= gap); ``None`` means run on.
    control_trace
        The trace of an earlier run to repeat exactly, or ``None`` to write a new one.
    """

    seed: int
    stop: Stop = field(default_factory=Never)
    incumbent: P | None = None
    target_gap: float | None = None
    control_trace: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Candidate(Generic[P]):
    """One plan that a strategy proposes, with what it claims about it.

    Parameters
    ----------
    plan
        The plan.
    claimed_objective
        What the strategy believes; the verifier decides.
    strategy
        Name of the strategy.
    seed
        Seed of the run.
    lower_bound
        A proved lower bound on the problem's optimum, or ``None``.
    backend
        Name of the backend that sampled it, or ``None`` for a classical strategy.
    control_trace
        Set on the last candidate of a run under a clock: what a replay needs to repeat it without one.
    """

    plan: P
    claimed_objective: float
    strategy: str
    seed: int
    lower_bound: float | None = None
    backend: str | None = None
    control_trace: Mapping[str, Any] | None = None


class Strategy(Protocol[P]):
    """One way to solve one kind of problem. Stateless: all state of a run lives in the generator."""

    name: str
    version: str

    def accepts(self, problem: Any) -> bool:
        """Whether every feature that ``problem`` uses is honoured."""
        ...

    def candidates(self, problem: Any, context: Context[P]) -> Iterator[Candidate[P]]:
        """Yield improving candidates until optimal, out of ideas, or ``context.stop()``.

        A strategy that ends by itself has proved optimality or has nothing left to try.
        """
        ...
