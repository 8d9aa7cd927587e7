"""Budgets against a model that adds up by hand, under every order of calls that hypothesis thinks of."""

import itertools
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from store.amounts import Amounts
from store.errors import BudgetExceeded, IdempotencyConflict, TerminalState
from store.store import Store

NOW = datetime(2026, 11, 20, tzinfo=UTC)
UNITS = ("usd_micros", "shots", "device_ms")

amounts = st.builds(Amounts, st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
limits = st.builds(Amounts, st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
projects = st.sampled_from(["", "north", "south"])
periods = st.sampled_from(["2026-11", "2026-12", "total"])
LABELS = (("team=a",), ("run=x", "team=a"))
"""Of the two jobs."""
budget_labels = st.sampled_from(["", "team=a", "run=x", "team=b"])


class BudgetMachine(RuleBasedStateMachine):
    """The model keeps, by key, what was asked for and what is held now."""

    made = Bundle("made")

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="isinglass-budget-"))
        self.store = Store.open(f"sqlite:///{self.folder}/a.db", str(self.folder / "artifacts"), self.folder)
        self.jobs = [
            self.store.jobs.accept(
                tenant="t",
                kind="binary",
                request_digest="d",
                idempotency_key=None,
                deadline_at=NOW,
                priority=5,
                labels=dict(label.split("=") for label in labels),
                policy_json={},
                correlation_id="",
                now=NOW,
            ).job_id
            for labels in LABELS
        ]
        self.limits: dict[tuple[str, str, str], Amounts] = {}
        self.asked: dict[str, tuple[str, int, Amounts]] = {}
        self.held: dict[str, Amounts] = {}
        self.state: dict[str, str] = {}
        self.period: dict[str, str] = {}
        self.ids: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)

    def spent(self, project: str, label: str, period: str) -> tuple[int, ...]:
        counted = [
            held
            for key, held in self.held.items()
            if project in {"", self.asked[key][0]}
            and label in {"", *LABELS[self.asked[key][1]]}
            and period in {"total", self.period[key]}
        ]
        return tuple(sum(getattr(one, unit) for one in counted) for unit in UNITS)

    def fits(self, project: str, period: str, job: int, wanted: Amounts, request_limit: Amounts | None) -> bool:
        room = []
        for of_project in {"", project}:
            for label in ("", *LABELS[job]):
                for of_period in {period, "total"}:
                    limit = self.limits.get((of_project, label, of_period))
                    if limit is None and (label or of_period != period):
                        continue  # only a tenant or project without a limit of the period may spend nothing
                    room.append((limit or Amounts(), self.spent(of_project, label, of_period)))
        if request_limit is not None:
            of_job = [held for key, held in self.held.items() if self.asked[key][1] == job]
            room.append((request_limit, tuple(sum(getattr(one, unit) for one in of_job) for unit in UNITS)))
        return all(
            getattr(wanted, unit) <= max(0, getattr(limit, unit) - spent[i])
            for limit, spent in room
            for i, unit in enumerate(UNITS)
        )

    @rule(project=projects, label=budget_labels, period=periods, limit=limits)
    def set_limit(self, project: str, label: str, period: str, limit: Amounts) -> None:
        self.store.budgets.set_limit("t", project, period, limit, label)
        self.limits[project, label, period] = limit

    @rule(
        target=made,
        key=st.sampled_from("abcdefgh"),
        project=projects,
        period=periods,
        job=st.integers(0, 1),
        wanted=amounts,
        request_limit=st.none() | limits,
    )
    def reserve(
        self, key: str, project: str, period: str, job: int, wanted: Amounts, request_limit: Amounts | None
    ) -> str:
        def call() -> str:
            return self.store.budgets.reserve(
                tenant="t",
                project=project,
                period=period,
                job_id=self.jobs[job],
                backend="metered",
                idempotency_key=key,
                amounts=wanted,
                now=NOW,
                request_limit=request_limit,
            )

        if key in self.asked and self.asked[key] != (project, job, wanted):
            with pytest.raises(IdempotencyConflict):
                call()
        elif self.state.get(key) in {"RESERVED", "SETTLED"}:
            assert call() == self.ids[key]
        elif self.fits(project, period, job, wanted, request_limit):
            reservation_id = call()
            assert self.ids.setdefault(key, reservation_id) == reservation_id
            self.asked[key] = (project, job, wanted)
            self.held[key], self.state[key], self.period[key] = wanted, "RESERVED", period
        else:
            with pytest.raises(BudgetExceeded):
                call()
        return key

    @rule(key=made, charged=amounts)
    def settle(self, key: str, charged: Amounts) -> None:
        if key not in self.ids:
            return
        if self.state[key] == "SETTLED" and charged != self.held[key]:
            with pytest.raises(TerminalState):
                self.store.budgets.settle(self.ids[key], charged)
            return
        self.store.budgets.settle(self.ids[key], charged)
        self.held[key], self.state[key] = charged, "SETTLED"

    @rule(key=made)
    def release(self, key: str) -> None:
        if key not in self.ids:
            return
        if self.state[key] == "SETTLED":
            with pytest.raises(TerminalState):
                self.store.budgets.release(self.ids[key])
            return
        self.store.budgets.release(self.ids[key])
        self.held[key], self.state[key] = Amounts(), "RELEASED"

    @invariant()
    def adds_up(self) -> None:
        assert self.store.budgets.recount("t")
        scopes = itertools.product(
            ("", "north", "south"), ("", "team=a", "run=x", "team=b"), ("2026-11", "2026-12", "total")
        )
        for project, label, period in scopes:
            budget = self.store.budgets.budget("t", project, period, label)
            spent = self.spent(project, label, period)
            for i, unit in enumerate(UNITS):
                limit = getattr(self.limits.get((project, label, period), Amounts()), unit)
                assert getattr(budget.reserved, unit) + getattr(budget.settled, unit) == spent[i]
                assert getattr(budget.free, unit) == max(0, limit - spent[i])


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
