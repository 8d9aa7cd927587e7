"""Other good plans beside the chosen one."""

import numpy as np
import pytest

from benchmarks.invoice_instances import make_problem
from services.convert.invoices import plan_to_message
from solvers.invoices.alternatives import _best_moves, alternatives, best_chances, core_of
from solvers.invoices.engine import EngineStrategy
from solvers.invoices.model import model_of
from solvers.invoices.why import prices_of_cash
from solvers.strategy import Context


@pytest.fixture(scope="module")
def solved():
    """(problem, plan, alternatives) of a middling problem."""
    problem = make_problem(3, 60, 6, 5)
    plan = list(EngineStrategy().candidates(problem, Context(seed=0, target_gap=0.01)))[-1].plan
    return problem, plan, alternatives(problem, plan, prices_of_cash(problem, plan))


def test_alternatives_are_feasible_distinct_and_ranked(solved):
    """Each keeps all constraints, differs where it says, and none is better than the one before it."""
    problem, plan, found = solved
    assert len(found) == 5
    assert len({other.plan for other in found} | {plan}) == 6
    objectives = []
    for other in found:
        verdict = problem.verify(other.plan)
        assert verdict.feasible
        assert verdict.objective == pytest.approx(other.objective, rel=1e-9)
        assert verdict.objective - verdict.terms["cvar_penalty"] == pytest.approx(other.expected_cost, rel=1e-9)
        differs = np.flatnonzero(other.plan.date_index != plan.date_index)
        assert set(differs.tolist()) <= set(other.items)
        objectives.append(verdict.objective)
    assert objectives == sorted(objectives)


def test_chances_are_shares_of_the_same_futures(solved):
    """The chances of all plans add up to one and are repeatable; a plan that is dearer in every future has none."""
    problem, plan, found = solved
    model = model_of(problem)
    plans = [plan, *(other.plan for other in found)]
    chances = best_chances(model, plans, 4)
    assert sum(chances) == pytest.approx(1.0)
    assert chances == best_chances(model, plans, 4)
    nothing = plan.__class__(np.full(len(plan), -1), np.full(len(plan), -1))
    assert best_chances(model, [plan, nothing], 1)[1] < 0.05


def test_alternatives_are_at_least_as_probable_as_the_best_moves_alone(solved):
    """The plans told are together as likely to be best as the cheapest moves of one or two invoices, or more."""
    problem, plan, found = solved
    model = model_of(problem)
    core = core_of(model, plan, prices_of_cash(problem, plan))
    moves = sorted(_best_moves(core), key=model.objective)[:5]
    ours = best_chances(model, [plan, *(other.plan for other in found)], 9)
    theirs = best_chances(model, [plan, *moves], 9)
    assert sum(ours[1:]) >= sum(theirs[1:]) - 0.02
    assert alternatives(problem, plan, prices_of_cash(problem, plan)) == found


def test_answers_carry_alternatives_by_their_differences(solved):
    """A plan message names the decisions in which each alternative differs, and what the weights are relative to."""
    problem, plan, _ = solved
    message = plan_to_message(problem, plan, problem.verify(plan))
    assert len(message.alternatives) == 5
    assert all(len(entry.differences) >= 1 for entry in message.alternatives)
    assert sum(entry.weight for entry in message.alternatives) > 0
    assert message.alternatives_temperature > 0
    assert sum(entry.probability_best for entry in message.alternatives) <= 1.0 + 1e-9
