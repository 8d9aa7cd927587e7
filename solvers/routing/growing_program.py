"""A linear program that grows, on HiGHS: silent, on one thread, interruptible."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from solvers.routing.data import FloatArray, IntArray
from solvers.stop import Stop

Starts = NDArray[np.int32]


class Interrupted(Exception):
    """The stop came while HiGHS was at work, or HiGHS found no optimum."""


_DUAL, _PRIMAL = 1, 4
"""Values of HiGHS's ``simplex_strategy``."""


class GrowingProgram:
    """Minimises over columns and rows that are added as they are found; each solve starts from the last basis.

    Parameters
    ----------
    stop
        Asked by HiGHS within a solve.
    """

    def __init__(self, stop: Stop) -> None:
        self._highs = highspy.Highs()
        # Whatever prices come out prove a bound, so presolve and its way back are not needed for safety either.
        for name, value in {"output_flag": False, "threads": 1, "random_seed": 0, "presolve": "off"}.items():
            self._highs.setOptionValue(name, value)
        self._stop = stop
        self._highs.setCallback(self._on_event, None)
        self._highs.startCallback(highspy.cb.HighsCallbackType.kCallbackSimplexInterrupt)
        self._fresh_rows = True
        self.objective = 0.0
        self.x: FloatArray = np.zeros(0)
        self.prices: FloatArray = np.zeros(0)
        self.reduced: FloatArray = np.zeros(0)

    def _on_event(self, _kind: Any, _message: str, _out: Any, into: Any, _user: Any) -> None:
        if self._stop():
            into.user_interrupt = True

    def add_columns(
        self, cost: FloatArray, upper: FloatArray, starts: IntArray, rows: IntArray, values: FloatArray
    ) -> None:
        """Columns >= 0 with their entries in the rows that there are."""
        k = len(cost)
        self._highs.addCols(
            k, cost, np.zeros(k), upper, len(rows), starts.astype(np.int32), rows.astype(np.int32), values
        )

    def add_rows(
        self, lower: FloatArray, upper: FloatArray, starts: IntArray, columns: IntArray, values: FloatArray
    ) -> None:
        """Rows with their entries in the columns that there are."""
        self._fresh_rows = True
        self._highs.addRows(
            len(lower), lower, upper, len(columns), starts.astype(np.int32), columns.astype(np.int32), values
        )

    def drop_columns(self, columns: IntArray) -> None:
        """Take columns away; the others move up."""
        self._highs.deleteCols(len(columns), columns.astype(np.int32))

    def drop_rows(self, rows: IntArray) -> None:
        """Take rows away; the others move up."""
        self._highs.deleteRows(len(rows), rows.astype(np.int32))

    def solve(self) -> None:
        """To the optimum, whose figures the attributes then hold.

        Raises
        ------
        Interrupted
        """
        if self._stop():
            raise Interrupted
        # New rows leave the last basis dual feasible, new columns primal feasible.
        self._highs.setOptionValue("simplex_strategy", _DUAL if self._fresh_rows else _PRIMAL)
        self._fresh_rows = False
        self._highs.run()
        if self._highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            raise Interrupted
        solution = self._highs.getSolution()
        self.objective = float(self._highs.getInfo().objective_function_value)
        self.x = np.array(solution.col_value)
        self.prices = np.array(solution.row_dual)
        self.reduced = np.array(solution.col_dual)
