"""What every gate backend checks before it accepts a program."""

from __future__ import annotations

import dimod
import numpy as np

from backends.backend import Program
from solvers.errors import ProgramRefused

LAYERS_MOST = 16


def check_program(backend: str, program: Program, shots: int, max_variables: int, max_shots: int) -> None:
    """Refuse what the device cannot run; nothing has been spent then.

    Raises
    ------
    ProgramRefused
        With the figure at fault and what is allowed.
    """
    size = program.bqm.num_variables
    faults = []
    if program.bqm.vartype is not dimod.BINARY:
        faults.append(f"vartype is {program.bqm.vartype.name}; allowed: BINARY")
    if size > max_variables:
        faults.append(f"{size} variables; allowed: at most {max_variables}")
    if not 1 <= shots <= max_shots:
        faults.append(f"{shots} shots; allowed: 1 - {max_shots}")
    if not 1 <= program.layers <= LAYERS_MOST:
        faults.append(f"{program.layers} layers; allowed: 1 - {LAYERS_MOST}")
    if not 0 <= program.seed < 2**63:
        faults.append(f"seed is {program.seed}; allowed: 0 - 2**63 - 1")
    vectors = program.bqm.to_numpy_vectors()
    biases = np.concatenate([vectors.linear_biases, vectors.quadratic.biases, [vectors.offset]])
    if not np.isfinite(biases).all():
        faults.append("a bias is not finite; allowed: finite numbers")
    strangers = [v for v in program.warm_start if v not in program.bqm.variables]
    if strangers:
        faults.append(f"warm start has {strangers[0]!r}, which is no variable; allowed: the model's own variables")
    grouped = [v for group in program.one_hot_groups for v in group]
    if len(set(grouped)) < len(grouped) or any(v not in program.bqm.variables for v in grouped):
        faults.append("one-hot groups overlap or name no variable; allowed: disjoint groups of the model's variables")
    if any(not group for group in program.one_hot_groups):
        faults.append("a one-hot group is empty; allowed: one variable or more")
    if faults:
        raise ProgramRefused(backend, "; ".join(faults))
