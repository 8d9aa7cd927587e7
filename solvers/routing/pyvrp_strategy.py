"""PyVRP (Wouda, Lan and Kool 2024) as a strategy: iterated local search for every feature our own engine lacks."""

from __future__ import annotations

import queue
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from solvers.routing.construction import construct
from solvers.routing.injection import well_formed
from solvers.routing.plan import RoutingPlan
from solvers.routing.problem import RoutingProblem
from solvers.routing.pyvrp_model import PyvrpModel, fits_pyvrp
from solvers.stop import Cancelled
from solvers.strategy import Candidate, Context

if TYPE_CHECKING:
    from pyvrp import CostEvaluator, Solution

_REPORT_EVERY = 50
"""Iterations between reports of a better plan at least: hundreds of tiny steps a second help nobody."""

_BUILD_S_PER_CELL = 1.5e-7
"""What building the model takes for each pair of stops and profile; below it, starting is no use."""

_EXHAUSTIVE_UP_TO = 1_500
"""Stops up to which a new best plan is searched exhaustively; beyond, that would be deaf to a stop for too long."""


class Pyvrp:
    """Iterated local search by PyVRP.

    Takes everything but: pinned places on routes, several windows on a stop, a release after a window's end, shipments
    with a release, beside ``max_stops`` or due before they may begin, and problems whose dense matrices would exceed
    1.5 GB. Under a work limit a unit is an iteration, and runs are deterministic. The control trace is
    ``{"iterations": n}``.
    """

    name = "pyvrp"
    version = "0.14.1"

    def accepts(self, problem: RoutingProblem) -> bool:
        """Whether PyVRP honours every feature that ``problem`` uses."""
        return isinstance(problem, RoutingProblem) and fits_pyvrp(problem)

    def candidates(self, problem: RoutingProblem, context: Context[RoutingPlan]) -> Iterator[Candidate[RoutingPlan]]:
        """Feasible candidates, each better than the one before. See `solvers.strategy.Strategy`."""
        cells = float(problem.n_stops) ** 2
        if context.stop.remaining_s() < cells * _BUILD_S_PER_CELL:
            return
        run = _Run(problem, context)
        run.start()
        try:
            yield from run.results()
        finally:
            run.cancel()


class _Run:
    """One search in a thread of its own, so that its better plans can be handed out while it goes on."""

    def __init__(self, problem: RoutingProblem, context: Context[RoutingPlan]) -> None:
        self._problem, self._context = problem, context
        self._queue: queue.SimpleQueue[tuple[RoutingPlan, int] | BaseException | None] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._thread = threading.Thread(target=self._search, name="pyvrp", daemon=True)
        trace = context.control_trace
        self._iterations_wanted = int(trace["iterations"]) if trace and "iterations" in trace else None
        self._iterations = 0
        self._best: Solution | None = None
        self._reported: Solution | None = None
        self._reported_at = -_REPORT_EVERY

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """Stop at the next iteration and wait for that."""
        self._cancelled.set()
        self._thread.join()

    def results(self) -> Iterator[Candidate[RoutingPlan]]:
        """Verified better plans; the last one, repeated at the end, carries the control trace."""
        context = self._context
        last: Candidate[RoutingPlan] | None = None
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            plan, _ = item
            verdict = self._problem.verify(plan)
            if verdict.feasible and (last is None or verdict.objective < last.claimed_objective):
                last = Candidate(plan, verdict.objective, Pyvrp.name, context.seed)
                yield last
        if last is not None:
            trace = {"iterations": self._iterations}
            yield Candidate(last.plan, last.claimed_objective, Pyvrp.name, context.seed, control_trace=trace)

    def _search(self) -> None:
        try:
            self._solve()
        except BaseException as error:  # noqa: BLE001 - carried to the consumer's thread and raised there
            self._queue.put(error)
        else:
            self._queue.put(None)

    def _solve(self) -> None:
        from pyvrp import IteratedLocalSearchCallbacks, IteratedLocalSearchParams, PenaltyParams, SolveParams, solve
        from pyvrp.exceptions import PenaltyBoundWarning, ScalingWarning

        for category in (PenaltyBoundWarning, ScalingWarning):  # what they warn of, the verifier finds out
            warnings.filterwarnings("ignore", category=category)
        problem = self._problem
        self._model = PyvrpModel(problem)
        start = self._context.incumbent or problem.initial_plan
        if start is None:
            start = construct(problem, self._context.seed, Cancelled(self._cancelled.is_set))
        run = self

        class Callbacks(IteratedLocalSearchCallbacks):
            """Hears of better plans."""

            def on_iteration(
                self, _current: Solution, _candidate: Solution, best: Solution, _evaluator: CostEvaluator
            ) -> None:
                run.note(best)

        initial = self._model.solution(well_formed(problem, start))
        if initial.is_feasible():
            self._report(initial)
        ils = IteratedLocalSearchParams(callbacks=Callbacks(), exhaustive_on_best=problem.n_stops <= _EXHAUSTIVE_UP_TO)
        result = solve(
            self._model.data,
            _StopAdapter(self),
            seed=self._context.seed % 2**32,
            collect_stats=False,
            display=False,
            params=SolveParams(ils=ils, penalty=PenaltyParams(max_penalty=self._model.max_penalty)),
            initial_solution=initial,
        )
        if result.best is not self._reported and result.best.is_feasible():
            self._report(result.best)

    def note(self, best: Solution) -> None:
        """Report ``best`` unless it is known, infeasible, or too soon after the last report."""
        if best is self._best and best is self._reported:
            return
        self._best = best
        if self._iterations - self._reported_at >= _REPORT_EVERY and best.is_feasible():
            self._report(best)

    def _report(self, solution: Solution) -> None:
        self._reported, self._reported_at = solution, self._iterations
        self._queue.put((self._model.plan(solution), self._iterations))

    def stopped(self) -> bool:
        """Asked once before each iteration."""
        if self._cancelled.is_set():
            return True
        if self._iterations_wanted is not None:
            done = self._iterations >= self._iterations_wanted
        else:
            done = self._context.stop()
        self._iterations += not done
        return done


class _StopAdapter:
    """PyVRP's stopping criterion, asking ours."""

    def __init__(self, run: _Run) -> None:
        self._run = run

    def __call__(self, _best_cost: float) -> bool:
        return self._run.stopped()
