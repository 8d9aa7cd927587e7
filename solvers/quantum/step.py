"""From a backend's samples back to verified plans, beside a control arm that had no quantum help.

Post-processing alone makes good plans out of noise (arXiv 2510.06337, 2509.14358), so every contribution is compared
with as many uniformly random bit strings through the same descent, the same lift and the same verifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic

import dimod
import numpy as np
from numpy.typing import NDArray

from solvers.kernel import Kernel
from solvers.problem import P
from solvers.quantum.arms import ROUNDING, QuantumLift, compare
from solvers.quantum.cost import CostModel
from solvers.quantum.descent import descend
from solvers.quantum.qaoa import QaoaSettings, start_samples
from solvers.stop import Never, Stop

MAX_LIFTS = 48
"""Distinct bit strings that are lifted in each arm."""

_CHEAPEST = 16  # of them, those of lowest energy: chances for a better plan, not part of the means


@dataclass(frozen=True)
class KernelOutcome(Generic[P]):
    """What the samples of one kernel brought.

    Parameters
    ----------
    plan
        Best verified feasible plan of the samples, also when it does not beat the incumbent; ``None`` without one.
    objective
        Its objective; ``math.inf`` without one.
    improvement
        By how much it lowers the incumbent's objective; 0 when it does not.
    objectives, control_objectives
        Objective of each feasible draw that the means are made of.
    infeasible, control_infeasible
        Draws whose lift failed verification; they count in nothing else.
    quantum_lift
        The comparison of both arms.
    origin
        Who sampled, as given.
    """

    plan: P | None
    objective: float
    improvement: float
    objectives: tuple[float, ...]
    control_objectives: tuple[float, ...]
    infeasible: int
    control_infeasible: int
    quantum_lift: QuantumLift
    origin: str = ""


class _Lifter(Generic[P]):
    """Lifts and verifies each distinct bit string once, for both arms."""

    def __init__(self, problem: Any, kernel: Kernel[P], cost: CostModel) -> None:
        self._problem, self._kernel, self._variables = problem, kernel, cost.variables
        self._known: dict[bytes, tuple[float, P | None]] = {}

    def __call__(self, bits: NDArray[np.int8]) -> tuple[float, P | None]:
        """Verified objective and plan; ``(inf, None)`` when it is infeasible."""
        key = bits.tobytes()
        if key not in self._known:
            sample = dict(zip(self._variables, bits.tolist(), strict=True))
            plan = self._kernel.lift(sample)
            verdict = self._problem.verify(plan)
            self._known[key] = (verdict.objective, plan) if verdict.feasible else (np.inf, None)
        return self._known[key]


class _Arm(Generic[P]):
    """One arm: its draws after descent, lifted one by one, cheapest first and then in a random order."""

    def __init__(self, cost: CostModel, bits: NDArray[np.int8], seed: int, lifter: _Lifter[P], max_lifts: int) -> None:
        states, self._state_of = np.unique(descend(cost, bits), axis=0, return_inverse=True)
        self._states, self._lifter = states, lifter
        self._cheapest = np.argsort(cost.energies(states), kind="stable")[: min(_CHEAPEST, max_lifts)].tolist()
        # Draws in a random order up to the first that would lift one state too many: what is kept is a fair sample.
        order = np.random.default_rng(seed).permutation(len(bits))
        seen = self._state_of.reshape(-1)[order]
        _, first = np.unique(seen, return_index=True)
        news = np.sort(first)
        room = max(1, max_lifts - len(self._cheapest))
        self._draws: list[int] = seen[: news[room] if len(news) > room else len(seen)].tolist()
        self._queue = iter([*self._cheapest, *dict.fromkeys(self._draws)])
        self._done: dict[int, float] = {}
        self.plan: P | None = None
        self.objective = np.inf

    def step(self) -> bool:
        """Lift one more state; whether there was one."""
        state = next(self._queue, None)
        if state is None:
            return False
        objective, plan = self._lifter(self._states[state])
        self._done[state] = objective
        if objective < self.objective:
            self.objective, self.plan = objective, plan
        return True

    def drawn(self) -> NDArray[np.float64]:
        """Objectives of the draws up to the first that was not lifted; ``inf`` for infeasible ones."""
        out = []
        for state in self._draws:
            if state not in self._done:
                break
            out.append(self._done[state])
        return np.array(out)


def _rows(cost: CostModel, samples: dimod.SampleSet) -> NDArray[np.int8]:
    """One row a shot, columns in ``cost``'s order.

    Raises
    ------
    ValueError
        When the samples are not over exactly the kernel's variables, or hold other values than 0 and 1.
    """
    if set(samples.variables) != set(cost.variables):
        raise ValueError(f"samples over {len(samples.variables)} variables do not fit a kernel of {cost.size}")
    columns = [samples.variables.index(v) for v in cost.variables]
    binary = samples.change_vartype(dimod.BINARY, inplace=False)
    bits = binary.record.sample[:, columns].astype(np.int8)
    if bits.size and not np.isin(bits, (0, 1)).all():
        raise ValueError("samples hold values other than 0 and 1")
    return np.repeat(bits, binary.record.num_occurrences, axis=0)


def lift_samples(
    problem: Any,
    kernel: Kernel[P],
    samples: dimod.SampleSet,
    incumbent: P | None,
    seed: int,
    stop: Stop | None = None,
    origin: str = "",
    max_lifts: int = MAX_LIFTS,
    control: str = "uniform",
) -> KernelOutcome[P]:
    """Best plan that ``samples`` lift to, and whether they beat as many random samples.

    Both arms take turns, so that a stop in between leaves them equally far. At least one sample is lifted whatever
    ``stop`` says. Deterministic in ``seed`` unless stopped.

    Parameters
    ----------
    problem
        Verifies every lifted plan.
    kernel
        What was sampled.
    samples
        Over exactly the kernel's variables.
    incumbent
        Feasible plan to compare with, or ``None``.
    seed
        Of the control arm and the bootstrap.
    stop
        Asked before every lift.
    origin
        Who sampled, carried along.
    max_lifts
        Distinct bit strings lifted in each arm (>= 1).
    control
        What the control arm draws: ``"uniform"`` bits, or ``"warm"``: the state that a warm-started run of
        `solvers.quantum.qaoa.run_qaoa` begins with, which tells layers from warm start.

    Raises
    ------
    ValueError
        When the samples do not fit the kernel, or ``control`` is unknown.
    """
    if control not in ("uniform", "warm"):
        raise ValueError(f"control is {control!r}; allowed: uniform, warm")
    stop = stop or Never()
    cost = CostModel.of(kernel.bqm)
    rows = _rows(cost, samples)
    rng = np.random.default_rng(seed)
    lifter = _Lifter(problem, kernel, cost)
    if len(rows) == 0:
        return _nothing(cost, kernel, origin)
    ours = _Arm(cost, rows, seed, lifter, max_lifts)
    if control == "warm":
        drawn_bits = start_samples(cost, kernel.warm_start, kernel.one_hot_groups, QaoaSettings(), len(rows), rng)
    else:
        drawn_bits = (rng.random(rows.shape) < 0.5).astype(np.int8)
    against = _Arm(cost, drawn_bits, seed, lifter, max_lifts)
    more = ours.step()
    while more and not stop():
        more = against.step() | ours.step()
    drawn, control_drawn = ours.drawn(), against.drawn()
    kept, control_kept = drawn[np.isfinite(drawn)], control_drawn[np.isfinite(control_drawn)]
    improvement = 0.0
    if incumbent is not None and ours.plan is not None:
        improvement = max(0.0, float(problem.verify(incumbent).objective) - ours.objective)
    return KernelOutcome(
        plan=ours.plan,
        objective=float(ours.objective),
        improvement=improvement,
        objectives=tuple(kept.tolist()),
        control_objectives=tuple(control_kept.tolist()),
        infeasible=len(drawn) - len(kept),
        control_infeasible=len(control_drawn) - len(control_kept),
        quantum_lift=_figures(kept, control_kept, against.objective - ours.objective, cost, kernel, seed),
        origin=origin,
    )


def _figures(
    kept: NDArray[np.float64],
    control: NDArray[np.float64],
    best_difference: float,
    cost: CostModel,
    kernel: Kernel[Any],
    seed: int,
) -> QuantumLift:
    difference = low = high = 0.0
    if len(kept) and len(control):
        difference, low, high = compare(kept, control, seed)
    scale = max([1.0, *np.abs(kept).tolist(), *np.abs(control).tolist()])
    if not np.isfinite(best_difference) or abs(best_difference) <= ROUNDING * scale:
        best_difference = 0.0
    return QuantumLift(difference, low, high, float(best_difference), len(kept), len(control), cost.size, kernel.label)


def _nothing(cost: CostModel, kernel: Kernel[P], origin: str) -> KernelOutcome[P]:
    lift = QuantumLift(0.0, 0.0, 0.0, 0.0, 0, 0, cost.size, kernel.label)
    return KernelOutcome(None, float("inf"), 0.0, (), (), 0, 0, lift, origin)
