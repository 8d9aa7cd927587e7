"""Observations: what each strategy and backend did, by problem features, and how devices were calibrated when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from store.database import Database
from store.schema import calibrations, observations


@dataclass(frozen=True)
class Observation:
    """One run of one strategy.

    Parameters
    ----------
    kind
        Of the problem: routing, invoices, binary.
    strategy
        Name of the strategy.
    backend
        Name of the backend; empty for a classical strategy.
    features
        Of the problem, by name.
    improvement
        By how much it lowered the incumbent's objective; 0 when it did not help.
    seconds
        How long it ran.
    cost_usd_micros
        What it cost, in millionths of a US dollar.
    quantum_lift
        Fields of the contract's QuantumLift; ``None`` for a classical strategy.
    outcome
        OK, SKIPPED, REFUSED, FAILED or CANCELLED.
    at
        When it ended.
    version
        Of the strategy; empty where an older release did not note it.
    """

    kind: str
    strategy: str
    backend: str
    features: Mapping[str, float]
    improvement: float
    seconds: float
    cost_usd_micros: int
    quantum_lift: Mapping[str, Any] | None
    outcome: str
    at: datetime
    version: str = ""


@dataclass(frozen=True)
class Calibration:
    """A calibration of a backend as it was first seen ``at``; ``values`` each carry a date of their own."""

    backend: str
    calibration_id: str
    values: Sequence[Mapping[str, Any]]
    at: datetime


_NAMES = tuple(Observation.__dataclass_fields__)


class Observations:
    """The observations in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, *seen: Observation) -> None:
        """Keep observations, in one transaction.

        Raises
        ------
        ValueError
            When a number is not finite.
        """
        rows = [{name: getattr(one, name) for name in _NAMES} for one in seen]
        for row in rows:
            row["features"] = dict(row["features"])
            row["quantum_lift"] = None if row["quantum_lift"] is None else dict(row["quantum_lift"])
            for name in ("improvement", "seconds"):
                if not math.isfinite(row[name]):
                    raise ValueError(f"{name} is {row[name]}; allowed: a finite number")
        if rows:
            with self._database.write() as connection:
                connection.execute(insert(observations), rows)

    def recent(self, kind: str, limit: int = 1000) -> tuple[Observation, ...]:
        """The newest ``limit`` observations of problems of ``kind``, newest first."""
        return self._newest(observations.c.kind == kind, limit)

    def recent_of_backend(self, backend: str, limit: int = 1000) -> tuple[Observation, ...]:
        """The newest ``limit`` observations of a backend, newest first."""
        return self._newest(observations.c.backend == backend, limit)

    def record_calibration(
        self, backend: str, calibration_id: str, values: Sequence[Mapping[str, Any]], at: datetime
    ) -> None:
        """Keep a calibration snapshot; one that is known already is left as it is.

        Parameters
        ----------
        backend
            Name of the backend.
        calibration_id
            Digest of the values, as decision records name it.
        values
            JSON objects ``{"name", "where", "value", "date"}``.
        at
            When it was seen.
        """
        row = {"backend": backend, "calibration_id": calibration_id, "values": [dict(v) for v in values], "at": at}
        with self._database.write() as connection:
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            connection.execute(dialect.insert(calibrations).on_conflict_do_nothing(), row)

    def calibration(self, backend: str, calibration_id: str) -> Calibration | None:
        """The snapshot of this id, or ``None``."""
        columns = calibrations.c
        statement = select(calibrations).where(columns.backend == backend, columns.calibration_id == calibration_id)
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else _calibration(row)

    def recent_calibrations(self, backend: str, limit: int = 100) -> tuple[Calibration, ...]:
        """The newest ``limit`` snapshots of a backend, newest first."""
        statement = select(calibrations).where(calibrations.c.backend == backend)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(calibrations.c.seq.desc()).limit(limit))
            return tuple(_calibration(row) for row in rows)

    def _newest(self, condition: Any, limit: int) -> tuple[Observation, ...]:
        columns = observations.c
        statement = select(*(columns[name] for name in _NAMES)).where(condition)
        with self._database.read() as connection:
            rows = connection.execute(statement.order_by(columns.seq.desc()).limit(limit))
            return tuple(Observation(**row._mapping) for row in rows)


def _calibration(row: Row[Any]) -> Calibration:
    return Calibration(row.backend, row.calibration_id, row._mapping["values"], row.at)
