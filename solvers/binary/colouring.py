"""Variables in groups that share no product, so that a whole group can be decided at once."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from solvers.binary.ising import Ising


@numba.njit(cache=True, nogil=True)
def greedy_colours(indptr, indices, order, out):  # type: ignore[no-untyped-def]
    """Give each variable, in ``order``, the least colour that no neighbour has; ``out`` begins at -1. Colours used."""
    taken = np.full(order.shape[0] + 1, -1, np.int64)
    used = 0
    for i in order:
        for k in range(indptr[i], indptr[i + 1]):
            colour = out[indices[k]]
            if colour >= 0:
                taken[colour] = i
        colour = 0
        while taken[colour] == i:
            colour += 1
        out[i] = colour
        used = max(used, colour + 1)
    return used


def colour_groups(model: Ising) -> list[NDArray[np.int64]]:
    """Variables by colour, ascending in each group; no two of a group are coupled.

    Greedy, the most neighbours first (Welsh and Powell 1967): at most one colour more than the largest degree.
    """
    colours = np.full(model.size, -1, dtype=np.int64)
    order = np.argsort(-np.diff(model.indptr), kind="stable")
    used = greedy_colours(model.indptr, model.indices, order, colours)
    return [np.flatnonzero(colours == colour) for colour in range(used)]
