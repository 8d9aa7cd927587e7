"""The first schema: jobs, budgets, decisions, keys, observations.

Two rules are also kept by the database itself, whoever connects to it: a finished job never changes, and a decision is
neither changed nor deleted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
GENESIS_HASH = "sha256:" + "0" * 64

_SQLITE_RULES = (
    """
    CREATE TRIGGER jobs_terminal BEFORE UPDATE ON jobs
    WHEN OLD.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED')
    BEGIN SELECT RAISE(ABORT, 'a finished job never changes'); END
    """,
    """
    CREATE TRIGGER decisions_no_update BEFORE UPDATE ON decisions
    BEGIN SELECT RAISE(ABORT, 'the decision log is append-only'); END
    """,
    """
    CREATE TRIGGER decisions_no_delete BEFORE DELETE ON decisions
    BEGIN SELECT RAISE(ABORT, 'the decision log is append-only'); END
    """,
)

_POSTGRES_RULES = (
    """
    CREATE FUNCTION isinglass_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$
    """,
    """
    CREATE TRIGGER jobs_terminal BEFORE UPDATE ON jobs FOR EACH ROW
    WHEN (OLD.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED'))
    EXECUTE FUNCTION isinglass_refuse('a finished job never changes')
    """,
    """
    CREATE TRIGGER decisions_append_only BEFORE UPDATE OR DELETE ON decisions FOR EACH ROW
    EXECUTE FUNCTION isinglass_refuse('the decision log is append-only')
    """,
    """
    CREATE TRIGGER decisions_no_truncate BEFORE TRUNCATE ON decisions FOR EACH STATEMENT
    EXECUTE FUNCTION isinglass_refuse('the decision log is append-only')
    """,
)


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "api_keys",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("id", name=op.f("uq_api_keys_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_keys_token_hash")),
    )
    op.create_index(op.f("ix_api_keys_tenant_seq"), "api_keys", ["tenant", "seq"], unique=False)
    op.create_table(
        "budget_limits",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("usd_micros", sa.BigInteger(), nullable=False),
        sa.Column("shots", sa.BigInteger(), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("usd_micros >= 0 AND shots >= 0 AND device_ms >= 0", name=op.f("ck_budget_limits_amounts")),
        sa.PrimaryKeyConstraint("tenant", "project", "period", name=op.f("pk_budget_limits")),
    )
    op.create_table(
        "calibrations",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("calibration_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("values", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_calibrations")),
        sa.UniqueConstraint("backend", "calibration_id", name=op.f("uq_calibrations_backend_calibration_id")),
    )
    op.create_index(op.f("ix_calibrations_backend_seq"), "calibrations", ["backend", "seq"], unique=False)
    op.create_table(
        "decision_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_decision_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_head")),
    )
    op.create_table(
        "jobs",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("policy_json", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("cancel_requested_at", sa.BigInteger(), nullable=True),
        sa.Column("fencing_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("claimable_at", sa.BigInteger(), nullable=True),
        sa.Column("event_sequence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("result_digest", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("decision_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state IN ('ACCEPTED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')", name=op.f("ck_jobs_state")
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name=op.f("ck_jobs_priority")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
        sa.UniqueConstraint("tenant", "idempotency_key", name=op.f("uq_jobs_tenant_idempotency_key")),
    )
    op.create_index(
        op.f("ix_jobs_priority_claimable_at"),
        "jobs",
        ["priority", "claimable_at"],
        unique=False,
        sqlite_where=sa.text("claimable_at IS NOT NULL"),
        postgresql_where=sa.text("claimable_at IS NOT NULL"),
    )
    op.create_index(op.f("ix_jobs_state_seq"), "jobs", ["state", "seq"], unique=False)
    op.create_index(op.f("ix_jobs_tenant_seq"), "jobs", ["tenant", "seq"], unique=False)
    op.create_index(op.f("ix_jobs_tenant_state_seq"), "jobs", ["tenant", "state", "seq"], unique=False)
    op.create_table(
        "observations",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("features", sa.Text(), nullable=False),
        sa.Column("improvement", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("cost_usd_micros", sa.BigInteger(), nullable=False),
        sa.Column("quantum_lift", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_observations")),
    )
    op.create_index(op.f("ix_observations_backend_seq"), "observations", ["backend", "seq"], unique=False)
    op.create_index(op.f("ix_observations_kind_seq"), "observations", ["kind", "seq"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("record_digest", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_decisions_job_id")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_decisions")),
        sa.UniqueConstraint("id", name=op.f("uq_decisions_id")),
    )
    op.create_index(op.f("ix_decisions_job_id"), "decisions", ["job_id"], unique=False)
    op.create_index(op.f("ix_decisions_tenant_position"), "decisions", ["tenant", "position"], unique=False)
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("objective", sa.Float(), nullable=True),
        sa.Column("bound", sa.Float(), nullable=True),
        sa.Column("found_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id")),
        sa.PrimaryKeyConstraint("job_id", "sequence", name=op.f("pk_job_events")),
    )
    op.create_table(
        "reservations",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("usd_micros", sa.BigInteger(), nullable=False),
        sa.Column("shots", sa.BigInteger(), nullable=False),
        sa.Column("device_ms", sa.BigInteger(), nullable=False),
        sa.Column("held_usd_micros", sa.BigInteger(), nullable=False),
        sa.Column("held_shots", sa.BigInteger(), nullable=False),
        sa.Column("held_device_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('RESERVED', 'SETTLED', 'RELEASED')", name=op.f("ck_reservations_state")),
        sa.CheckConstraint(
            "held_usd_micros >= 0 AND held_shots >= 0 AND held_device_ms >= 0", name=op.f("ck_reservations_held")
        ),
        sa.CheckConstraint("usd_micros >= 0 AND shots >= 0 AND device_ms >= 0", name=op.f("ck_reservations_amounts")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_reservations_job_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_reservations")),
        sa.UniqueConstraint("id", name=op.f("uq_reservations_id")),
        sa.UniqueConstraint("tenant", "idempotency_key", name=op.f("uq_reservations_tenant_idempotency_key")),
    )
    op.create_index(op.f("ix_reservations_job_id"), "reservations", ["job_id"], unique=False)
    op.create_index(
        "ix_reservations_open",
        "reservations",
        ["at"],
        unique=False,
        sqlite_where=sa.text("state = 'RESERVED'"),
        postgresql_where=sa.text("state = 'RESERVED'"),
    )
    op.create_index(
        "ix_reservations_sums",
        "reservations",
        ["tenant", "period", "project", "state", "held_usd_micros", "held_shots", "held_device_ms"],
        unique=False,
    )
    head = sa.table("decision_head", sa.column("id"), sa.column("position"), sa.column("hash"))
    op.bulk_insert(head, [{"id": 1, "position": 0, "hash": GENESIS_HASH}])
    for rule in _POSTGRES_RULES if op.get_bind().dialect.name == "postgresql" else _SQLITE_RULES:
        op.execute(rule)
