"""The invoice problem: frozen, validated, minimised."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from solvers.errors import InvalidProblem
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.rates import BUILT_IN, LateRateTable
from solvers.invoices.records import (
    NORMAL,
    BankAccount,
    ExchangeRate,
    ExpectedOutage,
    InflowScenario,
    Invoice,
    PaymentPolicy,
    Supplier,
)
from solvers.problem import Features, Verdict

if TYPE_CHECKING:
    from solvers.invoices.columns import Columns


@dataclass(frozen=True)
class InvoiceProblem:
    """Which invoice is paid on which payment run, or not within the horizon.

    Days are day numbers (`solvers.invoices.calendars`), money is in minor units. Where a statutory late rate is needed
    and ``late_rate_table`` is ``None``, the built-in table is put in, so that the problem holds all that decides it.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every field at fault.
    """

    kind: ClassVar[str] = "invoices"

    as_of_day: int
    horizon_end_day: int
    payment_run_days: tuple[int, ...]
    base_currency: str
    invoices: tuple[Invoice, ...]
    bank_accounts: tuple[BankAccount, ...]
    inflow_scenarios: tuple[InflowScenario, ...] = ()
    opportunity_rate: float = 0.0
    suppliers: tuple[Supplier, ...] = ()
    exchange_rates: tuple[ExchangeRate, ...] = ()
    policy: PaymentPolicy = field(default_factory=PaymentPolicy)
    late_rate_table: LateRateTable | None = None
    calendar: str = "WEEKENDS"
    holidays: tuple[int, ...] = ()
    mode: str = NORMAL
    services_down: tuple[str, ...] = ()
    reconcile_by_day: int | None = None
    prepare_for: tuple[ExpectedOutage, ...] = ()

    def __post_init__(self) -> None:
        from solvers.invoices.validate import needs_statutory_rates, violations

        if self.late_rate_table is None and needs_statutory_rates(self):
            object.__setattr__(self, "late_rate_table", BUILT_IN)
        found = violations(self)
        if found:
            raise InvalidProblem(found)

    @cached_property
    def columns(self) -> Columns:
        """The invoices as arrays, one entry per item."""
        from solvers.invoices.columns import build_columns

        return build_columns(self)

    @cached_property
    def rate_by_currency(self) -> dict[str, float]:
        """Base units per unit of each currency in use."""
        return {self.base_currency: 1.0, **{rate.currency: rate.rate for rate in self.exchange_rates}}

    @cached_property
    def criticality_by_supplier(self) -> dict[str, float]:
        """Criticality of each supplier that has a record."""
        return {supplier.supplier_id: supplier.criticality for supplier in self.suppliers}

    def parts_of(self, invoice: Invoice) -> int:
        """Number of items that ``invoice`` makes: 1, or the instalments that it may be paid in."""
        if not invoice.partial_allowed:
            return 1
        return max(1, min(self.policy.partial_parts, invoice.amount_minor))

    def verify(self, plan: InvoicePlan) -> Verdict:
        """Recompute the objective and every constraint from the raw data."""
        from solvers.invoices.verify import verify

        return verify(self, plan)

    def features(self) -> Features:
        """What selection learns from."""
        from solvers.invoices.features import features

        return features(self)
