"""Set partitioning over route bundles: the kernel that quantum and annealing backends see of a routing problem.

Every variable is a route bundle ``r`` with cost ``c_r``; every stop is to be covered once. With the prices ``pi`` of
the linear relaxation (so that no reduced cost ``c_r - pi(r)`` is negative) the energy is, up to a constant,

    sum_r (c_r - pi(r)) x_r + sum_stops penalty * (1 - cover)^2

where the penalty of a stop is the distance of the incumbent from the relaxation, plus a margin: whatever breaks cover
then costs more than the incumbent, and the penalties stay as small as that allows. For stops that may be left out the
price of leaving them out is linear and only covering twice is penalised, by its prize on top. Stops that the same
bundles cover are one row.
"""

from __future__ import annotations

from dataclasses import dataclass

import dimod
import numpy as np

from solvers.kernel import Kernel, Sample
from solvers.routing.arrays import Arrays, arrays_of
from solvers.routing.bundles import Bundle, Core, undecided_core
from solvers.routing.data import FloatArray
from solvers.routing.draft import draft_of, insert, leaders
from solvers.routing.evaluation import route_cost
from solvers.routing.neighbours import nearest_stops
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.strategy import Context

_MARGIN = 0.05
"""Penalty above what is needed, as a share of the mean cost of the core's routes."""


@dataclass(frozen=True)
class LiftBundles:
    """Sample to plan: chosen bundles, best first, without stops that are covered already; then missing ones inserted.

    A result that the verifier finds infeasible is replaced by the incumbent. So is one that wanted more vehicles than
    there are and came out worse: the model does not know the size of the fleet.
    """

    problem: RoutingProblem
    incumbent: RoutingPlan
    fixed: tuple[Route, ...]
    bundles: tuple[Bundle, ...]
    reduced_costs: tuple[float, ...]

    def __call__(self, sample: Sample) -> RoutingPlan:
        A = arrays_of(self.problem)
        chosen = [v for v in range(len(self.bundles)) if sample[v]]
        chosen.sort(key=lambda v: (self.reduced_costs[v], v))
        covered: set[int] = set()
        free = A.available - np.bincount([r.vehicle_type for r in self.fixed], minlength=len(A.available))
        routes = list(self.fixed)
        short = False
        for v in chosen:
            t, visits = self.bundles[v].route
            # a shipment with one leg covered is covered: bundles hold both legs or none
            left = tuple(stop for stop in visits if stop not in covered)
            short |= bool(left) and free[t] <= 0
            if left and free[t] > 0:
                free[t] -= 1
                covered.update(left)
                routes.append(Route(t, left))
        plan = _completed(self.problem, A, routes)
        verdict = self.problem.verify(plan)
        if not verdict.feasible or (short and verdict.objective > self.problem.verify(self.incumbent).objective):
            return self.incumbent
        return plan


def _completed(problem: RoutingProblem, A: Arrays, routes: list[Route]) -> RoutingPlan:
    """``routes`` with every stop inserted that is missing, where it costs least; optional ones if it pays."""
    costs = [route_cost(A, t, np.array(visits, dtype=np.int64), len(visits)) for t, visits in routes]
    if not np.isfinite(costs).all():
        return RoutingPlan(tuple(routes))
    draft = draft_of(A, [(t, float(c), visits) for (t, visits), c in zip(routes, costs, strict=True)])
    missing = leaders(A, np.flatnonzero(draft.route_of < 0).tolist())
    if len(missing):
        insert(A, draft, missing, nearest_stops(problem, 40))
    return draft.plan()


