"""The invoices of a problem as arrays, one entry per item: an invoice, or an instalment of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from solvers.invoices.money import currency_digits, in_base_minor
from solvers.invoices.rates import CONTRACT, EU_2011_7, NO_INTEREST, US_PROMPT_PAYMENT
from solvers.invoices.validity import Validity, ValidityReader

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem
    from solvers.invoices.records import Invoice

REGIME_CODES = {NO_INTEREST: 0, CONTRACT: 1, EU_2011_7: 2, US_PROMPT_PAYMENT: 3}
NO_DAY = np.iinfo(np.int32).min
FAR_DAY = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Columns:
    """Arrays of shape (items,) unless said otherwise.

    Parameters
    ----------
    invoice
        Index into ``problem.invoices``.
    part
        0 for a whole invoice, else the instalment from 1 on.
    amount_minor
        Due, in the invoice's currency.
    base_minor
        Due, in minor units of the base currency.
    to_base
        Base units per minor unit of the invoice's currency.
    due_day, earliest_day
        Day numbers; ``earliest_day`` is `NO_DAY` without one.
    must_pay_by_day
        Day number; `FAR_DAY` where the invoice need not be paid.
    blocked, unverified
        Whether it may not be paid; whether some check is open.
    expected_loss
        Base units lost on average when paid.
    criticality_rate
        Per year on the amount paid late.
    regime
        Code of `REGIME_CODES`.
    contract_rate
        Per year; 0 outside CONTRACT.
    compensation
        Base units due once when late.
    supplier
        Index into ``suppliers``, the ids in order of first appearance.
    currency
        Index into ``currencies``.
    validity
        Per invoice (not item).
    """

    invoice: npt.NDArray[np.int32]
    part: npt.NDArray[np.int16]
    amount_minor: npt.NDArray[np.int64]
    base_minor: npt.NDArray[np.int64]
    to_base: npt.NDArray[np.float64]
    due_day: npt.NDArray[np.int32]
    earliest_day: npt.NDArray[np.int32]
    must_pay_by_day: npt.NDArray[np.int32]
    blocked: npt.NDArray[np.bool_]
    unverified: npt.NDArray[np.bool_]
    expected_loss: npt.NDArray[np.float64]
    criticality_rate: npt.NDArray[np.float64]
    regime: npt.NDArray[np.int8]
    contract_rate: npt.NDArray[np.float64]
    compensation: npt.NDArray[np.float64]
    supplier: npt.NDArray[np.int32]
    currency: npt.NDArray[np.int16]
    suppliers: tuple[str, ...]
    currencies: tuple[str, ...]
    validity: tuple[Validity, ...]

    def __len__(self) -> int:
        return len(self.invoice)


def regime_of(invoice: Invoice) -> str:
    """The regime that holds for ``invoice``; one with terms but no regime is under CONTRACT."""
    return NO_INTEREST if invoice.late is None else invoice.late.regime


def part_amounts(amount_minor: int, parts: int) -> list[int]:
    """``amount_minor`` in ``parts`` equal instalments, the first ones taking the remainder."""
    share, rest = divmod(amount_minor, parts)
    return [share + (1 if index < rest else 0) for index in range(parts)]


def compensation_base(problem: InvoiceProblem, invoice: Invoice) -> float:
    """Fixed compensation for paying ``invoice`` late, in base units."""
    regime = regime_of(invoice)
    if regime == NO_INTEREST or invoice.late is None:
        return 0.0
    minor, currency = 0, invoice.currency
    if invoice.late.compensation_minor is not None:
        minor = invoice.late.compensation_minor
    elif problem.late_rate_table is not None:
        rate = problem.late_rate_table.in_force(regime, invoice.due_day + 1)
        if rate is not None and rate.compensation_minor:
            minor, currency = rate.compensation_minor, rate.compensation_currency
    if not minor:
        return 0.0
    return minor * problem.rate_by_currency[currency] / float(10 ** currency_digits(currency))


def build_columns(problem: InvoiceProblem) -> Columns:
    """Arrays of ``problem``, which must be valid."""
    reader = ValidityReader(problem)
    rates, base = problem.rate_by_currency, problem.base_currency
    to_base = {code: rate / float(10 ** currency_digits(code)) for code, rate in rates.items()}
    must = {
        item.invoice_id: problem.horizon_end_day if item.by_day is None else item.by_day
        for item in problem.policy.must_pay
    }
    criticality, criticality_rate = problem.criticality_by_supplier, problem.policy.criticality_rate
    suppliers: dict[str, int] = {}
    currencies: dict[str, int] = {}
    validity: list[Validity] = []
    rows: list[tuple[int | float | bool, ...]] = []
    for index, invoice in enumerate(problem.invoices):
        judged = reader.read(invoice)
        validity.append(judged)
        parts, scale = problem.parts_of(invoice), to_base[invoice.currency]
        contract = invoice.late.annual_rate if invoice.late is not None and invoice.late.annual_rate else 0.0
        common = (
            invoice.due_day,
            NO_DAY if invoice.earliest_day is None else invoice.earliest_day,
            must.get(invoice.invoice_id, FAR_DAY),
            bool(judged.blocked),
            not judged.verified,
            criticality.get(invoice.supplier_id, 0.0) * criticality_rate,
            REGIME_CODES[regime_of(invoice)],
            contract,
            compensation_base(problem, invoice),
            suppliers.setdefault(invoice.supplier_id, len(suppliers)),
            currencies.setdefault(invoice.currency, len(currencies)),
        )
        amounts = [invoice.amount_minor] if parts == 1 else part_amounts(invoice.amount_minor, parts)
        for part, amount in enumerate(amounts):
            in_base = in_base_minor(amount, invoice.currency, rates[invoice.currency], base)
            loss = judged.loss_minor * (amount / invoice.amount_minor) * scale
            rows.append((index, 0 if parts == 1 else part + 1, amount, in_base, scale, loss, *common))
    (invoice_, part_, amount_, base_, scale_, loss_, due, earliest, must_by, blocked, unverified, critical, regime,
     contract_, compensation, supplier, currency) = zip(*rows, strict=True)  # fmt: skip
    return Columns(
        invoice=np.array(invoice_, dtype=np.int32),
        part=np.array(part_, dtype=np.int16),
        amount_minor=np.array(amount_, dtype=np.int64),
        base_minor=np.array(base_, dtype=np.int64),
        to_base=np.array(scale_, dtype=np.float64),
        due_day=np.array(due, dtype=np.int32),
        earliest_day=np.array(earliest, dtype=np.int32),
        must_pay_by_day=np.array(must_by, dtype=np.int32),
        blocked=np.array(blocked, dtype=np.bool_),
        unverified=np.array(unverified, dtype=np.bool_),
        expected_loss=np.array(loss_, dtype=np.float64),
        criticality_rate=np.array(critical, dtype=np.float64),
        regime=np.array(regime, dtype=np.int8),
        contract_rate=np.array(contract_, dtype=np.float64),
        compensation=np.array(compensation, dtype=np.float64),
        supplier=np.array(supplier, dtype=np.int32),
        currency=np.array(currency, dtype=np.int16),
        suppliers=tuple(suppliers),
        currencies=tuple(currencies),
        validity=tuple(validity),
    )
