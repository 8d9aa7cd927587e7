"""Writes ``examples/outage_day.csv``: the morning on which the service that checks VAT ids cannot be reached.

Run it as ``python -m examples.outage_day [OUT.csv] [SEED]``, then ``isinglass solve examples/outage_day.csv``. Sixty
invoices fall due within six weeks. Two fifths had their VAT id checked before the outage, the rest count as unverified:
they are paid only as far as the exposure cap allows, and every such decision says which check was not performed.
"""

from __future__ import annotations

import csv
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("outage_day.csv")
INVOICES = 60
TODAY = date(2026, 3, 2)
RUNS = 6
COLUMNS = (
    "invoice_id", "invoice_number", "supplier_id", "payee_iban", "issue_date", "payment_due_date", "amount_due",
    "currency", "settlement_discount_percent", "discount_due_date", "regime", "criticality", "check_type", "status",
    "checked_at", "p_invalid", "recovery_rate",
)  # fmt: skip


def iban(number: int) -> str:
    """A German IBAN with right check digits and no bank behind it."""
    account = f"00000000{number:010}"
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


def rows(rng: np.random.Generator) -> list[dict[str, str]]:
    """One row per invoice."""
    suppliers = 18
    criticality = np.round(rng.beta(1.0, 3.0, suppliers), 2)
    found = []
    for index in range(INVOICES):
        supplier = int(rng.integers(0, suppliers))
        issue = TODAY - timedelta(days=int(rng.integers(5, 40)))
        due = issue + timedelta(days=int(rng.choice([14, 30, 45])))
        row = dict.fromkeys(COLUMNS, "") | {
            "invoice_id": f"INV-{index + 1:03}",
            "invoice_number": f"{supplier + 1:02}-{26_000 + int(rng.integers(0, 999))}-{index}",
            "supplier_id": f"SUP-{supplier + 1:02}",
            "payee_iban": iban(1000 + supplier),
            "issue_date": issue.isoformat(),
            "payment_due_date": due.isoformat(),
            "amount_due": f"{max(120.0, float(rng.lognormal(8.2, 1.0))):.2f}",
            "currency": "EUR",
            "regime": "EU_2011_7",
            "criticality": f"{criticality[supplier]:.2f}",
            "check_type": "vat_id",
            "status": "UNKNOWN",
            "p_invalid": f"{float(rng.beta(1.0, 60.0)):.4f}",
            "recovery_rate": "0.5",
        }
        if rng.random() < 0.3:
            row["settlement_discount_percent"] = str(rng.choice(["2", "3"]))
            row["discount_due_date"] = (issue + timedelta(days=14)).isoformat()
        if rng.random() < 0.4:
            # Found valid before the outage: that counts, and is to be looked at again.
            when = TODAY - timedelta(days=int(rng.integers(1, 4)))
            row |= {"status": "VALID", "checked_at": when.isoformat(), "p_invalid": "", "recovery_rate": ""}
        found.append(row)
    return found


def settings(rng: np.random.Generator, total: float) -> list[str]:
    """The lines above the header."""
    runs = [TODAY + timedelta(days=7 * week) for week in range(RUNS)]
    lines = [
        f"as_of_date: {TODAY.isoformat()}",
        f"horizon_end_date: {(runs[-1] + timedelta(days=7)).isoformat()}",
        "payment_run_dates: " + " ".join(run.isoformat() for run in runs),
        "base_currency: EUR",
        "mode: DEGRADED",
        "services_down: vat_id",
        f"reconcile_by: {(TODAY + timedelta(days=9)).isoformat()}",
        f"max_unverified_exposure: {0.2 * total:.2f}",
        f"account: {iban(1)} EUR",
        f"opening_balance: {0.35 * total:.2f}",
        f"min_balance: {0.02 * total:.2f}",
        f"overdraft_limit: {0.2 * total:.2f}",
        "overdraft_rate: 0.09",
        "criticality_rate: 0.25",
        "opportunity_rate: 0.02",
        "cvar_alpha: 0.9",
        "cvar_weight: 0.02",
        "scenario: expected 0.7",
        "scenario: slow 0.3",
    ]
    for run in runs[1:]:
        inflow = 0.13 * total * float(rng.lognormal(0.0, 0.15))
        lines += [
            f"inflow: {run.isoformat()} {inflow:.2f} expected",
            f"inflow: {run.isoformat()} {0.6 * inflow:.2f} slow",
        ]
    return lines


def write(path: Path, seed: int = 3) -> None:
    """Write the day of ``seed`` to ``path``."""
    rng = np.random.default_rng(seed)
    entries = rows(rng)
    lines = settings(rng, sum(float(row["amount_due"]) for row in entries))
    with path.open("w", encoding="utf-8", newline="") as out:
        out.write("# The service that checks VAT ids is down, made by examples/outage_day.py\n")
        out.writelines(f"# {line}\n" for line in lines)
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(entries)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    write(target, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
    print(f"wrote {target}")
