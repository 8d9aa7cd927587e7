"""Roof duality: spins that some optimum has for certain, by one maximum flow; see Hammer, Hansen and Simeone (1984).

The network is that of Boros and Hammer (2002): a node for every literal; a term that is paid when two literals are both
true is an arc from each to the negation of the other. Literals reached from the source in the residual network of a
maximum flow are true in some optimum (all of them at once).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solvers.binary.ising import Ising

LARGEST = 2**29
"""scipy counts flow in 32 bits; capacities in all stay below."""

MOST_ARCS = 40_000
"""A flow cannot be stopped on the way; with this many arcs it takes some milliseconds."""


@dataclass(frozen=True)
class Roof:
    """Pairs of spin and value, ``-1`` or ``+1``, that some optimum has all at once, and a bound no energy is below."""

    decided: tuple[tuple[int, int], ...]
    bound: float


def roof(model: Ising) -> Roof | None:
    """What one flow tells of ``model``.

    ``None`` where weights are no multiples of a quarter, too large for the flow, or where no spin has a field: without
    fields nothing can be told from its mirror image, and the bound is that of the terms.
    """
    posiform = _posiform(model)
    if posiform is None:
        return None
    first, second, cost = posiform
    n = model.size
    # Literal 2 i is "s_i = +1", 2 i + 1 its negation; 2 n is the constant true (source), 2 n + 1 false (sink).
    tail = np.concatenate([first, second])
    head = np.concatenate([second, first]) ^ 1
    reached, flow = _flow(tail, head, np.concatenate([cost, cost]), 2 * n + 2, 2 * n)
    decided = np.flatnonzero(reached[0 : 2 * n : 2] != reached[1 : 2 * n : 2])
    # Every term is in the network twice, and costs are four times the energy's: all are exact in float64.
    least = model.offset - float(np.abs(model.field).sum()) - float(np.abs(model.weights).sum()) / 2.0
    return Roof(tuple((i, 1 if reached[2 * i] else -1) for i in decided.tolist()), least + flow / 8.0)


def _posiform(model: Ising) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None:
    """Terms ``cost * [first and second]`` whose sum is four times the energy but for a constant.

    A spin's linear cost stands beside the constant true.
    """
    if not model.is_integral or not model.field.any():
        return None
    owner = np.repeat(np.arange(model.size), np.diff(model.indptr))
    upper = owner < model.indices
    i, j = owner[upper].astype(np.int64), model.indices[upper].astype(np.int64)
    w = np.rint(4.0 * model.weights[upper]).astype(np.int64)
    h = np.rint(4.0 * model.field).astype(np.int64)
    # J s s' = |J| - 2 |J| [s differs from the sign wanted]: paid 2 |J| when s = s' (J > 0) or s != s' (J < 0), which is
    # one of two pairs of literals each.
    other = np.where(w > 0, 2 * j, 2 * j + 1)
    first = np.concatenate([2 * i, 2 * i + 1])
    second = np.concatenate([other, other ^ 1])
    cost = np.concatenate([2 * np.abs(w)] * 2)
    fielded = np.flatnonzero(h)
    literal = np.where(h[fielded] > 0, 2 * fielded, 2 * fielded + 1)
    true = np.full(fielded.shape[0], 2 * model.size)
    first, second = np.concatenate([first, true]), np.concatenate([second, literal])
    cost = np.concatenate([cost, 2 * np.abs(h[fielded])])
    if int(cost.sum()) * 2 >= LARGEST or 2 * cost.shape[0] > MOST_ARCS:
        return None
    return first, second, cost


def _flow(
    tail: NDArray[np.int64], head: NDArray[np.int64], capacity: NDArray[np.int64], nodes: int, source: int
) -> tuple[NDArray[np.bool_], int]:
    """Nodes on the source's side of a maximum flow to node ``source + 1``, and its value."""
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    graph = csr_array(coo_array((capacity.astype(np.int32), (tail, head)), shape=(nodes, nodes)))
    graph.sum_duplicates()
    graph.indices, graph.indptr = graph.indices.astype(np.int32), graph.indptr.astype(np.int32)
    found = maximum_flow(graph, source, source + 1)
    residual = csr_array(graph - found.flow)
    residual.eliminate_zeros()
    order = breadth_first_order(residual, source, directed=True, return_predecessors=False)
    reached = np.zeros(nodes, dtype=bool)
    reached[order] = True
    return reached, int(found.flow_value)
