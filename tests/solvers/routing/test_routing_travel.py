"""Distances and durations are what the metric says, in the product's two implementations of it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from solvers.routing.arrays import arrays_of
from solvers.routing.data import Coordinates, LocationRow, Metric, ProfileRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.evaluation import leg_distance, leg_duration
from solvers.routing.features import features
from solvers.routing.neighbours import nearest_stops
from solvers.routing.problem import RoutingProblem

RNG = np.random.default_rng(1)
XY = RNG.uniform(-50, 50, (12, 2))


def problem_of(profile: ProfileRow, kind: Coordinates = Coordinates.POINT) -> RoutingProblem:
    places = tuple(LocationRow(str(k), kind, float(x), float(y)) for k, (x, y) in enumerate(XY))
    visits = tuple(VisitRow(str(k), str(k)) for k in range(1, len(XY)))
    return RoutingProblem.of(RoutingData(places, (VehicleRow("v", 3, "0", "0"),), visits, profiles=(profile,)))


RULES = [
    (ProfileRow(metric=Metric.EUCLIDEAN), lambda d: d),
    (ProfileRow(metric=Metric.EUCLIDEAN_ROUNDED), lambda d: math.floor(d + 0.5)),
    (ProfileRow(metric=Metric.EUCLIDEAN_ROUNDED, decimals=3), lambda d: math.floor(d * 1000 + 0.5) / 1000),
    (ProfileRow(metric=Metric.EUCLIDEAN_CEILED), math.ceil),
    (ProfileRow(metric=Metric.EUCLIDEAN_TRUNCATED, decimals=1), lambda d: math.floor(d * 10) / 10),
]


@pytest.mark.parametrize(("profile", "rule"), RULES)
def test_euclidean_metrics_round_as_they_say(profile: ProfileRow, rule: object) -> None:
    """Each rounding rule is applied to the exact distance of every pair."""
    travel = problem_of(profile).profiles[0]
    for i in range(len(XY)):
        for j in range(len(XY)):
            expected = rule(math.sqrt((XY[i, 0] - XY[j, 0]) ** 2 + (XY[i, 1] - XY[j, 1]) ** 2))  # type: ignore[operator]
            assert float(travel.distance(i, j)) == pytest.approx(expected, abs=1e-9)


def test_haversine_knows_the_earth() -> None:
    """Amsterdam to Paris is 430 km, a degree of latitude 111.2 km, and nothing from a place to itself."""
    places = (
        LocationRow("amsterdam", Coordinates.LAT_LNG, 4.9041, 52.3676),
        LocationRow("paris", Coordinates.LAT_LNG, 2.3522, 48.8566),
        LocationRow("north", Coordinates.LAT_LNG, 4.9041, 53.3676),
    )
    visits = (VisitRow("x", "paris"),)
    problem = RoutingProblem.of(RoutingData(places, (VehicleRow("v", 1, "amsterdam"),), visits))
    travel = problem.profiles[0]
    assert travel.metric is Metric.HAVERSINE
    assert float(travel.distance(0, 1)) == pytest.approx(430_000, rel=0.005)
    assert float(travel.distance(0, 2)) == pytest.approx(111_195, rel=0.001)
    assert float(travel.distance(1, 1)) == 0.0


@pytest.mark.parametrize(
    ("profile", "kind"),
    [(profile, Coordinates.POINT) for profile, _ in RULES]
    + [
        (ProfileRow(metric=Metric.HAVERSINE, speed=13.0), Coordinates.LAT_LNG),
        (
            ProfileRow(metric=Metric.MATRIX, distances=RNG.uniform(0, 9, 144), durations_s=RNG.uniform(0, 9, 144)),
            Coordinates.NONE,
        ),
        (ProfileRow(metric=Metric.MATRIX, distances=RNG.uniform(0, 9, 144), speed=3.0), Coordinates.NONE),
    ],
)
def test_engines_and_verifier_agree_on_distances(profile: ProfileRow, kind: Coordinates) -> None:
    """The compiled distances are the verifier's, for every pair and metric."""
    problem = problem_of(profile, kind)
    A = arrays_of(problem)
    travel = problem.profiles[0]
    for i in range(len(XY)):
        for j in range(len(XY)):
            distance = leg_distance(A, 0, i, j)
            assert distance == pytest.approx(float(travel.distance(i, j)), rel=1e-9, abs=1e-9)
            assert leg_duration(A, 0, i, j, distance) == pytest.approx(float(travel.duration_s(i, j)), abs=1e-9)


@pytest.mark.parametrize("kind", [Coordinates.POINT, Coordinates.LAT_LNG, Coordinates.NONE])
def test_neighbours_are_the_nearest(kind: Coordinates) -> None:
    """The neighbour lists hold the nearest other stops, nearest first."""
    profile = ProfileRow()
    if kind is Coordinates.NONE:
        flat = np.hypot(XY[:, None, 0] - XY[None, :, 0], XY[:, None, 1] - XY[None, :, 1]).reshape(-1)
        profile = ProfileRow(metric=Metric.MATRIX, distances=flat)
    problem = problem_of(profile, kind)
    near = nearest_stops(problem, 4)
    travel = problem.profiles[0]
    for stop in range(problem.n_stops):
        own = int(problem.stop_location[stop])
        lengths = sorted(
            float(travel.distance(own, int(at))) for k, at in enumerate(problem.stop_location) if k != stop
        )
        assert [float(travel.distance(own, int(problem.stop_location[k]))) for k in near[stop]] == pytest.approx(
            lengths[:4]
        )


def test_many_stops_at_one_place_are_neighbours_of_each_other() -> None:
    """A stop is never its own neighbour, however many share its place."""
    places = (LocationRow("a", Coordinates.POINT, 1.0, 1.0),)
    visits = tuple(VisitRow(str(k), "a") for k in range(30))
    problem = RoutingProblem.of(RoutingData(places, (VehicleRow("v", 1, "a", "a"),), visits))
    near = nearest_stops(problem, 5)
    assert near.shape == (30, 5)
    assert not (near == np.arange(30)[:, None]).any()


def test_features_are_finite_and_stable() -> None:
    """Features have the names that every kind has, and finite values also without limits."""
    found = features(problem_of(ProfileRow()))
    assert {"size", "density", "tightness"} <= found.values.keys()
    assert all(math.isfinite(value) for value in found.values.values())
    assert found.values["size"] == 11
    assert found.values["tightness"] == 0.0
