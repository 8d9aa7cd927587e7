import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.backend import BackendFacts, Price, Technology
from federation.reasons import Reason
from federation.spending import (
    affordable_shots,
    allot,
    facts_cost_usd_micros,
    is_metered,
    needs_approval,
    worst_case_usd_micros,
)

FREE = Price()


def backend(name, price=FREE, max_shots=10_000):
    return BackendFacts(name, Technology.GATE, 20, None, (), "", 0, price, max_shots, True)


prices = st.builds(Price, st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 2 * 10**6))


def test_worst_case_adds_task_shots_and_time_rounded_up():
    price = Price(300_000, 1450, 1_600_000)
    assert worst_case_usd_micros(price, 1000, 0) == 1_750_000
    assert worst_case_usd_micros(price, 0, 1e-9) == 300_001
    assert worst_case_usd_micros(Price(), 10**6, 100) == 0


@pytest.mark.parametrize(("shots", "seconds"), [(-1, 0), (1, -1), (1, math.nan), (1, math.inf)])
def test_worst_case_of_nonsense_is_refused(shots, seconds):
    with pytest.raises(ValueError, match="allowed"):
        worst_case_usd_micros(Price(1), shots, seconds)


@settings(deadline=None, max_examples=200)
@given(prices, st.integers(0, 10**8), st.integers(0, 10_000))
def test_affordable_shots_are_the_most_that_fit(price, budget, most):
    facts = backend("b", price)
    shots = affordable_shots(facts, budget, most)
    assert 0 <= shots <= most
    if shots:
        assert facts_cost_usd_micros(facts, shots) <= budget
    if shots < most:
        assert facts_cost_usd_micros(facts, shots + 1) > budget


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(prices, st.integers(1, 5000)), max_size=6), st.integers(0, 10**8), st.integers(0, 20_000))
def test_shares_never_exceed_the_request_and_every_share_is_usable(specs, budget, max_shots):
    backends = [backend(f"b{i}", price, most) for i, (price, most) in enumerate(specs)]
    allotments = allot(backends, budget, max_shots)
    assert [a.backend for a in allotments] == [b.name for b in backends]
    assert sum(a.shots for a in allotments) <= max_shots
    assert sum(a.expected_usd_micros for a in allotments) <= budget
    for allotment, facts in zip(allotments, backends, strict=True):
        if allotment.reason is None:
            assert min(50, facts.max_shots) <= allotment.shots <= facts.max_shots
            assert allotment.expected_usd_micros == facts_cost_usd_micros(facts, allotment.shots)
        else:
            assert allotment.shots == allotment.expected_usd_micros == 0
            assert is_metered(facts.price) or allotment.reason is Reason.SHOTS_LIMIT


def test_free_backends_share_all_the_shots():
    shares = allot([backend("a"), backend("b"), backend("c", max_shots=100)], 0, 1000)
    assert [a.shots for a in shares] == [333, 333, 100]


def test_the_preferred_of_two_that_cannot_both_be_paid_is_paid():
    price = Price(per_task_usd_micros=900_000, per_shot_usd_micros=1000)
    first, second = allot([backend("first", price), backend("second", price)], 1_200_000, 2000)
    assert first.shots == 300
    assert second.reason is Reason.BUDGET_REQUEST_LIMIT


def test_the_shots_of_one_left_out_go_to_the_others():
    dear = backend("dear", replace(Price(), per_task_usd_micros=10**9))
    shares = {a.backend: a.shots for a in allot([backend("a"), dear, backend("b")], 10, 1000)}
    assert shares == {"a": 500, "dear": 0, "b": 500}


def test_an_approval_is_needed_above_the_limit_until_an_operator_gave_one():
    assert not needs_approval(10**9, None)
    assert not needs_approval(5_000_000, 5_000_000)
    assert needs_approval(5_000_001, 5_000_000)
    assert not needs_approval(5_000_001, 5_000_000, approved_usd_micros=6_000_000)
    assert needs_approval(7_000_000, 5_000_000, approved_usd_micros=6_000_000)
