"""Faulted submissions through emulated vendors: nothing paid twice, nothing past its limit, no error without a class.

The vendors' own client libraries talk to HTTP emulators on loopback (`tests.emulators`), so this runs from a checkout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dimod

from backends.backend import Program
from backends.errand import run_errand
from backends.ledger import FileLedger
from federation.attempts import AttemptRecord, persist
from federation.retry import Attempt, FailureClass, RetryBudget, RetryConfig, classify, next_attempt
from solvers.errors import BackendError

SUBMISSIONS = 10_000
QUICK_SUBMISSIONS = 400
SHOTS = 40
LIMIT_S = 8.0
"""What a submission may take in all, retries included."""
CALL_S = 0.4
"""Limit of one call to a vendor."""
GRACE_S = 2 * CALL_S + 0.5
"""Beyond its limit a submission may take the call under way and the cancel."""
_HANG_S = 0.6
_LAG_S = 0.05
_SHARES = {"dwave": 9, "braket": 9, "ibm": 2}
"""How submissions are shared out; IBM's client takes most time a call."""
_WORKERS = 4

# What goes wrong in each class: calls of an operation, then what becomes of the accepted job.
_CASES: dict[str, tuple[tuple[tuple[str, tuple[str, ...]], ...], str]] = {
    "nothing": ((), ""),
    "submit: 429 with Retry-After": ((("submit", ("BUSY",)),), ""),
    "submit: 500": ((("submit", ("ERROR",)),), ""),
    "submit: 502 after the job was created": ((("submit", ("ERROR_AFTER",)),), ""),
    "submit: connection reset": ((("submit", ("RESET",)),), ""),
    "submit: answer lost after the job was created": ((("submit", ("RESET_AFTER",)),), ""),
    "submit: answer lost, job listed late": ((("submit", ("RESET_AFTER",)),), "LATE_LISTED"),
    "submit: answer and look-up lost": ((("submit", ("RESET_AFTER",)), ("find", ("PASS", "RESET"))), ""),
    "submit: hang": ((("submit", ("HANG",)),), ""),
    "submit: hang after the job was created": ((("submit", ("HANG_AFTER",)),), ""),
    "submit: garbage": ((("submit", ("GARBAGE",)),), ""),
    "submit: 400": ((("submit", ("REFUSED",)),), ""),
    "submit: key expired": ((("submit", ("DENIED",)),), ""),
    "submit: 403": ((("submit", ("FORBIDDEN",)),), ""),
    "look-up: 500 twice": ((("find", ("ERROR", "ERROR")),), ""),
    "wait: 500 three times": ((("status", ("ERROR",) * 3),), ""),
    "wait: 429 with Retry-After": ((("status", ("BUSY",)),), ""),
    "wait: connection reset": ((("status", ("RESET",)),), ""),
    "wait: hang": ((("status", ("HANG",)),), ""),
    "wait: key expired for a moment": ((("status", ("DENIED",)),), ""),
    "slow queue": ((), "SLOW"),
    "job failed": ((), "FAILED"),
    "job cancelled by the vendor": ((), "CANCELLED"),
    "result: too few samples": ((), "TRUNCATED"),
    "result: malformed samples": ((), "MALFORMED"),
    "result: garbage once": ((("result", ("GARBAGE",)),), ""),
    "result: 500 once": ((("result", ("ERROR",)),), ""),
    "delivered twice at once": ((), ""),
    "process restarted, with its ledger": ((), ""),
    "process restarted, ledger lost": ((), ""),
    "restart after an answer got lost": ((("submit", ("RESET_AFTER",)),), ""),
}
_RESTARTS = ("process restarted, with its ledger", "process restarted, ledger lost", "restart after an answer got lost")


@dataclass
class _Tally:
    """Figures of one vendor and fault class."""

    submissions: int = 0
    answered: int = 0
    retries: int = 0
    changed: int = 0
    fell_back: Counter[str] = field(default_factory=Counter)
    paid: int = 0
    duplicates: int = 0
    late: int = 0
    unclassified: list[str] = field(default_factory=list)
    worst_s: float = 0.0


