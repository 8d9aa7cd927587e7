"""Constrained models: one problem from every door, judged, coded, solved."""

import itertools
import json
import math

import dimod
import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from protos import sampling_pb2 as pb
from services.convert import binary as convert
from solvers import canonical as rfc
from solvers.binary import canonical
from solvers.binary.constrained import RawExpression, Variable, constrained_problem
from solvers.binary.constrained_highs import ConstrainedHighs
from solvers.binary.constrained_search import ConstrainedAnnealing
from solvers.binary.interop import from_cqm, from_quadratic_program
from solvers.binary.kind import KIND
from solvers.binary.plan import SamplePlan
from solvers.errors import InvalidProblem
from solvers.stop import WorkLimit
from solvers.strategy import Context

SENSES = ("LESS_OR_EQUAL", "EQUAL", "GREATER_OR_EQUAL")


def a_problem(seed, n=7, m=3, *, integers=True, products=True):
    """Mixed variables, a quadratic objective, constraints that a drawn assignment meets."""
    rng = np.random.default_rng(seed)
    variables = []
    for k in range(n):
        kind = ("BINARY", "SPIN", "INTEGER" if integers else "BINARY")[k % 3]
        bounds = {"BINARY": (0, 1), "SPIN": (-1, 1), "INTEGER": (-1, 2)}[kind]
        variables.append(Variable(f"v{k}", kind, *bounds))
    pairs = [pair for pair in itertools.combinations(range(n), 2) if rng.random() < 0.4] if products else []
    if integers and products:
        pairs.append((2, 2))
    objective = RawExpression(
        np.arange(n), rng.integers(-5, 6, n), [p[0] for p in pairs], [p[1] for p in pairs],
        rng.integers(-4, 5, len(pairs)), float(rng.integers(-3, 4)),
    )  # fmt: skip
    met = np.array([rng.choice(domain(variable)) for variable in variables])
    constraints = []
    for c in range(m):
        where = np.sort(rng.permutation(n)[:4])
        weight = rng.integers(1, 4, 4)
        at = int(weight @ met[where])
        sense = SENSES[c % 3]
        right = at + {"LESS_OR_EQUAL": 1, "EQUAL": 0, "GREATER_OR_EQUAL": -1}[sense]
        constraints.append((f"c{c}", RawExpression(where, weight, offset=2.0), sense, right + 2.0))
    return constrained_problem(variables, objective, constraints, num_samples=3)


def domain(variable):
    return list(range(variable.lower, variable.upper + 1, variable.step))


def by_hand(problem, x):
    """Objective and feasibility by plain sums."""
    goal = problem.objective
    value = goal.offset + sum(c * x[i] for i, c in zip(goal.linear_variables, goal.linear_coefficients, strict=True))
    value += sum(w * x[i] * x[j] for i, j, w in zip(goal.rows, goal.columns, goal.values, strict=True))
    for c in problem.constraints:
        left = c.left.offset
        left += sum(a * x[i] for i, a in zip(c.left.linear_variables, c.left.linear_coefficients, strict=True))
        good = {"EQUAL": left == c.right, "LESS_OR_EQUAL": left <= c.right, "GREATER_OR_EQUAL": left >= c.right}
        if not good[c.sense]:
            return value, False
    return value, True


def optimum(problem):
    every = itertools.product(*(domain(variable) for variable in problem.variables))
    return min(value for value, feasible in (by_hand(problem, x) for x in every) if feasible)


def plan(x):
    return SamplePlan(np.array([x], dtype=np.int32), np.ones(1))


def run(strategy, problem, blocks=30, **more):
    return list(strategy.candidates(problem, Context(seed=1, stop=WorkLimit(blocks), **more)))


