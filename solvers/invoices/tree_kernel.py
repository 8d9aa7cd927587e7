"""Compiled branch and bound: over items, best bound first, each node bounded by prices of cash of its own.

The convex part of the objective lies above each of its tangents, and so above every mixture of them. A mixture is kept
as one plane: a slope per account and run (``slope``), a fee per cap and a height. Given a plane every free item decides
alone, which is a lower bound of the node. Planes are raised by mixing in the tangent at the cash that the items choose,
as far as the bound grows with it (Frank and Wolfe, Naval Research Logistics Quarterly 3, 1956, on the dual), and passed
on to the children.
"""

from __future__ import annotations

import numba
import numpy as np

from solvers.invoices.cash_kernels import cash_cost, pay, risk, tangent

OPEN, DONE, FULL = 0, 1, 2
PLUNGE = 0.25
"""Share of the open gap by which a node may be above the lower bound and still be followed down at once."""
PRIOR = 4.0
"""Children that the size of an item counts for in guessing how much settling it raises bounds."""
STEPS = np.array([0.2, 0.05, 0.015, 0.005, 0.0015, 0.0005])
"""Shares of the new tangent that are tried, one after the other."""


@numba.njit(cache=True, nogil=True)
def _decide(  # type: ignore[no-untyped-def]
    slope, fee, settled, start, account, run, cost, cash, member, value, price, best, pick, flow, use,
):  # fmt: skip
    """Cheapest option of each free item at a plane: sum of their costs; ``flow`` (A, T) and ``use`` (G,) they need."""
    accounts, runs = slope.shape
    for a in range(accounts):
        total = 0.0
        for t in range(runs - 1, -1, -1):
            total += slope[a, t]
            price[a, t] = total
    flow[:] = 0.0
    use[:] = 0.0
    bound = 0.0
    for k in range(len(settled)):
        if settled[k] >= 0:
            continue
        charge = 0.0
        for g in member[k]:
            if g >= 0:
                charge += fee[g] * value[k]
        lowest, at = np.inf, -1
        for o in range(start[k], start[k + 1]):
            reduced = cost[o]
            if run[o] >= 0:
                reduced += price[account[o], run[o]] * cash[o] + charge
            if reduced < lowest:
                lowest, at = reduced, o
        best[k], pick[k] = lowest, at
        bound += lowest
        if run[at] >= 0:
            flow[account[at], run[at]] += cash[at]
            for g in member[k]:
                if g >= 0:
                    use[g] += value[k]
    for a in range(accounts):
        for t in range(1, runs):
            flow[a, t] += flow[a, t - 1]
    return bound


@numba.njit(cache=True, nogil=True)
def _height(slope, fee, paid, used):  # type: ignore[no-untyped-def]
    """Value of a plane of height 0 at what is settled."""
    total = 0.0
    for a in range(slope.shape[0]):
        for t in range(slope.shape[1]):
            total += slope[a, t] * paid[a, t]
    for g in range(len(fee)):
        total += fee[g] * used[g]
    return total


@numba.njit(cache=True, nogil=True)
def _reduced(o, k, price, fee, account, run, cost, cash, member, value):  # type: ignore[no-untyped-def]
    """What option ``o`` of item ``k`` costs at the prices."""
    total = cost[o]
    if run[o] >= 0:
        total += price[account[o], run[o]] * cash[o]
        for g in member[k]:
            if g >= 0:
                total += fee[g] * value[k]
    return total


@numba.njit(cache=True, nogil=True)
def _push(heap, bounds, length, child):  # type: ignore[no-untyped-def]
    """Put ``child`` into the heap of ``length`` children, the lowest bound on top."""
    at = length
    while at > 0:
        above = (at - 1) // 2
        if bounds[heap[above]] <= bounds[child]:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = child


@numba.njit(cache=True, nogil=True)
def _pop(heap, bounds, length):  # type: ignore[no-untyped-def]
    """Take the child on top of ``length`` out of the heap."""
    top, last = heap[0], heap[length - 1]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= length - 1:
            break
        if below + 1 < length - 1 and bounds[heap[below + 1]] < bounds[heap[below]]:
            below += 1
        if bounds[heap[below]] >= bounds[last]:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = last
    return top


