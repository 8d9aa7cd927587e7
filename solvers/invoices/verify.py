"""The verifier of invoice plans: objective and constraints recomputed from the raw data.

Written from the contract (``docs/invoices.md``) and sharing no code with any solver: one item after the other in exact
integers and fractions, where the solvers work on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from solvers.invoices.money import MINOR_DIGITS
from solvers.invoices.plan import InvoicePlan
from solvers.invoices.records import Invoice, PaymentTerm, ValidationCheck
from solvers.problem import Verdict, Violation

if TYPE_CHECKING:
    from solvers.invoices.problem import InvoiceProblem

TERMS = (
    "discount_forgone",
    "late_interest",
    "fixed_compensation",
    "criticality",
    "expected_loss",
    "opportunity",
    "overdraft",
    "cvar_penalty",
)
RISK_TOLERANCE = 1e-9
"""Relative tolerance of the CVaR limit, the one constraint that is not an integer."""


def verify(problem: InvoiceProblem, plan: InvoicePlan) -> Verdict:
    """Price ``plan`` and list every broken constraint."""
    return _Audit(problem).judge(plan)


def expected_items(problem: InvoiceProblem) -> Iterator[tuple[Invoice, int, int]]:
    """(invoice, part, amount) of every item, in order; part 0 is the whole invoice."""
    for invoice in problem.invoices:
        count = min(problem.policy.partial_parts, invoice.amount_minor) if invoice.partial_allowed else 1
        if count <= 1:
            yield invoice, 0, invoice.amount_minor
            continue
        smaller = invoice.amount_minor // count
        larger_count = invoice.amount_minor - smaller * count
        for part in range(1, count + 1):
            yield invoice, part, smaller + (part <= larger_count)


def discount_of(term: PaymentTerm, amount: int, due_day: int, day: int) -> int:
    """Discount that ``term`` gives on ``amount`` when paid on ``day``, rounded down to the minor unit."""
    if day > term.until_day:
        return 0
    if term.discount_ppm is not None:
        return min(amount, amount * term.discount_ppm // 1_000_000)
    if term.apr_ppm is None or day >= due_day:
        return 0
    return min(amount, amount * term.apr_ppm * (due_day - day) // 365_000_000)


def best_discount(invoice: Invoice, amount: int, day: int) -> int:
    """The best discount open on ``day``."""
    return max((discount_of(term, amount, invoice.due_day, day) for term in invoice.terms), default=0)


class _Audit:
    """One problem, read for judging plans."""

    def __init__(self, problem: InvoiceProblem) -> None:
        self.problem = problem
        self.runs = problem.payment_run_days
        self.end = problem.horizon_end_day
        self.rates = {problem.base_currency: Fraction(1)}
        for entry in problem.exchange_rates:
            self.rates[entry.currency] = Fraction(repr(entry.rate))
        self.critical = {s.supplier_id: s.criticality for s in problem.suppliers}
        self.must = {m.invoice_id: self.end if m.by_day is None else m.by_day for m in problem.policy.must_pay}
        self.down = set(problem.services_down) if problem.mode == "DEGRADED" else set()
        self.wanted = set(problem.policy.required_checks) | self.down
        self.interest = lru_cache(maxsize=None)(self._statutory_interest)
        quarantine_ns = (problem.as_of_day - problem.policy.quarantine_days) * 86_400_000_000_000
        self.fresh_bank_details = {
            s.supplier_id
            for s in problem.suppliers
            if problem.policy.quarantine_days > 0
            and s.bank_detail_changed_at_ns is not None
            and s.bank_detail_changed_at_ns >= quarantine_ns
        }

    # Money

    def per_minor(self, currency: str) -> Fraction:
        """Base units per minor unit of ``currency``."""
        return Fraction(self.rates[currency], 10 ** MINOR_DIGITS[currency])

    def in_base_minor(self, minor: int, currency: str) -> int:
        """``minor`` in minor units of the base currency, half to even."""
        per_unit: int = 10 ** MINOR_DIGITS[self.problem.base_currency]
        return round(minor * self.per_minor(currency) * per_unit)

    # Validity

    def open_checks(self, invoice: Invoice) -> list[ValidationCheck]:
        """Checks that are neither VALID nor INVALID; missing ones count."""
        found = []
        for check in invoice.validation:
            trusted = check.status == "VALID" and (check.check_type not in self.down or check.checked_at_ns is not None)
            if not trusted and check.status != "INVALID":
                found.append(check)
        missing = self.wanted - {check.check_type for check in invoice.validation}
        found.extend(ValidationCheck(name) for name in sorted(missing))
        if invoice.match_status == "PENDING":
            found.append(ValidationCheck("match_status"))
        if invoice.supplier_id in self.fresh_bank_details:
            found.append(ValidationCheck("bank_detail_change"))
        return found

    def may_be_paid(self, invoice: Invoice) -> bool:
        """Whether nothing forbids paying ``invoice``."""
        forbidden = invoice.block_code or invoice.disputed or invoice.match_status == "MISMATCHED"
        return not forbidden and all(check.status != "INVALID" for check in invoice.validation)

    def expected_loss(self, invoice: Invoice) -> float:
        """Expected loss of paying the whole of ``invoice``, in its minor units."""
        total = 0.0
        for check in self.open_checks(invoice):
            p = check.p_invalid if check.p_invalid is not None else self.problem.policy.default_p_invalid
            loss = check.loss_minor if check.loss_minor is not None else invoice.amount_minor
            total += p * (1.0 - check.recovery_rate) * loss
        return total

    # Lateness

    def _statutory_interest(self, regime: str, due_day: int, day: int) -> float:
        """Interest per unit of amount under a statutory regime; ``day`` > ``due_day``."""
        table = self.problem.late_rate_table
        entries = [r for r in table.rates if r.regime == regime] if table is not None else []
        entries.sort(key=lambda r: r.from_day)
        if regime == "US_PROMPT_PAYMENT":
            rate = [r.annual_rate for r in entries if r.from_day <= due_day + 1][-1]
            full_months, days = divmod(min(day - due_day, 365), 30)
            return float((1 + rate / 12) ** full_months * (1 + rate * days / 360) - 1)
        points = 0.0
        for index, entry in enumerate(entries):
            first = max(entry.from_day, due_day + 1)
            last = min(day, entries[index + 1].from_day - 1) if index + 1 < len(entries) else day
            points += max(0, last - first + 1) * entry.annual_rate
        return points / 365

    def late(self, invoice: Invoice, amount: int, day: int) -> tuple[float, float, float]:
        """(interest, compensation, criticality) in base units when ``amount`` is paid on ``day``."""
        days = day - invoice.due_day
        if days <= 0:
            return 0.0, 0.0, 0.0
        unit = float(self.per_minor(invoice.currency))
        criticality = self.critical.get(invoice.supplier_id, 0.0) * self.problem.policy.criticality_rate
        harm = amount * unit * criticality * days / 365
        terms = invoice.late
        if terms is None or terms.regime == "NO_INTEREST":
            return 0.0, 0.0, harm
        fixed = terms.compensation_minor
        compensation = 0.0 if fixed is None else fixed * unit
        if terms.regime == "CONTRACT":
            return amount * unit * (terms.annual_rate or 0.0) * days / 365, compensation, harm
        if fixed is None and self.problem.late_rate_table is not None:
            known = [
                r
                for r in self.problem.late_rate_table.rates
                if r.regime == terms.regime and r.from_day <= invoice.due_day + 1
            ]
            rate = max(known, key=lambda r: r.from_day)
            if rate.compensation_minor:
                compensation = float(rate.compensation_minor * self.per_minor(rate.compensation_currency))
        return amount * unit * self.interest(terms.regime, invoice.due_day, day), compensation, harm

    # The plan

    def judge(self, plan: InvoicePlan) -> Verdict:
        items = list(expected_items(self.problem))
        if len(items) != len(plan):
            wrong = Violation("plan_length", "plan", float(abs(len(items) - len(plan))))
            return Verdict(math.inf, feasible=False, violations=(wrong,))
        broken: list[Violation] = []
        parts: dict[str, list[float]] = {name: [] for name in TERMS}
        outflow: dict[tuple[int, int], int] = {}
        by_supplier: dict[str, int] = {}
        unverified_minor = 0
        dates, accounts = plan.date_index.tolist(), plan.account_index.tolist()
        for (invoice, part, amount), run, account in zip(items, dates, accounts, strict=True):
            entity = f"{invoice.invoice_id}/{part}" if part else invoice.invoice_id
            broken.extend(self.rules(invoice, entity, run, account))
            unpriced = run < -1 or run >= len(self.runs) or account >= len(self.problem.bank_accounts)
            if unpriced or (run >= 0) != (account >= 0):
                broken.append(Violation("choice", entity, 1.0))
                continue
            unit = float(self.per_minor(invoice.currency))
            best = max((best_discount(invoice, amount, day) for day in self.open_runs(invoice)), default=0)
            if run == -1:
                parts["discount_forgone"].append(best * unit)
                day = self.end
            else:
                day = self.runs[run]
                discount = best_discount(invoice, amount, day)
                net = amount - discount
                outflow[account, run] = outflow.get((account, run), 0) + net
                parts["discount_forgone"].append((best - discount) * unit)
                parts["opportunity"].append(net * unit * self.problem.opportunity_rate * (self.end - day) / 365)
                loss = self.expected_loss(invoice)
                if loss:
                    parts["expected_loss"].append(loss * amount / invoice.amount_minor * unit)
                value = self.in_base_minor(amount, invoice.currency)
                by_supplier[invoice.supplier_id] = by_supplier.get(invoice.supplier_id, 0) + value
                unverified_minor += value if self.open_checks(invoice) else 0
            for name, cost in zip(
                ("late_interest", "fixed_compensation", "criticality"), self.late(invoice, amount, day), strict=True
            ):
                parts[name].append(cost)
        broken.extend(self.caps(by_supplier, unverified_minor))
        broken.extend(self.cash(outflow, parts))
        terms: Mapping[str, float] = {name: math.fsum(values) for name, values in parts.items()}
        unpriceable = any(violation.constraint == "choice" for violation in broken)
        objective = math.inf if unpriceable else math.fsum(terms.values())
        return Verdict(objective, not broken, tuple(broken), terms)

    def open_runs(self, invoice: Invoice) -> list[int]:
        """Run days on which ``invoice`` may be paid."""
        if not self.may_be_paid(invoice):
            return []
        last = self.must.get(invoice.invoice_id, self.end)
        first = self.runs[0] if invoice.earliest_day is None else invoice.earliest_day
        return [day for day in self.runs if first <= day <= last]

    def rules(self, invoice: Invoice, entity: str, run: int, account: int) -> Iterator[Violation]:
        """Rules that concern one item alone."""
        if run < 0:
            if invoice.invoice_id in self.must:
                yield Violation("must_pay", entity, 1.0)
            return
        if not self.may_be_paid(invoice):
            yield Violation("blocked", entity, 1.0)
        if run < len(self.runs):
            day = self.runs[run]
            if invoice.earliest_day is not None and day < invoice.earliest_day:
                yield Violation("earliest_payment_date", entity, float(invoice.earliest_day - day))
            if day > self.must.get(invoice.invoice_id, self.end):
                yield Violation("must_pay", entity, float(day - self.must[invoice.invoice_id]))
        known = self.problem.bank_accounts[account : account + 1] if account >= 0 else ()
        if any(held.currency != invoice.currency for held in known):
            yield Violation("account_currency", entity, 1.0)

    def caps(self, by_supplier: Mapping[str, int], unverified_minor: int) -> Iterator[Violation]:
        """Caps per supplier and on unverified value; amounts in units of the base currency."""
        scale = 10 ** MINOR_DIGITS[self.problem.base_currency]
        for cap in self.problem.policy.supplier_caps:
            over = by_supplier.get(cap.supplier_id, 0) - cap.amount_minor
            if over > 0:
                yield Violation("supplier_cap", cap.supplier_id, over / scale)
        limit = self.problem.policy.max_unverified_minor
        if limit is None and self.problem.mode == "DEGRADED":
            limit = 0
        if limit is not None and unverified_minor > limit:
            yield Violation("max_unverified_exposure", "plan", (unverified_minor - limit) / scale)

    def cash(self, outflow: Mapping[tuple[int, int], int], parts: dict[str, list[float]]) -> Iterator[Violation]:
        """Balances in every scenario; adds the prices of overdraft and risk to ``parts``."""
        problem = self.problem
        chances = [s.probability for s in problem.inflow_scenarios] or [1.0]
        exact = [Fraction(p) for p in chances]
        total = sum(exact)
        shortfalls = [0.0] * len(chances)
        for a, account in enumerate(problem.bank_accounts):
            unit = float(self.per_minor(account.currency))
            scale = 10 ** MINOR_DIGITS[account.currency]
            balances = [list(self.balances(a, s, outflow)) for s in range(len(chances))]
            for s, course in enumerate(balances):
                shortfalls[s] += max(0, *(account.floor_minor - balance for balance in course)) * unit
            for t, day in enumerate(self.runs):
                now = [course[t] for course in balances]
                days = (self.runs[t + 1] if t + 1 < len(self.runs) else self.end) - day
                below = math.fsum(p * max(0, -b) for p, b in zip(chances, now, strict=True))
                parts["overdraft"].append(below * unit * account.overdraft_rate * days / 365)
                entity = f"{account.account_id}@{t}"
                deepest = -min(now) - account.overdraft_limit_minor
                if deepest > 0:
                    yield Violation("overdraft_limit", entity, deepest / scale)
                missing = account.floor_minor * total - sum(
                    (p * b for p, b in zip(exact, now, strict=True)), Fraction(0)
                )
                if missing > 0:
                    yield Violation("balance_floor", entity, max(float(missing / total) / scale, 1e-12))
        policy = problem.policy
        risk = tail_mean(shortfalls, chances, policy.cvar_alpha)
        parts["cvar_penalty"].append(policy.cvar_weight * risk)
        if policy.cvar_limit_minor is not None:
            limit = policy.cvar_limit_minor / 10 ** MINOR_DIGITS[problem.base_currency]
            if risk > limit * (1 + RISK_TOLERANCE):
                yield Violation("cvar_limit", "plan", risk - limit)

    def balances(self, account: int, scenario: int, outflow: Mapping[tuple[int, int], int]) -> Iterator[int]:
        """Balance of ``account`` after each run in ``scenario``, minor units."""
        held = self.problem.bank_accounts[account]
        flows = self.problem.inflow_scenarios[scenario].inflows if self.problem.inflow_scenarios else ()
        mine = sorted((f.day, f.amount_minor) for f in flows if f.account_id == held.account_id)
        balance, position = held.opening_minor, 0
        for t, day in enumerate(self.runs):
            while position < len(mine) and mine[position][0] <= day:
                balance += mine[position][1]
                position += 1
            balance -= outflow.get((account, t), 0)
            yield balance


def tail_mean(values: list[float], chances: list[float], alpha: float) -> float:
    """Mean of the worst 1 - alpha of ``values``: the conditional value at risk."""
    left = (1.0 - alpha) * math.fsum(chances)
    tail, gathered = left, []
    for value, chance in sorted(zip(values, chances, strict=True), reverse=True):
        share = min(chance, left)
        gathered.append(share * value)
        left -= share
        if left <= 0:
            break
    return math.fsum(gathered) / tail
