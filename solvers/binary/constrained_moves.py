"""The kernel of the constrained search: proposals, their cost in objective and violations, and what it keeps."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _next(state):  # type: ignore[no-untyped-def]
    """Marsaglia's xorshift64; ``state`` is uint64, shape ``(1,)``, not zero."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return x


@numba.njit(cache=True, nogil=True)
def _below(state, n):  # type: ignore[no-untyped-def]
    return np.int64((_next(state) >> np.uint64(11)) % np.uint64(n))


@numba.njit(cache=True, nogil=True)
def _unit(state):  # type: ignore[no-untyped-def]
    return (np.float64(_next(state) >> np.uint64(11)) + 0.5) * 2.0**-53


@numba.njit(cache=True, nogil=True)
def _beyond(value, floor, ceiling):  # type: ignore[no-untyped-def]
    return max(0.0, value - ceiling, floor - value)


@numba.njit(cache=True, nogil=True)
def _rise(i, d, x, slope, square, owned, activity, floor, ceiling, weight):  # type: ignore[no-untyped-def]
    """Change of the objective, and of it with weighted violations, by adding ``d`` to ``x[i]``."""
    goal = d * slope[i] + square[i] * (2.0 * x[i] * d + d * d)
    total = goal
    ptr, ind, val = owned
    for k in range(ptr[i], ptr[i + 1]):
        c = ind[k]
        after = activity[c] + val[k] * d
        total += weight[c] * (_beyond(after, floor[c], ceiling[c]) - _beyond(activity[c], floor[c], ceiling[c]))
    return goal, total


@numba.njit(cache=True, nogil=True)
def _apply(i, d, x, slope, pairs, owned, activity):  # type: ignore[no-untyped-def]
    x[i] += d
    ptr, ind, val = pairs
    for k in range(ptr[i], ptr[i + 1]):
        slope[ind[k]] += val[k] * d
    ptr, ind, val = owned
    for k in range(ptr[i], ptr[i + 1]):
        activity[ind[k]] += val[k] * d


@numba.njit(cache=True, nogil=True)
def _direction(i, x, lower, upper, step, state):  # type: ignore[no-untyped-def]
    """A step for variable ``i`` within its bounds; 0 when it is fixed. Wide integers sometimes take a long one."""
    if lower[i] == upper[i]:
        return 0
    if x[i] == lower[i]:
        up = True
    elif x[i] == upper[i]:
        up = False
    else:
        up = _below(state, 2) == 0
    room = (upper[i] - x[i]) if up else (x[i] - lower[i])
    size = step[i]
    if room > 2 * step[i] and _below(state, 3) == 0:
        size = 1 + _below(state, min(room, np.int64(1) + room // 4))
    return size if up else -size


@numba.njit(cache=True, nogil=True)
def anneal_moves(  # type: ignore[no-untyped-def]
    moves, hot, cold, x, slope, activity, best, best_goal, goal,
    lower, upper, step, square, pairs, owned, rows, floor, ceiling, slack, weight, state,
):  # fmt: skip
    """``moves`` proposals, temperature falling geometrically; every fourth one a swap inside a constraint.

    ``best`` and ``best_goal`` keep the lowest feasible state met at the end of each sweep's worth of moves. Returns
    the objective of ``x`` and that of ``best``.
    """
    n, m = x.shape[0], floor.shape[0]
    ptr, ind, coefficient = rows
    temperature = hot
    for t in range(moves):
        if t % 64 == 0:
            temperature = hot * (cold / hot) ** (t / moves)
        i = _below(state, n)
        d = _direction(i, x, lower, upper, step, state)
        if d == 0:
            continue
        own, total = _rise(i, d, x, slope, square, owned, activity, floor, ceiling, weight)
        if t & 3 == 3 and m > 0 and owned[0][i] < owned[0][i + 1]:
            at = owned[0][i] + _below(state, owned[0][i + 1] - owned[0][i])
            c = owned[1][at]
            pull = owned[2][at] * d
            size = ptr[c + 1] - ptr[c]
            start = _below(state, size)
            for s in range(size):
                j = ind[ptr[c] + (start + s) % size]
                if j != i:
                    other = -step[j] if pull * coefficient[ptr[c] + (start + s) % size] > 0.0 else step[j]
                    if lower[j] <= x[j] + other <= upper[j]:
                        _apply(i, d, x, slope, pairs, owned, activity)
                        own_j, total_j = _rise(j, other, x, slope, square, owned, activity, floor, ceiling, weight)
                        both = total + total_j
                        if both <= 0.0 or _unit(state) < np.exp(-both / temperature):
                            _apply(j, other, x, slope, pairs, owned, activity)
                            goal += own + own_j
                        else:
                            _apply(i, -d, x, slope, pairs, owned, activity)
                        break
        elif total <= 0.0 or _unit(state) < np.exp(-total / temperature):
            _apply(i, d, x, slope, pairs, owned, activity)
            goal += own
        if (t % n == n - 1 or t == moves - 1) and goal < best_goal:
            feasible = True
            for c in range(m):
                if _beyond(activity[c], floor[c], ceiling[c]) > slack[c]:
                    feasible = False
                    break
            if feasible:
                best_goal = goal
                best[:] = x
    return goal, best_goal
