"""A solver worker: one process a core, running one strategy at a time as a stream of candidates."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import ray

from actors import logs
from actors.lifetime import came_back
from actors.messages import Box, Found, KernelOrder, LiftOrder, PartOrder, RunEnd, StrategyOrder
from actors.settings import Settings
from solvers.registry import KINDS, problem_kind
from solvers.stop import AnyOf, Cancelled, Counted, Deadline, Stop, WorkLimit
from solvers.strategy import Candidate, Context, Strategy

if TYPE_CHECKING:
    from solvers.kernel import Kernel
    from solvers.quantum.step import KernelOutcome

STEP_BACK = 10
"""Niceness of solver and device processes: a gateway on the same cores answers first."""
_BURST_S = 0.25
_BURST_GAP_S = 0.015
_PROBLEMS_KEPT = 8
_CANCELS_KEPT = 256


@ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=0, concurrency_groups={"solve": 1, "kernel": 1, "control": 2})
class Worker:
    """Runs strategies; knows nothing of budgets, backends or other jobs."""

    def __init__(self, settings: Settings, name: str) -> None:
        os.nice(STEP_BACK)
        logs.configure(name, settings.log_level)
        self._cancelled: dict[str, threading.Event] = {}
        self._running: StrategyOrder | PartOrder | None = None
        self._problems: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()
        # In a thread, so that a worker that came back takes work at once.
        self._warming = threading.Thread(target=_warm, daemon=True)
        if came_back():
            self._warming.start()

    def compile(self, part: int, parts: int) -> None:
        """Do ``part`` (0, 1, ...) of ``parts`` of what compiling takes the first time on a machine."""
        for step in _share(_steps(), part, parts):
            step()

    def warm(self) -> None:
        """Import and compile everything that a first request would otherwise wait for."""
        with self._lock:
            if self._warming.ident is None:
                self._warming.start()
        self._warming.join()

    @ray.method(concurrency_group="solve")
    def run(self, order: StrategyOrder) -> Iterator[Found | RunEnd]:
        """Stream the candidates of one strategy, then one `RunEnd`. Errors of a strategy end up in it, not in Ray."""
        log = logs.logger().bind(job_id=order.job_id, correlation_id=order.correlation_id, strategy=order.strategy)
        started = time.perf_counter()
        with self._lock:
            cancelled = self._cancelled.setdefault(order.run_id, threading.Event())
        self._running = order
        counted: Counted | None = None
        completed, error = False, ""
        try:
            problem = self._open(order.job_id, order.problem)
            stop, counted = _stop(order, cancelled)
            context: Context[Any] = Context(
                seed=order.seed, stop=stop, incumbent=order.incumbent, target_gap=order.target_gap
            )
            yield from _newest(_strategy(order).candidates(problem, context), started, order)
            completed = not stop()
        except Exception as failure:
            log.error("strategy_failed", exc_info=True)
            error = f"{type(failure).__name__}: {failure}"
        finally:
            self._running = None
            with self._lock:
                self._cancelled.pop(order.run_id, None)
        yield RunEnd(time.perf_counter() - started, completed, counted.asked if counted else None, error)

    @ray.method(concurrency_group="solve")
    def run_part(self, order: PartOrder) -> Any:
        """A part of a large problem as it is when its time is over or it is cancelled."""
        scale_out = problem_kind(order.kind).scale_out
        if scale_out is None:
            raise ValueError(f"{order.kind} problems have no parts")
        with self._lock:
            cancelled = self._cancelled.setdefault(order.run_id, threading.Event())
        self._running = order
        try:
            problem = self._open(order.job_id, order.problem)
            stop = AnyOf((Cancelled(cancelled.is_set), _deadline(order.finish_by_s)))
            return scale_out.improve(problem, order.part, stop)
        finally:
            self._running = None
            with self._lock:
                self._cancelled.pop(order.run_id, None)

    @ray.method(concurrency_group="kernel")
    def cut_kernel(self, order: KernelOrder) -> Kernel[Any] | None:
        """The undecided core, or ``None`` when nothing is."""
        problem = self._open(order.job_id, order.problem)
        context: Context[Any] = Context(seed=order.seed, stop=_deadline(order.finish_by_s))
        return problem_kind(order.kind).kernel(problem, order.incumbent, order.pool, context, order.max_variables)

    @ray.method(concurrency_group="kernel")
    def lift(self, order: LiftOrder) -> KernelOutcome[Any]:
        """Best plan from the samples, beside the control arm."""
        from solvers.quantum.step import lift_samples

        problem = self._open(order.job_id, order.problem)
        return lift_samples(
            problem, order.kernel, order.samples, order.incumbent, order.seed, _deadline(order.finish_by_s)
        )

    @ray.method(concurrency_group="control")
    def cancel(self, run_id: str) -> None:
        """Stop a run, also one that has not begun."""
        self._cancel(run_id)

    def _cancel(self, run_id: str) -> None:
        with self._lock:
            self._cancelled.setdefault(run_id, threading.Event()).set()
            while len(self._cancelled) > _CANCELS_KEPT:  # cancels that came after their run was over
                self._cancelled.pop(next(iter(self._cancelled)))

    @ray.method(concurrency_group="control")
    def cancel_runs_of(self, coordinator: str) -> None:
        """Stop the run of a coordinator that has restarted: nobody reads its candidates any more."""
        running = self._running
        if running is not None and running.coordinator == coordinator:
            self._cancel(running.run_id)

    @ray.method(concurrency_group="control")
    def pid(self) -> int:
        return os.getpid()

    @ray.method(concurrency_group="control")
    def status(self) -> dict[str, str]:
        """The job it works on, if any: what the scheduler rebuilds its state from."""
        running = self._running
        return {
            "seat": running.seat if running else "",
            "tenant": running.tenant if running else "",
        }

    def _open(self, job_id: str, box: Box) -> Any:
        """The problem of a job; kept for the next strategy or kernel of the same job."""
        with self._lock:
            problem = self._problems.get(job_id)
        if problem is None:
            problem = box.open()
            with self._lock:
                self._problems[job_id] = problem
                while len(self._problems) > _PROBLEMS_KEPT:
                    self._problems.popitem(last=False)
        return problem


def _newest(candidates: Iterator[Candidate[Any]], started: float, order: StrategyOrder) -> Iterator[Found]:
    """The candidates; of a burst at the start of a run only the newest, since each costs a journey and a verdict."""
    told, held = 0.0, None
    for candidate in candidates:
        now = time.perf_counter()
        found = Found(
            candidate.plan, candidate.claimed_objective, candidate.lower_bound, candidate.control_trace, now - started
        )
        bursts = now - started < _BURST_S and now - told < _BURST_GAP_S
        if bursts and not order.hide_clock and order.asked_limit is None:
            held = found
            continue
        told, held = now, None
        yield found
    if held is not None:
        yield held


def _warm() -> None:
    for step in _steps():
        step()


def _steps() -> tuple[Callable[[], None], ...]:
    """What is to be compiled, the longest first."""
    from solvers.quantum.warming import warm

    return (*(problem_kind(name).warm for name in KINDS), warm)


def _share(steps: tuple[Callable[[], None], ...], part: int, parts: int) -> tuple[Callable[[], None], ...]:
    """Steps of ``part``: the first step takes about as long as all others together, so it is a part of its own."""
    if parts == 1:
        return steps
    return steps[:1] if part == 0 else steps[part :: parts - 1]


def _deadline(finish_by_s: float) -> Deadline:
    """Deadlines travel as Unix time between nodes and run on the monotonic clock of this one."""
    return Deadline(time.monotonic() + max(0.0, finish_by_s - time.time()), time.monotonic)


def _stop(order: StrategyOrder, cancelled: threading.Event) -> tuple[Stop, Counted | None]:
    if order.asked_limit is not None:
        # A replay sees no clock either: its deadline only ends one that goes astray.
        astray = Counted(AnyOf((Cancelled(cancelled.is_set), _deadline(order.finish_by_s))))
        return AnyOf((astray, WorkLimit(order.asked_limit))), None
    stop = AnyOf((Cancelled(cancelled.is_set), _deadline(order.finish_by_s)))
    if order.hide_clock:
        counted = Counted(stop)
        return counted, counted
    return stop, None


def _strategy(order: StrategyOrder) -> Strategy[Any]:
    kind = problem_kind(order.kind)
    for strategy in (*kind.strategies, kind.insurance):
        if strategy.name == order.strategy:
            return strategy
    raise ValueError(f"{order.kind} has no strategy {order.strategy!r}")
