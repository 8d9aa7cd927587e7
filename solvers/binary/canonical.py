"""Canonical JSON of binary problems and sample plans, with the field names of the contract."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.binary.plan import Boltzmann, SamplePlan
from solvers.binary.problem import DEFAULT_NUM_SAMPLES, BinaryProblem, quadratic_problem
from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import JsonObject

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
CONSTRAINED = FieldViolation("constrained", "is given, which is not supported yet", "quadratic")


class Reader:
    """Reads typed fields of one JSON object and keeps what is wrong with them in ``faults``."""

    def __init__(self, path: str, data: Any, known: tuple[str, ...], faults: list[FieldViolation]) -> None:
        self.path, self.faults = path, faults
        self.data: JsonObject = data if isinstance(data, dict) else {}
        if not isinstance(data, dict):
            self.fault("", f"is a {type(data).__name__}", "an object")
        for name in self.data:
            if name not in known:
                self.fault(name, "is not a field", ", ".join(known))

    def at(self, name: str) -> str:
        """Path of field ``name``."""
        return f"{self.path}.{name}".strip(".")

    def fault(self, name: str, problem: str, allowed: str) -> None:
        self.faults.append(FieldViolation(self.at(name) or "problem", problem, allowed))

    def number(self, name: str, default: float) -> float:
        value = _number(self.data.get(name, default))
        if value is None:
            self.fault(name, f"is {self.data[name]!r}", "a number")
            return default
        return value

    def optional_number(self, name: str) -> float | None:
        return self.number(name, 1.0) if name in self.data else None

    def integer(self, name: str, default: int) -> int:
        value = self.data.get(name, default)
        if type(value) is not int:
            self.fault(name, f"is {value!r}", "an integer")
            return default
        return value

    def text(self, name: str) -> str:
        value = self.data.get(name, "")
        if not isinstance(value, str):
            self.fault(name, f"is {value!r}", "a text")
            return ""
        return value

    def texts(self, name: str) -> list[str]:
        entries = self.list(name)
        for k, value in enumerate(entries):
            if not isinstance(value, str):
                self.fault(f"{name}[{k}]", f"is {value!r}", "a text")
        return [str(value) for value in entries]

    def list(self, name: str) -> list[Any]:
        value = self.data.get(name, [])
        if not isinstance(value, list):
            self.fault(name, f"is {value!r}", "a list")
            return []
        return value

    def numbers(self, name: str) -> NDArray[np.float64]:
        values = [_number(value) for value in self.list(name)]
        for k, value in enumerate(values):
            if value is None:
                self.fault(f"{name}[{k}]", f"is {self.data[name][k]!r}", "a number")
        return np.array([0.0 if value is None else value for value in values], dtype=np.float64)

    def integers(self, name: str) -> NDArray[np.int64]:
        values = self.list(name)
        good = [value if type(value) is int and abs(value) < 2**63 else None for value in values]
        for k, value in enumerate(good):
            if value is None:
                self.fault(f"{name}[{k}]", f"is {values[k]!r}", "an integer")
        return np.array([0 if value is None else value for value in good], dtype=np.int64)


def problem_to_json(problem: BinaryProblem) -> JsonObject:
    """A `BinaryProblem` message as JSON; defaults and empty lists are left out."""
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
    options: JsonObject = {}
    if problem.num_samples != DEFAULT_NUM_SAMPLES:
        options["num_samples"] = problem.num_samples
    if problem.temperature is not None:
        options["temperature"] = problem.temperature
    return {"quadratic": model} | ({"options": options} if options else {})


def problem_from_json(data: JsonObject) -> BinaryProblem:
    """The reverse.

    Raises
    ------
    InvalidProblem
        Naming every field at fault.
    """
    faults: list[FieldViolation] = []
    top = Reader("", data, ("quadratic", "constrained", "options"), faults)
    if "constrained" in top.data:
        faults.append(CONSTRAINED)
    elif "quadratic" not in top.data:
        top.fault("quadratic", "is absent", "a model")
    model = Reader(
        "quadratic",
        top.data.get("quadratic", {}),
        ("vartype", "num_variables", "variables", "linear", "rows", "columns", "values", "offset"),
        faults,
    )
    options = Reader("options", top.data.get("options", {}), ("num_samples", "temperature"), faults)
    arguments: dict[str, Any] = {
        "vartype": model.text("vartype") or "absent",
        "linear": model.numbers("linear"),
        "rows": model.integers("rows"),
        "columns": model.integers("columns"),
        "values": model.numbers("values"),
        "offset": model.number("offset", 0.0),
        "variables": model.texts("variables"),
        "num_variables": model.integer("num_variables", 0),
        "num_samples": options.integer("num_samples", 0) or DEFAULT_NUM_SAMPLES,
        "temperature": options.optional_number("temperature"),
    }
    if faults:
        raise InvalidProblem(faults)
    return quadratic_problem(**arguments)


def plan_to_json(problem: BinaryProblem, plan: SamplePlan) -> JsonObject:
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


def plan_from_json(problem: BinaryProblem, data: JsonObject) -> SamplePlan:
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
    scale = 1e-9 * (1.0 + abs(problem.offset) + float(np.abs(problem.linear).sum() + np.abs(problem.values).sum()))
    for k, energy in enumerate(energies_of(problem, plan)):
        if not abs(energy - claimed[k]) <= scale:
            faults.append(
                FieldViolation(f"samples[{k}].energy", f"is {claimed[k]}", f"{energy}, which its values have")
            )
    if faults:
        raise InvalidProblem(faults)
    return plan


def energies_of(problem: BinaryProblem, plan: SamplePlan) -> list[float]:
    """Energy of each sample, from the terms as given."""
    from solvers.binary.verify import energy

    return [energy(problem, values) for values in plan.values]


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return _WORDS.get(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
