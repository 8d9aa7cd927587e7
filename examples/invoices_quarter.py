"""Writes ``examples/quarter.csv``: a quarter of a mid-sized payer, 400 invoices, from a seed.

Run it as ``python -m examples.invoices_quarter [OUT.csv] [SEED]``.
"""

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

INVOICES = 400
FIRST_RUN = date(2026, 1, 7)
RUNS = 13
COLUMNS = (
    "invoice_id", "invoice_number", "supplier_id", "issue_date", "payment_due_date", "amount_due", "currency",
    "settlement_discount_percent", "discount_due_date", "dynamic_apr", "regime", "annual_rate", "criticality",
    "payment_block_code", "disputed", "check_type", "status", "p_invalid", "recovery_rate", "must_pay",
)  # fmt: skip
SCENARIOS = {"expected": (0.6, 1.0), "slow": (0.25, 0.8), "shock": (0.1, 0.6), "strong": (0.05, 1.15)}
"""Probability, and share of the planned inflows that arrives."""


def rows(rng: np.random.Generator) -> list[dict[str, str]]:
    """One row per invoice."""
    suppliers = 60
    criticality = np.round(rng.beta(1.0, 4.0, suppliers), 2)
    weight = 1.0 / np.arange(1, suppliers + 1) ** 0.7
    found = []
    for index in range(INVOICES):
        supplier = int(rng.choice(suppliers, p=weight / weight.sum()))
        net_days = int(rng.choice([14, 30, 30, 45, 60]))
        issue = FIRST_RUN - timedelta(days=45) + timedelta(days=int(rng.integers(0, 100)))
        amount = max(80.0, round(float(rng.lognormal(8.1, 1.1)), 2))
        row = dict.fromkeys(COLUMNS, "")
        row |= {
            "invoice_id": f"Q1-{index + 1:04d}",
            "invoice_number": f"{supplier + 1:03d}/{26_0000 + int(rng.integers(0, 9999))}",
            "supplier_id": f"SUP-{supplier + 1:03d}",
            "issue_date": issue.isoformat(),
            "payment_due_date": (issue + timedelta(days=net_days)).isoformat(),
            "amount_due": f"{amount:.2f}",
            "currency": "EUR",
            "regime": "EU_2011_7",
            "criticality": f"{criticality[supplier]:.2f}",
        }
        kind = rng.random()
        if kind < 0.3 and net_days >= 30:
            row["settlement_discount_percent"] = str(rng.choice(["1", "2", "2.5", "3"]))
            row["discount_due_date"] = (issue + timedelta(days=int(rng.choice([8, 10, 14])))).isoformat()
        elif kind < 0.38:
            row["dynamic_apr"] = f"{float(rng.integers(5, 16)) / 100:.2f}"
            row["discount_due_date"] = (issue + timedelta(days=net_days - 5)).isoformat()
        elif kind > 0.92:
            row["regime"], row["annual_rate"] = "CONTRACT", f"{float(rng.integers(4, 13)) / 100:.2f}"
        if rng.random() < 0.08:
            row |= {"check_type": "vat_id", "status": "UNKNOWN", "recovery_rate": "0.4"}
            row["p_invalid"] = f"{float(rng.beta(1.0, 40.0)):.4f}"
        elif rng.random() < 0.5:
            row |= {"check_type": "vat_id", "status": "VALID"}
        if rng.random() < 0.015:
            row["payment_block_code"] = "R"
        elif rng.random() < 0.01:
            row["disputed"] = "yes"
        elif rng.random() < 0.03 and issue + timedelta(days=net_days) <= FIRST_RUN + timedelta(days=7 * (RUNS - 1)):
            row["must_pay"] = "yes"
        found.append(row)
    return found


def settings(rng: np.random.Generator, total: float) -> list[str]:
    """The lines above the header: dates, the account, inflows."""
    runs = [FIRST_RUN + timedelta(days=7 * week) for week in range(RUNS)]
    lines = [
        "as_of_date: 2026-01-05",
        "horizon_end_date: 2026-04-07",
        "payment_run_dates: " + " ".join(run.isoformat() for run in runs),
        "calendar: TARGET",
        "base_currency: EUR",
        "account: main EUR",
        f"opening_balance: {total * 0.12:.2f}",
        f"min_balance: {total * 0.01:.2f}",
        f"overdraft_limit: {total * 0.2:.2f}",
        "overdraft_rate: 0.095",
        "opportunity_rate: 0.021",
        "criticality_rate: 0.25",
        "cvar_alpha: 0.9",
        "cvar_weight: 0.02",
        f"cvar_limit: {total * 0.15:.2f}",
        f"max_unverified_exposure: {total * 0.03:.2f}",
    ]
    lines += [f"scenario: {name} {chance}" for name, (chance, _) in SCENARIOS.items()]
    weekly = total * 0.68 / RUNS
    for run in runs:
        planned = weekly * float(rng.lognormal(-0.02, 0.2))
        day = (run - timedelta(days=1)).isoformat()
        lines += [f"inflow: {day} {planned * share:.2f} {name}" for name, (_, share) in SCENARIOS.items()]
    return lines


def write(path: Path, seed: int = 2026) -> None:
    """Write the quarter of ``seed`` to ``path``."""
    rng = np.random.default_rng(seed)
    entries = rows(rng)
    lines = settings(rng, sum(float(row["amount_due"]) for row in entries))
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("# A quarter of payments, made by examples/invoices_quarter.py\n")
        out.writelines(f"# {line}\n" for line in lines)
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("quarter.csv")
    write(target, int(sys.argv[2]) if len(sys.argv) > 2 else 2026)
    print(f"wrote {target}")
