"""Reservations under kills: nothing overspent, nothing leaked after recovery, on every database there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import drill_reservations as drill


def test_reservations_of_killed_processes_overspend_nothing_and_leak_nothing(tmp_path: Path) -> None:
    plan = drill.Plan(reservations=60, processes=2, threads=30, fits=20, kills=2)
    result = drill.run_plan(f"sqlite:///{tmp_path}/isinglass.sqlite", tmp_path, plan)
    assert result["killed"] == 2
    # how many depends on when the kills came: whoever died before the vendor was asked has charged nothing
    assert result["charges"] > 0
    assert drill.good(result), result


@pytest.mark.long
def test_1000_reservations_at_once_under_kills_on_each_database() -> None:
    result = drill.run()
    assert result["met"], result


def test_an_audit_sees_what_was_charged_beyond_the_limit_and_what_is_still_held(tmp_path: Path) -> None:
    """The proof can fail: a charge without a reservation, and one that nobody settled, are both found."""
    plan = drill.Plan(reservations=2, processes=1, threads=1, fits=1, kills=0)
    good = drill.run_plan(f"sqlite:///{tmp_path}/isinglass.sqlite", tmp_path, plan)
    assert drill.good(good)
    for name, value in (("overspent_usd", 0.1), ("leaked", 1), ("charged_but_not_settled", 1), ("sums_right", False)):
        assert not drill.good(good | {name: value})
