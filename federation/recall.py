"""Which running grants to call back while jobs wait for their first worker: two rules, without state."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from federation.tickets import Account, Running


def spares(running: Mapping[str, Running], tenants: Mapping[str, Account], need: int) -> list[str]:
    """At most ``need`` workers of jobs that hold several, the last each got, the job with the most by weight first."""
    of_job: dict[str, list[str]] = {}
    weight_of: dict[str, float] = {}
    for worker, each in running.items():
        of_job.setdefault(each.grant.job_id, []).append(worker)
        weight_of[each.grant.job_id] = tenants[each.grant.tenant].weight
    for workers in of_job.values():
        workers.sort(key=lambda worker: running[worker].grant.slot)
    heap = [(-len(workers) / weight_of[id], id) for id, workers in of_job.items() if len(workers) > 1]
    heapq.heapify(heap)
    recalled: list[str] = []
    while heap and len(recalled) < need:
        _, id = heapq.heappop(heap)
        recalled.append(of_job[id].pop())
        if len(of_job[id]) > 1:
            heapq.heappush(heap, (-len(of_job[id]) / weight_of[id], id))
    return recalled


def over_share(
    running: Mapping[str, Running],
    tenants: Mapping[str, Account],
    waiting: Mapping[str, int],
    need: int,
    ripe_before_s: float,
) -> list[str]:
    """At most ``need`` workers granted by ``ripe_before_s``, of the tenants most over their fair share.

    Parameters
    ----------
    running
        By worker.
    tenants
        By name; all that run or wait.
    waiting
        Jobs without a worker, by tenant (> 0).
    need
        How many are wanted.
    ripe_before_s
        A grant is left alone when it was made later.
    """
    ripe: dict[str, list[tuple[float, str]]] = {}
    count: dict[str, int] = {}
    for worker, each in running.items():
        name = each.grant.tenant
        count[name] = count.get(name, 0) + 1
        if each.grant.granted_s <= ripe_before_s:
            ripe.setdefault(name, []).append((each.grant.granted_s, worker))
    for grants in ripe.values():
        heapq.heapify(grants)

    def load(name: str, change: int = 0) -> float:
        return (count.get(name, 0) + change) / tenants[name].weight

    recalled: list[str] = []
    left = dict(waiting)
    while len(recalled) < need and left and ripe:
        taker = min(left, key=lambda name: (load(name), tenants[name].virtual_s, name))
        # A swap must not leave the giver worse off than the taker was before it; a tenant may always share its own.
        givers = [name for name in ripe if name == taker or load(name, -1) >= load(taker)]
        if not givers:
            del left[taker]
            continue
        giver = max(givers, key=lambda name: (load(name), name != taker, name))
        recalled.append(heapq.heappop(ripe[giver])[1])
        if not ripe[giver]:
            del ripe[giver]
        count[giver] -= 1
        count[taker] = count.get(taker, 0) + 1
        left[taker] -= 1
        if not left[taker]:
            del left[taker]
    return recalled
