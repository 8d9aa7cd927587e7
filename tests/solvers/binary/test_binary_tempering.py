"""Samples at a temperature: distributed as asked, worth what they claim, judged by the verifier."""

from dataclasses import replace

import numpy as np
import pytest
from google.protobuf import json_format
from scipy.stats import chi2

from services.convert import binary as convert
from solvers.binary import canonical
from solvers.binary.kind import KIND
from solvers.binary.plan import Boltzmann, SamplePlan
from solvers.binary.tempering import ExactTempering, Tempering, effective_samples
from solvers.stop import WorkLimit
from solvers.strategy import Context


def run(strategy, problem, blocks=100_000, **more):
    return list(strategy.candidates(problem, Context(seed=1, stop=WorkLimit(blocks), **more)))


@pytest.mark.parametrize("strategy", [ExactTempering(), Tempering()], ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("vartype", ["BINARY", "SPIN"])
def test_means_agree_with_the_whole_distribution(strategy, vartype, make_problem, by_brute_force):
    """Mean energy and mean values are within five standard errors of those by brute force."""
    problem = make_problem(5, 8, 16, vartype, num_samples=4000, temperature=1.5)
    plan = run(strategy, problem)[-1].plan
    table = by_brute_force(problem)
    energies = np.array(list(table.values()))
    weights = np.exp(-energies / 1.5)
    weights /= weights.sum()
    found = plan.boltzmann
    assert problem.verify(plan).feasible
    assert found.effective_samples >= 0.9 * 4000
    assert abs(found.mean_energy - weights @ energies) < 5 * found.mean_energy_error
    values = np.array(list(table))
    spread = 5 * values.std() / np.sqrt(found.effective_samples)
    assert np.abs(np.array(found.mean_values) - weights @ values).max() < spread


def test_tempering_counts_pass_a_chi_square_test(make_problem, by_brute_force):
    problem = make_problem(3, 4, 6, num_samples=8000, temperature=2.0)
    plan = run(Tempering(), problem)[-1].plan
    table = by_brute_force(problem)
    weights = np.exp(-np.array(list(table.values())) / 2.0)
    expected = 8000 * weights / weights.sum()
    counts = dict(zip(map(tuple, plan.values.tolist()), plan.occurrences.tolist(), strict=True))
    observed = np.array([counts.get(x, 0) for x in table])
    # The samples are worth a little less than as many independent ones; the statistic is scaled by that.
    statistic = ((observed - expected) ** 2 / expected).sum() * plan.boltzmann.effective_samples / 8000
    assert statistic < chi2.ppf(0.9999, 15)


@pytest.mark.parametrize("strategy", [KIND.insurance, Tempering()], ids=["insurance", "tempering"])
def test_claims_are_what_the_verifier_finds_and_runs_repeat(strategy, make_problem):
    problem = make_problem(2, 40, 120, num_samples=200, temperature=0.7)
    found = run(strategy, problem, blocks=3000)
    for candidate in found:
        verdict = problem.verify(candidate.plan)
        assert verdict.feasible, verdict.violations
        assert candidate.claimed_objective == pytest.approx(verdict.objective)
        assert 0.0 <= verdict.objective < 200.0
    assert [c.plan for c in run(strategy, problem, blocks=3000)] == [c.plan for c in found]
    replayed = list(strategy.candidates(problem, Context(seed=1, control_trace=found[-1].control_trace)))
    assert replayed[-1].plan == found[-1].plan


def test_the_insurance_answers_when_there_is_no_time(make_problem):
    for n in (5, 40):
        problem = make_problem(1, n, 60, num_samples=50, temperature=1.0)
        assert problem.verify(run(KIND.insurance, problem, blocks=0)[-1].plan).feasible


def test_only_those_who_sample_take_a_temperature(make_problem):
    problem = make_problem(1, 12, 30, temperature=1.0)
    assert {s.name for s in KIND.strategies if s.accepts(problem)} == {"exact-tempering", "tempering"}
    assert KIND.kernel(problem, run(ExactTempering(), problem)[-1].plan, (), Context(seed=1), 6) is None


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"mean_energy": 1e3}, "mean_energy"),
        ({"mean_energy_error": 1e3}, "mean_energy_error"),
        ({"effective_samples": 51.0}, "effective_samples"),
        ({"effective_samples": 0.0}, "effective_samples"),
        ({"mean_values": (0.0,)}, "mean_values"),
    ],
)
def test_estimates_that_the_samples_do_not_bear_out_are_named(change, constraint, make_problem):
    problem = make_problem(1, 6, 10, num_samples=50, temperature=1.0)
    plan = run(ExactTempering(), problem)[-1].plan
    altered = SamplePlan(plan.values, plan.occurrences, replace(plan.boltzmann, **change))
    assert constraint in {violation.constraint for violation in problem.verify(altered).violations}


def test_a_plan_without_estimates_is_none_for_a_temperature(make_problem):
    problem = make_problem(1, 6, 10, temperature=1.0)
    bare = SamplePlan(np.ones((1, 6)), np.ones(1))
    assert not problem.verify(bare).feasible
    assert problem.verify(SamplePlan(np.ones((1, 6)), np.ones(1), Boltzmann(0.0, 0.0, 1.0, ()))).violations


def test_effective_samples_of_known_series():
    """White noise counts in full, an autoregression by (1 - a) / (1 + a), a constant as one."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(20_000, 1))
    assert effective_samples(noise) == pytest.approx(20_000, rel=0.1)
    chain = np.zeros(20_000)
    for t in range(1, 20_000):
        chain[t] = 0.8 * chain[t - 1] + noise[t, 0]
    assert effective_samples(chain[:, None]) == pytest.approx(20_000 * 0.2 / 1.8, rel=0.2)
    assert effective_samples(np.ones((100, 3))) == 3.0


def test_problem_and_plan_survive_json_and_messages(make_problem):
    """A temperature and its estimates go both ways through canonical JSON and the contract's messages."""
    problem = make_problem(1, 6, 10, "BINARY", num_samples=50, temperature=0.25)
    message = convert.problem_to_message(problem)
    data = canonical.problem_to_json(problem)
    assert canonical.problem_from_json(data) == convert.problem_from_message(message) == problem
    assert json_format.MessageToDict(message, preserving_proto_field_name=True) == data
    plan = run(ExactTempering(), problem)[-1].plan
    sent = convert.plan_to_message(problem, plan, problem.verify(plan))
    text = canonical.plan_to_json(problem, plan)
    assert canonical.plan_from_json(problem, text) == convert.plan_from_message(problem, sent) == plan
    assert json_format.MessageToDict(sent, preserving_proto_field_name=True) == text
