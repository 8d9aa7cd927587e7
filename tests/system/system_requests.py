"""Requests that the system tests send: small, seeded, built through the product's own dataclasses."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.duration_pb2 import Duration

from benchmarks.invoice_instances import make_problem
from protos import common_pb2, invoices_pb2, routing_pb2, sampling_pb2
from services.convert.invoices import problem_to_message

GRACE_S = 2.0
"""How far past its deadline an answer may come in a test.

An answer that waits for a dead actor comes tens of seconds late; a machine that stalls for a moment must not fail the
test. How late answers are to the millisecond is measured (`benchmarks.drill`, `benchmarks.routing --set service`).
"""


def policy(deadline_s: float = 5.0, profile: str = "CLASSICAL", **fields: Any) -> common_pb2.SolvePolicy:
    """A policy with a seed, so that tests repeat."""
    duration = Duration()
    duration.FromNanoseconds(round(deadline_s * 1e9))
    fields.setdefault("seed", 1)
    return common_pb2.SolvePolicy(deadline=duration, profile=common_pb2.Profile.Value(profile), **fields)


def routing(visits: int = 30, seed: int = 0, **options: Any) -> routing_pb2.OptimizeToursRequest:
    """A capacitated problem on a square, integer coordinates, one depot."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 1000, size=(visits + 1, 2))
    request = routing_pb2.OptimizeToursRequest(policy=policy(**options))
    problem = request.problem
    for i, (x, y) in enumerate(points):
        problem.locations.add(id=str(i), point=routing_pb2.Point(x=float(x), y=float(y)))
    problem.profiles.add(metric=routing_pb2.TravelProfile.EUCLIDEAN_ROUNDED)
    problem.vehicles.add(
        id="van",
        count=visits,
        start_location="0",
        end_location="0",
        load_limits={"load": 50},
        cost_per_distance=1.0,
    )
    for i in range(1, visits + 1):
        problem.visits.add(id=str(i), location=str(i), delivery={"load": int(rng.integers(1, 20))})
    return request


def invoices(count: int = 20, seed: int = 1, **options: Any) -> invoices_pb2.PrioritizeInvoicesRequest:
    """An instance of the benchmarks' generator."""
    problem = problem_to_message(make_problem(seed, count, 6, 2))
    return invoices_pb2.PrioritizeInvoicesRequest(problem=problem, policy=policy(**options))


def binary(variables: int = 16, seed: int = 0, **options: Any) -> sampling_pb2.SampleRequest:
    """A dense random quadratic model."""
    rng = np.random.default_rng(seed)
    request = sampling_pb2.SampleRequest(policy=policy(**options))
    model = request.problem.quadratic
    model.vartype = sampling_pb2.BINARY
    model.num_variables = variables
    model.linear.extend(rng.uniform(-1, 1, variables))
    for i in range(variables):
        for j in range(i + 1, variables):
            model.rows.append(i)
            model.columns.append(j)
            model.values.append(float(rng.uniform(-1, 1)))
    return request