@given(seed=st.integers(0, 500), pick=st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_the_judge_agrees_with_plain_sums(seed, pick):
    problem = a_problem(seed)
    rng = np.random.default_rng(pick)
    x = [int(rng.choice(domain(variable))) for variable in problem.variables]
    value, feasible = by_hand(problem, x)
    verdict = problem.verify(plan(x))
    assert verdict.objective == pytest.approx(value)
    assert verdict.feasible == feasible
    assert sum(verdict.terms.values()) == pytest.approx(value)
    assert all(violation.amount > 0 for violation in verdict.violations)


def test_values_outside_their_domains_and_other_shapes_are_named():
    problem = a_problem(1)
    verdict = problem.verify(plan([2, 0, 9, 0, 1, 0, 0]))
    assert {v.entity for v in verdict.violations if v.constraint == "domain"} == {"v0", "v1", "v2"}
    assert problem.verify(plan([0])).objective == math.inf


@given(seed=st.integers(0, 500))
@settings(max_examples=40, deadline=None)
def test_canonical_json_and_messages_are_one(seed):
    problem = a_problem(seed)
    data = json.loads(rfc.dumps(canonical.problem_to_json(problem)))
    assert canonical.problem_from_json(data) == problem
    message = json_format.ParseDict(data, pb.BinaryProblem())
    assert convert.problem_from_message(message) == problem
    assert convert.problem_to_message(problem) == message
    assert json_format.MessageToDict(message, preserving_proto_field_name=True) == data
    found = run(ConstrainedAnnealing(quick=True), problem)[-1].plan
    text = json.loads(rfc.dumps(canonical.plan_to_json(problem, found)))
    assert canonical.plan_from_json(problem, text) == found
    assert convert.plan_from_message(problem, convert.plan_to_message(problem, found, problem.verify(found))) == found


@pytest.mark.parametrize("seed", range(8))
def test_annealing_finds_the_optimum_of_small_models(seed):
    """Over binaries, spins, integers, squares and all senses; each feasible claim is what the verifier finds."""
    problem = a_problem(seed)
    found = run(ConstrainedAnnealing(), problem, blocks=80)
    for candidate in found:
        verdict = problem.verify(candidate.plan)
        assert verdict.feasible
        assert candidate.claimed_objective == pytest.approx(verdict.objective)
    assert found[-1].claimed_objective == pytest.approx(optimum(problem))
    replayed = list(ConstrainedAnnealing().candidates(problem, Context(seed=1, control_trace=found[-1].control_trace)))
    assert [candidate.plan for candidate in replayed] == [candidate.plan for candidate in found]


@pytest.mark.parametrize("seed", range(6))
def test_highs_proves_the_optimum(seed):
    problem = a_problem(seed, integers=False)
    assert ConstrainedHighs().accepts(problem)
    last = run(ConstrainedHighs(), problem, blocks=10_000)[-1]
    best = optimum(problem)
    assert problem.verify(last.plan).feasible
    assert last.claimed_objective == pytest.approx(best)
    assert best - 1e-4 <= last.lower_bound <= best


def test_highs_leaves_products_of_integers_to_others():
    assert not ConstrainedHighs().accepts(a_problem(1))
    assert ConstrainedHighs().accepts(a_problem(1, products=False))


def test_the_kind_insures_constrained_models_and_has_no_kernel_for_them():
    problem = a_problem(3)
    last = run(KIND.insurance, problem)[-1]
    assert problem.verify(last.plan).feasible
    assert KIND.kernel(problem, last.plan, (), Context(seed=1), 10) is None


def test_one_hot_groups_are_kept_by_swaps():
    """A quadratic assignment of eight tasks to eight places is feasible, though no single flip keeps it so."""
    rng = np.random.default_rng(2)
    n = 8
    variables = [Variable(f"x{t}_{p}", "BINARY", 0, 1) for t in range(n) for p in range(n)]
    groups = [[t * n + p for p in range(n)] for t in range(n)] + [[t * n + p for t in range(n)] for p in range(n)]
    constraints = [(f"g{k}", RawExpression(group, np.ones(n)), "EQUAL", 1.0) for k, group in enumerate(groups)]
    rows, columns = np.triu_indices(n * n, 1)
    objective = RawExpression([], [], rows, columns, rng.integers(0, 10, rows.shape[0]))
    problem = constrained_problem(variables, objective, constraints)
    last = run(ConstrainedAnnealing(), problem, blocks=60)[-1]
    assert problem.verify(last.plan).feasible


def test_models_of_dimod_mean_the_same_here():
    cqm = dimod.ConstrainedQuadraticModel()
    x, s, i = dimod.Binary("x"), dimod.Spin("s"), dimod.Integer("i", lower_bound=-2, upper_bound=3)
    cqm.set_objective(2 * x - 3 * s * i + i * i + x * i + 1.5)
    cqm.add_constraint(x + 2 * i <= 4, label="cap")
    cqm.add_constraint(s + i == 2, label="tie")
    problem = from_cqm(cqm)
    for values in itertools.product((0, 1), (-1, 1), range(-2, 4)):
        sample = dict(zip(("x", "s", "i"), values, strict=True))
        order = [sample[variable.name] for variable in problem.variables]
        verdict = problem.verify(plan(order))
        assert verdict.objective == pytest.approx(cqm.objective.energy(sample))
        assert verdict.feasible == cqm.check_feasible(sample)


def test_quadratic_programs_of_qiskit_mean_the_same_here():
    from qiskit_optimization import QuadraticProgram

    program = QuadraticProgram()
    program.binary_var("x")
    program.integer_var(-1, 2, "i")
    program.maximize(constant=1, linear={"x": 2, "i": -1}, quadratic={("x", "x"): 1, ("x", "i"): 3, ("i", "i"): -2})
    program.linear_constraint({"x": 1, "i": 1}, "<=", 1, "cap")
    problem = from_quadratic_program(program)
    for values in itertools.product((0, 1), range(-1, 3)):
        verdict = problem.verify(plan(values))
        assert verdict.objective == pytest.approx(-program.objective.evaluate(list(values)))
        assert verdict.feasible == (sum(values) <= 1)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"variables": [Variable("a", "REAL", 0, 1)]}, "constrained.variables[0].type"),
        ({"variables": [Variable("a", "INTEGER", 2, 1)]}, "constrained.variables[0].upper_bound"),
        ({"variables": [Variable("a", "BINARY", 0, 5)]}, "constrained.variables[0].lower_bound"),
        ({"variables": [Variable("a", "BINARY", 0, 1)] * 2}, "constrained.variables[1]"),
        ({"objective": RawExpression([3], [1.0])}, "constrained.objective.linear_variables[0]"),
        ({"objective": RawExpression([0, 0], [1.0, 1.0])}, "constrained.objective.linear_variables[1]"),
        ({"objective": RawExpression([0], [1.0, 1.0])}, "constrained.objective.linear_coefficients"),
        ({"objective": RawExpression([], [], [0], [0], [1.0])}, "constrained.objective.columns[0]"),
        ({"objective": RawExpression(offset=math.nan)}, "constrained.objective.offset"),
        ({"constraints": [("c", RawExpression([0], [math.inf]), "EQUAL", 1.0)]},
         "constrained.constraints[0].left.linear_coefficients[0]"),
        ({"constraints": [("c", RawExpression(), "LESS", 1.0)]}, "constrained.constraints[0].sense"),
        ({"constraints": [("c", RawExpression(), "EQUAL", math.nan)]}, "constrained.constraints[0].right"),
        ({"constraints": [("c", RawExpression([], [], [0], [1], [1.0]), "EQUAL", 1.0)]},
         "constrained.constraints[0].left.values"),
        ({"constraints": [("", RawExpression(), "EQUAL", 0.0)]}, "constrained.constraints[0]"),
    ],
)  # fmt: skip
def test_every_fault_is_named(change, path):
    arguments = {
        "variables": [Variable("a", "BINARY", 0, 1), Variable("b", "BINARY", 0, 1)],
        "objective": RawExpression(),
        "constraints": [],
    } | change
    with pytest.raises(InvalidProblem) as caught:
        constrained_problem(arguments["variables"], arguments["objective"], arguments["constraints"])
    assert path in {violation.path for violation in caught.value.violations}


def test_a_model_without_variables_is_its_constant():
    problem = constrained_problem([], RawExpression(offset=4.0), [])
    [candidate] = run(ConstrainedAnnealing(), problem)
    assert problem.verify(candidate.plan).feasible
    assert candidate.claimed_objective == candidate.lower_bound == 4.0
