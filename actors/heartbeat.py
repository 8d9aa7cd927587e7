"""The lease of a job, kept while it is being solved."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.store_threads import in_store
from solvers.errors import JobError

if TYPE_CHECKING:
    from actors.solve import Solve

LEASE_S = 5.0


async def keep_lease(solve: Solve) -> None:
    """Renew the lease until cancelled or lost, and see a cancel that another process asked for."""
    while True:
        await asyncio.sleep(LEASE_S / 4)
        token = solve.token or 0
        try:
            if await in_store(solve.store.jobs.heartbeat, solve.order.job_id, token, LEASE_S, datetime.now(UTC)):
                solve.cancel()
        except JobError as error:  # somebody else finished or took the job: nothing of ours can be committed
            solve.log.info("lease_lost", reason=str(error))
            solve.done.set()
            return
        except Exception:
            solve.log.warning("heartbeat_failed", exc_info=True)
