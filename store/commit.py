"""The end of a job in one transaction: its terminal state, its decision record, what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from store import decisions, leases, ledger
from store.amounts import Amounts
from store.database import Database
from store.decisions import Decision, Record, new_decision_id
from store.leases import JobState
from store.signing import Signer


@dataclass(frozen=True)
class Settlement:
    """What a reservation turned out to cost; zero amounts when nothing was charged."""

    reservation_id: str
    amounts: Amounts


def commit_result(
    database: Database,
    job_id: str,
    token: int,
    state: JobState,
    *,
    result_digest: str | None,
    error: str | None,
    record: Mapping[str, Any] | Record,
    settlements: Sequence[Settlement],
    now: datetime,
    signer: Signer,
    decision_id: str | None = None,
    durable: Callable[[], object] | None = None,
) -> Decision:
    """Finish ``job_id``, append its decision and settle its reservations: all of it or nothing.

    Parameters
    ----------
    database
        Where the job is.
    job_id
        Which job.
    token
        Fencing token of the lease that the work was done under.
    state
        SUCCEEDED, FAILED or CANCELLED.
    result_digest
        Digest of the result among the artifacts, which is put there before.
    error
        Why, when FAILED.
    record
        The decision record, a JSON object, or its canonical form.
    settlements
        What was charged. Reservations of the job that are not named stay held.
    now
        The present.
    signer
        Signs the decision.
    decision_id
        An id drawn before by `store.decisions.new_decision_id`; a new one without it.
    durable
        Waits for the artifacts that are named here, see `store.artifacts.Artifacts.put_beside`; called last of all.

    Raises
    ------
    NotFound, StaleLease, TerminalState
        When the lease was lost, the job is finished, or a reservation does not exist or was settled otherwise.
    ValueError
        When ``state`` is not terminal, ``record`` has no canonical JSON, or a reservation is named twice.
    """
    prepared = record if isinstance(record, Record) else Record.of(record)
    charges = {settlement.reservation_id: settlement.amounts for settlement in settlements}
    if len(charges) != len(settlements):
        raise ValueError("a reservation is settled twice in one commit")
    decision_id = decision_id or new_decision_id(now)
    with database.write() as connection:
        tenant = leases.finish(
            connection,
            job_id,
            token,
            state,
            result_digest=result_digest,
            error=error,
            now=now,
            decision_id=decision_id,
        )
        ledger.settle(connection, charges)
        decision = decisions.append(
            connection,
            prepared,
            job_id=job_id,
            tenant=tenant,
            now=now,
            signer=signer,
            decision_id=decision_id,
        )
        if durable is not None:
            durable()
        return decision
