"""Everything durable behind one door."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from store.artifacts import Artifacts
from store.audit import Audit
from store.budgets import Budgets
from store.commit import Settlement, commit_result
from store.database import Database, open_database
from store.decisions import Decision, Decisions, Record
from store.jobs import Jobs
from store.keys import Keys
from store.leases import JobState
from store.observations import Observations
from store.prepared import PreparedPlans
from store.signing import Signer


class Store:
    """The durable state of a service. Safe from several threads; travels between processes as what it was opened with.

    Attributes
    ----------
    jobs, budgets, decisions, audit, artifacts, keys, observations, prepared
        The rooms of the store, each documented in its own module.
    """

    def __init__(self, database: Database, artifacts: Artifacts, signer: Signer) -> None:
        self.database = database
        self.artifacts = artifacts
        self.signer = signer
        self.jobs = Jobs(database)
        self.budgets = Budgets(database)
        self.decisions = Decisions(database, signer)
        self.audit = Audit(database, signer)
        self.keys = Keys(database)
        self.observations = Observations(database)
        self.prepared = PreparedPlans(database)

    @classmethod
    def open(cls, url: str, artifacts_url: str, state_dir: str | Path) -> Store:
        """Open, and on first use make, the database, the artifact folder and the signing key.

        Parameters
        ----------
        url
            Of the database: ``sqlite:///FILE`` or ``postgresql+pg8000://...``.
        artifacts_url
            A folder, or a URL that fsspec knows.
        state_dir
            Where the signing key is kept.

        Raises
        ------
        ValueError
            When ``url`` names a database that is not supported.
        RuntimeError
            When the database was made by a newer release.
        PermissionError
            When others may read the signing key.
        """
        return cls(open_database(url), Artifacts(artifacts_url), Signer(state_dir))

    def __reduce__(self) -> tuple[Any, tuple[str, str, str]]:
        return Store.open, (self.database.url, self.artifacts.url, str(self.signer.state_dir))

    def close(self) -> None:
        """Close idle database connections."""
        self.database.close()

    def commit_result(
        self,
        job_id: str,
        token: int,
        state: JobState,
        *,
        result_digest: str | None,
        error: str | None,
        record: Mapping[str, Any] | Record,
        settlements: Sequence[Settlement],
        now: datetime,
        decision_id: str | None = None,
        durable: Callable[[], object] | None = None,
    ) -> Decision:
        """Finish a job, append its decision and settle its reservations; see `store.commit.commit_result`."""
        return commit_result(
            self.database,
            job_id,
            token,
            state,
            result_digest=result_digest,
            error=error,
            record=record,
            settlements=settlements,
            now=now,
            signer=self.signer,
            decision_id=decision_id,
            durable=durable,
        )
