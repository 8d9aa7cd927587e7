"""Three-valued validity of an invoice, as solvers read it: what is not known to be valid is never taken for valid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from solvers.invoices.records import (
    DEGRADED,
    INVALID,
    MISMATCHED,
    NOT_PERFORMED,
    PENDING,
    UNKNOWN,
    VALID,
    Invoice,
    ValidationCheck,
)

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

NS_PER_DAY = 86_400 * 10**9
MATCH_CHECK = "match_status"
BANK_DETAIL_CHECK = "bank_detail_change"


@dataclass(frozen=True)
class Validity:
    """What the checks of an invoice say together.

    Parameters
    ----------
    blocked
        Why it may not be paid: ``""``, or ``PAYMENT_BLOCK``, ``DISPUTED``, ``MISMATCHED``, ``INVALID``.
    open_checks
        check_types that are neither VALID nor INVALID.
    revalidate
        Whether a VALID of a service that is down now was used.
    p_invalid
        Probability that at least one open check would find it invalid, the checks taken as independent.
    loss_minor
        Expected loss of paying it, in its own minor units: over open checks, p x loss x (1 - recovery).
    """

    blocked: str
    open_checks: tuple[str, ...]
    revalidate: bool
    p_invalid: float
    loss_minor: float

    @property
    def verified(self) -> bool:
        """Whether every check is VALID."""
        return not self.open_checks


class ValidityReader:
    """Reads invoices of one problem."""

    def __init__(self, problem: InvoiceProblem) -> None:
        policy = problem.policy
        self.default_p = policy.default_p_invalid
        self.down = frozenset(problem.services_down) if problem.mode == DEGRADED else frozenset()
        self.required = tuple(dict.fromkeys((*policy.required_checks, *sorted(self.down))))
        since_ns = (problem.as_of_day - policy.quarantine_days) * NS_PER_DAY
        self.quarantined = {
            supplier.supplier_id
            for supplier in problem.suppliers
            if policy.quarantine_days
            and supplier.bank_detail_changed_at_ns is not None
            and supplier.bank_detail_changed_at_ns >= since_ns
        }

    def checks(self, invoice: Invoice) -> Iterator[ValidationCheck]:
        """Every check that counts for ``invoice``, those it lacks included."""
        yield from invoice.validation
        if self.required:
            present = {check.check_type for check in invoice.validation}
            for check_type in self.required:
                if check_type not in present:
                    yield ValidationCheck(check_type, UNKNOWN if check_type in self.down else NOT_PERFORMED)
        if invoice.match_status == PENDING:
            yield ValidationCheck(MATCH_CHECK, UNKNOWN)
        if invoice.supplier_id in self.quarantined:
            yield ValidationCheck(BANK_DETAIL_CHECK, UNKNOWN)

    def read(self, invoice: Invoice) -> Validity:
        """What the checks of ``invoice`` say together."""
        blocked = ""
        if invoice.block_code:
            blocked = "PAYMENT_BLOCK"
        elif invoice.disputed:
            blocked = "DISPUTED"
        elif invoice.match_status == MISMATCHED:
            blocked = "MISMATCHED"
        open_checks: list[str] = []
        revalidate, p_valid, loss_minor = False, 1.0, 0.0
        for check in self.checks(invoice):
            if check.status == INVALID:
                blocked = blocked or "INVALID"
                continue
            if check.status == VALID:
                if check.check_type not in self.down:
                    continue
                if check.checked_at_ns is not None:
                    revalidate = True
                    continue
            open_checks.append(check.check_type)
            p = self.default_p if check.p_invalid is None else check.p_invalid
            loss = invoice.amount_minor if check.loss_minor is None else check.loss_minor
            p_valid *= 1.0 - p
            loss_minor += p * loss * (1.0 - check.recovery_rate)
        return Validity(blocked, tuple(open_checks), revalidate, 1.0 - p_valid, loss_minor)
