"""The tables. Migrations in `store.migrations` make them; a test holds both together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from store.columns import Instant, Json, Serial

HEAD = "0005"
"""The migration that these tables are the result of. Kept here so that an open database is checked without Alembic."""

GENESIS_HASH = "sha256:" + "0" * 64
"""What the first decision names as its predecessor."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

jobs = Table(
    "jobs",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("priority", SmallInteger, nullable=False),
    Column("labels", Json, nullable=False),
    Column("policy_json", Json, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("accepted_at", Instant, nullable=False),
    Column("deadline_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("cancel_requested_at", Instant),
    Column("fencing_token", BigInteger, nullable=False, server_default=text("0")),
    Column("holder", Text),
    # When recovery may take the job: some seconds after it was accepted, then when its lease ends; null once finished.
    Column("claimable_at", Instant),
    Column("event_sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("result_digest", Text),
    Column("error", Text),
    Column("decision_id", Text),
    UniqueConstraint("tenant", "idempotency_key"),
    CheckConstraint("state IN ('ACCEPTED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')", name="state"),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
    Index(None, "tenant", "seq"),
    Index(None, "tenant", "state", "seq"),
    Index(None, "state", "seq"),
    Index(
        None,
        "priority",
        "claimable_at",
        sqlite_where=text("claimable_at IS NOT NULL"),
        postgresql_where=text("claimable_at IS NOT NULL"),
    ),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", Text, ForeignKey("jobs.id"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("objective", Float),
    Column("bound", Float),
    Column("found_by", Text, nullable=False),
)

# What may be spent; project "" is the tenant as a whole, label "" whatever the label.
budget_limits = Table(
    "budget_limits",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("usd_micros", BigInteger, nullable=False),
    Column("shots", BigInteger, nullable=False),
    Column("device_ms", BigInteger, nullable=False),
    CheckConstraint("usd_micros >= 0 AND shots >= 0 AND device_ms >= 0", name="amounts"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    Column("backend", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("usd_micros", BigInteger, nullable=False),
    Column("shots", BigInteger, nullable=False),
    Column("device_ms", BigInteger, nullable=False),
    # What counts against the limit: as reserved while open, as settled after, zero once released.
    Column("held_usd_micros", BigInteger, nullable=False),
    Column("held_shots", BigInteger, nullable=False),
    Column("held_device_ms", BigInteger, nullable=False),
    UniqueConstraint("tenant", "idempotency_key"),
    CheckConstraint("state IN ('RESERVED', 'SETTLED', 'RELEASED')", name="state"),
    CheckConstraint("usd_micros >= 0 AND shots >= 0 AND device_ms >= 0", name="amounts"),
    CheckConstraint("held_usd_micros >= 0 AND held_shots >= 0 AND held_device_ms >= 0", name="held"),
    Index(None, "tenant", "seq"),
    Index(None, "tenant", "period", "seq"),
    # What is held now is few rows among many that are settled. Every column that the sums read is in it: SQLite keeps
    # no statistics by itself and prefers this index to the others only for that.
    Index(
        "ix_reservations_held",
        "tenant",
        "period",
        "project",
        "state",
        "held_usd_micros",
        "held_shots",
        "held_device_ms",
        sqlite_where=text("state = 'RESERVED'"),
        postgresql_where=text("state = 'RESERVED'"),
    ),
    Index(None, "job_id"),
    Index(
        "ix_reservations_open",
        "at",
        sqlite_where=text("state = 'RESERVED'"),
        postgresql_where=text("state = 'RESERVED'"),
    ),
)

# The labels of the job that each reservation is for, as texts `key=value`: what budgets by label add up.
reservation_labels = Table(
    "reservation_labels",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("reservation_seq", Serial, ForeignKey("reservations.seq"), primary_key=True, autoincrement=False),
    Index(None, "reservation_seq"),
)

# Sums over settled reservations, which are final. Written in the transaction that settles: a settlement counts once
# without a label (`label` is empty) and once under each label of its job.
budget_settled = Table(
    "budget_settled",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("usd_micros", BigInteger, nullable=False),
    Column("shots", BigInteger, nullable=False),
    Column("device_ms", BigInteger, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    Column("tenant", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("record", Text, nullable=False),  # RFC 8785 text, byte for byte what record_digest was taken of
    Column("record_digest", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Index(None, "tenant", "position"),
    Index(None, "job_id"),
)

decision_head = Table(
    "decision_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

# What the service decided about itself, see store.audit. Triggers keep it append-only.
audit_log = Table(
    "audit_log",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("record_digest", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("roles", Json, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Index(None, "tenant", "seq"),
)

observations = Table(
    "observations",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("features", Json, nullable=False),
    Column("improvement", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("cost_usd_micros", BigInteger, nullable=False),
    Column("quantum_lift", Json),
    Column("outcome", Text, nullable=False),
    Column("version", Text, nullable=False, server_default=text("''")),
    Index(None, "kind", "seq"),
    Index(None, "backend", "seq"),
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("backend", Text, nullable=False),
    Column("calibration_id", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("values", Json, nullable=False),
    UniqueConstraint("backend", "calibration_id"),
    Index(None, "backend", "seq"),
)

# Plans computed in advance for what may come. Whose tenant and project they are decides who is shown them.
prepared_plans = Table(
    "prepared_plans",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False, unique=True),
    Column("prepared_by", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "tenant", "project", "kind", "scope", "seq"),
)