def partition_kernel(
    problem: RoutingProblem,
    incumbent: RoutingPlan,
    pool: tuple[RoutingPlan, ...],
    context: Context[RoutingPlan],
    max_variables: int,
) -> Kernel[RoutingPlan] | None:
    """Bundles of ``incumbent`` and ``pool`` as a binary model (see `solvers.kind.KernelBuilder`).

    Variables are 0, 1, ...; those of the incumbent's routes come first and are 1 in the warm start. One-hot groups
    are disjoint sets of bundles of which exactly one covers some stop; the largest ones are taken.
    """
    A = arrays_of(problem)
    core = undecided_core(problem, A, incumbent, pool, context.seed, max_variables)
    if core is None or len(core.bundles) < 2:
        return None
    stops = sorted({stop for bundle in core.bundles for stop in bundle.route.visits if not _is_delivery(A, stop)})
    prices, excess = _prices(A, core, stops)
    column = {stop: k for k, stop in enumerate(stops)}
    members = [[column[s] for s in bundle.route.visits if s in column] for bundle in core.bundles]
    reduced = [bundle.cost - float(prices[m].sum()) for bundle, m in zip(core.bundles, members, strict=True)]
    penalty = excess + _MARGIN * max(float(np.mean([bundle.cost for bundle in core.bundles])), 1e-9)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for v, cost in enumerate(reduced):
        bqm.add_linear(v, cost)
    covering: list[list[int]] = [[] for _ in stops]
    for v, columns in enumerate(members):
        for k in columns:
            covering[k].append(v)
    for bundles in dict.fromkeys(tuple(covering[k]) for k, stop in enumerate(stops) if not A.optional[stop]):
        _cover_once(bqm, bundles, penalty)
    for k, stop in enumerate(stops):
        if A.optional[stop]:
            _cover_at_most_once(bqm, tuple(covering[k]), penalty, float(A.prize[stop]), float(prices[k]))
    n_own = len(core.chosen)
    return Kernel(
        bqm=bqm,
        lift=LiftBundles(problem, incumbent, core.fixed, core.bundles, tuple(reduced)),
        one_hot_groups=_groups(covering, [not A.optional[stop] for stop in stops]),
        warm_start={v: int(v < n_own) for v in range(len(core.bundles))},
        label=f"set partitioning over {len(core.bundles)} route bundles, {len(stops)} stops",
    )


def _is_delivery(A: Arrays, stop: int) -> bool:
    return bool(0 <= A.partner[stop] < stop)


def _cover_once(bqm: dimod.BinaryQuadraticModel, bundles: tuple[int, ...], penalty: float) -> None:
    """Energy ``penalty * (1 - cover)^2`` of stops that ``bundles`` cover and that must be served."""
    bqm.offset += penalty
    for i, v in enumerate(bundles):
        bqm.add_linear(v, -penalty)
        for w in bundles[i + 1 :]:
            bqm.add_quadratic(v, w, 2.0 * penalty)


def _cover_at_most_once(
    bqm: dimod.BinaryQuadraticModel, bundles: tuple[int, ...], penalty: float, prize: float, price: float
) -> None:
    """Energy of a stop that may be left out: ``prize - price`` then, 0 when covered once, more when covered twice."""
    bqm.offset += prize - price
    for i, v in enumerate(bundles):
        bqm.add_linear(v, price - prize)
        for w in bundles[i + 1 :]:
            bqm.add_quadratic(v, w, penalty + prize)


def _prices(A: Arrays, core: Core, stops: list[int]) -> tuple[FloatArray, float]:
    """Dual prices of covering ``stops`` in the linear relaxation, and by how much the incumbent exceeds it."""
    from scipy.optimize import linprog

    column = {stop: k for k, stop in enumerate(stops)}
    optional = A.optional[stops]
    cover = np.zeros((len(stops), len(core.bundles)))
    for v, bundle in enumerate(core.bundles):
        cover[[column[stop] for stop in bundle.route.visits if stop in column], v] = 1.0
    equal = np.hstack((cover, np.identity(len(stops))[:, optional]))
    costs = np.array([*(bundle.cost for bundle in core.bundles), *A.prize[stops][optional]], dtype=np.float64)
    solved = linprog(costs, A_eq=equal, b_eq=np.ones(len(stops)), bounds=(0, None), method="highs")
    own = sum(bundle.cost for bundle in core.chosen)
    covered = {stop for bundle in core.chosen for stop in bundle.route.visits}
    own += sum(float(A.prize[stop]) for stop in stops if stop not in covered)
    if (
        not solved.success or solved.fun is None
    ):  # even shares of the incumbent are prices too, only the penalty is larger with them
        shares = np.zeros(len(stops))
        for bundle in core.chosen:
            at = [column[s] for s in bundle.route.visits if s in column]
            shares[at] = bundle.cost / len(at)
        return shares, own
    return np.asarray(solved.eqlin.marginals, dtype=np.float64), max(0.0, own - float(solved.fun))


def _groups(covering: list[list[int]], mandatory: list[bool]) -> tuple[tuple[int, ...], ...]:
    """Disjoint sets of bundles of which exactly one is chosen in a cover, larger ones first."""
    taken: set[int] = set()
    groups = []
    for bundles in sorted((b for b, must in zip(covering, mandatory, strict=True) if must), key=lambda b: (-len(b), b)):
        if len(bundles) > 1 and taken.isdisjoint(bundles):
            taken.update(bundles)
            groups.append(tuple(bundles))
    return tuple(groups)
