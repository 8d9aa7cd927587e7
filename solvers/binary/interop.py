"""To and from dimod's binary quadratic models."""

from __future__ import annotations

from typing import Any

import dimod
import numpy as np

from solvers.binary.problem import DEFAULT_NUM_SAMPLES, BinaryProblem, Vartype, quadratic_problem


def from_dimod(bqm: Any, *, num_samples: int = DEFAULT_NUM_SAMPLES, temperature: float | None = None) -> BinaryProblem:
    """A `dimod.BinaryQuadraticModel` as a problem, variables in its order.

    Labels 0 .. n - 1 in order stay indices; any others become names by ``str``.

    Raises
    ------
    InvalidProblem
        When a coefficient is not finite or two labels have the same text.
    """
    labels = list(bqm.variables)
    vectors = bqm.to_numpy_vectors(variable_order=labels)
    plain = labels == list(range(len(labels))) and all(type(label) is int for label in labels)
    return quadratic_problem(
        Vartype.SPIN if bqm.vartype is dimod.SPIN else Vartype.BINARY,
        vectors.linear_biases,
        vectors.quadratic.row_indices,
        vectors.quadratic.col_indices,
        vectors.quadratic.biases,
        offset=float(vectors.offset),
        variables=() if plain else tuple(str(label) for label in labels),
        num_variables=len(labels),
        num_samples=num_samples,
        temperature=temperature,
    )


def to_dimod(problem: BinaryProblem) -> dimod.BinaryQuadraticModel:
    """The same model for dimod, labelled by name or index, in the problem's vartype."""
    bqm = dimod.BinaryQuadraticModel.from_numpy_vectors(
        problem.linear,
        (problem.rows, problem.columns, problem.values),
        problem.offset,
        problem.vartype.value,
    )
    if problem.variables:
        bqm.relabel_variables(dict(enumerate(problem.variables)))
    return bqm


def ising_to_dimod(problem: BinaryProblem) -> dimod.BinaryQuadraticModel:
    """The model over spins, labelled 0 .. n - 1 in order."""
    model = problem.ising
    owner = np.repeat(np.arange(model.size), np.diff(model.indptr))
    upper = owner < model.indices
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        model.field, (owner[upper], model.indices[upper], model.weights[upper]), model.offset, dimod.SPIN
    )