def run(quick: bool = True, seed: int = 1, submissions: int | None = None, workers: int = _WORKERS) -> dict[str, Any]:
    """Submit; 400 when ``quick``, else 10,000, or ``submissions``.

    Returns
    -------
    dict
        ``rows`` by vendor and fault class, ``totals``, ``installed``, and ``skipped`` vendors with the reason.

    Raises
    ------
    FileNotFoundError
        When the emulators are not there: they come with a checkout, not with the package.
    """
    try:
        from tests.emulators import backends as emulated
    except ImportError as error:
        raise FileNotFoundError(f"the emulators under tests/emulators: {error}; run it from a checkout") from error
    count = submissions or (QUICK_SUBMISSIONS if quick else SUBMISSIONS)
    skipped = {vendor: f"not installed: {', '.join(lack)}" for vendor in _SHARES if (lack := emulated.missing(vendor))}
    vendors = [vendor for vendor in _SHARES if vendor not in skipped]
    plan = _plan(vendors, count, seed)
    tallies: dict[tuple[str, str], _Tally] = {}
    began_s = time.monotonic()
    with emulated.keys(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # of the vendors' clients, about what they fall back to
        logging.getLogger("qiskit_ibm_runtime").setLevel(logging.ERROR)
        lanes = [(vendor, lane) for vendor in vendors for lane in range(workers if vendor != "ibm" else 1)]
        with ThreadPoolExecutor(len(lanes)) as pool:
            work = []
            for vendor, lane in lanes:
                width = workers if vendor != "ibm" else 1
                mine = plan[vendor][lane::width]
                work.append(pool.submit(_Lane(emulated, vendor, Path(folder) / f"{vendor}-{lane}").serve, mine))
            for finished in work:
                for where, tally in finished.result().items():
                    _merge(tallies.setdefault(where, _Tally()), tally)
    return {
        "bench": "vendor_faults",
        "seed": seed,
        "seconds": time.monotonic() - began_s,
        "limit_s": LIMIT_S,
        "installed": {vendor: _version(vendor) for vendor in vendors},
        "skipped": skipped,
        "rows": [_row(vendor, case, tally) for (vendor, case), tally in sorted(tallies.items())],
        "totals": _totals(tallies),
    }


def _plan(vendors: list[str], count: int, seed: int) -> dict[str, list[tuple[str, int]]]:
    """Fault class and number of each vendor's submissions: every class in turn, in an order of ``seed``'s."""
    rng = random.Random(seed)
    plan: dict[str, list[tuple[str, int]]] = {vendor: [] for vendor in vendors}
    weights = [_SHARES[vendor] for vendor in vendors]
    for number in range(count):
        vendor = rng.choices(vendors, weights)[0]
        cases = list(_CASES)
        plan[vendor].append((cases[len(plan[vendor]) % len(cases)], number))
    for line in plan.values():
        rng.shuffle(line)
    return plan


class _Lane:
    """One vendor of its own with one adapter, one submission after the other, so that faults meet whom they are for."""

    def __init__(self, emulated: Any, vendor: str, folder: Path) -> None:
        self._emulated, self._vendor, self._folder = emulated, vendor, folder
        self._at = emulated.emulator(vendor, hang_s=_HANG_S, listing_lag_s=_LAG_S)
        self._budget = RetryBudget(RetryConfig(budget_burst=1e9, budget_ratio=1.0))
        self._restarts = 0
        self._backend = self._fresh()

    def serve(self, plan: list[tuple[str, int]]) -> dict[tuple[str, str], _Tally]:
        tallies: dict[tuple[str, str], _Tally] = {}
        try:
            for case, number in plan:
                self._one(case, number, tallies.setdefault((self._vendor, case), _Tally()))
        finally:
            self._at.close()
        return tallies

    def _fresh(self) -> Any:
        """An adapter as a new process would have, warm: connected and calibrated before the clock runs."""
        backend = self._emulated.adapter(self._vendor, self._at, call_timeout_s=5.0, listing_lag_s=2 * _LAG_S)
        backend.remember_in(FileLedger(self._folder / f"{self._restarts}.jsonl"))
        backend.estimate(_program(0), SHOTS)
        backend._submissions._timeout_s = CALL_S
        return backend

    def _one(self, case: str, number: int, tally: _Tally) -> None:
        from tests.emulators.server import Fault, Trouble

        faults, trouble = _CASES[case]
        before = dict(self._at.paid())
        first = Attempt(1, SHOTS, 2, number, 0.05)
        key = f"job-{number}"
        records: list[AttemptRecord] = []
        error: Exception | None = None
        if case in _RESTARTS:
            self._interrupted(case, first, key)
        for operation, names in faults if case not in _RESTARTS else ():
            self._at.fail(operation, *[None if name == "PASS" else Fault[name] for name in names])
        if trouble:
            self._at.trouble(Trouble[trouble], polls=12)
        began_s = time.monotonic()
        try:
            asyncio.run(
                self._persist(first, key, began_s + LIMIT_S, records.append, twice=case.startswith("delivered"))
            )
        except Exception as caught:  # noqa: BLE001 - which errors come out is what is measured
            error = caught
        elapsed_s = time.monotonic() - began_s
        self._at.calm()
        self._count(tally, before, records, error, elapsed_s)

    def _interrupted(self, case: str, first: Attempt, key: str) -> None:
        """A process that submitted, and was gone before it had the samples."""
        if case == "restart after an answer got lost":
            from tests.emulators.server import Fault

            self._at.fail("submit", Fault.RESET_AFTER)
            self._at.fail("find", None, Fault.RESET)
        with suppress(BackendError):  # its process ends here all the same; what it wrote down remains
            self._backend.submit(_program(first.seed), first.shots, key)
        self._at.calm()
        if case == "process restarted, ledger lost":
            self._restarts += 1
        self._backend = self._fresh()

    async def _persist(
        self, first: Attempt, key: str, until_s: float, record: Callable[[AttemptRecord], None], twice: bool
    ) -> None:
        def left_s() -> float:
            return until_s - time.monotonic()

        async def send(attempt: Attempt, sent_under: str) -> dimod.SampleSet:
            program = _program(attempt.seed, attempt.layers)
            errand = [
                run_errand(self._backend, program, attempt.shots, sent_under, left_s(), lambda _job, _error: None)
                for _ in range(2 if twice else 1)
            ]
            samples: list[dimod.SampleSet] = await asyncio.gather(*errand)
            if any(s.record.num_occurrences.sum() != attempt.shots for s in samples):
                raise AssertionError("samples do not add up to the shots")
            return samples[0]

        async def decide(error: Exception, failed: Attempt, remaining_s: float) -> Any:
            return next_attempt(error, failed, remaining_s, self._budget)

        await persist(send, first, key, left_s, decide, record)

    def _count(
        self,
        tally: _Tally,
        before: dict[str, int],
        records: list[AttemptRecord],
        error: Exception | None,
        elapsed_s: float,
    ) -> None:
        tally.submissions += 1
        tally.answered += error is None
        tally.retries += max(0, len(records) - 1)
        tally.changed += sum(bool(r.changes) for r in records)
        tally.worst_s = max(tally.worst_s, elapsed_s)
        tally.late += elapsed_s > LIMIT_S + GRACE_S
        if error is not None:
            if isinstance(error, BackendError) and isinstance(classify(error), FailureClass):
                tally.fell_back[type(error).__name__] += 1
            else:
                tally.unclassified.append(f"{type(error).__name__}: {error}")
        broken = [call for call in self._at.calls if call.startswith("broken")]
        self._at.calls.clear()
        tally.unclassified += [f"the emulator: {text}" for text in broken]
        keys = {self._backend._submissions.tag(r.idempotency_key) for r in records}
        paid = self._at.paid()
        tally.paid += sum(paid.get(tag, 0) for tag in keys)
        tally.duplicates += sum(max(0, paid.get(tag, 0) - 1) for tag in keys)
        # Nothing but this submission's keys may have been billed meanwhile.
        tally.duplicates += sum(n - before.get(tag, 0) for tag, n in paid.items() if tag not in keys)


def _program(seed: int, layers: int = 1) -> Program:
    """One of eight small models of one shape."""
    rng = random.Random(seed % 8)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(4):
        bqm.add_linear(f"x{i}", rng.gauss(0, 1))
        for j in range(i):
            bqm.add_quadratic(f"x{i}", f"x{j}", rng.gauss(0, 1))
    return Program(bqm, layers=layers, seed=seed)


def _merge(total: _Tally, part: _Tally) -> None:
    for name in ("submissions", "answered", "retries", "changed", "paid", "duplicates", "late"):
        setattr(total, name, getattr(total, name) + getattr(part, name))
    total.fell_back += part.fell_back
    total.unclassified += part.unclassified
    total.worst_s = max(total.worst_s, part.worst_s)


def _row(vendor: str, case: str, tally: _Tally) -> dict[str, Any]:
    return {
        "vendor": vendor,
        "fault": case,
        **{
            name: getattr(tally, name)
            for name in ("submissions", "answered", "retries", "changed", "paid", "duplicates", "late", "worst_s")
        },
        "fell_back": dict(tally.fell_back),
        "unclassified": tally.unclassified,
    }


def _totals(tallies: dict[tuple[str, str], _Tally]) -> dict[str, Any]:
    total = _Tally()
    for tally in tallies.values():
        _merge(total, tally)
    return _row("all", "all", total)


def _version(vendor: str) -> str:
    from importlib.metadata import version

    name = {"dwave": "dwave-cloud-client", "braket": "boto3", "ibm": "qiskit-ibm-runtime"}[vendor]
    return f"{name} {version(name)}"


def table(result: dict[str, Any]) -> str:
    """One line a fault class, the vendors summed; then the verdict."""
    head = (
        f"{'fault':<46} {'sent':>6} {'answered':>8} {'retries':>7} {'changed':>7} {'fell back':<30} {'twice':>5} "
        f"{'late':>4} {'no class':>8} {'worst s':>7}"
    )
    lines = [head, "-" * len(head)]
    for case in [*_CASES, "all"]:
        rows = [row for row in [*result["rows"], result["totals"]] if row["fault"] == case]
        if not rows:
            continue
        fell: Counter[str] = Counter()
        for row in rows:
            fell.update(row["fell_back"])
        sums = {name: sum(row[name] for row in rows) for name in ("submissions", "answered", "retries", "changed")}
        bad = [sum(row["duplicates"] for row in rows), sum(row["late"] for row in rows)]
        unclassified = sum(len(row["unclassified"]) for row in rows)
        why = ", ".join(f"{name} {n}" for name, n in sorted(fell.items())) if case != "all" else str(sum(fell.values()))
        lines.append(
            f"{case:<46} {sums['submissions']:>6} {sums['answered']:>8} {sums['retries']:>7} {sums['changed']:>7} "
            f"{why or '-':<30} {bad[0]:>5} {bad[1]:>4} {unclassified:>8} {max(row['worst_s'] for row in rows):>7.2f}"
        )
    totals = result["totals"]
    share = {
        vendor: sum(r["submissions"] for r in result["rows"] if r["vendor"] == vendor) for vendor in result["installed"]
    }
    lines += [
        "",
        f"{totals['submissions']} submissions ({', '.join(f'{v} {n}' for v, n in share.items())}) "
        f"in {result['seconds']:.0f} s: "
        f"{totals['duplicates']} paid twice, {totals['late']} past their limit, "
        f"{len(totals['unclassified'])} errors without a class",
        f"clients: {', '.join(result['installed'].values()) or 'none'}",
    ]
    lines += [f"left out: {vendor}, {why}" for vendor, why in result["skipped"].items()]
    lines += [f"  {text}" for text in totals["unclassified"][:10]]
    return "\n".join(lines)


def main() -> None:
    """``python -m benchmarks.vendor_faults [--quick] [--json] [--submissions N] [--seed N]``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--submissions", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    result = run(quick=options.quick, seed=options.seed, submissions=options.submissions)
    print(json.dumps(result) if options.json else table(result))


if __name__ == "__main__":
    main()
