"""How a strategy goes on: block by block, under a `Stop` or along the trace of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from solvers.binary.plan import SamplePlan
from solvers.strategy import Context


class Pacer:
    """Counts blocks of work of at most 20 ms each; asked before each one.

    A run under a clock stops when ``context.stop()`` says so and leaves `trace`. A run that is given such a trace does
    the same number of blocks, so with the same seed it repeats the run exactly.
    """

    def __init__(self, context: Context[SamplePlan]) -> None:
        self._stop = context.stop
        trace = context.control_trace
        self._limit = None if trace is None else int(trace["blocks"])
        self.blocks = 0

    def more(self) -> bool:
        """Whether another block may be done; counts it if so."""
        if self._limit is not None and self.blocks >= self._limit:
            return False
        if self._stop():
            return False
        self.blocks += 1
        return True

    def trace(self) -> Mapping[str, Any]:
        """What a replay needs."""
        return {"blocks": self.blocks}


def generator(context: Context[SamplePlan], stream: int = 0) -> np.random.Generator:
    """All chance of a run; ``stream`` keeps strategies apart that share a seed."""
    return np.random.default_rng([context.seed, stream])
