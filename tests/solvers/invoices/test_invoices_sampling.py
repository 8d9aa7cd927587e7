"""Boltzmann weights over the undecided core."""

from itertools import product

import numpy as np
import pytest

from benchmarks.invoice_instances import make_problem
from solvers.invoices.alternatives import core_of, temperature
from solvers.invoices.engine import EngineStrategy
from solvers.invoices.model import model_of
from solvers.invoices.sampling import NO_OPTION, Core, sample
from solvers.invoices.why import prices_of_cash
from solvers.strategy import Context


@pytest.fixture(scope="module")
def core():
    """(core of four items of a solved problem, four times its temperature)."""
    problem = make_problem(3, 40, 5, 4)
    plan = list(EngineStrategy().candidates(problem, Context(seed=0, target_gap=0.01)))[-1].plan
    relaxed = prices_of_cash(problem, plan)
    whole = core_of(model_of(problem), plan, relaxed)
    return Core(whole.model, plan, whole.items[:4], whole.run[:4], whole.account[:4]), 4 * temperature(whole, relaxed)


def exact_weights(core, heat):
    """The Boltzmann distribution over every feasible state, by enumeration with the verifier's own objective."""
    start = core.model.objective(core.plan)
    found = {}
    for state in product(range(core.run.shape[1]), repeat=len(core.items)):
        if any(core.run[m, option] == NO_OPTION for m, option in enumerate(state)):
            continue
        plan = core.plan_of(np.array(state))
        if core.model.is_feasible(plan):
            found[state] = np.exp(-(core.model.objective(plan) - start) / heat)
    total = sum(found.values())
    return {state: weight / total for state, weight in found.items()}


@pytest.mark.parametrize("share", [0.25, 1.0, 4.0])
def test_weights_are_those_of_exact_enumeration(core, share):
    """At three temperatures, sampled weights of a small core are within 0.06 in total variation of the exact ones."""
    small, heat = core
    exact = exact_weights(small, share * heat)
    assert len(exact) > 20
    drawn = sample(small, share * heat, 3_000, 5)
    got = {tuple(state): weight for state, weight in zip(drawn.states.tolist(), drawn.weight, strict=True)}
    assert set(got) <= set(exact)
    distance = 0.5 * sum(abs(exact[state] - got.get(state, 0.0)) for state in exact)
    assert distance < 0.06
    assert drawn.weight.sum() == pytest.approx(1.0)


def test_energies_are_exact_and_samples_repeatable(core):
    """Each state's energy is the objective's change, and the same seed gives the same samples, another seed others."""
    small, heat = core
    drawn = sample(small, heat, 60, 5)
    start = small.model.objective(small.plan)
    for state, energy in zip(drawn.states, drawn.energy, strict=True):
        assert small.model.objective(small.plan_of(state)) - start == pytest.approx(energy, abs=1e-6 * max(1.0, start))
    again, other = sample(small, heat, 60, 5), sample(small, heat, 60, 6)
    assert np.array_equal(again.states, drawn.states)
    assert np.array_equal(again.weight, drawn.weight)
    assert not (np.array_equal(other.states, drawn.states) and np.array_equal(other.weight, drawn.weight))


def test_heat_spreads_the_weight(core):
    """The hotter, the less weight is on the cheapest state."""
    small, heat = core

    def on_cheapest(share):
        drawn = sample(small, share * heat, 800, 1)
        return drawn.weight[drawn.energy <= drawn.energy.min() + 1e-9].sum()

    assert on_cheapest(0.05) > on_cheapest(1.0) > on_cheapest(50.0)
