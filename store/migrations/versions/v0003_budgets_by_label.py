"""Budgets by label: limits and sums name a label, and each reservation keeps the labels of its job."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNITS = ("usd_micros", "shots", "device_ms")
_KEY = ("tenant", "project", "label", "period")


def upgrade() -> None:
    """Remake both tables with the label in their keys, and find the labels of what was reserved before."""
    amounts = "usd_micros >= 0 AND shots >= 0 AND device_ms >= 0"
    _remake("budget_limits", sa.CheckConstraint(amounts, name=op.f("ck_budget_limits_amounts")))
    _remake("budget_settled")
    op.create_table(
        "reservation_labels",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("reservation_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["reservation_seq"], ["reservations.seq"], name="fk_reservation_labels_reservation_seq"
        ),
        sa.PrimaryKeyConstraint("tenant", "label", "reservation_seq", name="pk_reservation_labels"),
    )
    op.create_index("ix_reservation_labels_reservation_seq", "reservation_labels", ["reservation_seq"])
    _label_what_is_there()


def _remake(name: str, *constraints: Any) -> None:
    """SQLite cannot change a primary key: a new table takes the rows and then the name of the old one."""
    op.rename_table(name, f"{name}_before")
    if op.get_bind().dialect.name == "postgresql":  # names of keys are the schema's there, not the table's
        op.execute(f"ALTER INDEX pk_{name} RENAME TO pk_{name}_before")
    op.create_table(
        name,
        *(sa.Column(column, sa.Text(), nullable=False) for column in _KEY),
        *(sa.Column(unit, sa.BigInteger(), nullable=False) for unit in _UNITS),
        *constraints,
        sa.PrimaryKeyConstraint(*_KEY, name=f"pk_{name}"),
    )
    units = ", ".join(_UNITS)
    op.execute(
        f"INSERT INTO {name} (tenant, project, label, period, {units})"  # noqa: S608 - names of our own tables
        f" SELECT tenant, project, '', period, {units} FROM {name}_before"
    )
    op.drop_table(f"{name}_before")


def _label_what_is_there() -> None:
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            "SELECT r.seq, r.tenant, r.project, r.period, r.state, r.held_usd_micros, r.held_shots, r.held_device_ms,"
            " j.labels FROM reservations r JOIN jobs j ON j.id = r.job_id WHERE j.labels <> '{}' ORDER BY r.seq"
        )
    )
    labels: list[dict[str, Any]] = []
    sums: dict[tuple[str, ...], Counter[str]] = {}
    for row in rows:
        for key, value in json.loads(row.labels).items():
            label = f"{key}={value}"
            labels.append({"tenant": row.tenant, "label": label, "reservation_seq": row.seq})
            if row.state == "SETTLED":
                held = {"usd_micros": row.held_usd_micros, "shots": row.held_shots, "device_ms": row.held_device_ms}
                sums.setdefault((row.tenant, row.project, label, row.period), Counter()).update(held)
    if labels:
        columns: list[Any] = [sa.column(name) for name in ("tenant", "label", "reservation_seq")]
        connection.execute(sa.insert(sa.table("reservation_labels", *columns)), labels)
    if sums:
        columns = [sa.column(name) for name in (*_KEY, *_UNITS)]
        values = [dict(zip(_KEY, key, strict=True)) | {u: found[u] for u in _UNITS} for key, found in sums.items()]
        connection.execute(sa.insert(sa.table("budget_settled", *columns)), values)
