"""The invoices benchmark: rows, table, and the same model for a peer in another environment."""

from __future__ import annotations

import pytest

from benchmarks import invoices
from benchmarks.invoice_brute import brute_force
from benchmarks.invoice_instances import make_problem
from benchmarks.invoice_peers import cpsat_installed, solve_cpsat


def test_every_case_asks_for_a_peer_within_the_time_that_a_whole_run_may_take() -> None:
    """Engine and peers together stay within a quarter of an hour."""
    engine_s = sum(case.limit_s * case.seeds for case in invoices.CASES)
    peers_s = sum(2 * case.peer_s for case in invoices.CASES)
    assert engine_s + peers_s < 700


def test_the_table_says_what_was_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that is absent is said to be absent."""
    monkeypatch.setattr(invoices, "cpsat_installed", lambda: None)
    monkeypatch.setattr(invoices, "CASES", (invoices.Case(12, 3, 3, 1.0, 1.0, 1),))
    monkeypatch.setattr(invoices, "TINY", invoices.Case(6, 3, 3, 5.0, 0.0, 1))
    monkeypatch.setattr(invoices, "against_rules", lambda *_: {"invoices": 1, "seeds": 0, "rules": {}})
    monkeypatch.setattr(
        invoices,
        "against_brute_force",
        lambda *_: dict.fromkeys(
            ("problems", "feasible", "bound_holds", "plan_feasible", "optimal", "infeasible_agreed"), 0
        ),
    )
    monkeypatch.setattr(invoices, "insurance", lambda _: [])
    result = invoices.run(quick=True)
    text = invoices.table(result)
    assert "absent, not compared" in text
    assert "12 x 3 x 3" in text
    assert result["tiny"]["proved"] == result["tiny"]["seeds"]


@pytest.mark.skipif(cpsat_installed() is None, reason="OR-Tools is not in the peers' environment")
def test_cp_sat_finds_the_optimum_of_the_same_model() -> None:
    """The peer's bound and plan meet the optimum that going through all plans finds."""
    problem = make_problem(5, 8, 3, 4)
    _, optimum = brute_force(problem)
    found = solve_cpsat(problem, 1, 20.0, 0.0)
    assert found["feasible"]
    assert found["objective"] == pytest.approx(optimum, rel=1e-6)
    assert found["bound"] <= optimum * (1 + 1e-6)
