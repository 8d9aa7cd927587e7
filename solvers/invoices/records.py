"""The parts of an invoice problem, as callers state them. Money in minor units, days as day numbers.

See `solvers.invoices.calendars` for day numbers and `docs/invoices.md` for what every field does.
"""

from __future__ import annotations

from dataclasses import dataclass

VALID = "VALID"
INVALID = "INVALID"
UNKNOWN = "UNKNOWN"
NOT_PERFORMED = "NOT_PERFORMED"
CHECK_STATUSES = (VALID, INVALID, UNKNOWN, NOT_PERFORMED)

MATCH_NOT_ASKED = "MATCH_STATUS_UNSPECIFIED"
MATCHED = "MATCHED"
PENDING = "PENDING"
MISMATCHED = "MISMATCHED"
MATCH_STATUSES = (MATCHED, PENDING, MISMATCHED)

NORMAL = "NORMAL"
DEGRADED = "DEGRADED"
RECONCILE = "RECONCILE"

DEFAULT_CVAR_ALPHA = 0.95
DEFAULT_P_INVALID = 0.01
DEFAULT_PARTIAL_PARTS = 4
DEFAULT_VALID_DAYS = 7


@dataclass(frozen=True)
class PaymentTerm:
    """A settlement discount for payment up to ``until_day``; exactly one of the two rates is set.

    Parameters
    ----------
    discount_ppm
        Millionths of the amount due.
    apr_ppm
        Millionths per year: the discount is amount x apr / 365 x days from payment to due date.
    until_day
        Last payment day that earns it.
    """

    until_day: int
    discount_ppm: int | None = None
    apr_ppm: int | None = None


@dataclass(frozen=True)
class LatePayment:
    """What paying late costs. ``annual_rate`` is of ``CONTRACT``; the compensation is in the invoice's currency."""

    regime: str
    annual_rate: float | None = None
    compensation_minor: int | None = None


@dataclass(frozen=True)
class ValidationCheck:
    """One check: its three-valued outcome, and what it costs to pay in spite of it.

    ``checked_at_ns`` counts nanoseconds since 1970; ``loss_minor`` is in the invoice's currency.
    """

    check_type: str
    status: str = NOT_PERFORMED
    checked_at_ns: int | None = None
    p_invalid: float | None = None
    loss_minor: int | None = None
    recovery_rate: float = 0.0


@dataclass(frozen=True)
class Invoice:
    """An invoice. ``amount_minor`` > 0 in minor units of ``currency``."""

    invoice_id: str
    supplier_id: str
    due_day: int
    amount_minor: int
    currency: str
    invoice_number: str = ""
    issue_day: int | None = None
    seller_vat_id: str = ""
    payee_iban: str = ""
    terms: tuple[PaymentTerm, ...] = ()
    late: LatePayment | None = None
    block_code: str = ""
    match_status: str = MATCH_NOT_ASKED
    disputed: bool = False
    partial_allowed: bool = False
    earliest_day: int | None = None
    validation: tuple[ValidationCheck, ...] = ()


@dataclass(frozen=True)
class Supplier:
    """What is known of a supplier. ``criticality`` in [0, 1]."""

    supplier_id: str
    criticality: float = 0.0
    bank_detail_changed_at_ns: int | None = None


@dataclass(frozen=True)
class BankAccount:
    """An account; amounts in minor units of ``currency``, ``overdraft_rate`` per year."""

    account_id: str
    currency: str
    opening_minor: int
    floor_minor: int = 0
    overdraft_limit_minor: int = 0
    overdraft_rate: float = 0.0


@dataclass(frozen=True)
class Inflow:
    """Money that arrives (or, negative, that is already promised) on ``day``, in the account's currency."""

    account_id: str
    day: int
    amount_minor: int


@dataclass(frozen=True)
class InflowScenario:
    """One possible course of inflows, of probability ``probability`` in (0, 1]."""

    scenario_id: str
    probability: float
    inflows: tuple[Inflow, ...] = ()


@dataclass(frozen=True)
class SupplierCap:
    """Most that a supplier may be paid within the horizon, in minor units of the base currency."""

    supplier_id: str
    amount_minor: int


@dataclass(frozen=True)
class MustPay:
    """An invoice to be paid by ``by_day``; ``None``: within the horizon."""

    invoice_id: str
    by_day: int | None = None


@dataclass(frozen=True)
class PaymentPolicy:
    """How the payer weighs risk. Amounts in minor units of the base currency, rates per year."""

    cvar_alpha: float = DEFAULT_CVAR_ALPHA
    cvar_limit_minor: int | None = None
    cvar_weight: float = 0.0
    max_unverified_minor: int | None = None
    supplier_caps: tuple[SupplierCap, ...] = ()
    must_pay: tuple[MustPay, ...] = ()
    criticality_rate: float = 0.0
    default_p_invalid: float = DEFAULT_P_INVALID
    quarantine_days: int = 0
    partial_parts: int = DEFAULT_PARTIAL_PARTS
    required_checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExchangeRate:
    """1 unit of ``currency`` is worth ``rate`` units of the base currency."""

    currency: str
    rate: float


@dataclass(frozen=True)
class ExpectedOutage:
    """An outage to be ready for.

    Parameters
    ----------
    services_down
        check_types that could not be performed then.
    max_unverified_minor
        Cap on value paid unverified then, minor units of the base currency; ``None``: as the policy says.
    valid_days
        For how many days the plan computed now may be used, 1 - 90.
    """

    services_down: tuple[str, ...]
    max_unverified_minor: int | None = None
    valid_days: int = DEFAULT_VALID_DAYS

    @property
    def name(self) -> str:
        """The services, sorted."""
        return " ".join(sorted(self.services_down))
