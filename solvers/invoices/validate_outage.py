"""Faults of an invoice problem that have to do with outages, with paths in proto field names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from solvers.errors import FieldViolation
from solvers.invoices.calendars import iso
from solvers.invoices.faults import amount, identifier, known, unique
from solvers.invoices.records import DEGRADED, NORMAL, RECONCILE

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

MAX_OUTAGES = 8


def mode_faults(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    """Faults of the mode, and of what goes with it."""
    if problem.mode == RECONCILE:
        yield FieldViolation("mode", "is RECONCILE", "NORMAL or DEGRADED; to reconcile, call ReconcileOutage")
    elif problem.mode not in {NORMAL, DEGRADED}:
        yield FieldViolation("mode", f"is {problem.mode!r}", "NORMAL, DEGRADED")
    degraded = problem.mode == DEGRADED
    if degraded and not problem.services_down:
        yield FieldViolation("services_down", "is empty", "at least one check_type when mode is DEGRADED")
    if not degraded and problem.services_down:
        yield FieldViolation("services_down", "is given", "only when mode is DEGRADED")
    seen: dict[str, str] = {}
    for index, name in enumerate(problem.services_down):
        yield from identifier(f"services_down[{index}]", name)
        yield from unique(f"services_down[{index}]", seen, name)
    if len(problem.services_down) > 16:
        yield FieldViolation("services_down", f"has {len(problem.services_down)} entries", "at most 16")
    if problem.reconcile_by_day is not None:
        if not degraded:
            yield FieldViolation("reconcile_by", "is given", "only when mode is DEGRADED")
        elif known(problem.reconcile_by_day, problem.as_of_day) and problem.reconcile_by_day < problem.as_of_day:
            yield FieldViolation("reconcile_by", f"is {iso(problem.reconcile_by_day)}", "not before as_of_date")


def preparation_faults(problem: InvoiceProblem) -> Iterator[FieldViolation]:
    """Faults of the outages to be ready for."""
    outages = problem.prepare_for
    if len(outages) > MAX_OUTAGES:
        yield FieldViolation("prepare_for", f"has {len(outages)} entries", f"at most {MAX_OUTAGES}")
    names: dict[str, str] = {}
    for index, outage in enumerate(outages):
        path = f"prepare_for[{index}]"
        if not 1 <= len(outage.services_down) <= 16:
            yield FieldViolation(f"{path}.services_down", f"has {len(outage.services_down)} entries", "1 - 16")
        seen: dict[str, str] = {}
        for place, service in enumerate(outage.services_down):
            where = f"{path}.services_down[{place}]"
            yield from identifier(where, service)
            yield from unique(where, seen, service)
            if " " in service:
                yield FieldViolation(where, f"is {service!r}", "a check_type without spaces")
        yield from unique(f"{path}.services_down", names, outage.name)
        if outage.max_unverified_minor is not None:
            yield from amount(f"{path}.max_unverified_exposure", outage.max_unverified_minor, 0)
        if not 1 <= outage.valid_days <= 90:
            yield FieldViolation(f"{path}.valid_days", f"is {outage.valid_days}", "1 - 90")
