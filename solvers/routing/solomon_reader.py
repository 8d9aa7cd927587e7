"""Solomon's text format of vehicle routing with time windows, also used by Gehring and Homberger."""

from __future__ import annotations

from solvers.errors import FieldViolation, InvalidProblem
from solvers.routing.data import (
    Coordinates,
    LocationRow,
    Metric,
    ProfileRow,
    RoutingData,
    VehicleRow,
    VisitRow,
    Window,
)


def read_solomon(text: str, metric: Metric = Metric.EUCLIDEAN_TRUNCATED, decimals: int = 1) -> RoutingData:
    """Read the text of a Solomon instance: customer 0 is the depot, ids are customer numbers.

    Distances are truncated to one decimal unless ``metric`` says otherwise, as the best-known values of the DIMACS
    challenge are; the older literature has exact ones (``Metric.EUCLIDEAN``, 0).

    Raises
    ------
    solvers.errors.InvalidProblem
        When the text is no Solomon instance.
    """
    import numpy as np
    from vrplib.parse import parse_solomon

    try:
        raw = parse_solomon(text, compute_edge_weights=False)
        coordinates, windows = np.asarray(raw["node_coord"]), np.asarray(raw["time_window"])
        demand, service = np.asarray(raw["demand"]), np.asarray(raw["service_time"])
        vehicles, capacity = int(str(raw["vehicles"])), int(str(raw["capacity"]))
    except (RuntimeError, ValueError, IndexError, KeyError, TypeError) as error:
        allowed = "Solomon text: a name, VEHICLE with NUMBER and CAPACITY, then CUSTOMER with seven columns"
        raise InvalidProblem([FieldViolation("file", f"cannot be read: {error}", allowed)]) from error
    shift = Window(float(windows[0, 0]), float(windows[0, 1]))
    return RoutingData(
        locations=tuple(
            LocationRow(str(k), Coordinates.POINT, float(x), float(y)) for k, (x, y) in enumerate(coordinates)
        ),
        vehicles=(VehicleRow("vehicle", vehicles, "0", "0", (("load", capacity),), shift),),
        visits=tuple(
            VisitRow(
                id=str(k),
                location=str(k),
                delivery=(("load", int(demand[k])),),
                service_s=float(service[k]),
                time_windows=(Window(float(windows[k, 0]), float(windows[k, 1])),),
            )
            for k in range(1, len(demand))
        ),
        profiles=(ProfileRow(metric=metric, decimals=decimals),),
    )
