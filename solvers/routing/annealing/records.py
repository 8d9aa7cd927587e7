"""What the kernels' arrays are made of: what is read together lies together.

Few arrays of records rather than many arrays also compile faster: a kernel that calls another one hands each array over
as seven values.
"""

from __future__ import annotations

import numpy as np

NODE = np.dtype(
    [
        ("succ", np.int32),
        ("pred", np.int32),
        ("route", np.int32),
        ("demand", np.int32),
        ("dsucc", np.float64),
        ("dpred", np.float64),
    ]
)
"""One node: half a cache line. ``route`` is -1 while a visit is absent, ``dsucc`` and ``dpred`` are its two edges."""

PLACE = np.dtype([("x", np.float64), ("y", np.float64), ("z", np.float64), ("_", np.float64)])
"""Where one node is."""

SPOT = np.dtype([("node", np.int32), ("kind", np.int32)])
"""A place for a visit: after which node, with which vehicle type."""

VISIT = np.dtype(
    [
        ("penalty", np.float64),  # cost of leaving it out
        ("depot_length", np.float64),  # distance to the (nearest) depot
        ("absent_at", np.int32),  # where it is on the list of absent visits
        ("absent", np.int32),  # that list: in place i of the array, absent visit number i
    ]
)
"""One visit, and a place of the list of absent ones."""

ROUTE = np.dtype(
    [
        ("size", np.int64),  # visits on it
        ("ruined_at", np.int64),  # stamp of the last ruin that touched it
        ("free_at", np.int32),  # where it is on the stack of empty routes
        ("free", np.int32),  # that stack; the used routes come after its top
        ("ruined", np.int32),  # list of the routes that the last ruin touched
        ("_", np.int32),
    ]
)
"""One route, and a place of each list of routes."""

LOG = np.dtype(
    [
        ("node", np.int32),  # the visit ...
        ("pred", np.int32),  # ... after which node it was, or INSERTED, or RETYPED for a route
        ("length", np.float64),  # the edge that an insertion broke, or the edge before a removed visit ...
        ("after", np.float64),  # ... and the one after it
    ]
)
"""One operation of the undo log."""

MARK = np.dtype(
    [
        ("best", np.int32),  # successor in the best tours; -1 for absent visits
        ("dirty", np.int32),  # list of the nodes whose successor may differ from ``best``
        ("is_dirty", np.int32),  # 1 while it is on that list
    ]
)
"""One node beside the best tours, and a place of the list of changed ones."""

GIVEN = np.dtype(
    [
        ("metric", np.int64),  # a `Metric`
        ("scale", np.float64),  # units of rounded distances in one unit of length
        ("capacity", np.int64),  # not used with a Rich
        ("fixed", np.float64),  # cost of a route that is used; not used with a Rich
    ]
)
"""What the problem says once."""


SITE = np.dtype(
    [
        ("leaves", np.int64),  # site that the node is left from; -1: an open start
        ("arrives", np.int64),  # site that it is reached at; -1: an open end
        ("service", np.float64),  # seconds
        ("opens", np.float64),
        ("closes", np.float64),
        ("earliest", np.float64),  # service start; start of the route for a sentinel
        ("latest", np.float64),  # service start that keeps the rest in time; end of the route for a sentinel
        ("delivers", np.int32),  # 1: it brings something
        ("partner", np.int32),  # the other leg of the same shipment, or -1
    ]
)
"""One node in space and time: 64 bytes."""

SPAN = np.dtype(
    [
        ("release", np.float64),  # the route leaves no sooner
        ("before", np.float64),  # see `solvers.routing.annealing.times`
        ("leave_latest", np.float64),
        ("after", np.float64),
        ("ready", np.float64),
    ]
)
"""One node where releases or durations of routes matter."""

WINDOW = np.dtype(
    [
        ("opens", np.float64),
        ("closes", np.float64),
        ("first", np.int64),  # in place v of the array, the first window of visit v
    ]
)
"""One window where some visit has several, ascending by visit and time, and the place of one visit."""

AMOUNT = np.dtype([("brings", np.int64), ("takes", np.int64), ("ships", np.int64)])
"""Load of a visit from the start of its route, to its end, and on board from it on (> 0) or no longer (< 0)."""

PAIR = np.dtype([("alone", np.float64), ("compatible", np.int64)])
"""A visit on a vehicle type: cost of a route for it alone (inf where impossible), and whether they go together."""

KIND = np.dtype(
    [
        ("unit_cost", np.float64),  # per distance
        ("fixed_cost", np.float64),
        ("most_stops", np.int64),
        ("most_distance", np.float64),
        ("most_span", np.float64),  # seconds from leaving the start to reaching the end
        ("time_cost", np.float64),  # per second of those
        ("shift_start", np.float64),
        ("shift_end", np.float64),
        ("start_site", np.int64),
        ("end_site", np.int64),
        ("available", np.int64),  # vehicles not in use
        ("like", np.int64),  # types that start, end and have their shift alike share a number
        ("takes_all", np.int64),  # 1: no visit is forbidden to it
    ]
)
"""One vehicle type."""

RUN = np.dtype(
    [
        ("type", np.int64),  # that of the last use for an empty route
        ("length", np.float64),
        ("deliveries", np.int64),  # visits that bring something
        ("released", np.float64),  # when the last one of its visits is
        ("span", np.float64),  # least seconds from leaving the start to reaching the end
        ("best_type", np.int64),  # in the best tours
        ("touched", np.int64),  # list of the routes to refresh after an undo
        ("touched_at", np.int64),  # where it is on that list, or -1
    ]
)
"""One route."""

SUM = np.dtype([("brought", np.int64), ("taken", np.int64)])
"""Loads of a route in one dimension."""

PEAK = np.dtype([("before", np.int64), ("after", np.int64), ("level", np.int64)])
"""Most load from the start until a node is left, from there to the end, and the load when it is left."""
