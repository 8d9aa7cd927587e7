"""Plans prepared for what may come, by tenant: which job computes each, and until when it is of use."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "prepared_plans",
        sa.Column("seq", SERIAL, primary_key=True),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("prepared_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_prepared_plans_job_id"),
        sa.UniqueConstraint("job_id", name="uq_prepared_plans_job_id"),
    )
    op.create_index(
        "ix_prepared_plans_tenant_project_kind_scope_seq",
        "prepared_plans",
        ["tenant", "project", "kind", "scope", "seq"],
    )
