"""Sums of settled reservations, so that a free amount costs the same however much was spent before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_HELD_NOW = sa.text("state = 'RESERVED'")


def upgrade() -> None:
    """Add the table, fill it from the reservations, and index what is asked of them now."""
    op.create_table(
        "budget_settled",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("usd_micros", sa.BigInteger(), nullable=False),
        sa.Column("shots", sa.BigInteger(), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "project", "period", name="pk_budget_settled"),
    )
    op.execute(
        "INSERT INTO budget_settled (tenant, project, period, usd_micros, shots, device_ms)"
        " SELECT tenant, project, period, SUM(held_usd_micros), SUM(held_shots), SUM(held_device_ms)"
        " FROM reservations WHERE state = 'SETTLED' GROUP BY tenant, project, period"
    )
    op.drop_index("ix_reservations_sums", table_name="reservations")
    op.create_index("ix_reservations_tenant_seq", "reservations", ["tenant", "seq"])
    op.create_index("ix_reservations_tenant_period_seq", "reservations", ["tenant", "period", "seq"])
    op.create_index(
        "ix_reservations_held",
        "reservations",
        ["tenant", "period", "project", "state", "held_usd_micros", "held_shots", "held_device_ms"],
        sqlite_where=_HELD_NOW,
        postgresql_where=_HELD_NOW,
    )
