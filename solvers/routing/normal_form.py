"""One way to write each problem: what means the same as leaving it out is left out."""

from __future__ import annotations

from dataclasses import replace

from solvers.routing.data import Loads, PinRow, ProfileRow, RoutingData, ShipmentRow, VehicleRow, VisitRow, Window

_ALWAYS = (Window(),)
_NO_PIN = PinRow()


def normalised(data: RoutingData) -> RoutingData:
    """``data`` without zero loads, windows that say nothing, empty pins and empty messages; loads sorted by name."""
    profiles = tuple(_profile(row) for row in data.profiles)
    return replace(
        data,
        profiles=() if profiles == (ProfileRow(),) else profiles,
        vehicles=tuple(_vehicle(row) for row in data.vehicles),
        visits=tuple(_visit(row) for row in data.visits),
        shipments=tuple(_shipment(row) for row in data.shipments),
        initial_plan=data.initial_plan or None,
    )


def _loads(loads: Loads) -> Loads:
    if len(loads) < 2 and all(amount for _, amount in loads):
        return loads
    return tuple(sorted((name, amount) for name, amount in loads if amount))


def _profile(row: ProfileRow) -> ProfileRow:
    if row.distances is not None and not row.distances.size:
        row = replace(row, distances=None)
    if row.durations_s is not None and not row.durations_s.size:
        row = replace(row, durations_s=None)
    return row


def _vehicle(row: VehicleRow) -> VehicleRow:
    limits = tuple(sorted(row.load_limits))  # a limit of 0 is a limit
    return row if limits == row.load_limits else row._replace(load_limits=limits)


def _visit(row: VisitRow) -> VisitRow:
    delivery, pickup = _loads(row.delivery), _loads(row.pickup)
    if delivery is not row.delivery or pickup is not row.pickup:
        row = row._replace(delivery=delivery, pickup=pickup)
    if row.time_windows == _ALWAYS:
        row = row._replace(time_windows=())
    if row.pin == _NO_PIN:
        row = row._replace(pin=None)
    return row


def _shipment(row: ShipmentRow) -> ShipmentRow:
    for name in ("pickup", "delivery"):
        leg = getattr(row, name)
        if leg.time_windows == _ALWAYS:
            row = row._replace(**{name: leg._replace(time_windows=())})
    return row._replace(load=_loads(row.load))
