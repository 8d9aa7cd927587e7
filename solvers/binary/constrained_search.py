"""Annealing of constrained models in their own variables: steps and swaps, penalties raised until feasible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from solvers.binary.constrained import ConstrainedProblem
from solvers.binary.constrained_moves import anneal_moves
from solvers.binary.pacing import Pacer, generator
from solvers.binary.plan import SamplePlan
from solvers.strategy import Candidate, Context

BLOCK_MOVES = 20_000
"""Moves between two questions whether to go on: a few milliseconds at some tens of neighbours each."""

FIRST_SWEEPS = 100
MOST_SWEEPS = 20_000
QUICK_SWEEPS = 60
RAISE = 2.0
RAISE_ALL = 1.5
LOWER = 0.75
SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Arrays:
    """The model as the kernel reads it: objective by variable, constraints by variable and by row."""

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    step: NDArray[np.int64]
    linear: NDArray[np.float64]
    square: NDArray[np.float64]
    pairs: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]
    by_variable: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]
    by_row: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]
    floor: NDArray[np.float64]
    ceiling: NDArray[np.float64]
    slack: NDArray[np.float64]


def arrays_of(problem: ConstrainedProblem) -> Arrays:
    """Arrays of ``problem``; constraint ``c`` asks for ``floor[c] <= sum <= ceiling[c]`` up to ``slack[c]``."""
    n, m = problem.num_variables, len(problem.constraints)
    goal = problem.objective
    linear, square = np.zeros(n), np.zeros(n)
    linear[goal.linear_variables] = goal.linear_coefficients
    own = goal.rows == goal.columns
    square[goal.rows[own]] = goal.values[own]
    i, j, w = goal.rows[~own], goal.columns[~own], goal.values[~own]
    pairs = csr_array((np.concatenate([w, w]), (np.concatenate([i, j]), np.concatenate([j, i]))), shape=(n, n))
    counts = [constraint.left.linear_variables.shape[0] for constraint in problem.constraints]
    empty: list[NDArray[Any]] = [np.empty(0)]
    where = np.concatenate([c.left.linear_variables for c in problem.constraints] or empty).astype(np.int64)
    weight = np.concatenate([c.left.linear_coefficients for c in problem.constraints] or empty)
    rows = csr_array((weight, (np.repeat(np.arange(m), counts).astype(np.int64), where)), shape=(m, n))
    right = np.array([c.right - c.left.offset for c in problem.constraints], dtype=np.float64)
    senses = np.array([c.sense for c in problem.constraints], dtype=object)
    span = np.maximum(
        np.abs([variable.lower for variable in problem.variables] or [0]),
        np.abs([variable.upper for variable in problem.variables] or [0]),
    ).astype(np.float64)
    sizes = np.bincount(np.repeat(np.arange(m), counts), np.abs(weight) * span[where], m) if m else np.empty(0)
    return Arrays(
        np.array([variable.lower for variable in problem.variables], dtype=np.int64),
        np.array([variable.upper for variable in problem.variables], dtype=np.int64),
        np.array([variable.step for variable in problem.variables], dtype=np.int64),
        linear,
        square,
        _parts(pairs),
        _parts(csr_array(rows.T)),
        _parts(rows),
        np.where(senses == "LESS_OR_EQUAL", -np.inf, right),
        np.where(senses == "GREATER_OR_EQUAL", np.inf, right),
        SLACK * (1.0 + np.abs(right) + sizes) * 1e-3,
    )


def _parts(matrix: Any) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    matrix.sum_duplicates()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float64)


class _State:
    """One search: assignment, slopes, activities, weights."""

    def __init__(self, problem: ConstrainedProblem, rng: np.random.Generator) -> None:
        self.arrays = arrays_of(problem)
        a = self.arrays
        self.rng = rng
        self.n, self.m = problem.num_variables, a.floor.shape[0]
        self._pairs = csr_array((a.pairs[2], a.pairs[1], a.pairs[0]), shape=(self.n, self.n))
        self._rows = csr_array((a.by_row[2], a.by_row[1], a.by_row[0]), shape=(self.m, self.n))
        scale = np.abs(a.linear) + np.bincount(
            np.repeat(np.arange(self.n), np.diff(a.pairs[0])), np.abs(a.pairs[2]), self.n
        )
        used = scale[scale > 0]
        self.typical = float(np.median(used)) if used.shape[0] else 1.0
        smallest = np.ones(self.m)
        for c in range(self.m):
            part = np.abs(a.by_row[2][a.by_row[0][c] : a.by_row[0][c + 1]])
            smallest[c] = part.mean() if part.shape[0] else 1.0
        # The rule: breaking a constraint by its mean coefficient costs as much as a typical variable can gain.
        self.weight = self.typical / smallest
        self.seed = np.array([rng.integers(1, 2**63)], dtype=np.uint64)
        self.best = np.zeros(self.n, dtype=np.int64)
        self.best_goal = np.inf

    def place(self, x: NDArray[np.int64] | None) -> None:
        """Begin at ``x``, or near zero with a random tenth of the variables moved."""
        a = self.arrays
        if x is None:
            x = np.clip(np.zeros(self.n, dtype=np.int64), a.lower, a.upper)
            x = np.where(a.step == 2, -1, x)
            moved = self.rng.random(self.n) < 0.1
            x = np.where(moved & (x + a.step <= a.upper), x + a.step, x)
        self.x = x.astype(np.int64)
        self.slope = a.linear + np.asarray(self._pairs @ self.x.astype(np.float64))
        self.activity = np.asarray(self._rows @ self.x.astype(np.float64))
        values = self.x.astype(np.float64)
        self.goal = float(a.linear @ values + a.square @ values**2 + 0.5 * values @ np.asarray(self._pairs @ values))

    def run(self, sweeps: int, hot: float, pacer: Pacer) -> bool:
        """One anneal of ``sweeps`` sweeps; whether it ran to its end."""
        a = self.arrays
        total, done, cold = sweeps * self.n, 0, 0.002 * self.typical
        while done < total:
            if not pacer.more():
                return False
            moves = min(BLOCK_MOVES, total - done)
            first = hot * (cold / hot) ** (done / total)
            last = hot * (cold / hot) ** ((done + moves) / total)
            self.goal, self.best_goal = anneal_moves(
                moves, first, last, self.x, self.slope, self.activity, self.best, self.best_goal, self.goal,
                a.lower, a.upper, a.step, a.square, a.pairs, a.by_variable, a.by_row, a.floor, a.ceiling, a.slack,
                self.weight, self.seed,
            )  # fmt: skip
            done += moves
        return True

    def beyond(self) -> NDArray[np.float64]:
        """By how much each constraint is violated, past its slack."""
        a = self.arrays
        over = np.maximum(self.activity - a.ceiling, a.floor - self.activity)
        return np.where(over > a.slack, over, 0.0)


class ConstrainedAnnealing:
    """Anneals of doubling length from the best or afresh, at temperatures about what a typical variable can gain.

    After each, the weights of constraints still violated are doubled (and, while nothing feasible is known, all are
    raised by half); when none is, all are lowered by a quarter, so that the search keeps to the border of what is
    feasible.
    """

    name = "constrained-annealing"
    version = "1"

    def __init__(self, *, quick: bool = False) -> None:
        self._quick = quick

    def accepts(self, problem: Any) -> bool:
        return isinstance(problem, ConstrainedProblem)

    def candidates(self, problem: ConstrainedProblem, context: Context[SamplePlan]) -> Iterator[Candidate[SamplePlan]]:
        """A candidate at each improvement; then the last one with the trace, feasible if any was."""
        pacer, state = Pacer(context), _State(problem, generator(context))
        offset = problem.objective.offset
        if problem.num_variables == 0:
            yield Candidate(_plan(np.empty(0, dtype=np.int64)), offset, self.name, context.seed, offset)
            return
        given = context.incumbent
        state.place(None if given is None else given.best.astype(np.int64))
        sweeps, hot, told = QUICK_SWEEPS if self._quick else FIRST_SWEEPS, state.typical, np.inf
        while True:
            ended = state.run(sweeps, hot, pacer)
            if state.best_goal < told - 1e-12 * abs(told if np.isfinite(told) else 0.0):
                told = state.best_goal
                yield Candidate(_plan(state.best), told + offset, self.name, context.seed)
            if not ended or (self._quick and (np.isfinite(told) or pacer.blocks > 100)):
                break
            violated = state.beyond() > 0
            if violated.any():
                state.weight[violated] *= RAISE
                if not np.isfinite(told):
                    state.weight *= RAISE_ALL
            else:
                state.weight *= LOWER
                sweeps = min(MOST_SWEEPS, 2 * sweeps)
                state.place(state.best.copy() if np.isfinite(told) and state.rng.random() < 0.5 else None)
            hot = state.typical * 4.0 ** state.rng.uniform(-1.0, 1.0)
        final = state.best if np.isfinite(told) else state.x
        objective = told if np.isfinite(told) else state.goal
        yield Candidate(_plan(final), objective + offset, self.name, context.seed, None, None, pacer.trace())


def _plan(x: NDArray[np.int64]) -> SamplePlan:
    return SamplePlan(x[None, :].astype(np.int32), np.ones(1, dtype=np.int64))
