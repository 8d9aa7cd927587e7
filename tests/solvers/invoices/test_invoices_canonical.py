"""Canonical JSON of invoice problems and plans, and what is refused."""

import copy
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.invoice_instances import make_problem, make_small
from solvers.canonical import dumps, loads
from solvers.errors import InvalidProblem
from solvers.invoices.canonical import plan_from_json, plan_to_json, problem_from_json, problem_to_json
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.model import model_of
from solvers.invoices.money import to_minor, to_units_nanos


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_problems_and_plans_survive_canonical_json(seed):
    """Reading what was written gives the same problem, the same bytes and the same plan."""
    problem = make_small(seed)
    data = dumps(problem_to_json(problem))
    again = problem_from_json(loads(data))
    assert again == problem
    assert dumps(problem_to_json(again)) == data
    plan = greedy_plan(model_of(problem))
    assert plan_from_json(problem, loads(dumps(plan_to_json(problem, plan)))) == plan


def test_a_default_that_is_written_out_has_the_same_canonical_text():
    """The same problem with its defaults spelt out has one canonical text."""
    data = problem_to_json(make_problem(1, 12, 3, 2))
    spelt = copy.deepcopy(data)
    spelt["mode"] = "NORMAL"
    spelt["services_down"] = []
    spelt["calendar"] = {"name": "WEEKENDS", "holidays": []}
    spelt["payment_policy"]["default_p_invalid"] = 0.01
    spelt["invoices"][0]["disputed"] = False
    spelt["liquidity"]["bank_accounts"][0]["overdraft_rate"] = 0.09
    assert problem_to_json(problem_from_json(spelt)) == data


@given(st.integers(-(10**13), 10**13), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_money_survives_units_and_nanos(minor, currency):
    """Minor units to units and nanos and back is the identity, with one sign."""
    units, nanos = to_units_nanos(minor, currency)
    assert to_minor(units, nanos, currency) == minor
    assert units * nanos >= 0


def test_every_fault_is_named_at_once():
    """One reading lists each bad field of a request by its path."""
    data = problem_to_json(make_problem(1, 8, 3, 2))
    data["base_currency"] = "EUX"
    data["horizon_end_date"] = {"year": 2026, "month": 2, "day": 30}
    invoices = data["invoices"]
    invoices[0]["amount_due"] = {"currency_code": "EUR", "units": -5}
    invoices[1]["invoice_id"] = invoices[2]["invoice_id"]
    invoices[3]["validation"] = [{"check_type": "vat_id", "p_invalid": 1.5}]
    invoices[4]["payment_terms"] = [{"discount_due_date": {"year": 2026, "month": 1, "day": 5}}]
    invoices[5]["amount_due"]["nanos"] = 5
    invoices[6]["colour"] = "red"
    invoices[7]["issue_date"] = {"year": 2029, "month": 1, "day": 5}
    data["liquidity"]["inflow_scenarios"][0]["probability"] = 0.7
    data["payment_policy"]["must_pay"] = [{"invoice_id": "nobody"}]
    data["payment_policy"]["cvar_alpha"] = float("nan")
    data["mode"] = "DEGRADED"
    with pytest.raises(InvalidProblem) as error:
        problem_from_json(data)
    paths = [violation.path for violation in error.value.violations]
    for path in (
        "base_currency",
        "horizon_end_date",
        "invoices[0].amount_due",
        "invoices[2].invoice_id",
        "invoices[3].validation[0].p_invalid",
        "invoices[4].payment_terms[0]",
        "invoices[5].amount_due",
        "invoices[6].colour",
        "invoices[7].payment_due_date",
        "liquidity.inflow_scenarios",
        "payment_policy.must_pay[0].invoice_id",
        "payment_policy.cvar_alpha",
        "services_down",
    ):
        assert path in paths, path
    assert all(violation.allowed for violation in error.value.violations)


@pytest.mark.parametrize("garbage", [None, 3, "x", [], {"invoices": 3}, {"invoices": [1, None]}, {"liquidity": []}])
def test_any_json_is_refused_without_another_exception(garbage):
    """What is not a problem at all is an InvalidProblem, too."""
    with pytest.raises(InvalidProblem):
        problem_from_json(garbage)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 200), st.data())
def test_broken_json_never_raises_anything_else(seed, data):
    """A problem with any one value replaced by nonsense is read or refused, nothing else."""
    document = problem_to_json(make_small(seed, most=3))
    places = []

    def walk(value):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in pairs:
            places.append((value, key))
            if isinstance(child, dict | list):
                walk(child)

    walk(document)
    owner, key = data.draw(st.sampled_from(places))
    owner[key] = data.draw(
        st.sampled_from([None, -1, 10**30, 1.5, float("inf"), "", "x", [], {}, [None], {"year": 1}, True, "2026-01-01"])
    )
    with suppress(InvalidProblem):
        problem = problem_from_json(document)
        assert problem.verify(greedy_plan(model_of(problem))) is not None


def test_faults_of_a_plan_are_named():
    """A plan that names unknown invoices, runs and accounts lists each."""
    problem = make_problem(1, 4, 3, 2)
    day = {"year": 2031, "month": 1, "day": 1}
    entry = {"invoice_id": "nobody", "requested_execution_date": day, "account_id": "gone"}
    with pytest.raises(InvalidProblem) as error:
        plan_from_json(problem, {"decisions": [entry]})
    assert [violation.path for violation in error.value.violations] == [
        "decisions[0].invoice_id",
        "decisions[0].requested_execution_date",
        "decisions[0].account_id",
    ]


def test_plans_are_hashable_values():
    """Equal plans are one key; plans cannot be written to."""
    problem = make_problem(1, 10, 3, 2)
    first, second = greedy_plan(model_of(problem)), greedy_plan(model_of(problem))
    assert len({first, second}) == 1
    with pytest.raises(ValueError, match="read-only"):
        first.date_index[0] = 1
    assert first.date_index.dtype == np.int16
