"""Messages of the sampling service to and from binary problems and plans."""

from __future__ import annotations

import numpy as np

from protos import sampling_pb2 as pb
from solvers.binary.canonical import AnyProblem, energies_of
from solvers.binary.constrained import ConstrainedProblem, Expression, RawExpression, constrained_problem
from solvers.binary.constrained_codec import variable_of
from solvers.binary.plan import Boltzmann, SamplePlan
from solvers.binary.problem import DEFAULT_NUM_SAMPLES, quadratic_problem
from solvers.binary.validate import refuse_too_large
from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import Verdict


def problem_from_message(message: pb.BinaryProblem) -> AnyProblem:
    """The problem in ``message``.

    Raises
    ------
    InvalidProblem
        Naming every field at fault, as ``quadratic.values[3]``.

    """
    which = message.WhichOneof("model")
    if which is None:
        raise InvalidProblem([FieldViolation("quadratic", "is absent", "a model")])
    if which == "constrained":
        return _constrained(message)
    model, options = message.quadratic, message.options
    num_samples = options.num_samples or DEFAULT_NUM_SAMPLES
    size = max(len(model.variables), len(model.linear), model.num_variables)
    refuse_too_large("quadratic", size, max(len(model.rows), len(model.columns), len(model.values)), num_samples)
    return quadratic_problem(
        _vartype(model.vartype),
        np.fromiter(model.linear, np.float64, len(model.linear)),
        np.fromiter(model.rows, np.int64, len(model.rows)),
        np.fromiter(model.columns, np.int64, len(model.columns)),
        np.fromiter(model.values, np.float64, len(model.values)),
        offset=model.offset,
        variables=tuple(model.variables),
        num_variables=model.num_variables,
        num_samples=num_samples,
        temperature=options.temperature if options.HasField("temperature") else None,
    )


def problem_to_message(problem: AnyProblem) -> pb.BinaryProblem:
    """The message of ``problem``; defaults and lists of zeros are left out."""
    if isinstance(problem, ConstrainedProblem):
        return _constrained_message(problem)
    model = pb.QuadraticModel(vartype=pb.VariableType.Value(problem.vartype.value), offset=problem.offset)
    if problem.variables:
        model.variables.extend(problem.variables)
    else:
        model.num_variables = problem.num_variables
    if np.any(problem.linear):
        model.linear.extend(problem.linear.tolist())
    model.rows.extend(problem.rows.tolist())
    model.columns.extend(problem.columns.tolist())
    model.values.extend(problem.values.tolist())
    message = pb.BinaryProblem(quadratic=model)
    if problem.num_samples != DEFAULT_NUM_SAMPLES:
        message.options.num_samples = problem.num_samples
    if problem.temperature is not None:
        message.options.temperature = problem.temperature
    return message


def plan_to_message(problem: AnyProblem, plan: SamplePlan, verdict: Verdict) -> pb.SamplePlan:
    """The message of a plan, each sample with the energy that its values have."""
    del verdict  # at a temperature its objective is no energy
    energies = energies_of(problem, plan)
    message = pb.SamplePlan()
    for values, occurrences, energy in zip(plan.values, plan.occurrences, energies, strict=True):
        message.samples.add(values=values.tolist(), energy=energy, occurrences=int(occurrences))
    if plan.boltzmann is not None:
        found = plan.boltzmann
        message.boltzmann.mean_energy = found.mean_energy
        message.boltzmann.mean_energy_error = found.mean_energy_error
        message.boltzmann.effective_samples = found.effective_samples
        message.boltzmann.mean_values.extend(found.mean_values)
    return message


