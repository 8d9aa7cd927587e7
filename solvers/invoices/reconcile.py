"""After an outage: what the services say now, against what was decided without them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.columns import Columns
from solvers.invoices.model import Model, model_of
from solvers.invoices.options import late_costs
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.records import INVALID, VALID, Invoice, ValidationCheck
from solvers.invoices.validity import Validity

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

SMOOTHING = 1e-3
"""Added to both probabilities of an outcome, so that the Kullback-Leibler divergence is finite."""
CONFIRMED, REVERSE, CATCH_UP, RIGHTLY_HELD, UNRESOLVED = (
    "CONFIRMED",
    "REVERSE",
    "LATE_CATCH_UP",
    "RIGHTLY_HELD",
    "UNRESOLVED",
)


@dataclass(frozen=True)
class Reconciled:
    """One invoice: its ``outcome``, the amount paid or owed (minor units), what it cost (base units), and why."""

    invoice_id: str
    outcome: str
    amount_minor: int
    currency: str
    cost: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Divergence:
    """Between the probabilities used and the outcomes, over ``invoices`` resolved ones.

    Parameters
    ----------
    jensen_shannon_bits
        Mean over invoices, 0 - 1 (Lin, IEEE Trans. Inf. Theory 37, 1991).
    kullback_leibler_bits
        Mean over invoices of outcome against probability used, both with additive ``smoothing``.
    value_weighted_disagreement
        Share of value, 0 - 1, that was paid though invalid or not paid though valid.
    """

    jensen_shannon_bits: float
    kullback_leibler_bits: float
    value_weighted_disagreement: float
    smoothing: float
    invoices: int


@dataclass(frozen=True)
class Reconciliation:
    """All of it. ``loss`` and ``late_cost`` in base units; their sum is what the outage cost."""

    invoices: tuple[Reconciled, ...]
    divergence: Divergence
    loss: float
    late_cost: float
    past_reconcile_by: bool


def entropy(p: float) -> float:
    """Binary entropy of ``p``, bits."""
    return -sum(q * math.log2(q) for q in (p, 1.0 - p) if q > 0)


def jensen_shannon(p: float, q: float) -> float:
    """Jensen-Shannon divergence of two Bernoulli distributions, bits."""
    return max(0.0, entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2)


def kullback_leibler(q: float, p: float, smoothing: float = SMOOTHING) -> float:
    """KL of Bernoulli(q) from Bernoulli(p), bits, both smoothed."""
    p, q = ((x + smoothing) / (1 + 2 * smoothing) for x in (p, q))
    return q * math.log2(q / p) + (1 - q) * math.log2((1 - q) / (1 - p))


def resolve(
    invoice: Invoice, validity: Validity, outcome: tuple[ValidationCheck, ...]
) -> tuple[bool | None, ValidationCheck | None]:
    """(whether valid, ``None`` while some open check has no clear answer; the check that found it invalid)."""
    says = {check.check_type: check for check in outcome}
    for check in outcome:
        if check.status == INVALID:
            return False, check
    for check in invoice.validation:
        if check.status == INVALID and check.check_type not in says:
            return False, check
    waiting = [name for name in validity.open_checks if says.get(name) is None or says[name].status != VALID]
    return (None if waiting else True), None


def reconcile(
    problem: InvoiceProblem,
    plan: InvoicePlan,
    outcomes: Mapping[str, tuple[ValidationCheck, ...]],
    reconciled_day: int,
) -> Reconciliation:
    """Confirm, reverse and catch up every invoice that was decided without all its checks.

    Parameters
    ----------
    plan
        What was carried out.
    outcomes
        Per invoice_id the checks as the services answer them now.
    reconciled_day
        Day number; late cost is counted up to it.

    Raises
    ------
    solvers.errors.InvalidProblem
        When an outcome names an invoice that is not in the problem, or the day lies before the plan's.
    """
    known = {invoice.invoice_id for invoice in problem.invoices}
    faults = [
        FieldViolation(f"outcomes[{index}].invoice_id", f"is {name!r}", "an invoice of the problem")
        for index, name in enumerate(outcomes)
        if name not in known
    ]
    if reconciled_day < problem.as_of_day:
        faults.append(FieldViolation("reconciled_on", "lies before as_of_date", "a day on or after it"))
    if faults:
        raise InvalidProblem(faults)
    model = model_of(problem)
    columns = model.columns
    late = late_costs(problem, columns, np.array([reconciled_day], dtype=np.int64))[:, 0]
    items: list[list[int]] = [[] for _ in problem.invoices]
    for item, index in enumerate(columns.invoice.tolist()):
        items[index].append(item)
    found: list[Reconciled] = []
    losses, lates, shannon, leibler, wrong, value = [], [], [], [], 0.0, 0.0
    for index, invoice in enumerate(problem.invoices):
        validity, outcome = columns.validity[index], outcomes.get(invoice.invoice_id, ())
        if validity.verified and not outcome:
            continue
        valid, culprit = resolve(invoice, validity, outcome)
        paid = [item for item in items[index] if plan.date_index[item] != NEVER]
        open_items = [item for item in items[index] if plan.date_index[item] == NEVER]
        if valid is None:
            found.append(_one(invoice, UNRESOLVED, invoice.amount_minor, 0.0, ("CHECKS_STILL_OPEN",)))
            continue
        q = 0.0 if valid else 1.0
        shannon.append(jensen_shannon(validity.p_invalid, q))
        leibler.append(kullback_leibler(q, validity.p_invalid))
        paid_minor = sum(int(model.options.cash_minor[item, plan.date_index[item]]) for item in paid)
        worth = [_base(columns, item) for item in items[index]]
        value += sum(worth)
        wrong += sum(_base(columns, item) for item in (open_items if valid else paid))
        if paid and valid:
            found.append(_one(invoice, CONFIRMED, paid_minor, 0.0, ("VALID_AFTER_ALL",)))
        if paid and not valid:
            share = paid_minor / invoice.amount_minor
            loss = _loss(invoice, culprit) * share * float(columns.to_base[items[index][0]])
            losses.append(loss)
            found.append(_one(invoice, REVERSE, paid_minor, loss, ("PAID_BUT_INVALID",)))
        if open_items:
            owed = sum(int(columns.amount_minor[item]) for item in open_items)
            if valid and not validity.blocked:
                cost = sum(_delay(model, late, item) for item in open_items)
                lates.append(cost)
                found.append(_one(invoice, CATCH_UP, owed, cost, ("VALID_BUT_NOT_PAID",)))
            else:
                reason = "INVALID_AS_FEARED" if not valid else validity.blocked
                found.append(_one(invoice, RIGHTLY_HELD, owed, 0.0, (reason,)))
    count = len(shannon)
    divergence = Divergence(
        jensen_shannon_bits=math.fsum(shannon) / count if count else 0.0,
        kullback_leibler_bits=math.fsum(leibler) / count if count else 0.0,
        value_weighted_disagreement=wrong / value if value else 0.0,
        smoothing=SMOOTHING,
        invoices=count,
    )
    limit = problem.reconcile_by_day
    return Reconciliation(
        tuple(found), divergence, math.fsum(losses), math.fsum(lates), limit is not None and reconciled_day > limit
    )


def _base(columns: Columns, item: int) -> float:
    """Amount of ``item`` in base units."""
    return float(columns.amount_minor[item]) * float(columns.to_base[item])


def _one(invoice: Invoice, outcome: str, amount_minor: int, cost: float, reasons: tuple[str, ...]) -> Reconciled:
    return Reconciled(invoice.invoice_id, outcome, amount_minor, invoice.currency, cost, reasons)


def _loss(invoice: Invoice, culprit: ValidationCheck | None) -> float:
    """Loss net of recovery in minor units of paying all of ``invoice``, by the check that found it invalid."""
    mine = {check.check_type: check for check in invoice.validation}
    check = culprit if culprit is None or culprit.loss_minor is not None else mine.get(culprit.check_type, culprit)
    if check is None:
        return float(invoice.amount_minor)
    loss = invoice.amount_minor if check.loss_minor is None else check.loss_minor
    return loss * (1.0 - check.recovery_rate)


def _delay(model: Model, late: np.ndarray[tuple[int], np.dtype[np.float64]], item: int) -> float:
    """Late cost of ``item`` up to the reconciliation, and the discount that the wait has lost."""
    lost = int(model.options.discount_minor[item].max()) * float(model.columns.to_base[item])
    return float(late[item]) + lost
