"""Discounts taken and missed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.invoice_instances import make_problem, make_small
from services.plots_discounts import discounts_svg
from solvers.invoices.discounts import discount_capture
from solvers.invoices.greedy import greedy_plan
from solvers.invoices.model import model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.report import decisions


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_taken_and_missed_are_all_that_is_on_offer(seed):
    """What is taken is what the decisions say; with what is missed it is the best discount of every item."""
    problem = make_small(seed)
    model = model_of(problem)
    plan = greedy_plan(model)
    points = discount_capture(problem, plan)
    to_base = model.columns.to_base
    said = sum(d.discount_minor * to_base[d.item] for d in decisions(problem, plan))
    assert sum(point.taken for point in points) == pytest.approx(said)
    best = float((model.options.discount_minor.max(axis=1) * to_base).sum())
    total = sum(p.taken + p.held + p.unverified + p.dearer for p in points)
    assert total == pytest.approx(best)
    assert all(min(p.taken, p.held, p.unverified, p.dearer) >= -1e-9 for p in points)


def test_the_picture_says_how_much_is_taken():
    """The title holds the sums, and the same plan gives the same text."""
    problem = make_problem(2, 60, 6, 3)
    model = model_of(problem)
    plan = greedy_plan(model)
    svg = discounts_svg(problem, plan)
    points = discount_capture(problem, plan)
    assert f"Discounts taken: {sum(p.taken for p in points):,.2f} of " in svg
    assert svg == discounts_svg(problem, plan)
    nothing = InvoicePlan(np.full(len(plan), NEVER), np.full(len(plan), NEVER))
    assert "Discounts taken: 0.00 of " in discounts_svg(problem, nothing)
