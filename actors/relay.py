"""One place in a plan of attack, and who takes it over: a backend that goes down is replaced by one of its group."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dimod
from ray.exceptions import RayError

from actors.hybrid import HybridStep
from actors.names import SCHEDULER, actor
from federation.attack import BackendChoice
from federation.hedge import Hedge
from federation.policy import USD_MICROS
from federation.reasons import Reason
from solvers.kernel import Kernel

if TYPE_CHECKING:
    from actors.solve import Solve
    from federation.report import Contribution

_MOST = 4
"""Backends tried in one place, the first included."""
_ASK_S = 1.0
_ELSEWHERE = frozenset(
    {
        Reason.BACKEND_UNAVAILABLE,
        Reason.BACKEND_FAILED,
        Reason.CIRCUIT_OPEN,
        Reason.RESULT_CORRUPT,
        Reason.RETRY_BUDGET_EXHAUSTED,
    }
)
"""What another backend of the group may do better; a program that was refused, or no time, is the same there."""


_hedges: dict[str, Hedge] = {}
"""How long calls take, by backend: what all jobs of this process have seen."""


class _First(HybridStep):
    """A step that says when its program has left, and how long the answer took."""

    def __init__(self, solve: Solve, choice: BackendChoice) -> None:
        super().__init__(solve, choice)
        self.sent = asyncio.Event()

    async def _submit(self, *arguments: Any, **named: Any) -> dimod.SampleSet:
        hedge = _hedges.setdefault(self._choice.name, Hedge())
        hedge.sent()
        self.sent.set()
        started_s = time.monotonic()
        samples = await super()._submit(*arguments, **named)
        hedge.answered(time.monotonic() - started_s)
        return samples


class _Resumed(_First):
    """A step that takes over: the classical strategies have had their share of the time, and the kernel is there."""

    def __init__(self, solve: Solve, choice: BackendChoice, kernel: Kernel[Any] | None) -> None:
        super().__init__(solve, choice)
        if kernel is not None and kernel.bqm.num_variables <= choice.max_variables:
            self.kernel = kernel

    async def _until_ripe(self) -> None:
        await self._solve.first.wait()


class _Leg:
    """One backend being asked."""

    def __init__(self, solve: Solve, step: _First, choice: BackendChoice) -> None:
        self.step, self.choice = step, choice
        self._noted, self._before = solve.trail.contributions, len(solve.trail.contributions)
        self.task = asyncio.ensure_future(step.run())

    async def end(self, outcome: str, reason: Reason) -> None:
        """Stop asking; what it notes is that ``outcome`` and ``reason``."""
        if self.task.done():
            return
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        place = self._place()
        if place is not None:
            self._noted[place] = replace(self._noted[place], outcome=outcome, reason=str(reason))

    @property
    def entry(self) -> Contribution | None:
        """What it has noted."""
        place = self._place()
        return None if place is None else self._noted[place]

    def _place(self) -> int | None:
        places = range(self._before, len(self._noted))
        return next((k for k in reversed(places) if self._noted[k].backend == self.choice.name), None)


class Relay:
    """Asks the chosen backend, and in its place or beside it those that the scheduler names.

    One that goes down or fails is followed by another of its group; one that is local and free and slower than nearly
    all its earlier calls gets a second one beside it, and the first answer counts (`federation.hedge`).
    """

    def __init__(self, solve: Solve, choice: BackendChoice) -> None:
        self._solve, self._first = solve, choice
        self._legs: list[_Leg] = []
        """Those that are being asked now."""
        self._down: set[str] = set()
        self._news = asyncio.Event()
        self._tried: list[str] = []
        self._charged = 0
        """What those asked so far may have charged, in millionths of a US dollar."""

    def backend_down(self, name: str) -> None:
        """The scheduler sees no life in a backend: whoever waits for it goes elsewhere."""
        if any(leg.choice.name == name for leg in self._legs):
            self._down.add(name)
            self._news.set()

    async def run(self) -> None:
        """Ask until one has answered, or nobody is left to ask."""
        self._ask(_First(self._solve, self._first), self._first)
        try:
            answered = await self._answered()
        finally:
            for leg in self._legs:
                leg.task.cancel()
            # Each notes what became of it before it ends.
            await asyncio.gather(*(leg.task for leg in self._legs), return_exceptions=True)
        if answered != self._first.name:
            self._solve.trail.stood_in[self._first.name] = answered

    def _ask(self, step: _First, choice: BackendChoice) -> None:
        self._tried.append(choice.name)
        self._legs.append(_Leg(self._solve, step, choice))

    async def _answered(self) -> str:
        """The backend that counts in the end: the one that answered, else the last that was asked."""
        last = self._first.name
        while self._legs:
            ended = await self._next_end()
            if ended is None:  # slow: one more beside it
                await self._follow(self._legs[0], hedges=True)
                continue
            self._legs.remove(ended)
            last, entry = ended.choice.name, ended.entry
            if entry is not None and entry.outcome == "OK":
                for leg in self._legs:
                    await leg.end("CANCELLED", Reason.OVERTAKEN)
                self._legs.clear()
            elif entry is not None and entry.reason in _ELSEWHERE and not self._legs:
                await self._follow(ended)
        return last

    async def _next_end(self) -> _Leg | None:
        """The next leg that ends or whose backend goes down; ``None``: the only one is due for a hedge."""
        slow = asyncio.ensure_future(self._slow(self._legs[0])) if len(self._tried) == 1 else None
        news = asyncio.ensure_future(self._news.wait())
        waiting: set[asyncio.Future[Any]] = {news, *(leg.task for leg in self._legs), *([slow] if slow else [])}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            if slow is not None:
                slow.cancel()
        self._news.clear()
        if any(leg.choice.name in self._down for leg in self._legs):
            self._news.set()  # where one ends now and another is down as well, that one comes next
        for leg in self._legs:
            if leg.task.done():
                return leg
        for leg in self._legs:
            if leg.choice.name in self._down:
                await leg.end("FAILED", Reason.BACKEND_UNAVAILABLE)
                return leg
        return None

    async def _slow(self, leg: _Leg) -> None:
        """Return when ``leg`` is due for a hedge; else never."""
        await leg.step.sent.wait()
        hedge = _hedges.setdefault(leg.choice.name, Hedge())
        after_s = hedge.after_s()
        if leg.choice.expected_usd_micros == 0 and math.isfinite(after_s):
            await asyncio.sleep(after_s)
            if hedge.due(after_s, self._solve.solve_until_s - time.time()):
                return
        await asyncio.Event().wait()

    async def _follow(self, leg: _Leg, hedges: bool = False) -> None:
        """Ask whoever may take the place of ``leg``, or stand beside it."""
        if len(self._tried) < _MOST:
            entry = leg.entry
            self._charged += round(entry.cost_usd * USD_MICROS) if entry is not None else 0
            choice = await self._substitute(leg.choice, hedges)
            if choice is not None:
                self._ask(_Resumed(self._solve, choice, leg.step.kernel), choice)
                return
        if hedges:
            self._tried.append("")  # there is nobody: it is not asked for again

    async def _substitute(self, choice: BackendChoice, hedges: bool) -> BackendChoice | None:
        """Who takes over, within what the request has left: what may have been charged is not spent a second time."""
        solve = self._solve
        attack, policy = solve.attack, solve.order.policy
        if attack is None:
            return None
        others = attack.expected_usd_micros - self._first.expected_usd_micros
        usd_micros = policy.budget_usd_micros - others - self._charged
        # Shots that may have been charged for are gone; those that a dead process held are not.
        shots = policy.max_shots - sum(other.shots for other in attack.backends if other is not self._first)
        shots = min(self._first.shots, shots - (self._first.shots if self._charged else 0))
        left_s = solve.solve_until_s - time.time()
        if usd_micros < 0 or shots < 1 or left_s <= 0:
            return None
        try:
            found: BackendChoice | None = await asyncio.wait_for(
                actor(SCHEDULER).substitute.remote(
                    solve.seat.name, choice.name, tuple(self._tried), usd_micros, shots, hedges
                ),
                min(_ASK_S, left_s),
            )
        except (RayError, TimeoutError, ValueError) as error:
            solve.log.warning("no_substitute", backend=choice.name, error=type(error).__name__)
            return None
        return found
