"""A city delivery day: 200 stops, two depots, a mixed fleet. ``python -m examples.city_day`` writes ``city_day.json``.

Places lie along the streets of a grid city, denser in the centre and in three quarters. Coordinates are metres,
times are seconds after midnight, loads are kilograms and litres, costs are euros. All chance comes from the seed,
through nothing but `random.Random.random`, whose sequence Python promises to keep.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from random import Random
from typing import Any

SEED = 2026
STOPS = 200
FILE = Path(__file__).with_name("city_day.json")

HOUR_S = 3600
BLOCK_M = (180.0, 110.0)
"""Length and width of a block of houses."""
TURN_RAD = 0.35
"""How far the street grid is turned from east."""
QUARTERS = (
    (0.0, 0.0, 1500.0, 0.5),
    (3600.0, 1400.0, 700.0, 0.2),
    (-3100.0, 1900.0, 800.0, 0.15),
    (-900.0, -2900.0, 900.0, 0.15),
)
"""Centre (x, y), spread (m) and share of the stops."""
DEPOTS = {"north": (900.0, 4300.0), "south": (-2400.0, -4100.0)}
PROFILES = {"van": 6.4, "truck": 5.6, "bike": 4.4}
"""Speeds in m/s over the beeline, detours and lights included."""
FLEET = (
    # kind, vehicles a depot, kg, litres, fixed cost, cost per metre, cost per second
    ("truck", 1, 1200, 6600, 80.0, 0.00062, 0.0072),
    ("van", 4, 600, 3400, 45.0, 0.00038, 0.0066),
    ("bike", 4, 125, 700, 6.0, 0.00006, 0.0052),
)


def generate(seed: int = SEED, stops: int = STOPS) -> dict[str, Any]:
    """The request, as the contract's JSON."""
    chance = Random(seed)
    locations = [{"id": f"depot-{name}", "point": {"x": x, "y": y}} for name, (x, y) in DEPOTS.items()]
    visits = []
    for number in range(1, stops + 1):
        x, y = _address(chance)
        locations.append({"id": f"place-{number:03}", "point": {"x": x, "y": y}})
        visits.append(_visit(chance, number))
    return {
        "problem": {
            "locations": locations,
            "profiles": [{"id": name, "metric": "EUCLIDEAN", "speed": speed} for name, speed in PROFILES.items()],
            "vehicles": [_vehicle(depot, *row) for depot in DEPOTS for row in FLEET],
            "visits": visits,
        }
    }


def _address(chance: Random) -> tuple[float, float]:
    """A place on a street, in metres."""
    pick = chance.random()
    for x, y, spread, share in QUARTERS:  # noqa: B007
        pick -= share
        if pick < 0:
            break
    radius = spread * math.sqrt(-2.0 * math.log(1.0 - chance.random()))
    angle = 2.0 * math.pi * chance.random()
    x, y = x + radius * math.cos(angle), y + radius * math.sin(angle)
    along, across = x * math.cos(TURN_RAD) + y * math.sin(TURN_RAD), y * math.cos(TURN_RAD) - x * math.sin(TURN_RAD)
    if chance.random() < 0.5:
        along = BLOCK_M[0] * round(along / BLOCK_M[0])
    else:
        across = BLOCK_M[1] * round(across / BLOCK_M[1])
    x, y = (
        along * math.cos(TURN_RAD) - across * math.sin(TURN_RAD),
        along * math.sin(TURN_RAD) + across * math.cos(TURN_RAD),
    )
    return round(x, 1), round(y, 1)


def _visit(chance: Random, number: int) -> dict[str, Any]:
    """Mostly parcels, some pallets; half of the customers say when they are in."""
    large = chance.random() < 0.15
    kg = 70 + round(100 * chance.random()) if large else 5 + round(44 * chance.random() ** 1.5)
    litres = round(kg * (3.0 + 4.0 * chance.random()))
    service_s = 60 * (8 + round(8 * chance.random())) if large else 60 * (3 + round(4 * chance.random()))
    visit: dict[str, Any] = {
        "id": f"stop-{number:03}",
        "location": f"place-{number:03}",
        "delivery": {"kg": kg, "litres": litres},
        "service_s": service_s,
    }
    kind = chance.random()
    if kind < 0.22:
        visit["time_windows"] = [{"earliest_s": 8 * HOUR_S, "latest_s": 12 * HOUR_S}]
    elif kind < 0.4:
        visit["time_windows"] = [{"earliest_s": 13 * HOUR_S, "latest_s": 17 * HOUR_S}]
    elif kind < 0.5:
        start_s = 9 * HOUR_S + 1800 * int(12 * chance.random())
        visit["time_windows"] = [{"earliest_s": start_s, "latest_s": start_s + 5400}]
    return visit


def _vehicle(
    depot: str,
    kind: str,
    count: int,
    kg: int,
    litres: int,
    fixed_cost: float,
    cost_per_distance: float,
    cost_per_duration: float,
) -> dict[str, Any]:
    return {
        "id": f"{kind}-{depot}",
        "count": count,
        "start_location": f"depot-{depot}",
        "end_location": f"depot-{depot}",
        "load_limits": {"kg": kg, "litres": litres},
        "shift": {"earliest_s": 7 * HOUR_S, "latest_s": 18 * HOUR_S},
        "max_duration_s": 9 * HOUR_S,
        "fixed_cost": fixed_cost,
        "cost_per_distance": cost_per_distance,
        "cost_per_duration": cost_per_duration,
        "profile": kind,
    }


def text(request: dict[str, Any]) -> str:
    """JSON with one location, vehicle or visit a line."""
    sections = []
    for name, rows in request["problem"].items():
        lines = ",\n".join(f"   {json.dumps(row)}" for row in rows)
        sections.append(f'  "{name}": [\n{lines}\n  ]')
    return '{"problem": {\n' + ",\n".join(sections) + "\n}}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--stops", type=int, default=STOPS)
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    arguments.out.write_text(text(generate(arguments.seed, arguments.stops)))
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