@numba.njit(cache=True, nogil=True)
def search(  # type: ignore[no-untyped-def]
    nodes, rounds, books, best_pick, near_pick, start, account, run, cost, cash, member, value, size, base_paid,
    base_used, settled, node_child, slopes, fees, heights, node_bound, child_node, child_item, child_option,
    child_bound, child_open, heap, gain, penalty, cap_penalty, cap, limits, cvar_limit,
    available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight,
):  # fmt: skip
    """Visit up to ``nodes`` nodes: `DONE`, `FULL` when there is no room for more, or `OPEN`.

    ``books``: (0 lowest objective found, 1 relative gap below which a node is dropped, 2 cost of the items outside,
    3 nodes visited, 4 nodes kept, 5 children kept, 6 length of the heap, 7 child to go on with or -1, 8 lower bound,
    9 lowest objective since the caller reset it, whose choices are ``near_pick``). ``gain``, shape (items + 1, 2), is
    how much settling each item has raised bounds by, and how often; its last row is of all, by size. The arrays hold
    the state of the search from one call to the next.
    """
    accounts, runs = base_paid.shape
    groups, items = len(base_used), len(settled)
    price, flow, use = np.zeros((accounts, runs)), np.zeros((accounts, runs)), np.zeros(groups)
    mean, mean_use = np.zeros((accounts, runs)), np.zeros(groups)
    slope, fee = np.zeros((accounts, runs)), np.zeros(groups)
    trial_slope, trial_fee = np.zeros((accounts, runs)), np.zeros(groups)
    trial_flow, trial_use = np.zeros((accounts, runs)), np.zeros(groups)
    paid, used = base_paid.copy(), base_used.copy()
    whole = np.zeros((accounts, runs), dtype=np.int64)
    best, pick = np.zeros(items), np.zeros(items, dtype=np.int64)
    trial_best, trial_pick = np.zeros(items), np.zeros(items, dtype=np.int64)
    moved = np.zeros(items, dtype=np.int64)
    limited = np.isfinite(cvar_limit)
    for _ in range(nodes):
        threshold = books[0] - books[1] * abs(books[0])
        child = int(books[7])
        books[7] = -1
        if books[3] > 0 and child < 0:
            while books[6] > 0:
                child = _pop(heap, child_bound, int(books[6]))
                books[6] -= 1
                if child_open[child]:
                    break
                child = -1
            if child < 0:
                books[8] = threshold
                return DONE
            books[8] = max(books[8], min(child_bound[child], threshold))
            if child_bound[child] >= threshold:
                return DONE
        if int(books[4]) >= len(heights) or int(books[5]) + len(account) > len(child_bound):
            if child >= 0:
                books[6] += 1
                _push(heap, child_bound, int(books[6]) - 1, child)
            return FULL
        books[3] += 1
        # What is settled on the way from the root.
        settled[:] = -1
        paid[:] = base_paid
        used[:] = base_used
        fixed, inside, at = books[2], True, child
        while at >= 0:
            k, o = child_item[at], child_option[at]
            settled[k] = o
            fixed += cost[o]
            if run[o] >= 0:
                pay(paid, account[o], run[o], cash[o])
                for g in member[k]:
                    if g >= 0:
                        used[g] += value[k]
            at = node_child[child_node[at]]
        if child >= 0:
            child_open[child] = False
            parent = child_node[child]
            slope[:], fee[:] = slopes[parent], fees[parent]
            height = heights[parent]
        else:
            slope[:], fee[:] = slopes[0], fees[0]
            height = heights[0]
        # Payments only add up: what breaks a limit by now is lost.
        for a in range(accounts):
            for t in range(runs):
                inside = inside and paid[a, t] <= cap[a, t]
        for g in range(groups):
            inside = inside and used[g] <= limits[g]
        if inside and limited:
            inside = risk(paid, available, floor, to_base, probability, alpha) <= cvar_limit
        if not inside:
            continue
        free = _decide(
            slope, fee, settled, start, account, run, cost, cash, member, value, price, best, pick, flow, use
        )
        bound = fixed + height + _height(slope, fee, paid, used) + free
        mean[:], mean_use[:] = flow, use
        moved[:] = 0
        dropped = False
        for sweep in range(rounds):
            # What the items choose may be a plan.
            feasible = True
            for a in range(accounts):
                for t in range(runs):
                    whole[a, t] = paid[a, t] + np.int64(flow[a, t])
                    feasible = feasible and whole[a, t] <= cap[a, t]
            for g in range(groups):
                feasible = feasible and used[g] + use[g] <= limits[g]
            if feasible and limited:
                feasible = risk(whole, available, floor, to_base, probability, alpha) <= cvar_limit
            if feasible:
                total = fixed + cash_cost(
                    whole, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight
                )
                for k in range(items):
                    if settled[k] < 0:
                        total += cost[pick[k]]
                if total < books[9]:
                    books[9] = total
                    for k in range(items):
                        near_pick[k] = settled[k] if settled[k] >= 0 else pick[k]
                if total < books[0] - 1e-9:
                    books[0] = total
                    for k in range(items):
                        best_pick[k] = settled[k] if settled[k] >= 0 else pick[k]
            threshold = books[0] - books[1] * abs(books[0])
            if bound >= threshold:
                dropped = True
                break
            if sweep == rounds - 1:
                break
            # The tangent at the mean of the last choices, and beyond a cap the price of breaking it.
            for a in range(accounts):
                for t in range(runs):
                    whole[a, t] = paid[a, t] + np.int64(mean[a, t])
            gradient = tangent(whole, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
            lift = cash_cost(whole, available, floor, to_base, probability, overdraft_weight, alpha, cvar_weight)
            for a in range(accounts):
                for t in range(runs):
                    if whole[a, t] > cap[a, t]:
                        gradient[a, t] += penalty[a]
                        lift += penalty[a] * (whole[a, t] - cap[a, t])
                    lift -= gradient[a, t] * whole[a, t]
            risen = False
            for share in STEPS:
                trial_height = (1.0 - share) * height + share * lift
                for a in range(accounts):
                    for t in range(runs):
                        trial_slope[a, t] = (1.0 - share) * slope[a, t] + share * gradient[a, t]
                for g in range(groups):
                    over = used[g] + mean_use[g] - limits[g] > 0
                    trial_fee[g] = (1.0 - share) * fee[g] + (share * cap_penalty[g] if over else 0.0)
                    if over:
                        trial_height -= share * cap_penalty[g] * limits[g]
                again = _decide(
                    trial_slope, trial_fee, settled, start, account, run, cost, cash, member, value, price,
                    trial_best, trial_pick, trial_flow, trial_use,
                )  # fmt: skip
                again += fixed + trial_height + _height(trial_slope, trial_fee, paid, used)
                for k in range(items):
                    if settled[k] < 0 and trial_pick[k] != pick[k]:
                        moved[k] += 1
                if again > bound + 1e-9 * abs(bound):
                    bound, height = again, trial_height
                    slope[:], fee[:] = trial_slope, trial_fee
                    best[:], pick[:] = trial_best, trial_pick
                    flow[:], use[:] = trial_flow, trial_use
                    risen = True
                    break
            mean[:] = 0.5 * mean + 0.5 * (flow if risen else trial_flow)
            mean_use[:] = 0.5 * mean_use + 0.5 * (use if risen else trial_use)
        if child >= 0:
            # What settling the item that led here has raised the bound by.
            k = child_item[child]
            gain[k, 0] += max(0.0, bound - node_bound[child_node[child]])
            gain[k, 1] += 1.0
            gain[items, 0] += max(0.0, bound - node_bound[child_node[child]])
            gain[items, 1] += size[k]
        if dropped:
            continue
        # Branch on an item that is torn, on the one whose children may rise most; of none on one that has a choice.
        ratio = gain[items, 0] / max(gain[items, 1], 1e-300)
        for a in range(accounts):
            total = 0.0
            for t in range(runs - 1, -1, -1):
                total += slope[a, t]
                price[a, t] = total
        chosen, largest = -1, -1.0
        for k in range(items):
            weight = (gain[k, 0] + PRIOR * (ratio * size[k] if ratio > 0 else size[k])) / (gain[k, 1] + PRIOR)
            weight *= 1.0 if moved[k] > 0 else 1e-6
            if settled[k] >= 0 or weight <= largest:
                continue
            live = 0
            for o in range(start[k], start[k + 1]):
                if bound + _reduced(o, k, price, fee, account, run, cost, cash, member, value) - best[k] < threshold:
                    live += 1
            if live > 1:
                chosen, largest = k, weight
        if chosen < 0:
            # Every other choice of any item is too dear, and what is left has been looked at as a plan.
            continue
        kept = int(books[4])
        books[4] += 1
        slopes[kept], fees[kept], heights[kept], node_child[kept] = slope, fee, height, child
        node_bound[kept] = bound
        lowest = -1
        for o in range(start[chosen], start[chosen + 1]):
            reduced = _reduced(o, chosen, price, fee, account, run, cost, cash, member, value)
            child_value = bound + reduced - best[chosen]
            if child_value >= threshold:
                continue
            new = int(books[5])
            books[5] += 1
            child_node[new], child_item[new], child_option[new] = kept, chosen, o
            child_bound[new], child_open[new] = child_value, True
            _push(heap, child_bound, int(books[6]), new)
            books[6] += 1
            if lowest < 0 or child_value < child_bound[lowest]:
                lowest = new
        # Go down while the bound is not much above the lowest of all.
        if lowest >= 0 and child_bound[lowest] <= books[8] + PLUNGE * (threshold - books[8]):
            books[7] = lowest
    return OPEN