def plan_from_message(problem: AnyProblem, message: pb.SamplePlan) -> SamplePlan:
    """The plan in ``message``; its energies are left to the verifier.

    Raises
    ------
    InvalidProblem
        When there is no sample, or one has not one value per variable.
    """
    faults = [
        FieldViolation(
            f"samples[{k}].values",
            f"has {len(sample.values)} entries",
            f"{problem.num_variables}: one per variable",
        )
        for k, sample in enumerate(message.samples)
        if len(sample.values) != problem.num_variables
    ]
    if not message.samples:
        faults.append(FieldViolation("samples", "is empty", "at least one sample"))
    if faults:
        raise InvalidProblem(faults)
    values = np.array([list(sample.values) for sample in message.samples], dtype=np.int32)
    counts = np.array([sample.occurrences for sample in message.samples], dtype=np.int64)
    boltzmann = None
    if message.HasField("boltzmann"):
        found = message.boltzmann
        boltzmann = Boltzmann(
            found.mean_energy, found.mean_energy_error, found.effective_samples, tuple(found.mean_values)
        )
    return SamplePlan(values, counts, boltzmann)


def _constrained(message: pb.BinaryProblem) -> ConstrainedProblem:
    model, options = message.constrained, message.options
    parts = [model.objective, *(constraint.left for constraint in model.constraints)]
    terms = sum(max(len(part.linear_variables), len(part.rows), len(part.values)) for part in parts)
    num_samples = options.num_samples or DEFAULT_NUM_SAMPLES
    refuse_too_large("constrained", len(model.variables), terms, num_samples)
    return constrained_problem(
        [variable_of(v.name, _vartype(v.type), v.lower_bound, v.upper_bound) for v in model.variables],
        _raw(model.objective),
        [(c.name, _raw(c.left), _sense(c.sense), c.right) for c in model.constraints],
        num_samples=num_samples,
        temperature=options.temperature if options.HasField("temperature") else None,
    )


def _constrained_message(problem: ConstrainedProblem) -> pb.BinaryProblem:
    message = pb.BinaryProblem()
    model = message.constrained
    model.SetInParent()
    for variable in problem.variables:
        entry = model.variables.add(name=variable.name, type=pb.VariableType.Value(variable.type))
        if variable.type == "INTEGER":
            entry.lower_bound, entry.upper_bound = variable.lower, variable.upper
    if _has_terms(problem.objective):
        model.objective.CopyFrom(_expression(problem.objective))
    for constraint in problem.constraints:
        row = model.constraints.add(
            name=constraint.name, sense=pb.Sense.Value(constraint.sense), right=constraint.right
        )
        if _has_terms(constraint.left):
            row.left.CopyFrom(_expression(constraint.left))
    if problem.num_samples != DEFAULT_NUM_SAMPLES:
        message.options.num_samples = problem.num_samples
    return message


def _has_terms(expression: Expression) -> bool:
    return bool(expression.offset or expression.linear_variables.size or expression.values.size)


def _expression(expression: Expression) -> pb.Expression:
    return pb.Expression(
        linear_variables=expression.linear_variables.tolist(),
        linear_coefficients=expression.linear_coefficients.tolist(),
        rows=expression.rows.tolist(),
        columns=expression.columns.tolist(),
        values=expression.values.tolist(),
        offset=expression.offset,
    )


def _raw(message: pb.Expression) -> RawExpression:
    return RawExpression(
        np.fromiter(message.linear_variables, np.int64, len(message.linear_variables)),
        np.fromiter(message.linear_coefficients, np.float64, len(message.linear_coefficients)),
        np.fromiter(message.rows, np.int64, len(message.rows)),
        np.fromiter(message.columns, np.int64, len(message.columns)),
        np.fromiter(message.values, np.float64, len(message.values)),
        message.offset,
    )


def _sense(value: pb.Sense.ValueType) -> str:
    """Its name, or its number where the contract has no name for it."""
    return pb.Sense.Name(value) if value in pb.Sense.values() else str(value)


def _vartype(value: pb.VariableType.ValueType) -> str:
    """Its name, or its number where the contract has no name for it."""
    return pb.VariableType.Name(value) if value in pb.VariableType.values() else str(value)
