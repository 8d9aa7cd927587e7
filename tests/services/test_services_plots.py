"""The route map shows every route, depot and stop, and is the same bytes for the same plan."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from services.plots import colours, figure_text, route_map_svg
from solvers.routing.data import Coordinates, LocationRow, Metric, ProfileRow, RoutingData, VehicleRow, VisitRow
from solvers.routing.plan import Route, RoutingPlan
from solvers.routing.problem import RoutingProblem


def ring(kind: Coordinates, n: int = 12) -> RoutingProblem:
    around = [LocationRow(str(k), kind, 4.9 + 0.1 * np.cos(k), 52.3 + 0.1 * np.sin(k)) for k in range(n)]
    places = [LocationRow("depot", kind, 4.9, 52.3), *around]
    profiles: tuple[ProfileRow, ...] = ()
    if kind is Coordinates.NONE:
        places = [LocationRow(place.id) for place in places]
        profiles = (ProfileRow(metric=Metric.MATRIX, distances=np.arange((n + 1) ** 2, dtype=float) % 17),)
    vehicle = VehicleRow("van & co", 4, "depot", "depot")
    visits = tuple(VisitRow(str(k), str(k)) for k in range(n))
    return RoutingProblem.of(RoutingData(tuple(places), (vehicle,), visits, profiles=profiles))


PLAN = RoutingPlan((Route(0, (0, 1, 2, 3)), Route(0, (4, 5)), Route(0, (6, 7, 8, 9, 10))))


def words(svg: str) -> list[str]:
    return [text.strip() for text in ET.fromstring(svg).itertext() if text.strip()]


@pytest.mark.parametrize("kind", list(Coordinates))
def test_names_routes_depot_and_what_is_left_out(kind: Coordinates) -> None:
    """Legend and title have every route with its figures, the depot, the stop left out, and that this breaks a rule."""
    problem = ring(kind)
    svg = route_map_svg(problem, PLAN, problem.verify(PLAN))
    text = words(svg)
    assert [line.split(":")[0] for line in text if line.startswith("van & co #")] == [
        f"van & co #{k}" for k in range(3)
    ]
    assert any(line.startswith("3 routes, 11 of 12 stops") for line in text)
    assert any("mandatory" in line for line in text)
    assert "depot" in text
    assert "not served: 1 stop" in text


def test_the_same_plan_is_the_same_picture() -> None:
    """No clock and no chance go into the file."""
    problem = ring(Coordinates.POINT)
    verdict = problem.verify(PLAN)
    assert route_map_svg(problem, PLAN, verdict) == route_map_svg(problem, PLAN, verdict)


def test_many_routes_keep_the_legend_short() -> None:
    """Beyond what fits beside the map the legend says how many routes it shows."""
    problem = ring(Coordinates.POINT, 60)
    plan = RoutingPlan(tuple(Route(0, (k,)) for k in range(60)))
    text = words(route_map_svg(problem, plan, problem.verify(plan)))
    assert sum(line.startswith("van & co #") for line in text) < 30
    assert "the first 27 of 60 routes" in text


def test_an_empty_plan_is_a_map_of_places() -> None:
    """Without routes the map still has the depot and what is not served."""
    problem = ring(Coordinates.LAT_LNG)
    text = words(route_map_svg(problem, RoutingPlan(), problem.verify(RoutingPlan())))
    assert "not served: 12 stops" in text
    assert "longitude" in text


def test_neighbouring_colours_differ() -> None:
    """Each of 40 colours is its own, and no two in a row look alike."""
    palette = np.array(colours(40))
    assert len({tuple(colour) for colour in palette}) == 40
    assert np.abs(palette[1:] - palette[:-1]).sum(axis=1).min() > 0.3


@pytest.mark.parametrize(("value", "text"), [(12.0, "12"), (1.5, "1.5"), (0.126, "0.13"), (58578.4, "58,578")])
def test_figures_are_short(value: float, text: str) -> None:
    """Figures have as many digits as people read."""
    assert figure_text(value) == text
