"""Who gets the next free worker, and who gives one back while others wait.

Between tenants: start-time fair queueing over worker-seconds (Goyal, Vin and Cheng, IEEE/ACM ToN 5(5), 1997): each
tenant has a virtual time that advances by what it used divided by its weight, and the smallest goes next. Within a
tenant: a static rank made of arrival, priority and patience, so that a rank never has to be recomputed and every job
is reached: a level of priority is worth ``aging_s`` seconds of waiting, no more. A job's first worker goes before any
other job's second.

All operations cost O(log n) in the number of queued jobs, but `FairQueue.recall`, which looks at every running grant.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence

from federation.admission import admit
from federation.recall import over_share, spares
from federation.tickets import Account, Grant, Running, Ticket, Waiting
from federation.timeline import Timeline

__all__ = ["FairQueue", "Grant", "Ticket", "admit"]


class FairQueue:
    """The queue of jobs for workers. Pure: every time is passed in; nothing is random.

    Parameters
    ----------
    weights
        Share of each tenant relative to the others (> 0); 1 for those not named.
    quantum_s
        A job's only worker is recalled no sooner than after so many seconds (> 0).
    aging_s
        Seconds of waiting that one level of priority is worth (>= 0).
    patience
        Share of a job's own time limit, up to ``aging_s``, by which it may be overtaken by more urgent ones (0 - 1).
    """

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        quantum_s: float = 0.5,
        aging_s: float = 5.0,
        patience: float = 0.1,
    ) -> None:
        self._weights = dict(weights or {})
        for tenant, weight in self._weights.items():
            if not 0 < weight < math.inf:
                raise ValueError(f"weight of {tenant!r} is {weight}; allowed: > 0")
        if not (0 < quantum_s < math.inf and 0 <= aging_s < math.inf and 0 <= patience <= 1):
            raise ValueError(f"quantum_s {quantum_s}, aging_s {aging_s}, patience {patience}: out of range")
        self.quantum_s, self.aging_s, self.patience = quantum_s, aging_s, patience
        self._jobs: dict[str, Waiting] = {}
        self._tenants: dict[str, Account] = {}
        self._running: dict[str, Running] = {}
        self._order: list[tuple[bool, float, int, str, int]] = []
        self._charges: list[tuple[float, int, str]] = []
        self._deadlines: list[tuple[float, int, str]] = []
        self._expired: list[str] = []
        self._virtual_s = 0.0
        self._timeline = Timeline()
        self._sequence = 0

    @property
    def queue_length(self) -> int:
        """Jobs that wait for their first worker."""
        return sum(tenant.waiting_first for tenant in self._tenants.values())

    @property
    def running(self) -> Mapping[str, Grant]:
        """Grants not yet released, by worker."""
        return {worker: running.grant for worker, running in self._running.items()}

    def waiting(self, tenant: str) -> int:
        """Jobs of ``tenant`` that wait for their first worker."""
        found = self._tenants.get(tenant)
        return found.waiting_first if found else 0

    def waiting_by_tenant(self) -> dict[str, int]:
        """Jobs that wait for their first worker, of each tenant that has any."""
        return {name: tenant.waiting_first for name, tenant in self._tenants.items() if tenant.waiting_first}

    def enqueue(self, ticket: Ticket) -> None:
        """Ask for ``ticket.want`` workers in all, those that the job holds included. Asking again is harmless."""
        self._tick(ticket.enqueued_s)
        job = self._jobs.get(ticket.job_id)
        if job is None:
            job = self._jobs[ticket.job_id] = Waiting(ticket, 0, self._timeline.of(ticket.enqueued_s))
        elif job.ticket.tenant != ticket.tenant:
            raise ValueError(f"job {ticket.job_id!r} belongs to tenant {job.ticket.tenant!r}, not {ticket.tenant!r}")
        self._leave(job)
        job.ticket = ticket
        job.until_s = self._timeline.of(ticket.deadline_s)
        job.waiting = max(0, ticket.want - len(job.held))
        self._enter(job)
        if ticket.deadline_s < math.inf:
            heapq.heappush(self._deadlines, (job.until_s, self._next(), ticket.job_id))
        if len(self._deadlines) > 1000 + 4 * len(self._jobs):
            self._deadlines = [entry for entry in self._deadlines if entry[2] in self._jobs]
            heapq.heapify(self._deadlines)

    def adopt(self, ticket: Ticket, workers: Sequence[str], now_s: float) -> None:
        """After a restart: the job of ``ticket`` runs on ``workers`` already; what it wants beyond them is queued."""
        self._tick(now_s)
        for worker in workers:
            if worker in self._running:
                raise ValueError(f"worker {worker!r} is held by job {self._running[worker].grant.job_id!r}")
        self.enqueue(ticket)
        job = self._jobs[ticket.job_id]
        self._leave(job)
        for worker in workers:
            self._hold(job, worker)
        job.waiting = max(0, ticket.want - len(job.held))
        self._enter(job)

    def grant(self, free_workers: Sequence[str], now_s: float) -> list[Grant]:
        """Give ``free_workers`` to waiting jobs, in the order given.

        Raises
        ------
        ValueError
            When a worker is held, or named twice.
        """
        self._tick(now_s)
        if len(set(free_workers)) < len(free_workers):
            raise ValueError(f"free_workers has doubles: {sorted(free_workers)}")
        for worker in free_workers:
            if worker in self._running:
                raise ValueError(f"worker {worker!r} is held by job {self._running[worker].grant.job_id!r}")
        grants = []
        for worker in free_workers:
            job = self._pop()
            if job is None:
                break
            grants.append(self._hold(job, worker))
            job.waiting -= 1
            self._enter(job)
        return grants

    def release(self, worker: str, now_s: float | None = None, again: bool = False) -> Grant | None:
        """``worker`` is free again; what it held, or ``None`` when it held nothing.

        The slot is done, unless the worker was recalled or ``again`` says that the job wants it anew (a worker that
        died): then the job queues again as of now. Without ``now_s`` the latest time seen counts.
        """
        if now_s is not None:
            self._tick(now_s)
        running = self._running.pop(worker, None)
        if running is None:
            return None
        tenant = self._tenants[running.grant.tenant]
        tenant.running -= 1
        self._charge(tenant, self._timeline.now_s - running.charged_until_s)
        job = self._jobs.get(running.grant.job_id)
        if job is None or worker not in job.held:
            self._forget_idle(tenant)
            return running.grant
        self._leave(job)
        del job.held[worker]
        if running.recalled or again:
            job.waiting += 1
            job.since_s = self._timeline.now_s
        self._enter(job)
        self._drop_if_done(job)
        self._forget_idle(tenant)
        return running.grant

    def remove(self, job_id: str) -> tuple[str, ...]:
        """Forget a job that ended; the workers that it still holds, for the caller to stop and then `release`."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return ()
        self._leave(job)
        for worker in job.held:
            # On their way back already: they need no recall, and serve whoever waits.
            self._running[worker].recalled = True
        self._forget_idle(self._tenant(job.ticket.tenant))
        return tuple(job.held)

    def expire(self, now_s: float) -> list[str]:
        """Jobs whose deadline came while they waited for a first worker; they are no longer queued."""
        self._tick(now_s)
        while self._deadlines and self._deadlines[0][0] <= self._timeline.now_s:
            until_s, _, job_id = heapq.heappop(self._deadlines)
            job = self._jobs.get(job_id)
            if job is not None and job.until_s <= until_s:
                self._give_up(job)
        expired, self._expired = self._expired, []
        return expired

    def recall(self, now_s: float) -> list[str]:
        """Workers to call back for jobs that wait for their first one; each is named once.

        A job with several workers gives one up at once, the last it got. Otherwise a grant that ran at least
        ``quantum_s``, of the tenant that is most over its fair share; a tenant that waits itself shares its own.
        The caller stops the worker's strategy and then calls `release`, which queues the job again.
        """
        self._tick(now_s)
        waiting = {name: tenant.waiting_first for name, tenant in self._tenants.items() if tenant.waiting_first}
        # Those recalled but not yet released already serve the first of the queue.
        need = sum(waiting.values()) - sum(running.recalled for running in self._running.values())
        if need <= 0:
            return []
        running = {worker: each for worker, each in self._running.items() if not each.recalled}
        recalled = spares(running, self._tenants, need)
        if len(recalled) < need:
            left = {worker: each for worker, each in running.items() if worker not in recalled}
            ripe_before_s = self._timeline.now_s - self.quantum_s
            recalled += over_share(left, self._tenants, waiting, need - len(recalled), ripe_before_s)
        for worker in recalled:
            self._running[worker].recalled = True
        return recalled

    def _rank(self, job: Waiting) -> float:
        ticket = job.ticket
        patience_s = min(self.aging_s, self.patience * max(0.0, ticket.deadline_s - ticket.enqueued_s))
        return job.since_s + patience_s - self.aging_s * ticket.priority

    def _tenant(self, name: str) -> Account:
        tenant = self._tenants.get(name)
        if tenant is None:
            tenant = self._tenants[name] = Account(name, self._weights.get(name, 1.0), self._virtual_s)
        return tenant

    def _enter(self, job: Waiting) -> None:
        if job.waiting <= 0:
            return
        tenant = self._tenant(job.ticket.tenant)
        if not tenant.queued and not tenant.running:
            # An idle tenant saves nothing up: it starts level with the one being served.
            tenant.virtual_s = max(tenant.virtual_s, self._virtual_s)
        job.queued = True
        job.version = self._next()
        tenant.queued += 1
        tenant.waiting_first += not job.held
        entry = (len(job.held), self._rank(job), self._next(), job.ticket.job_id, job.version)
        heapq.heappush(tenant.heap, entry)
        # The tenant's place among tenants changes only when its best job does, or when it had none.
        if tenant.heap[0] is entry or tenant.queued == 1:
            self._place(tenant)

    def _leave(self, job: Waiting) -> None:
        if not job.queued:
            return
        tenant = self._tenants[job.ticket.tenant]
        job.queued = False
        job.version = self._next()
        tenant.queued -= 1
        tenant.waiting_first -= not job.held
        self._place(tenant)

    def _place(self, tenant: Account) -> None:
        """Put ``tenant`` at its place among tenants; older entries of it are stale from now on."""
        tenant.version = self._next()
        top = self._top(tenant)
        if top is not None:
            entry = (bool(top.held), tenant.virtual_s, self._next(), tenant.name, tenant.version)
            heapq.heappush(self._order, entry)
        if len(self._order) > 64 + 4 * len(self._tenants):
            idle = [
                n for n, t in self._tenants.items() if not (t.queued or t.running) and t.virtual_s <= self._virtual_s
            ]
            for name in idle:
                del self._tenants[name]
            fresh = [e for e in self._order if e[3] in self._tenants and self._tenants[e[3]].version == e[4]]
            heapq.heapify(fresh)
            self._order = fresh

    def _top(self, tenant: Account) -> Waiting | None:
        while tenant.heap:
            _, _, _, job_id, version = tenant.heap[0]
            job = self._jobs.get(job_id)
            if job is not None and job.queued and job.version == version:
                return job
            heapq.heappop(tenant.heap)
        return None

    def _pop(self) -> Waiting | None:
        """Take the next job out of the queue, dropping those whose deadline is past."""
        while self._order:
            _, _, _, name, version = heapq.heappop(self._order)
            tenant = self._tenants.get(name)
            if tenant is None or tenant.version != version:
                continue
            job = self._top(tenant)
            if job is None:
                continue
            if job.until_s <= self._timeline.now_s:
                self._give_up(job)
                continue
            self._virtual_s = max(self._virtual_s, tenant.virtual_s)
            self._leave(job)
            return job
        return None

    def _give_up(self, job: Waiting) -> None:
        if job.queued and not job.held:
            self._expired.append(job.ticket.job_id)
        self._leave(job)
        job.waiting = 0
        self._drop_if_done(job)
        self._forget_idle(self._tenant(job.ticket.tenant))

    def _hold(self, job: Waiting, worker: str) -> Grant:
        slot = next(slot for slot in range(len(job.held) + 1) if slot not in job.held.values())
        grant = Grant(job.ticket.job_id, worker, job.ticket.tenant, slot, self._timeline.now_s)
        job.held[worker] = slot
        tenant = self._tenant(job.ticket.tenant)
        tenant.running += 1
        # Charged ahead by one quantum, so that a tenant cannot take many workers at one price.
        self._running[worker] = Running(grant, self._timeline.now_s + self.quantum_s)
        self._charge(tenant, self.quantum_s)
        heapq.heappush(self._charges, (self._timeline.now_s + self.quantum_s, self._next(), worker))
        return grant

    def _charge(self, tenant: Account, worker_s: float) -> None:
        tenant.virtual_s += worker_s / tenant.weight
        self._place(tenant)

    def _drop_if_done(self, job: Waiting) -> None:
        if not job.held and job.waiting <= 0:
            self._jobs.pop(job.ticket.job_id, None)

    def _forget_idle(self, tenant: Account) -> None:
        if not self._running and not any(other.queued for other in self._tenants.values()):
            # A quiet system starts a new busy period: all accounts are even.
            self._virtual_s = max(self._virtual_s, *(other.virtual_s for other in self._tenants.values()), 0.0)
            self._tenants.clear()
        elif not tenant.queued and not tenant.running and tenant.virtual_s <= self._virtual_s:
            self._tenants.pop(tenant.name, None)

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _tick(self, now_s: float) -> None:
        """Advance the clock and charge what ran meanwhile, whole quanta at a time."""
        self._timeline.at(now_s)
        while self._charges and self._charges[0][0] <= self._timeline.now_s:
            due_s, _, worker = heapq.heappop(self._charges)
            running = self._running.get(worker)
            if running is None or running.charged_until_s != due_s:
                continue
            quanta = math.floor((self._timeline.now_s - due_s) / self.quantum_s) + 1
            running.charged_until_s = due_s + quanta * self.quantum_s
            self._charge(self._tenants[running.grant.tenant], quanta * self.quantum_s)
            heapq.heappush(self._charges, (running.charged_until_s, self._next(), worker))
