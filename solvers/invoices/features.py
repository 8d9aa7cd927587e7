"""What selection learns from an invoice problem."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.invoices.model import model_of
from solvers.problem import Features

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem


def features(problem: InvoiceProblem) -> Features:
    """Size, density, tightness and what else tells problems apart.

    ``density`` is the share of (item, run) pairs that may be used. ``tightness`` compares what is payable with the
    cash that there is for it: 0 when all of it could be paid, towards 1 the less can.
    """
    model = model_of(problem)
    columns, liquidity = model.columns, model.liquidity
    allowed = np.isfinite(model.options.cost)
    payable = allowed.any(axis=1)
    owed = float((columns.amount_minor * columns.to_base)[payable].sum())
    room = float((np.maximum(liquidity.cap_minor.max(axis=1), 0) * liquidity.to_base).sum())
    values = {
        "size": float(model.items),
        "density": float(allowed.mean()),
        "tightness": 0.0 if owed <= room else 1.0 - room / owed,
        "runs": float(model.runs),
        "accounts": float(model.accounts),
        "scenarios": float(len(liquidity.probability)),
        "currencies": float(len(columns.currencies)),
        "unverified_share": float(columns.unverified.mean()),
        "blocked_share": float(columns.blocked.mean()),
        "must_pay_share": float(np.isinf(model.options.never).mean()),
        "caps": float(len(model.caps.limit_minor)),
        "has_cvar_limit": float(math.isfinite(liquidity.cvar_limit)),
    }
    return Features("invoices", values)
