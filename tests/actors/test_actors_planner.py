"""The scheduler's decisions about backends, from what is configured and seen; no Ray."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from actors.planner import JobCard, Planner
from actors.settings import Settings
from backends.backend import BackendFacts, Price, Technology
from federation.evidence import OBJECTIVE
from federation.policy import Policy, Profile
from federation.reasons import Reason
from solvers.problem import Features
from solvers.registry import problem_kind
from store.amounts import Amounts
from store.observations import Observation
from store.store import Store

NAMES = ("a", "b", "c")
VERSIONS = {strategy.name: strategy.version for strategy in problem_kind("invoices").strategies}
PATIENT = {"interval_s": 60}
"""A slow machine is no fault here."""
GROUP = {"groups": [{"name": "g", "backends": list(NAMES)}]}


def planner(
    tmp_path: Path,
    federation: dict[str, Any],
    names: tuple[str, ...] = NAMES,
    price: Price | None = None,
    stored: bool = False,
) -> Planner:
    federation = {"heartbeat": PATIENT, **federation}
    tables = tuple({"name": name, "type": "annealer"} for name in names)
    settings = Settings(str(tmp_path), "", "", 2, 1, 10, 10, "error", tables, federation)
    store = Store.open(f"sqlite:///{tmp_path}/s.sqlite", str(tmp_path / "artifacts"), tmp_path) if stored else None
    made = Planner(settings, store or SimpleNamespace(), lambda name: None)  # type: ignore[arg-type]
    for name in names:
        made.devices.watch.beat(name, time.monotonic())
        made.devices.facts[name] = BackendFacts(
            name, Technology.ANNEALER, 5000, None, (), "", 0, price or Price(), 10_000, True
        )
    return made


def card(number: int = 1, approved: bool = False, **policy: Any) -> JobCard:
    values = {"profile": Profile.SIMULATE, "max_shots": 100, **policy}
    features = Features("invoices", {"size": 20.0})
    seat = f"job-{number}#me/1"
    return JobCard(seat, "t", "c", "invoices", features, ("s",), Policy(**values), 1, time.time() + 30, approved)


def test_one_of_a_group_is_asked_and_another_takes_over_until_nobody_is_left(tmp_path: Path) -> None:
    made = planner(tmp_path, GROUP)
    attack = made.attack(card(), 0, 2)
    [first] = [choice.name for choice in attack.backends]
    made.devices.watch.gone(first, "killed", time.monotonic())
    second = made.substitute(card(), first, (first,), 0, 100, hedges=False)
    assert second is not None
    assert second.name != first
    assert second.reason.startswith(f"in place of {first}")
    assert made.substitute(card(), first, NAMES, 0, 100, hedges=False) is None
    assert made.substitute(card(), "alone", ("alone",), 0, 100, hedges=False) is None


def test_who_names_backends_gets_all_of_those(tmp_path: Path) -> None:
    attack = planner(tmp_path, GROUP).attack(card(allowed_backends=("a", "b")), 0, 2)
    assert sorted(choice.name for choice in attack.backends) == ["a", "b"]


def test_an_operators_jobs_may_spend_what_they_ask_for_others_the_limit(tmp_path: Path) -> None:
    price = Price(1_000_000, 0, 0, "test", "2026-11-20")
    made = planner(tmp_path, {"approval_above_usd": 0.5}, ("a",), price)
    asked = Amounts(5_000_000, 10, 10)
    hybrid = {"profile": Profile.HYBRID, "budget_usd_micros": 5_000_000, "allowed_backends": ("a",)}
    plain = made.attack(card(1, **hybrid), 0, 2)
    assert [skipped.reason for skipped in plain.skipped] == [Reason.APPROVAL_NEEDED]
    assert made.request_limit("job-1", asked).usd_micros == 500_000
    granted = made.attack(card(2, approved=True, **hybrid), 0, 2)
    assert [choice.name for choice in granted.backends] == ["a"]
    assert made.request_limit("job-2", asked) == asked
    made.over("job-2#me/1")
    assert made.request_limit("job-2", asked).usd_micros == 500_000


def test_a_share_of_classical_requests_has_a_shadow_unless_others_wait(tmp_path: Path) -> None:
    made = planner(tmp_path, {"shadow": {"share": 0.5}})
    classical = [made.attack(card(k, profile=Profile.CLASSICAL), 0, 2) for k in range(40)]
    assert 8 <= sum(attack.shadow is not None for attack in classical) <= 32
    assert all(attack.backends == () for attack in classical)
    assert all(made.attack(card(k, profile=Profile.CLASSICAL), 1, 2).shadow is None for k in range(40))
    assert made.attack(card(1), 0, 2).shadow is None


def test_while_more_jobs_wait_than_there_are_workers_nothing_else_runs_on_their_cores(tmp_path: Path) -> None:
    made = planner(tmp_path, GROUP)
    attack = made.attack(card(), 2, 2)
    assert attack.backends == ()
    assert {skipped.reason for skipped in attack.skipped} == {Reason.OVERLOADED}
    assert made.attack(card(), 1, 2).backends
    assert made.attack(card(allowed_backends=("a",)), 2, 2).backends, "who names a backend gets it"


def learn(made: Planner, number: int, backend: str, strategy: str, outcome: str) -> None:
    features, version = {"size": 20.0, OBJECTIVE: 10.0}, VERSIONS.get(strategy, "1")
    made.learn(
        Observation(
            "invoices", strategy, backend, features, 0.1, 1.0, 0, None, outcome, datetime.now(UTC), version=version
        )
    )


def test_a_canary_that_fails_is_rolled_back_and_stays_so_after_a_restart(tmp_path: Path) -> None:
    canaries = {"canaries": [{"stable": "a", "candidate": "b", "share": 0.5}]}
    made = planner(tmp_path, canaries, stored=True)
    for k in range(300):
        learn(made, k, "b" if k % 2 else "a", "kernel", "FAILED" if k % 2 else "OK")
    store = Store.open(f"sqlite:///{tmp_path}/s.sqlite", str(tmp_path / "artifacts"), tmp_path)
    verdicts = [(entry.record["verdict"], entry.record["candidate"]) for entry in store.audit.of_event("canary")]
    assert verdicts == [("CONTINUE", "b"), ("ROLL_BACK", "b")]
    assert store.audit.verify() == ()
    again = planner(tmp_path, canaries, stored=True)
    for k in range(20):
        assert "b" not in [choice.name for choice in again.attack(card(k), 0, 2).backends]
    assert len(store.audit.of_event("canary")) == 2


def test_a_canary_among_strategies_has_its_share_until_it_is_rolled_back(tmp_path: Path) -> None:
    old, new = list(VERSIONS)[:2]
    canaries = {"canaries": [{"kind": "invoices", "stable": old, "candidate": new, "share": 0.5}]}
    made = planner(tmp_path, canaries, stored=True)

    def cast(k: int) -> tuple[str, ...]:
        return made.attack(replace(card(k), strategies=(old, new)), 0, 2).strategies

    assert {cast(k) for k in range(40)} == {(old,), (new,)}
    for k in range(300):
        learn(made, k, "", new if k % 2 else old, "FAILED" if k % 2 else "OK")
    assert {cast(k) for k in range(40)} == {(old,)}


def test_what_is_switched_off_is_left_out_with_the_reason(tmp_path: Path) -> None:
    flags = {"flags": [{"backend": "a", "share": 0.0}]}
    attack = planner(tmp_path, flags).attack(card(allowed_backends=("a", "b")), 0, 2)
    assert [choice.name for choice in attack.backends] == ["b"]
    assert (Reason.SWITCHED_OFF, "a") in [(skipped.reason, skipped.backend) for skipped in attack.skipped]
