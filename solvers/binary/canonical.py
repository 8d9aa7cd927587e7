"""Canonical JSON of binary problems and sample plans, with the field names of the contract."""

from __future__ import annotations

from typing import Any

import numpy as np

from solvers.binary import constrained_verify, verify
from solvers.binary.constrained import ConstrainedProblem
from solvers.binary.constrained_codec import model_from_json, model_to_json
from solvers.binary.json_reader import Reader
from solvers.binary.plan import Boltzmann, SamplePlan
from solvers.binary.problem import DEFAULT_NUM_SAMPLES, BinaryProblem, quadratic_problem
from solvers.binary.validate import refuse_too_large
from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import JsonObject

AnyProblem = BinaryProblem | ConstrainedProblem


def problem_to_json(problem: AnyProblem) -> JsonObject:
    """A `BinaryProblem` message as JSON; defaults and empty lists are left out."""
    options: JsonObject = {}
    if problem.num_samples != DEFAULT_NUM_SAMPLES:
        options["num_samples"] = problem.num_samples
    if isinstance(problem, ConstrainedProblem):
        return {"constrained": model_to_json(problem)} | ({"options": options} if options else {})
    if problem.temperature is not None:
        options["temperature"] = problem.temperature
    return {"quadratic": _model_to_json(problem)} | ({"options": options} if options else {})


def _model_to_json(problem: BinaryProblem) -> JsonObject:
    model: JsonObject = {"vartype": problem.vartype.value}
    if problem.variables:
        model["variables"] = list(problem.variables)
    elif problem.num_variables:
        model["num_variables"] = problem.num_variables
    if np.any(problem.linear):
        model["linear"] = problem.linear.tolist()
    if problem.num_terms:
        model |= {
            "rows": problem.rows.tolist(),
            "columns": problem.columns.tolist(),
            "values": problem.values.tolist(),
        }
    if problem.offset:
        model["offset"] = problem.offset
    return model


def problem_from_json(data: JsonObject) -> AnyProblem:
    """The reverse.

    Raises
    ------
    InvalidProblem
        Naming every field at fault.
    """
    faults: list[FieldViolation] = []
    top = Reader("", data, ("quadratic", "constrained", "options"), faults)
    options = Reader("options", top.data.get("options", {}), ("num_samples", "temperature"), faults)
    num_samples = options.integer("num_samples", 0) or DEFAULT_NUM_SAMPLES
    temperature = options.optional_number("temperature")
    if "constrained" in top.data:
        if "quadratic" in top.data:
            top.fault("quadratic", "is given beside constrained", "one of the two")
        return model_from_json(top.data["constrained"], num_samples, temperature, faults)
    if "quadratic" not in top.data:
        top.fault("quadratic", "is absent", "a model")
    model = Reader(
        "quadratic",
        top.data.get("quadratic", {}),
        ("vartype", "num_variables", "variables", "linear", "rows", "columns", "values", "offset"),
        faults,
    )
    lists = {name: value for name, value in model.data.items() if isinstance(value, list)}
    size, terms = (
        max(len(lists.get(name, ())) for name in names) for names in (("variables", "linear"), ("rows", "values"))
    )
    refuse_too_large("quadratic", size, terms, num_samples)
    arguments: dict[str, Any] = {
        "vartype": model.text("vartype") or "absent",
        "linear": model.numbers("linear"),
        "rows": model.integers("rows"),
        "columns": model.integers("columns"),
        "values": model.numbers("values"),
        "offset": model.number("offset", 0.0),
        "variables": model.texts("variables"),
        "num_variables": model.integer("num_variables", 0),
        "num_samples": num_samples,
        "temperature": temperature,
    }
    if faults:
        raise InvalidProblem(faults)
    return quadratic_problem(**arguments)


def plan_to_json(problem: AnyProblem, plan: SamplePlan) -> JsonObject:
    """A `SamplePlan` message as JSON, energies recomputed."""
    samples = []
    for values, occurrences, energy in zip(plan.values, plan.occurrences, energies_of(problem, plan), strict=True):
        sample: JsonObject = {"values": values.tolist()} if values.size else {}
        if energy:
            sample["energy"] = energy
        samples.append(sample | {"occurrences": int(occurrences)})
    result: JsonObject = {"samples": samples}
    if plan.boltzmann is not None:
        found = plan.boltzmann
        estimate = {
            "mean_energy": found.mean_energy,
            "mean_energy_error": found.mean_energy_error,
            "effective_samples": found.effective_samples,
            "mean_values": list(found.mean_values),
        }
        result["boltzmann"] = {name: value for name, value in estimate.items() if value not in (0.0, [])}
    return result


def plan_from_json(problem: AnyProblem, data: JsonObject) -> SamplePlan:
    """The reverse.

    Raises
    ------
    InvalidProblem
        Naming every field at fault, among them an energy that is not the assignment's.
    """
    faults: list[FieldViolation] = []
    top = Reader("", data, ("samples", "boltzmann"), faults)
    rows, counts, claimed = [], [], []
    for k, entry in enumerate(top.list("samples")):
        sample = Reader(f"samples[{k}]", entry, ("values", "energy", "occurrences"), faults)
        values = sample.integers("values")
        if values.shape[0] != problem.num_variables:
            sample.fault("values", f"has {values.shape[0]} entries", f"{problem.num_variables}: one per variable")
        elif np.any(np.abs(values) >= 2**31):
            sample.fault("values", "has an entry beyond 32 bits", "values of the variables")
        rows.append(values)
        counts.append(sample.integer("occurrences", 0))
        claimed.append(sample.number("energy", 0.0))
    if not rows:
        top.fault("samples", "is empty", "at least one sample")
    boltzmann = None
    if "boltzmann" in top.data:
        known = ("mean_energy", "mean_energy_error", "effective_samples", "mean_values")
        part = Reader("boltzmann", top.data["boltzmann"], known, faults)
        boltzmann = Boltzmann(
            part.number("mean_energy", 0.0),
            part.number("mean_energy_error", 0.0),
            part.number("effective_samples", 0.0),
            tuple(part.numbers("mean_values").tolist()),
        )
    if faults:
        raise InvalidProblem(faults)
    plan = SamplePlan(np.array(rows, dtype=np.int32), np.array(counts, dtype=np.int64), boltzmann)
    for k, energy in enumerate(energies_of(problem, plan)):
        if not abs(energy - claimed[k]) <= 1e-9 * max(1.0, _size(problem)):
            faults.append(
                FieldViolation(f"samples[{k}].energy", f"is {claimed[k]}", f"{energy}, which its values have")
            )
    if faults:
        raise InvalidProblem(faults)
    return plan


def energies_of(problem: AnyProblem, plan: SamplePlan) -> list[float]:
    """Energy of each sample, from the terms as given."""
    if isinstance(problem, ConstrainedProblem):
        return [constrained_verify.energy(problem, values) for values in plan.values]
    return [verify.energy(problem, values) for values in plan.values]


def _size(problem: AnyProblem) -> float:
    """Sum of the sizes of the terms, for what rounding may do."""
    if isinstance(problem, ConstrainedProblem):
        goal = problem.objective
        spans = np.array([float(max(abs(v.lower), abs(v.upper))) for v in problem.variables])
        linear = np.abs(goal.linear_coefficients) * spans[goal.linear_variables] if spans.size else np.zeros(1)
        pairs = np.abs(goal.values) * spans[goal.rows] * spans[goal.columns] if spans.size else np.zeros(1)
        return abs(goal.offset) + float(linear.sum() + pairs.sum())
    return abs(problem.offset) + float(np.abs(problem.linear).sum() + np.abs(problem.values).sum())
