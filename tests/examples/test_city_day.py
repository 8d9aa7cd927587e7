"""The city delivery day in `examples/`."""

from __future__ import annotations

import json

from examples import city_day
from services.cli.read import read_json


def test_the_committed_file_is_what_the_generator_writes() -> None:
    assert city_day.FILE.read_text() == city_day.text(city_day.generate())


def test_another_seed_gives_another_day_with_as_many_stops() -> None:
    other = city_day.generate(seed=1)
    assert other != city_day.generate()
    assert len(other["problem"]["visits"]) == city_day.STOPS


def test_the_day_is_a_routing_request_that_needs_both_depots() -> None:
    question = read_json(city_day.FILE.read_bytes())
    assert question.kind == "routing"
    problem = json.loads(city_day.FILE.read_text())["problem"]
    demand_kg = sum(visit["delivery"]["kg"] for visit in problem["visits"])
    for depot in city_day.DEPOTS:
        fleet = [v for v in problem["vehicles"] if v["start_location"] == f"depot-{depot}"]
        assert demand_kg > sum(v["count"] * v["load_limits"]["kg"] for v in fleet), f"{depot} carries all of it alone"
