"""When a route may be where, and how long it takes: kept along routes, so that an insertion is judged at once.

Forwards, service starts at ``earliest`` at the soonest, and ``before`` seconds after the start is left, which has to
be by ``leave_latest``. Backwards, the rest is in time where service starts by ``latest``, and over ``after`` seconds
after that or after ``ready``, whichever is later. These are the functions of Vidal, Crainic, Gendreau and Prins (2013),
"A hybrid genetic algorithm with adaptive diversity management for a large class of vehicle routing problems with
time-windows", for routes that are in time.
"""

from __future__ import annotations

import math

import numpy as np

from solvers.routing.annealing.compile import inlined, kernel


@inlined
def rich_time(rich, a, b, distance):  # type: ignore[no-untyped-def]
    """Seconds from node ``a`` to node ``b``, which are ``distance`` apart."""
    if rich.time_matrix.shape[0] == 0:
        return distance / rich.speed[0]
    leaves, arrives = rich.sites[a].leaves, rich.sites[b].arrives
    return rich.time_matrix[leaves, arrives] if leaves >= 0 and arrives >= 0 else 0.0


@inlined
def begun(rich, v, at):  # type: ignore[no-untyped-def]
    """Earliest service start at visit ``v`` not before ``at``; may be after its last window."""
    if rich.windows.shape[0] > 0:
        for k in range(rich.windows[v].first, rich.windows[v + 1].first):
            if at <= rich.windows[k].closes:
                return max(at, rich.windows[k].opens)
    return max(at, rich.sites[v].opens)


@inlined
def begun_by(rich, v, at):  # type: ignore[no-untyped-def]
    """Latest service start at visit ``v`` not after ``at``; may be before its first window."""
    if rich.windows.shape[0] > 0:
        for k in range(rich.windows[v + 1].first - 1, rich.windows[v].first - 1, -1):
            if at >= rich.windows[k].opens:
                return min(at, rich.windows[k].closes)
    return min(at, rich.sites[v].closes)


@inlined
def refresh_times(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute ``earliest`` and ``latest`` along a whole route."""
    kind = rich.runs[route].type
    rich.sites[sentinel].earliest = max(rich.kinds[kind].shift_start, rich.runs[route].released)
    p = sentinel
    v = np.int64(nodes[p].succ)
    while v != sentinel:
        at = rich.sites[p].earliest + rich.sites[p].service + rich_time(rich, p, v, nodes[p].dsucc)
        rich.sites[v].earliest = begun(rich, v, at)
        p = v
        v = np.int64(nodes[p].succ)
    rich.sites[sentinel].latest = rich.kinds[kind].shift_end
    s = sentinel
    v = np.int64(nodes[s].pred)
    while v != sentinel:
        at = rich.sites[s].latest - rich_time(rich, v, s, nodes[v].dsucc) - rich.sites[v].service
        rich.sites[v].latest = begun_by(rich, v, at)
        s = v
        v = np.int64(nodes[s].pred)


@inlined
def spread_times(rich, nodes, sentinel, c):  # type: ignore[no-untyped-def]
    """Recompute ``earliest`` and ``latest`` after visit ``c`` came in, as far as they change."""
    p = np.int64(nodes[c].pred)
    v = np.int64(c)
    while v != sentinel:
        at = rich.sites[p].earliest + rich.sites[p].service + rich_time(rich, p, v, nodes[p].dsucc)
        at = begun(rich, v, at)
        if v != c and at == rich.sites[v].earliest:
            break
        rich.sites[v].earliest = at
        p = v
        v = np.int64(nodes[p].succ)
    s = np.int64(nodes[c].succ)
    v = np.int64(c)
    while v != sentinel:
        at = rich.sites[s].latest - rich_time(rich, v, s, nodes[v].dsucc) - rich.sites[v].service
        at = begun_by(rich, v, at)
        if v != c and at == rich.sites[v].latest:
            break
        rich.sites[v].latest = at
        s = v
        v = np.int64(nodes[s].pred)


@inlined
def reached(rich, v, reach, leave_latest):  # type: ignore[no-untyped-def]
    """``before`` and ``leave_latest`` of visit ``v``, ``reach`` seconds after a start left by ``leave_latest``."""
    wait = max(0.0, rich.sites[v].opens - reach - leave_latest)
    return reach + wait, min(leave_latest, rich.sites[v].closes - reach)


@kernel
def _measure_forwards(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    spans, sites = rich.spans, rich.sites
    spans[sentinel].before = 0.0
    spans[sentinel].leave_latest = math.inf
    released = -math.inf
    p = sentinel
    v = np.int64(nodes[p].succ)
    while v != sentinel:
        released = max(released, spans[v].release)
        reach = spans[p].before + sites[p].service + rich_time(rich, p, v, nodes[p].dsucc)
        spans[v].before, spans[v].leave_latest = reached(rich, v, reach, spans[p].leave_latest)
        p = v
        v = np.int64(nodes[p].succ)
    rich.runs[route].released = released


@kernel
def _measure_backwards(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    spans, sites = rich.spans, rich.sites
    spans[sentinel].after = 0.0
    spans[sentinel].ready = -math.inf
    s = sentinel
    v = np.int64(nodes[s].pred)
    while v != sentinel:
        leg = sites[v].service + rich_time(rich, v, s, nodes[v].dsucc)
        wait = max(0.0, spans[s].ready - leg - sites[v].closes)
        spans[v].after = leg + wait + spans[s].after
        spans[v].ready = max(sites[v].opens, spans[s].ready - leg - wait)
        s = v
        v = np.int64(nodes[s].pred)
    out_s = rich_time(rich, sentinel, s, nodes[sentinel].dsucc)
    # whoever leaves late enough does not wait at the first stop
    rich.runs[route].span = 0.0 if s == sentinel else out_s + spans[s].after


@kernel
def refresh_spans(rich, nodes, sentinel, route):  # type: ignore[no-untyped-def]
    """Recompute release and least duration of a whole route; before `refresh_times`, which reads the release."""
    _measure_forwards(rich, nodes, sentinel, route)
    _measure_backwards(rich, nodes, sentinel, route)


@kernel
def reached_from(rich, p, c, sentinel):  # type: ignore[no-untyped-def]
    """Earliest service start at node ``p`` if visit ``c`` comes behind it; inf where that is released too late."""
    earliest = rich.sites[p].earliest
    release = rich.spans[c].release
    if release <= rich.sites[sentinel].earliest:
        return earliest
    return max(earliest, release + rich.spans[p].before) if release <= rich.spans[p].leave_latest else math.inf


@kernel
def span_with(rich, p, c, s, there_s, on_s):  # type: ignore[no-untyped-def]
    """Least duration of a route if visit ``c`` comes between ``p`` and ``s``, so many seconds away from each."""
    spans, sites = rich.spans, rich.sites
    before, leave_latest = reached(rich, c, spans[p].before + sites[p].service + there_s, spans[p].leave_latest)
    before += sites[c].service + on_s
    return before + max(0.0, spans[s].ready - before - leave_latest) + spans[s].after
