"""How much of the discounts on offer a plan takes, and why not the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from solvers.invoices.model import model_of
from solvers.invoices.plan import NEVER, InvoicePlan

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem


@dataclass(frozen=True)
class DiscountPoint:
    """Discounts of a payment run in base units: taken on it, or missed where it was the last chance for them.

    Parameters
    ----------
    taken
        Earned by what is paid on this run.
    held
        Missed on invoices that may not be paid: blocked, in dispute, mismatched, invalid.
    unverified
        Missed on invoices that are not paid and not known to be valid.
    dearer
        Missed because the cash, or waiting, is worth more; also what a later payment earns less.
    """

    day: int
    taken: float
    held: float
    unverified: float
    dearer: float


def discount_capture(problem: InvoiceProblem, plan: InvoicePlan) -> list[DiscountPoint]:
    """One point per payment run; together they are the best discount that each item could earn on any run."""
    model = model_of(problem)
    columns = model.columns
    offered = model.options.discount_minor * columns.to_base[:, None]
    best = offered.max(axis=1)
    # The last run on which the best discount is still to be had.
    last = model.runs - 1 - np.argmax((offered >= best[:, None])[:, ::-1], axis=1)
    paid = plan.date_index != NEVER
    items = np.arange(model.items)
    taken = np.where(paid, offered[items, plan.date_index], 0.0)
    validity = [columns.validity[index] for index in columns.invoice.tolist()]
    held = np.array([bool(one.blocked) for one in validity]) & ~paid
    unverified = np.array([not one.verified for one in validity]) & ~paid & ~held
    missed = best - taken

    def by_run(run: npt.NDArray[np.intp], value: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.bincount(run, weights=value, minlength=model.runs).astype(np.float64)

    per_run = (
        by_run(plan.date_index[paid].astype(np.intp), taken[paid]),
        by_run(last, np.where(held, missed, 0.0)),
        by_run(last, np.where(unverified, missed, 0.0)),
        by_run(last, np.where(held | unverified, 0.0, missed)),
    )
    return [
        DiscountPoint(day, *(float(values[t]) for values in per_run)) for t, day in enumerate(problem.payment_run_days)
    ]
