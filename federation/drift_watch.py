"""Drift of devices in service: each new calibration is charted, and a device that has just got worse counts for less.

What a calibration says is used as it is; the discount is for what it does not say yet. A device whose errors jump is
often found to have jumped again the next day, so for some snapshots after an alarm upwards it has to win by more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from backends.backend import CalibratedValue
from federation.calibration import median_errors
from federation.drift import Alarm, DriftConfig, DriftDetector

SERIES = ("two_qubit", "one_qubit", "readout")
DISCOUNT = 0.5
"""What an alarm upwards leaves of the quality that the calibration promises."""
HELD = 7
"""For so many snapshots, or until the series falls again."""
LEAST_APART = timedelta(hours=20)
"""Charts are of daily values: a snapshot sooner than this after the one before is not charted."""


@dataclass
class _Device:
    detectors: dict[str, DriftDetector]
    charted: datetime | None = None
    snapshots: int = 0
    held_until: dict[str, int] = field(default_factory=dict)


class DriftWatch:
    """The charts of all devices. A cache: it is rebuilt by feeding it the snapshots of the store, oldest first."""

    def __init__(self, config: DriftConfig | None = None) -> None:
        self._config = config
        self._devices: dict[str, _Device] = {}

    def observe(self, backend: str, values: Iterable[CalibratedValue], at: datetime) -> dict[str, Alarm]:
        """A calibration of ``backend`` published ``at`` (with a time zone): the alarms that it raises, by series."""
        device = self._devices.get(backend)
        if device is None:
            device = self._devices[backend] = _Device({name: DriftDetector(self._config) for name in SERIES})
        if device.charted is not None and at - device.charted < LEAST_APART:
            return {}
        device.charted = at
        device.snapshots += 1
        errors = median_errors(values)
        found: dict[str, Alarm] = {}
        for name in SERIES:
            alarm = device.detectors[name].update(getattr(errors, name))
            if alarm is not None:
                found[name] = alarm
                device.held_until[name] = device.snapshots + HELD if alarm.direction > 0 else 0
        return found

    def factor(self, backend: str) -> float:
        """What is left of the quality that the newest calibration promises (0 - 1); 1 where nothing was seen."""
        device = self._devices.get(backend)
        if device is None:
            return 1.0
        held = sum(until >= device.snapshots for until in device.held_until.values())
        return float(DISCOUNT**held)
