"""Every error that Isinglass raises on purpose.

::

    IsinglassError
    ├── InvalidProblem            a request or file that breaks the contract; lists every field at fault
    ├── NotFound                  an id that does not exist (for this tenant)
    ├── Unauthenticated           no key, or a key nobody issued
    ├── PermissionDenied          a known key without the role that the call needs
    ├── IdempotencyConflict       the same idempotency key with another canonical request
    ├── TooBusy                   admission refused; carries when to come back
    ├── PolicyUnmet               a requirement that the policy made strict and that cannot be met
    ├── BudgetExceeded            a reservation that does not fit the free amount
    ├── JobError
    │   ├── StaleLease            a write under a fencing token that is no longer the newest
    │   └── TerminalState         a write to a job that is already finished
    ├── CorruptRecord             stored bytes do not match their digest, signature or chain
    └── BackendError              a device or simulator said no; carries ``backend``
        ├── ProgramRefused        the program exceeds the device; nothing was spent
        ├── BackendDenied         the vendor refused the key or the account; nothing was spent, asking again is no use
        ├── BackendUnavailable    not reachable or not healthy; safe to try another; carries when to come back, if known
        ├── BackendTimeout        no answer within the time allowed
        ├── SubmissionUnknown     a submission got no answer: only the same idempotency key may be sent again
        └── ResultCorrupt         the answer does not fit the program; to fetch it again costs nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class IsinglassError(Exception):
    """Base of all errors raised on purpose."""


@dataclass(frozen=True)
class FieldViolation:
    """One field at fault.

    Parameters
    ----------
    path
        Where it is, in proto field names: ``visits[3].time_windows[0].latest_s``.
    problem
        What is wrong, with the value: ``"is -4"``.
    allowed
        What would be accepted: ``"an integer >= 0"``.
    """

    path: str
    problem: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.path} {self.problem}; allowed: {self.allowed}"


class InvalidProblem(IsinglassError):
    """A request or file breaks the contract. ``violations`` names every field at fault."""

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        if not violations:
            raise ValueError("InvalidProblem needs at least one violation")
        self.violations = tuple(violations)
        super().__init__("; ".join(str(v) for v in self.violations))

    def __reduce__(self) -> tuple[type[InvalidProblem], tuple[tuple[FieldViolation, ...]]]:
        return type(self), (self.violations,)


class NotFound(IsinglassError):
    """``kind`` (``"job"``, ``"decision"``, ...) with id ``id`` does not exist for this tenant."""

    def __init__(self, kind: str, id: str) -> None:
        self.kind, self.id = kind, id
        super().__init__(f"{kind} {id!r} does not exist")

    def __reduce__(self) -> tuple[type[NotFound], tuple[str, str]]:
        return type(self), (self.kind, self.id)


class Unauthenticated(IsinglassError):
    """No API key was sent, or one that nobody issued."""


class PermissionDenied(IsinglassError):
    """The key is known but lacks the role that the call needs."""


class IdempotencyConflict(IsinglassError):
    """``key`` was used before, by job ``job_id``, with another canonical request."""

    def __init__(self, key: str, job_id: str) -> None:
        self.key, self.job_id = key, job_id
        super().__init__(f"idempotency key {key!r} belongs to job {job_id!r}, which was another request")

    def __reduce__(self) -> tuple[type[IdempotencyConflict], tuple[str, str]]:
        return type(self), (self.key, self.job_id)


class TooBusy(IsinglassError):
    """Admission refused; come back after ``retry_after_s`` seconds."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        self.reason, self.retry_after_s = reason, retry_after_s
        super().__init__(f"{reason}; retry after {retry_after_s:.1f} s")

    def __reduce__(self) -> tuple[type[TooBusy], tuple[str, float]]:
        return type(self), (self.reason, self.retry_after_s)


class PolicyUnmet(IsinglassError):
    """The policy made a requirement strict that cannot be met."""


class BudgetExceeded(IsinglassError):
    """A reservation does not fit what is free.

    ``unit`` is ``"usd_micros"``, ``"shots"`` or ``"device_ms"``; ``asked`` and ``free`` are in that unit.
    """

    def __init__(self, scope: str, unit: str, asked: int, free: int) -> None:
        self.scope, self.unit, self.asked, self.free = scope, unit, asked, free
        super().__init__(f"budget of {scope}: {asked} {unit} asked, {free} free")

    def __reduce__(self) -> tuple[type[BudgetExceeded], tuple[str, str, int, int]]:
        return type(self), (self.scope, self.unit, self.asked, self.free)


class JobError(IsinglassError):
    """A write to a job was refused."""


class StaleLease(JobError):
    """The fencing token of this write is no longer the job's newest."""


class TerminalState(JobError):
    """The job is finished; terminal states are final."""


class CorruptRecord(IsinglassError):
    """Stored bytes do not match their digest, their signature or the hash chain."""


class BackendError(IsinglassError):
    """Backend ``backend`` could not do what was asked."""

    def __init__(self, backend: str, reason: str) -> None:
        self.backend, self.reason = backend, reason
        super().__init__(f"backend {backend!r}: {reason}")

    def __reduce__(self) -> tuple[type[BackendError], tuple[str, str]]:
        return type(self), (self.backend, self.reason)


class ProgramRefused(BackendError):
    """The program exceeds the device; nothing was spent."""


class BackendDenied(BackendError):
    """The vendor refused the key or the account; nothing was spent, and asking again is no use."""


class BackendUnavailable(BackendError):
    """Not reachable or not healthy; another backend may be tried.

    ``retry_after_s`` is how long the vendor asked to be left alone, in seconds (0: it did not say).
    """

    def __init__(self, backend: str, reason: str, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(backend, reason)

    def __reduce__(self) -> tuple[type[BackendUnavailable], tuple[str, str, float]]:  # type: ignore[override]
        return type(self), (self.backend, self.reason, self.retry_after_s)


class BackendTimeout(BackendError):
    """No answer within the time allowed."""


class SubmissionUnknown(BackendError):
    """A submission got no answer, and a look-up found nothing: only the same idempotency key may be sent again."""


class ResultCorrupt(BackendError):
    """The answer does not fit the program that was sent; the job is over, and to fetch it again costs nothing."""
