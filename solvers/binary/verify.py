"""The judge of sample plans. Reads the problem's terms as they were given and shares no code with any solver."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from solvers.problem import Verdict, Violation

if TYPE_CHECKING:
    from solvers.binary.plan import SamplePlan
    from solvers.binary.problem import BinaryProblem

EXACT_TERMS = 200_000
"""Up to here terms are added by `math.fsum`, which rounds once; above, pairwise in extended precision."""


def terms_of(problem: BinaryProblem, values: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear and quadratic terms of one assignment, shape ``(n,)``, without the offset.

    Each is a coefficient times -1, 0 or +1, so it is exact; only their sum rounds.
    """
    x = values.astype(np.float64)
    return problem.linear * x, problem.values * (x[problem.rows] * x[problem.columns])


def energy(problem: BinaryProblem, values: NDArray[np.int32]) -> float:
    """Energy of one assignment, shape ``(n,)``, rounded once."""
    return _total(np.concatenate([*terms_of(problem, values), [problem.offset]])) + 0.0


def verify(problem: BinaryProblem, plan: SamplePlan) -> Verdict:
    """Objective = energy of the first sample; feasible when every value is one of the two that its variable takes,
    the samples are distinct, none is lower than the first, and there are at most as many as were asked for.
    """
    n = problem.linear.shape[0]
    values = plan.values
    if values.ndim != 2 or values.shape[0] < 1 or values.shape[1] != n or plan.occurrences.shape != values.shape[:1]:
        return Verdict(math.inf, False, (Violation("shape", "samples", float(abs(values.shape[-1] - n)) or 1.0),))
    violations = []
    low, high = (0, 1) if problem.vartype.value == "BINARY" else (-1, 1)
    wrong = (values != low) & (values != high)
    for sample, variable in np.argwhere(wrong)[:100]:
        value = int(values[sample, variable])
        name = problem.variables[variable] if problem.variables else str(variable)
        distance = min(abs(value - low), abs(value - high))
        violations.append(Violation("domain", f"samples[{sample}] {name}", float(distance)))
    if problem.temperature is not None:
        return _verify_boltzmann(problem, plan, violations)
    if values.shape[0] > problem.num_samples:
        violations.append(Violation("num_samples", "samples", float(values.shape[0] - problem.num_samples)))
    violations += [
        Violation("occurrences", f"samples[{sample}]", float(1 - plan.occurrences[sample]))
        for sample in np.flatnonzero(plan.occurrences < 1)[:100]
    ]
    repeated = values.shape[0] - (np.unique(values, axis=0).shape[0] if n else 1)
    if repeated:
        violations.append(Violation("distinct", "samples", float(repeated)))
    objective = energy(problem, values[0])
    size = 1e-9 * (1.0 + abs(problem.offset) + float(np.abs(problem.linear).sum() + np.abs(problem.values).sum()))
    for sample in range(1, values.shape[0]):
        excess = objective - energy(problem, values[sample])
        if excess > size:
            violations.append(Violation("order", f"samples[{sample}]", excess))
    linear, quadratic = terms_of(problem, values[0])
    terms = {"linear": _total(linear), "quadratic": _total(quadratic), "offset": problem.offset}
    return Verdict(objective, not violations, tuple(violations), terms)


def _verify_boltzmann(problem: BinaryProblem, plan: SamplePlan, violations: list[Violation]) -> Verdict:
    """Objective = samples wanted less independent samples delivered (``effective_samples``), so 0 is the best.

    Means and the standard error are recomputed from samples and occurrences; that the samples are worth as many
    independent ones as they claim cannot be, beyond that it is at most their number.
    """
    found, counts = plan.boltzmann, plan.occurrences.astype(np.float64)
    reads = float(counts.sum())
    if found is None:
        return Verdict(math.inf, False, (*violations, Violation("boltzmann", "samples", 1.0)))
    energies = np.array([energy(problem, row) for row in plan.values])
    mean = float(energies @ counts) / reads
    spread = math.sqrt(max(0.0, float(((energies - mean) ** 2) @ counts) / reads))
    size = 1e-9 * (1.0 + float(np.abs(energies).max()))
    worth = found.effective_samples
    repeated = plan.values.shape[0] - len({row.tobytes() for row in plan.values})
    means = plan.values.T.astype(np.float64) @ counts / reads
    given = np.array(found.mean_values, dtype=np.float64)
    checks = {
        "num_samples": reads - problem.num_samples,
        "distinct": float(repeated),
        "occurrences": float(max(0, 1 - plan.occurrences.min())),
        "order": float(energies[0] - energies.min()) - size,
        "mean_energy": abs(found.mean_energy - mean) - size,
        "effective_samples": worth - reads if worth > 0 else 1.0,
        "mean_values": float(np.abs(given - means).max(initial=0.0)) - 1e-9 if given.shape == means.shape else 1.0,
        "mean_energy_error": abs(found.mean_energy_error - spread / math.sqrt(worth)) - size if worth > 0 else 0.0,
    }
    violations += [Violation(name, "samples", amount) for name, amount in checks.items() if amount > 0]
    missing = problem.num_samples - worth
    return Verdict(missing, not violations, tuple(violations), {"effective_samples_missing": missing})


def _total(terms: NDArray[np.float64]) -> float:
    if terms.shape[0] <= EXACT_TERMS:
        return math.fsum(terms.tolist())
    return float(np.sum(terms, dtype=np.longdouble))
