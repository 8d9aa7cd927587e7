"""The invoice engine: prices of cash and their bound, rounding, exact cores of growing size, local search.

The prices decide nearly every item. What they leave open is solved exactly by HiGHS over the options whose reduced cost
is small; once every option within the gap is in (reduced cost fixing, after Dantzig, Fulkerson and Johnson, Operations
Research 2, 1954) that solve is exact for the whole problem, so its bound counts for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solvers.highs_run import stream
from solvers.invoices.dive import dive, heaviest
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.highs_strategy import PROVED, safe_bound
from solvers.invoices.local_search import improve, swap
from solvers.invoices.mip import InvoiceMip, all_options, build_mip
from solvers.invoices.model import Model, model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.relaxation import Relaxation, relax
from solvers.invoices.rules import BASELINES
from solvers.invoices.tree import Tree
from solvers.stop import Stop
from solvers.strategy import Candidate, Context

IntArray = npt.NDArray[np.int64]
CORE_OPTIONS = (400, 1_200, 4_000, 12_000, 40_000, 400_000_000)
"""Options of the cores, one after the other, on top of one per item; the last one is always exact."""
CORE_NODES = (60, 200, 400, 400, 400, 0)
"""Branch-and-bound nodes given to each core that is not exact yet."""
EXACT_OPTIONS = 4_000
"""A core that is exact and has at most so many options on top of one per item is solved at once."""
CORE_GAP_SHARE = 0.1
SMALL_ITEMS = 60
"""So few items are branched on at once."""
TREE_OPTIONS = 4_000
TREE_NODES = ((60, 4_000), (400, 8_000), (10**9, 2_000))
"""(items at most, nodes): what a search may visit before HiGHS takes over."""
TREE_WINDOW, TREE_RISE = 2_000, 0.05
"""A search is left when so many nodes bring no better plan and close less than this share of the gap."""
TREE_SLICE = 192
"""Nodes between two descents."""
TREE_SHARE = 0.9
"""Share of the target gap below which a node is dropped."""
OPTIMAL_SHARE = 1e-8
"""Relative gap below which a node is dropped where optimality is asked for."""
REPAIR_ITEMS = 300
POLISH_ITEMS = 80
WIDE_POLISH_ITEMS, WIDE_POLISH_UP_TO = 200, 400
"""Items that are looked at after a search that has been left, and the largest problem in which they are."""
POLISH_OPTIONS = 4
POLISH_ROUNDS = 4
SWEEP = 256
"""Items that local search looks at between two questions to the stop."""
TOLD_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Core:
    """A cut-down program: options within ``spread`` of the cheapest at the prices.

    ``exact`` says that no better plan than the incumbent lies outside it.
    """

    mip: InvoiceMip
    exact: bool


class EngineStrategy:
    """Price-directed decomposition with exact cores; certified gaps."""

    name = "invoices-engine"
    version = "2"

    def accepts(self, problem: InvoiceProblem) -> bool:
        """Every invoice problem."""
        return isinstance(problem, InvoiceProblem)

    def candidates(self, problem: InvoiceProblem, context: Context[InvoicePlan]) -> Iterator[Candidate[InvoicePlan]]:
        """Improving plans and bounds, until proved optimal, within the target gap, or stopped."""
        yield from _Run(problem, context, self.name).candidates()


class _Run:
    """One run: incumbent, bound, and what has been told of them."""

    def __init__(self, problem: InvoiceProblem, context: Context[InvoicePlan], name: str) -> None:
        self.model = model_of(problem)
        self.context, self.name = context, name
        self.plan = greedy_plan(self.model) if context.incumbent is None else context.incumbent
        self.value = self.model.objective(self.plan) if self.model.is_feasible(self.plan) else math.inf
        self.bound = -math.inf
        # Never worse than the rules that people use today.
        for rule in BASELINES.values():
            self.offer(rule(problem, self.model))
        self.told = (math.inf, -math.inf)
        self.target = max(context.target_gap or 0.0, PROVED)

    def done(self) -> bool:
        """Whether the gap is closed."""
        return self.value - self.bound <= self.target * max(abs(self.value), 1e-9)

    def offer(self, plan: InvoicePlan | None) -> bool:
        """Take ``plan`` as the incumbent if it is feasible and better."""
        if plan is None or not self.model.is_feasible(plan):
            return False
        value = self.model.objective(plan)
        if value >= self.value:
            return False
        self.plan, self.value = plan, value
        return True

    def news(self, *, always: bool = False) -> Iterator[Candidate[InvoicePlan]]:
        """A candidate if there is something new to tell."""
        if math.isinf(self.value):
            return
        value, bound = self.told
        better = self.value < value
        closer = self.bound > bound and (math.isinf(bound) or self.bound - bound > TOLD_SHARE * (self.value - bound))
        if not (better or closer or (always and self.bound > bound)):
            return
        self.told = (self.value, self.bound)
        lower = min(self.bound, self.value) if math.isfinite(self.bound) else None
        yield Candidate(self.plan, self.value, self.name, self.context.seed, lower_bound=lower)

    def candidates(self) -> Iterator[Candidate[InvoicePlan]]:
        """The whole run."""
        stop = self.context.stop
        yield from self.news()
        relaxed = relax(self.model, stop, self.plan)
        self.bound = relaxed.bound
        yield from self.news()
        if stop() or self.done():
            return
        self.round(relaxed)
        yield from self.news()
        if self.done():
            return
        if self.model.items > SMALL_ITEMS:
            self.dive(relaxed, stop, None)
            yield from self.news()
            if self.done():
                return
            self.polish(relaxed, stop)
            yield from self.news()
        yield from self.branch(relaxed)
        for options, nodes in zip(CORE_OPTIONS, CORE_NODES, strict=True):
            if stop() or self.done():
                break
            gap = self.value - self.bound
            core = make_core(self.model, relaxed, self.plan, gap, EXACT_OPTIONS)
            if not core.exact:
                core = make_core(self.model, relaxed, self.plan, gap, options)
            yield from self.solve(core, nodes)
            if core.exact:
                break
            self.sweep(relaxed, stop)
            yield from self.news()
        yield from self.news(always=True)

    def round(self, relaxed: Relaxation) -> None:
        """The heaviest column of each group, repaired over the least decided items."""
        items = np.argsort(relaxed.regret, kind="stable")[:REPAIR_ITEMS]
        self.offer(improve(self.model, heaviest(self.model, relaxed), items, stop=self.context.stop))

    def dive(self, relaxed: Relaxation, stop: Stop, chance: np.random.Generator | None) -> None:
        """One dive, its plan repaired and descended over the least decided items."""
        plan = dive(self.model, relaxed, self.plan, stop, chance)
        if plan is not None:
            items = np.argsort(relaxed.regret, kind="stable")[:REPAIR_ITEMS]
            self.offer(improve(self.model, plan, items, passes=2, stop=stop))

    def core_options(self, relaxed: Relaxation, count: int) -> tuple[IntArray, IntArray, IntArray]:
        """The ``count`` least decided items with the runs and accounts of their cheapest options (-2: none)."""
        items = np.argsort(relaxed.regret, kind="stable")[:count]
        items = items[np.isfinite(relaxed.regret[items])]
        run = np.full((len(items), POLISH_OPTIONS), -2, dtype=np.int64)
        account = np.full((len(items), POLISH_OPTIONS), NEVER, dtype=np.int64)
        for row, item in enumerate(items.tolist()):
            for column, choice in enumerate(relaxed.ranked_choices(self.model, item, POLISH_OPTIONS)):
                account[row, column], run[row, column] = choice
        return items, run, account

    def polish(self, relaxed: Relaxation, stop: Stop, count: int = POLISH_ITEMS) -> None:
        """Single and joint moves of the least decided items, over their cheapest options at the prices."""
        if math.isinf(self.value):
            return
        items, run, account = self.core_options(relaxed, count)
        for _ in range(POLISH_ROUNDS):
            before = self.value
            for start in range(0, len(items), 16):
                if stop() or self.done():
                    return
                self.offer(improve(self.model, self.plan, items[start : start + 16], passes=1, stop=stop))
            self.offer(swap(self.model, self.plan, items, run, account, stop))
            if self.value > before * (1 - 1e-6):
                return

    def sweep(self, relaxed: Relaxation, stop: Stop) -> None:
        """One pass of local search over all items, the least decided first."""
        order = np.argsort(relaxed.regret, kind="stable")
        for start in range(0, len(order), SWEEP):
            if stop():
                return
            self.offer(improve(self.model, self.plan, order[start : start + SWEEP], passes=1, stop=stop))

    def branch(self, relaxed: Relaxation) -> Iterator[Candidate[InvoicePlan]]:
        """Branch and bound over everything within the gap, as far as its nodes go, and descents from what it meets."""
        if math.isinf(self.value) or self.done():
            return
        kept, may_wait, exact = within(self.model, relaxed, self.plan, self.value - self.bound, TREE_OPTIONS)
        if not exact:
            return
        share = TREE_SHARE * self.target if self.target > PROVED else OPTIMAL_SHARE
        most = next(nodes for items, nodes in TREE_NODES if self.model.items <= items)
        tree = Tree(self.model, relaxed, self.plan, kept, may_wait, share, most)
        before, stop = self.value, self.context.stop
        mark = (0, self.value, self.bound)
        while not (tree.done or tree.full or self.done() or stop()) and tree.nodes < most:
            tree.run_nodes(TREE_SLICE, stop)
            if tree.value < self.value:
                self.offer(tree.plan())
            near = None if tree.done else tree.near_plan()
            if near is not None and self.offer(improve(self.model, near, tree.items, passes=2, stop=stop)):
                self.polish(relaxed, stop)
                tree.take(self.plan, self.value)
            # What is not in the tree is no better than the incumbent that it was cut for.
            self.bound = max(self.bound, min(tree.bound, before))
            yield from self.news()
            if tree.nodes - mark[0] >= TREE_WINDOW:
                if self.value == mark[1] and self.bound - mark[2] < TREE_RISE * (self.value - self.bound):
                    break
                mark = (tree.nodes, self.value, self.bound)
        if not (tree.done or self.done()) and self.model.items <= WIDE_POLISH_UP_TO:
            self.polish(relaxed, stop, WIDE_POLISH_ITEMS)
        yield from self.news(always=tree.done)

    def solve(self, core: Core, nodes: int) -> Iterator[Candidate[InvoicePlan]]:
        """HiGHS on a core; its bound counts when the core is exact."""
        floor = self.bound
        options = {
            "mip_rel_gap": 0.5 * self.target if core.exact else 0.0,
            # A core that is not exact need not be solved much closer than the gap that is left anyway.
            "mip_abs_gap": 1e-6 if core.exact else CORE_GAP_SHARE * max(self.value - self.bound, 0.0) + 1e-6,
            "mip_heuristic_effort": 0.02,
            # The core is small and clean already; what presolve finds in it costs more than it saves.
            "presolve": "off",
            "mip_feasibility_tolerance": 1e-7,
            "primal_feasibility_tolerance": 1e-8,
        }
        if not core.exact:
            options["mip_max_nodes"] = nodes
        start = core.mip.option_values(self.plan) if math.isfinite(self.value) else None
        before = self.value
        broken = False
        for news in stream(core.mip.lp, self.context.stop, self.context.seed, start=start, options=options):
            if news.solution is not None:
                plan = core.mip.plan(news.solution)
                feasible = self.model.is_feasible(plan)
                broken |= not feasible
                self.offer(plan if feasible else improve(self.model, plan, core.mip.free, stop=self.context.stop))
            if core.exact:
                proved = safe_bound(news.bound)
                if news.status == "infeasible":
                    proved = before
                if proved is not None:
                    # Outside the core nothing is better than the incumbent that the core was cut for.
                    self.bound = max(self.bound, floor, min(proved, before))
            yield from self.news()
            if self.done():
                return
        if broken and core.exact and not self.done():
            # Off by a minor unit through floating point: once more under slightly tighter caps, for the plan alone.
            yield from self.solve(Core(core.mip, exact=False), 1000)


def excesses(model: Model, relaxed: Relaxation) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """How much more than its cheapest option every option costs at the prices: (items, A, T), and never (items,)."""
    options = model.options
    value = options.cost[:, None, :] + options.cash_minor[:, None, :] * relaxed.price[None, :, :]
    value += (relaxed.fee - relaxed.best)[:, None, None]
    value[~all_options(model)] = np.inf
    return value, options.never - relaxed.best


def within(
    model: Model, relaxed: Relaxation, incumbent: InvoicePlan, gap: float, options: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], bool]:
    """Options within the gap (items, A, T), who may wait (items,), and whether these are all.

    If there are more than ``options`` on top of one per item, the cheapest. The incumbent's own choices stay in.
    """
    value, never = excesses(model, relaxed)
    spread = gap * (1 + 1e-9) + 1e-6
    exact = True
    # Every item has one option at 0; a core counts what comes on top.
    extra = np.sort(np.concatenate([value[value <= spread], never[never <= spread]]))
    if len(extra) > model.items + options:
        spread, exact = float(extra[model.items + options]), False
    kept, may_wait = value <= spread, never <= spread
    paid = np.flatnonzero(incumbent.date_index != NEVER)
    when, where = incumbent.date_index[paid], incumbent.account_index[paid]
    kept[paid, where, when] = True
    may_wait |= incumbent.date_index == NEVER
    return kept, may_wait, exact


def make_core(model: Model, relaxed: Relaxation, incumbent: InvoicePlan, gap: float, options: int) -> Core:
    """The program over options within the gap, or over the ``options`` cheapest of them.

    The incumbent's own choices stay in, so that the core can start from it.
    """
    kept, may_wait, exact = within(model, relaxed, incumbent, gap, options)
    choices = kept.sum(axis=(1, 2)) + may_wait
    free = np.flatnonzero(choices > 1)
    # What has one choice left takes it.
    single = np.flatnonzero(choices == 1)
    dates = np.full(model.items, NEVER, dtype=np.int16)
    accounts = np.full(model.items, NEVER, dtype=np.int16)
    item, account, run = np.nonzero(kept[single])
    dates[single[item]], accounts[single[item]] = run, account
    mip = build_mip(model, kept, never_allowed=may_wait, free=free, base_plan=InvoicePlan(dates, accounts))
    return Core(mip, exact)
