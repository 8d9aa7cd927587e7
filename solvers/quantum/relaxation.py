"""The convex relaxation of a binary model: what a warm start may lean on beside the incumbent.

On 0/1 points ``x'x = 1'x``, so ``lambda (x'x - 1'x) / 2`` may be added without changing any cost; the least ``lambda``
that makes the model convex over its one-hot groups (each a simplex) gives the relaxation of Hammer and Rubin (RIRO 4,
1970), whose minimiser is what Egger et al. (arXiv 2009.10095) start circuits from. Penalties that hold a group to one
choice cancel on the simplex, so they do not weaken it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from solvers.kernel import Variable
from solvers.quantum.cost import CostModel

_ITERATIONS = 500


def relax(cost: CostModel, groups: Sequence[Sequence[Variable]] = ()) -> dict[Variable, float]:
    """Minimiser of the convex relaxation: a value in [0, 1] for every variable, those of a group summing to 1.

    Deterministic; accelerated projected gradient (Beck and Teboulle, SIAM J. Imaging Sci. 2, 2009).
    """
    if not cost.size:
        return {}
    column = {v: k for k, v in enumerate(cost.variables)}
    blocks = [np.array([column[v] for v in group]) for group in groups]
    along = _tangent(cost.size, blocks)  # what changes a block's sum never moves a projected point
    curvatures = np.linalg.eigvalsh(along.T @ cost.quadratic @ along) if along.shape[1] else np.zeros(1)
    shift = max(0.0, -float(curvatures[0]))
    hessian = cost.quadratic + shift * np.identity(cost.size)
    linear = cost.linear - shift / 2.0
    steepest = float(curvatures[-1]) + shift
    point = _project(np.full(cost.size, 0.5), blocks)
    if steepest <= 1e-12 * float(
        np.abs(linear).max()
    ):  # no couplings: every variable by its own sign, or the cheapest of its group
        chosen = _project(-1e9 * linear / max(float(np.abs(linear).max()), 1e-300), blocks)
        return dict(zip(cost.variables, chosen.tolist(), strict=True))
    ahead, momentum = point, 1.0
    for _ in range(_ITERATIONS):
        slope = along @ (along.T @ (hessian @ ahead + linear))
        moved = _project(ahead - slope / steepest, blocks)
        following = (1.0 + np.sqrt(1.0 + 4.0 * momentum**2)) / 2.0
        ahead = moved + (momentum - 1.0) / following * (moved - point)
        if float(np.abs(moved - point).max()) < 1e-9:
            point = moved
            break
        point, momentum = moved, following
    return dict(zip(cost.variables, point.tolist(), strict=True))


def lean(
    warm_start: Mapping[Variable, float], relaxed: Mapping[Variable, float], share: float
) -> dict[Variable, float]:
    """``warm_start`` moved towards ``relaxed`` by ``share`` (0 - 1); one without a warm value takes all of it."""
    return {
        v: value if v not in warm_start else (1.0 - share) * float(warm_start[v]) + share * value
        for v, value in relaxed.items()
    }


def _tangent(size: int, blocks: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Orthonormal directions, one a column, that keep each block's sum."""
    keeping = np.identity(size)
    for block in blocks:
        keeping[np.ix_(block, block)] -= 1.0 / len(block)
    values, vectors = np.linalg.eigh(keeping)
    basis: NDArray[np.float64] = vectors[:, values > 0.5]
    return basis


def _project(point: NDArray[np.float64], blocks: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The nearest point of the box whose blocks lie on their simplices (Held, Wolfe and Crowder, 1974)."""
    out: NDArray[np.float64] = np.clip(point, 0.0, 1.0)
    for block in blocks:
        values = point[block]
        ordered = np.sort(values)[::-1]
        excess = np.cumsum(ordered) - 1.0
        count = int(np.flatnonzero(ordered - excess / np.arange(1, len(block) + 1) > 0)[-1]) + 1
        out[block] = np.maximum(values - excess[count - 1] / count, 0.0)
    return out
