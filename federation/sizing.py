"""How large a kernel a backend can take, how deep, and how long it will be at it: rules of thumb from its facts."""

from __future__ import annotations

import math

from backends.backend import BackendFacts, Technology

GATE_MAX_VARIABLES = 20
"""Most variables of a kernel for gate backends: a statevector of 2^20 amplitudes is what a local simulator holds."""

ANNEALER_MAX_VARIABLES = 200
"""Most variables of a kernel for annealers: beyond, a kernel is no longer a core."""

MIN_KERNEL_VARIABLES = 2

CLIQUE_FACTOR = 5.0
"""A sparse annealer of q qubits embeds a clique of about sqrt(5 q) variables (Pegasus P16: 5,640 qubits, K180)."""

MIN_SECONDS = {Technology.ANNEALER: 0.25, Technology.GATE: 1.0}
"""Least time that a local backend needs from the start of a job to a lifted sample, its kernel included."""

EXTERNAL_SECONDS = 3.0
"""What submission, compilation and retrieval add at a vendor."""

EXTERNAL_SECONDS_PER_QUEUED = 2.0
"""Prior of the wait for each job ahead at a vendor."""


def max_kernel_variables(facts: BackendFacts) -> int:
    """Most variables of a kernel that the backend can be trusted to hold, whatever the kernel's couplings."""
    if facts.technology is Technology.GATE:
        return min(facts.qubits, GATE_MAX_VARIABLES)
    logical = facts.qubits if facts.coupling is None else math.isqrt(int(CLIQUE_FACTOR * facts.qubits))
    return min(logical, ANNEALER_MAX_VARIABLES)


def qaoa_layers(facts: BackendFacts) -> int:
    """Layers that pay on this backend: noise eats what a second layer gains once gates are calibrated, not exact."""
    return 1 if facts.calibration or facts.coupling is not None else 2


def expected_seconds(facts: BackendFacts) -> float:
    """Seconds from now to a lifted sample, by rule of thumb: the queue ahead, the vendor's overhead, the run."""
    run_s = MIN_SECONDS[facts.technology]
    if facts.is_local:
        return run_s * (1 + facts.queue_length)
    return run_s + EXTERNAL_SECONDS + EXTERNAL_SECONDS_PER_QUEUED * facts.queue_length
