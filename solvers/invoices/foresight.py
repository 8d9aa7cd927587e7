"""The plan for an outage, computed before it comes and fitted to what is true when it does."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from solvers.canonical import digest, dumps
from solvers.foresight import Adapted, Contingency, Difference
from solvers.invoices.calendars import day_number, iso
from solvers.invoices.canonical import problem_to_json
from solvers.invoices.local_search import improve
from solvers.invoices.model import Model, model_of
from solvers.invoices.plan import NEVER, InvoicePlan
from solvers.invoices.problem import InvoiceProblem
from solvers.invoices.records import DEGRADED
from solvers.invoices.rules import in_order
from solvers.problem import JsonObject
from solvers.stop import Stop

DAY_S = 86_400.0
_WHOLE = ("as_of_date", "horizon_end_date", "payment_run_dates", "exchange_rates", "suppliers", "liquidity",
          "payment_policy", "late_rate_table", "calendar", "services_down", "reconcile_by")  # fmt: skip
"""Fields of the problem that are told apart as a whole; invoices are told apart one by one."""


class InvoiceForesight:
    """Outages that the problem names in ``prepare_for``. See `solvers.foresight.Foresight`."""

    def contingencies(self, problem: InvoiceProblem) -> tuple[Contingency, ...]:
        """The problem in mode DEGRADED, once for each outage named; what is down already stays down with it."""
        found = []
        for outage in problem.prepare_for:
            if set(outage.services_down) <= set(problem.services_down):
                continue  # it has come
            down = tuple(dict.fromkeys((*problem.services_down, *outage.services_down)))
            policy = problem.policy
            if outage.max_unverified_minor is not None:
                policy = replace(policy, max_unverified_minor=outage.max_unverified_minor)
            degraded = replace(problem, mode=DEGRADED, services_down=down, policy=policy, prepare_for=())
            found.append(Contingency(" ".join(sorted(down)), degraded, outage.valid_days * DAY_S))
        return tuple(found)

    def scope(self, problem: InvoiceProblem) -> str:
        """In an outage the base currency and the bank accounts: who pays."""
        if problem.mode != DEGRADED:
            return ""
        accounts = sorted([account.account_id, account.currency] for account in problem.bank_accounts)
        return digest(dumps([problem.base_currency, accounts]))

    def useful(self, problem: InvoiceProblem, names: Sequence[str]) -> list[int]:
        """Plans for just these services, then for more, then for some of them; never for others."""
        down = set(problem.services_down)

        def missed(index: int) -> tuple[int, int]:
            prepared = set(names[index].split(" "))
            return len(down - prepared), len(prepared - down)

        return sorted((i for i, name in enumerate(names) if down & set(name.split(" "))), key=missed)

    def adapt(
        self, problem: InvoiceProblem, earlier: JsonObject, decided: JsonObject, stop: Stop
    ) -> Adapted[InvoicePlan] | None:
        """Every payment on its day or the next run after it, as far as it is still allowed and the cash lasts.

        What the prepared plan did not know is then decided beside it, as cheaply as that can be.
        """
        before = {invoice["invoice_id"] for invoice in earlier["invoices"]}
        known = np.array([invoice.invoice_id in before for invoice in problem.invoices], dtype=np.bool_)
        if not known.any():
            return None
        found = _differences(problem, earlier)
        model = model_of(problem)
        wanted, moved = _carried_over(problem, model, decided)
        found += moved
        plan = wanted if model.is_feasible(wanted) else _fitted(model, wanted)
        left_out = np.flatnonzero((wanted.date_index != NEVER) & (plan.date_index == NEVER))
        found += [Difference(_name(problem, i), "DOES_NOT_FIT", "its cash or cap is gone") for i in left_out.tolist()]
        open_items = np.flatnonzero((plan.date_index == NEVER) & ~known[model.columns.invoice])
        if len(open_items) and model.is_feasible(plan):
            better = improve(model, plan, open_items, stop=stop)
            plan = plan if better is None else better
        return Adapted(plan, tuple(found))

    def changes(self, problem: InvoiceProblem, before: InvoicePlan, after: InvoicePlan) -> tuple[Difference, ...]:
        """Items that are paid otherwise."""
        differs = (before.date_index != after.date_index) | (before.account_index != after.account_index)
        found = []
        for item in np.flatnonzero(differs).tolist():
            text = f"{_says(problem, after, item)} instead of {_says(problem, before, item)}"
            found.append(Difference(_name(problem, item), "DECIDED_OTHERWISE", text))
        return tuple(found)


def _name(problem: InvoiceProblem, item: int) -> str:
    columns = problem.columns
    part = int(columns.part[item])
    name = problem.invoices[columns.invoice[item]].invoice_id
    return f"{name} part {part}" if part else name


def _says(problem: InvoiceProblem, plan: InvoicePlan, item: int) -> str:
    run, account = int(plan.date_index[item]), int(plan.account_index[item])
    if run == NEVER:
        return "not paid"
    return f"paid on {iso(problem.payment_run_days[run])} from {problem.bank_accounts[account].account_id}"


def _differences(problem: InvoiceProblem, earlier: JsonObject) -> list[Difference]:
    """Fields of the problem that are not as they were, then invoices that are new, gone or changed."""
    now = problem_to_json(problem)
    found = [Difference("", "PROBLEM_CHANGED", name) for name in _WHOLE if now.get(name) != earlier.get(name)]
    before = {invoice["invoice_id"]: invoice for invoice in earlier["invoices"]}
    for invoice in now["invoices"]:
        name = invoice["invoice_id"]
        then = before.pop(name, None)
        if then is None:
            found.append(Difference(name, "NEW_INVOICE", "was not known then"))
        elif then != invoice:
            fields = sorted(key for key in then.keys() | invoice.keys() if then.get(key) != invoice.get(key))
            found.append(Difference(name, "INVOICE_CHANGED", ", ".join(fields)))
    return found + [Difference(name, "INVOICE_GONE", "is not in this problem") for name in before]


def _carried_over(problem: InvoiceProblem, model: Model, decided: JsonObject) -> tuple[InvoicePlan, list[Difference]]:
    """The prepared payments on their day or the next run after it, where they are allowed; must-pays at the latest."""
    columns, options, runs = model.columns, model.options, problem.payment_run_days
    account_of = {account.account_id: index for index, account in enumerate(problem.bank_accounts)}
    paid = {(entry["invoice_id"], entry.get("part", 0)): entry for entry in decided.get("decisions", [])}
    dates = np.full(len(columns), NEVER, dtype=np.int16)
    accounts = np.full(len(columns), NEVER, dtype=np.int16)
    allowed = np.isfinite(options.cost)
    found: list[Difference] = []
    for item, (index, part) in enumerate(zip(columns.invoice.tolist(), columns.part.tolist(), strict=True)):
        entry = paid.get((problem.invoices[index].invoice_id, part))
        run, account = NEVER, NEVER
        if entry is not None:
            day = _day(entry["requested_execution_date"])
            later = np.flatnonzero(allowed[item, bisect.bisect_left(runs, day) :])
            run = bisect.bisect_left(runs, day) + int(later[0]) if len(later) else NEVER
            account = account_of.get(entry["account_id"], NEVER)
            if run == NEVER:
                why = columns.validity[index].blocked or "no payment run is left for it"
                found.append(Difference(_name(problem, item), "NOT_PAYABLE_NOW", why))
            elif runs[run] != day:
                text = f"on {iso(runs[run])} instead of {iso(day)}, the next run that it may be paid on"
                found.append(Difference(_name(problem, item), "RUN_MOVED", text))
        if run == NEVER and np.isinf(options.never[item]) and allowed[item].any():
            run = int(np.flatnonzero(allowed[item])[-1])
        if run != NEVER:
            dates[item], accounts[item] = run, account if account != NEVER else _account(model, item)
    return InvoicePlan(dates, accounts), found


def _account(model: Model, item: int) -> int:
    """The first account of the item's currency."""
    return int(np.flatnonzero(model.liquidity.currency == model.columns.currency[item])[0])


def _day(date: JsonObject) -> int:
    day = day_number(date["year"], date["month"], date["day"])
    if day is None:
        raise ValueError(f"{date} is no date")
    return day


def _fitted(model: Model, wanted: InvoicePlan) -> InvoicePlan:
    """As many of the payments of ``wanted`` as fit, on each run those first that save most per unit of cash."""
    columns, options = model.columns, model.options
    value = np.maximum(columns.amount_minor * columns.to_base, 1e-9)

    def order(run: int, is_open: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        mine = np.flatnonzero(is_open & (wanted.date_index == run))
        saving = (options.never[mine] - options.cost[mine, run]) / value[mine]
        return mine[np.argsort(-saving, kind="stable")]

    return in_order(model, order)
