"""One place in a plan of attack, and who takes it over: a backend that goes down is replaced by one of its group."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ray.exceptions import RayError

from actors.hybrid import HybridStep
from actors.names import SCHEDULER, actor
from federation.attack import BackendChoice
from federation.policy import USD_MICROS
from federation.reasons import Reason

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


class _Resumed(HybridStep):
    """A step that takes over: the classical strategies have had their share of the time already."""

    async def _until_ripe(self) -> None:
        await self._solve.first.wait()


class Relay:
    """Asks the chosen backend, and in its place those that the scheduler names, one after the other."""

    def __init__(self, solve: Solve, choice: BackendChoice) -> None:
        self._solve, self._first = solve, choice
        self._now = ""
        """The backend that is being asked."""
        self._lost = asyncio.Event()
        self._charged = 0
        """What those asked so far may have charged, in millionths of a US dollar."""

    def backend_down(self, name: str) -> None:
        """The scheduler sees no life in a backend: whoever waits for it goes elsewhere."""
        if name == self._now:
            self._lost.set()

    async def run(self) -> None:
        """Ask until one has answered, or nobody is left to ask."""
        choice, tried = self._first, [self._first.name]
        step = HybridStep(self._solve, choice)
        while True:
            entry = await self._ask(step, choice)
            if entry is None or entry.outcome == "OK" or entry.reason not in _ELSEWHERE or len(tried) >= _MOST:
                break
            following = await self._substitute(choice, entry, tuple(tried))
            if following is None:
                break
            choice = following
            tried.append(choice.name)
            step = _Resumed(self._solve, choice)
        if choice is not self._first:
            self._solve.trail.stood_in[self._first.name] = choice.name

    async def _ask(self, step: HybridStep, choice: BackendChoice) -> Contribution | None:
        """What the backend brought, as noted; ``None`` when nothing was."""
        noted = self._solve.trail.contributions
        before = len(noted)
        self._now = choice.name
        self._lost.clear()
        asking, lost = asyncio.ensure_future(step.run()), asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait((asking, lost), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._now = ""
            lost.cancel()
            gave_up = not asking.done()
            asking.cancel()
            # It notes what became of it before it ends.
            await asyncio.gather(asking, return_exceptions=True)
        for place in range(len(noted) - 1, before - 1, -1):
            if noted[place].backend == choice.name:
                if gave_up:
                    noted[place] = replace(noted[place], outcome="FAILED", reason=str(Reason.BACKEND_UNAVAILABLE))
                return noted[place]
        return None

    async def _substitute(
        self, choice: BackendChoice, entry: Contribution, tried: tuple[str, ...]
    ) -> BackendChoice | None:
        """Who takes over, within what the request has left: what may have been charged is not spent a second time."""
        solve = self._solve
        attack, policy = solve.attack, solve.order.policy
        if attack is None:
            return None
        self._charged += round(entry.cost_usd * USD_MICROS)
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
                actor(SCHEDULER).substitute.remote(solve.seat.name, choice.name, tried, usd_micros, shots),
                min(_ASK_S, left_s),
            )
        except (RayError, TimeoutError, ValueError) as error:
            solve.log.warning("no_substitute", backend=choice.name, error=type(error).__name__)
            return None
        return found
