"""What the fair queue keeps of jobs, tenants and running grants."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ticket:
    """A job that asks for workers.

    Parameters
    ----------
    job_id, tenant
        Which, and whose.
    priority
        0 - 9, higher first.
    want
        Workers it can use at once (>= 1).
    deadline_s, enqueued_s
        On the clock that ``now_s`` is read from, in seconds.
    """

    job_id: str
    tenant: str
    priority: int
    want: int
    deadline_s: float
    enqueued_s: float

    def __post_init__(self) -> None:
        if self.want < 1:
            raise ValueError(f"want is {self.want}; allowed: >= 1")
        if not 0 <= self.priority <= 9:
            raise ValueError(f"priority is {self.priority}; allowed: 0 - 9")
        if math.isnan(self.deadline_s) or not math.isfinite(self.enqueued_s):
            raise ValueError(f"deadline_s is {self.deadline_s}, enqueued_s is {self.enqueued_s}; allowed: numbers")


@dataclass(frozen=True)
class Grant:
    """A worker given to a job. ``slot`` says which of the job's workers it is (0 is the first)."""

    job_id: str
    worker: str
    tenant: str
    slot: int
    granted_s: float


@dataclass
class Waiting:
    """A job: slots it waits for, since and until when (on the queue's time line), and the slot of each worker held."""

    ticket: Ticket
    waiting: int
    since_s: float
    until_s: float = math.inf
    held: dict[str, int] = field(default_factory=dict)
    queued: bool = False
    version: int = 0


@dataclass
class Account:
    """A tenant: what it used (``virtual_s``, by weight), and its queued jobs as a heap with stale entries."""

    name: str
    weight: float
    virtual_s: float
    running: int = 0
    waiting_first: int = 0
    queued: int = 0
    heap: list[tuple[int, float, int, str, int]] = field(default_factory=list)
    version: int = 0


@dataclass
class Running:
    """A grant under way, charged up to ``charged_until_s``."""

    grant: Grant
    charged_until_s: float
    recalled: bool = False
