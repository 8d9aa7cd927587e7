"""Invoices as the rest of the house sees them."""

from __future__ import annotations

from solvers.invoices import canonical
from solvers.invoices.core import build_core
from solvers.invoices.engine import EngineStrategy
from solvers.invoices.foresight import InvoiceForesight
from solvers.invoices.highs_strategy import HighsStrategy
from solvers.invoices.insurance import InsuranceStrategy
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.warming import warm
from solvers.kind import ProblemKind


class InvoiceCodec:
    """`solvers.invoices.canonical` as a `solvers.kind.Codec`."""

    problem_to_json = staticmethod(canonical.problem_to_json)
    problem_from_json = staticmethod(canonical.problem_from_json)
    plan_to_json = staticmethod(canonical.plan_to_json)
    plan_from_json = staticmethod(canonical.plan_from_json)


KIND: ProblemKind[InvoicePlan] = ProblemKind(
    name="invoices",
    codec=InvoiceCodec(),
    insurance=InsuranceStrategy(),
    strategies=(EngineStrategy(), HighsStrategy()),
    kernel=build_core,
    foresight=InvoiceForesight(),
    warm=warm,
)
