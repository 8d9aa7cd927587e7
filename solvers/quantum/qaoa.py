"""QAOA angles found on the exact simulator, and samples at those angles.

Hardware never sees an optimiser loop: angles are searched here, where a try costs milliseconds, and travel with the
circuit. The search tries a table of fixed angles and a coarse grid of linear ramps, scales the best of them by
Nelder-Mead, then moves every angle by COBYLA, under one count of evaluations; without a clock it is deterministic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

import dimod
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from solvers.kernel import Variable
from solvers.quantum.cost import CostModel
from solvers.quantum.relaxation import lean, relax
from solvers.quantum.schedules import fixed_angles, linear_ramp, stretch
from solvers.quantum.statevector import DEFAULT_LIMIT_BYTES, Angles, Statevector
from solvers.quantum.subspace import OneHotStatevector, draw_start
from solvers.stop import Never, Stop

_Vector = np.ndarray[tuple[int], np.dtype[np.float64]]

ANGLES = ("search", "transfer", "ramp", "table")
"""Ways to angles, see `QaoaSettings`."""

_GAMMAS = (0.6, 1.2, 2.4)  # ends of the coarse grid of ramps, in units of 1 / spread and in radian
_BETAS = (0.4, 0.8, 1.2)


class Simulated(Protocol):
    """A state that can be run at angles and read: `Statevector` or `OneHotStatevector`."""

    @property
    def cost(self) -> CostModel: ...

    def run(self, angles: Angles) -> None: ...

    def spread(self) -> float: ...

    def expectation(self) -> float: ...

    def cvar(self, alpha: float) -> float: ...

    def sample(self, shots: int, seed: int) -> NDArray[np.int8]: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class QaoaSettings:
    """How angles are searched.

    Parameters
    ----------
    layers
        p, 1 - 16.
    alpha
        Share of the cheapest probability whose mean is minimised, (0, 1]; 1 is the plain expectation.
    evaluations
        Runs of the simulator at most (>= 1).
    regularisation
        How far a warm start stays from certainty: P(1) lies in [regularisation, 1 - regularisation], (0, 0.5]. At 0
        the start state would be an eigenstate that no layer leaves; 0.5 is no warm start at all.
    group_regularisation
        The same for a one-hot group: P(another member than the warm one), (0, 0.5]. Groups differ from the incumbent's
        choice together, so a start as sure as single variables can afford would hide optima a few groups away.
    relaxed
        How far a warm start leans to the model's convex relaxation (`solvers.quantum.relaxation`), [0, 1]: 0 is the
        warm start as given, 1 the relaxation alone. Without a warm start only 1 has an effect.
    angles
        ``"search"``: table and ramps, scaled, then every angle. ``"transfer"``: a search with half the layers and half
        the evaluations, its schedule stretched to all layers, then every angle. ``"ramp"``: linear ramps alone, their
        ends searched. ``"table"``: the fixed angles of large spin glasses, one evaluation (X mixer only; with one-hot
        groups a ramp of middling ends).
    threads
        Threads of the simulator (>= 1).
    limit_bytes
        Memory of the simulator.
    """

    layers: int = 2
    alpha: float = 0.25
    evaluations: int = 60
    regularisation: float = 0.25
    group_regularisation: float = 0.5
    relaxed: float = 0.5
    angles: str = "search"
    threads: int = 1
    limit_bytes: int = DEFAULT_LIMIT_BYTES

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {getattr(self, name)}; allowed: {allowed}"
            for name, allowed, fine in (
                ("layers", "1 - 16", 1 <= self.layers <= 16),
                ("alpha", "(0, 1]", 0 < self.alpha <= 1),
                ("evaluations", ">= 1", self.evaluations >= 1),
                ("regularisation", "(0, 0.5]", 0 < self.regularisation <= 0.5),
                ("relaxed", "[0, 1]", 0 <= self.relaxed <= 1),
                ("angles", ", ".join(ANGLES), self.angles in ANGLES),
                ("group_regularisation", "(0, 0.5]", 0 < self.group_regularisation <= 0.5),
            )
            if not fine
        ]
        if wrong:
            raise ValueError("; ".join(wrong))


@dataclass(frozen=True)
class QaoaRun:
    """What a search found.

    ``objective`` is the CVaR at ``angles``, ``evaluations`` how many runs it took, ``mixer`` ``"x"`` or ``"xy"``.
    """

    angles: Angles
    objective: float
    expectation: float
    evaluations: int
    mixer: str


def start_probabilities(
    cost: CostModel, warm_start: Mapping[Variable, float], regularisation: float
) -> NDArray[np.float64]:
    """P(variable is 1) in the start state: its warm value (0 - 1, an incumbent's or a relaxation's) kept
    ``regularisation`` away from certainty, 1/2 where there is none (Egger et al., arXiv 2009.10095).
    """
    values = np.array([float(warm_start.get(v, 0.5)) for v in cost.variables])
    kept: NDArray[np.float64] = np.clip(values, regularisation, 1 - regularisation)
    return kept


def start_values(
    cost: CostModel, warm_start: Mapping[Variable, float], relaxed: float, groups: Sequence[Sequence[Variable]] = ()
) -> Mapping[Variable, float]:
    """The warm values that a circuit starts from, see `QaoaSettings.relaxed`."""
    if relaxed == 0 or (relaxed < 1 and not warm_start):
        return warm_start
    return lean(warm_start, relax(cost, groups), relaxed)


def start_samples(
    cost: CostModel,
    warm_start: Mapping[Variable, float],
    groups: Sequence[Sequence[Variable]],
    settings: QaoaSettings,
    shots: int,
    rng: np.random.Generator,
) -> NDArray[np.int8]:
    """``shots`` samples of the state that `run_qaoa` starts from, shape (shots, n): what its layers have to better."""
    values = start_values(cost, warm_start, settings.relaxed, groups)
    regularisation = settings.group_regularisation if groups else settings.regularisation
    return draw_start(cost, groups, values, regularisation, shots, rng)


class _Enough(Exception):
    """The evaluations are used up, or ``stop`` said so."""


class _Search:
    """Counts evaluations, asks ``stop``, remembers the best angles."""

    def __init__(self, state: Simulated, settings: QaoaSettings, stop: Stop) -> None:
        self.state, self.settings, self._stop = state, settings, stop
        self.done, self.best, self.angles = 0, np.inf, Angles((), ())

    def __call__(self, angles: Angles) -> float:
        if self.done >= self.settings.evaluations or (self.done and self._stop()):
            raise _Enough
        self.state.run(angles)
        value = self.state.cvar(self.settings.alpha)
        self.done += 1
        if value < self.best:
            self.best, self.angles = value, angles
        return value

    def table(self) -> Angles:
        """Angles that need no search."""
        layers, state = self.settings.layers, self.state
        if isinstance(state, Statevector):
            return fixed_angles(layers, state.cost.local_spread())
        return linear_ramp(layers, _GAMMAS[1], _BETAS[1], state.spread())  # the table is for the X mixer

    def scaled(self, spread: float, with_table: bool) -> None:
        """The best of the table and a grid of ramps, its phases and its mixing each scaled by one factor."""
        ramp = linear_ramp(self.settings.layers, 1.0, 1.0, spread)
        starts: list[tuple[Angles, _Vector]] = [(ramp, np.array([g, b])) for g in _GAMMAS for b in _BETAS]
        if with_table:
            starts = [(self.table(), np.ones(2)), *starts]
        shape, factors = min(starts, key=lambda start: self(_scale(*start)))
        share = max(1, (self.settings.evaluations - self.done) // 2)

        def value(found: _Vector) -> float:
            return self(_scale(shape, found))

        minimize(value, factors, method="Nelder-Mead", options={"maxfev": share, "xatol": 1e-2})

    def everywhere(self, spread: float) -> None:
        """Every angle for itself, from the best so far."""
        layers, unit = self.settings.layers, 1.0 / spread if spread > 0 else 0.0

        def value(point: _Vector) -> float:
            return self(Angles(tuple((point[:layers] * unit).tolist()), tuple(point[layers:].tolist())))

        here = np.array([gamma * spread for gamma in self.angles.gammas] + list(self.angles.betas))
        minimize(value, here, method="COBYLA", options={"rhobeg": 0.15})


def _scale(shape: Angles, factors: _Vector) -> Angles:
    """``shape`` with its phases and its mixing multiplied."""
    gamma, beta = float(factors[0]), float(factors[1])
    return Angles(tuple(gamma * g for g in shape.gammas), tuple(beta * b for b in shape.betas))


def optimise(
    state: Simulated, settings: QaoaSettings, stop: Stop | None = None, start: Angles | None = None
) -> tuple[Angles, float, int]:
    """Angles of low CVaR over ``state``'s model, their CVaR, and evaluations used (at least one, whatever ``stop``).

    ``start`` (of ``settings.layers`` layers) is tried first.
    """
    stop, spread, used = stop or Never(), state.spread(), 0
    if start is None and settings.angles == "transfer" and settings.layers > 1 and settings.evaluations > 1:
        fewer = replace(
            settings, layers=(settings.layers + 1) // 2, evaluations=settings.evaluations // 2, angles="search"
        )
        found, _, used = optimise(state, fewer, stop)
        start = stretch(found, settings.layers)
    search = _Search(state, replace(settings, evaluations=max(1, settings.evaluations - used)), stop)
    with suppress(_Enough):  # the count or the clock ends it; the best so far stands
        if start is not None:
            search(start)
        if settings.angles == "table":
            search(search.table())
        elif not used:
            search.scaled(spread, with_table=settings.angles != "ramp")
        if settings.angles in ("search", "transfer"):
            search.everywhere(spread)
    return search.angles, search.best, search.done + used


def run_qaoa(
    bqm: dimod.BinaryQuadraticModel,
    shots: int,
    seed: int,
    settings: QaoaSettings | None = None,
    warm_start: Mapping[Variable, float] | None = None,
    stop: Stop | None = None,
    one_hot_groups: Sequence[Sequence[Variable]] = (),
) -> tuple[dimod.SampleSet, QaoaRun]:
    """Search angles, then draw ``shots`` samples from the exact state at the best ones.

    With ``one_hot_groups`` the mixer is XY within each, and every sample sets exactly one variable of a group.
    A model without variables has one sample, the empty one, ``shots`` times.

    Returns
    -------
    The samples, aggregated, with energies in double precision; and what the search found.

    Raises
    ------
    InvalidProblem
        When the state does not fit in memory, or the groups do not fit the model.
    """
    settings = settings or QaoaSettings()
    cost = CostModel.of(bqm)
    if cost.size == 0:
        nothing = QaoaRun(Angles((), ()), cost.offset, cost.offset, 0, "x")
        return aggregate(cost, np.zeros((shots, 0), dtype=np.int8)), nothing
    warm_start = start_values(cost, warm_start or {}, settings.relaxed, one_hot_groups)
    state: Simulated
    if one_hot_groups:
        groups = tuple(one_hot_groups)
        state = OneHotStatevector(cost, groups, warm_start, settings.group_regularisation, settings.limit_bytes)
    else:
        ones = start_probabilities(cost, warm_start, settings.regularisation)
        state = Statevector(cost, ones, settings.threads, settings.limit_bytes)
    try:
        angles, objective, evaluations = optimise(state, settings, stop)
        state.run(angles)
        bits = state.sample(shots, seed)
        found = QaoaRun(angles, objective, state.expectation(), evaluations, "xy" if one_hot_groups else "x")
    finally:
        state.close()
    return aggregate(cost, bits), found


def aggregate(cost: CostModel, bits: NDArray[np.int8]) -> dimod.SampleSet:
    """Equal rows of ``bits`` counted together, cheapest first, energies recomputed in double precision."""
    if cost.size:
        distinct, counts = np.unique(bits, axis=0, return_counts=True)
    else:
        distinct, counts = bits[:1], np.array([len(bits)])
    energies = cost.energies(distinct)
    order = np.argsort(energies, kind="stable")
    return dimod.SampleSet.from_samples(
        (distinct[order], list(cost.variables)),
        vartype=dimod.BINARY,
        energy=energies[order],
        num_occurrences=counts[order],
    )
