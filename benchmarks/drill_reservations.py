"""1,000 reservations at once against a budget for some of them, while the processes that make them are killed.

Each submission is a whole one: accept, lease, reserve, charge at a vendor, settle with the commit. The vendor is a
folder with a file for each idempotency key that it has charged, so that what was really charged is known whatever died.
A process that is killed leaves jobs between any two of these steps; another one is started on its submissions, and what
that finds still leased is left to the service's own recovery (expired leases, then leaked reservations).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from actors.upkeep import settle_leaks
from solvers.errors import BudgetExceeded, JobError
from store.amounts import TOTAL, Amounts
from store.budgets import ReservationState
from store.commit import Settlement
from store.leases import JobState
from store.store import Store

TENANT = "drill"
WORST = Amounts(usd_micros=1_000_000, shots=100, device_ms=1000)
CHARGED = Amounts(usd_micros=700_000, shots=100, device_ms=700)
LEASE_S = 1.0
LEAK_AFTER_S = 1.0
VENDOR_S = 0.2
"""Most that the way to the vendor takes, and the way back."""
_PERIOD_S = 0.05
_WAIT_S = 120.0
_UNLIMITED = 2**53 - 1


@dataclass(frozen=True)
class Plan:
    """How many reservations, by how many processes and threads in each, the budget, and how many kills."""

    reservations: int = 1000
    processes: int = 10
    threads: int = 100
    fits: int = 300
    kills: int = 20
    seed: int = 1


def run_plan(url: str, folder: Path, plan: Plan) -> dict[str, Any]:
    """One run on the database at ``url``, which must be empty."""
    store = Store.open(url, str(folder / "artifacts"), folder)
    limit = Amounts(plan.fits * WORST.usd_micros, _UNLIMITED, _UNLIMITED)
    store.budgets.set_limit(TENANT, "", TOTAL, limit)
    vendor = folder / "vendor"
    vendor.mkdir()
    watch = _Watch(store, limit)
    began_s = time.monotonic()
    kills = _submit_all(url, folder, vendor, plan)
    submitted_s = time.monotonic() - began_s
    recovered = _recover(store)
    least_free = watch.stop()
    result = _audit(store, vendor, limit) | {
        **asdict(plan),
        "killed": kills,
        "database": "PostgreSQL" if url.startswith("postgresql") else "SQLite",
        "least_free_usd": least_free / 1e6,
        "submitting_s": submitted_s,
        **recovered,
    }
    store.close()
    return result


def _submit_all(url: str, folder: Path, vendor: Path, plan: Plan) -> int:
    """Run every reservation once, killing processes at random; a killed one's unfinished work goes to a new one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["actors.upkeep", "store.store"])
    chance = Random(plan.seed)
    share = plan.reservations // plan.processes
    todo = [list(range(k * share, (k + 1) * share)) for k in range(plan.processes)]
    todo[-1] += list(range(plan.processes * share, plan.reservations))

    def spawn(numbers: list[int]) -> Any:
        process = context.Process(target=_submit, args=(url, str(folder), str(vendor), numbers, plan.threads))
        process.start()
        return process

    running = {number: spawn(numbers) for number, numbers in enumerate(todo)}
    killed, give_up_s = 0, time.monotonic() + _WAIT_S
    while running:
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"{len(running)} processes still reserve after {_WAIT_S:.0f} s")
        time.sleep(0.4 * chance.random())
        for number, process in list(running.items()):
            if process.is_alive():
                continue
            process.join()
            del running[number]
            if process.exitcode:  # killed: whoever called it calls again, under the same keys
                running[number] = spawn(todo[number])
        living = [process for process in running.values() if process.is_alive()]
        if killed < plan.kills and living and any(vendor.iterdir()):
            victim = chance.choice(living)
            if victim.pid is not None:
                os.kill(victim.pid, signal.SIGKILL)
                killed += 1
    return killed


def _submit(url: str, folder: str, vendor: str, numbers: list[int], threads: int) -> None:
    """The work of one process: ``threads`` submissions at once."""
    store = Store.open(url, str(Path(folder) / "artifacts"), folder)
    todo, lock = list(numbers), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not todo:
                    return
                number = todo.pop()
            _one(store, Path(vendor), number)

    workers = [threading.Thread(target=work) for _ in range(min(threads, len(numbers)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store.close()


def _one(store: Store, vendor: Path, number: int) -> None:
    """One submission, as a coordinator makes it; what another attempt has finished or holds is left to recovery."""
    key, now = f"submission-{number}", datetime.now(UTC)
    job_id = store.jobs.accept(
        tenant=TENANT,
        kind="invoices",
        request_digest="sha256:" + "0" * 64,
        idempotency_key=key,
        deadline_at=now,
        priority=5,
        labels={},
        policy_json={"seed": number},
        correlation_id=key,
        now=now,
    ).job_id
    try:
        token = store.jobs.lease(job_id, f"process-{os.getpid()}", LEASE_S, now)
    except JobError:
        return
    settlements: list[Settlement] = []
    try:
        reservation = store.budgets.reserve(
            tenant=TENANT,
            project="",
            period=TOTAL,
            job_id=job_id,
            backend="vendor",
            idempotency_key=key,
            amounts=WORST,
            now=now,
            request_limit=WORST,
        )
    except BudgetExceeded:
        outcome = JobState.SUCCEEDED  # with the classical answer
    else:
        chance = Random(number)
        time.sleep(VENDOR_S * chance.random())  # a vendor takes its time: here the killed ones die
        (vendor / key).write_text(job_id)  # once a key, as vendors do
        time.sleep(VENDOR_S * chance.random())
        settlements.append(Settlement(reservation, CHARGED))
        outcome = JobState.SUCCEEDED
    try:
        store.commit_result(
            job_id,
            token,
            outcome,
            result_digest=None,
            error=None,
            record={"paid": bool(settlements)},
            settlements=settlements,
            now=datetime.now(UTC),
        )
    except JobError:
        return


def _recover(store: Store) -> dict[str, Any]:
    """What coordinators do for jobs of those that died: end them, then settle what they left reserved."""
    began_s, ended, settled = time.monotonic(), 0, 0
    while store.jobs.count(TENANT).get(JobState.RUNNING, 0) + store.jobs.count(TENANT).get(JobState.ACCEPTED, 0):
        if time.monotonic() > began_s + _WAIT_S:
            raise TimeoutError("jobs of killed processes were not recovered")
        for claim in store.jobs.claim_expired("recovery", LEASE_S, datetime.now(UTC), 100):
            store.jobs.finish(
                claim.job.id,
                claim.token,
                JobState.FAILED,
                result_digest=None,
                error="its process was killed",
                now=datetime.now(UTC),
            )
            ended += 1
        time.sleep(_PERIOD_S)
    while store.budgets.open_reservations(datetime.now(UTC)):
        if time.monotonic() > began_s + _WAIT_S:
            break  # the audit counts them as leaked
        settled += settle_leaks(store, LEAK_AFTER_S)
        time.sleep(_PERIOD_S)
    return {"jobs_recovered": ended, "leaks_settled": settled, "recovery_s": time.monotonic() - began_s}


def _audit(store: Store, vendor: Path, limit: Amounts) -> dict[str, Any]:
    """What was charged, settled and left over, added up from scratch."""
    charged = [path.read_text() for path in vendor.iterdir()]
    usd_micros = len(charged) * CHARGED.usd_micros
    budget = store.budgets.budget(TENANT, "", TOTAL)
    unsettled = 0
    for job_id in charged:
        held = [r for r in store.budgets.of_job(job_id) if r.state is ReservationState.SETTLED]
        unsettled += sum(r.settled.usd_micros for r in held) < CHARGED.usd_micros
    return {
        "charges": len(charged),
        "charged_usd": usd_micros / 1e6,
        "settled_usd": budget.settled.usd_micros / 1e6,
        "limit_usd": limit.usd_micros / 1e6,
        "overspent_usd": max(0, usd_micros - limit.usd_micros, budget.settled.usd_micros - limit.usd_micros) / 1e6,
        "leaked": len(store.budgets.open_reservations(datetime.now(UTC))),
        "charged_but_not_settled": unsettled,
        "sums_right": store.budgets.recount(TENANT),
    }


class _Watch:
    """Looks at the budget all the while: at no moment may more be held and settled than its limit."""

    def __init__(self, store: Store, limit: Amounts) -> None:
        self._store, self._limit = store, limit
        self._least = limit.usd_micros
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(_PERIOD_S):
            budget = self._store.budgets.budget(TENANT, "", TOTAL)
            held = budget.reserved.usd_micros + budget.settled.usd_micros
            self._least = min(self._least, self._limit.usd_micros - held)

    def stop(self) -> int:
        """The least that was ever free, in millionths of a dollar; below 0: overspent for a moment."""
        self._over.set()
        self._thread.join()
        return self._least


def good(result: dict[str, Any]) -> bool:
    """Whether nothing was overspent, leaked or forgotten."""
    wrong = ("overspent_usd", "leaked", "charged_but_not_settled")
    return result["sums_right"] and result["least_free_usd"] >= 0 and not any(result[name] for name in wrong)


def run(quick: bool = False) -> dict[str, Any]:
    """On SQLite, and on PostgreSQL where ``$ISINGLASS_TEST_POSTGRES_URL`` names an empty database's server."""
    plan = Plan(200, 4, 50, 60, 6) if quick else Plan()
    results = []
    with tempfile.TemporaryDirectory(prefix="isinglass-reserve-") as folder:
        results.append(run_plan(f"sqlite:///{folder}/isinglass.sqlite", Path(folder), plan))
    server = os.environ.get("ISINGLASS_TEST_POSTGRES_URL")
    if server:
        with _postgres(server) as url, tempfile.TemporaryDirectory(prefix="isinglass-reserve-") as folder:
            results.append(run_plan(url, Path(folder), plan))
    skipped = "" if server else "PostgreSQL: $ISINGLASS_TEST_POSTGRES_URL is not set"
    return {"name": "reservations", "runs": results, "skipped": skipped, "met": all(map(good, results))}


class _postgres:  # noqa: N801 - a context manager that reads as a word
    """A database of its own on a server, dropped at the end."""

    def __init__(self, server: str) -> None:
        self._server, self._name = server, f"isinglass_drill_{os.getpid()}"

    def _do(self, statement: str) -> None:
        from sqlalchemy import create_engine, text
        from sqlalchemy.engine import make_url

        url = make_url(self._server).set(drivername="postgresql+pg8000")
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()

    def __enter__(self) -> str:
        from sqlalchemy.engine import make_url

        self._do(f"CREATE DATABASE {self._name}")
        url = make_url(self._server).set(drivername="postgresql+pg8000", database=self._name)
        return url.render_as_string(hide_password=False)

    def __exit__(self, *_: object) -> None:
        self._do(f"DROP DATABASE {self._name} WITH (FORCE)")


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for one in result["runs"]:
        lines += [
            f"{one['database']}: {one['reservations']} reservations, {one['threads']} threads in each of "
            f"{one['processes']} processes, {one['killed']} killed; budget for {one['fits']}",
            f"  overspent ${one['overspent_usd']:g} (must: 0), least free ${one['least_free_usd']:g}, charged "
            f"{one['charges']} times, ${one['charged_usd']:g}; settled ${one['settled_usd']:g} "
            f"of ${one['limit_usd']:g}",
            f"  leaked {one['leaked']} after recovery (must: 0), charged but not "
            f"settled {one['charged_but_not_settled']}, sums right: {one['sums_right']}",
            f"  {one['jobs_recovered']} jobs and {one['leaks_settled']} reservations recovered in "
            f"{one['recovery_s']:.1f} s, after {one['submitting_s']:.1f} s of submitting",
        ]
    return "\n".join([*lines, *([f"skipped: {result['skipped']}"] if result["skipped"] else [])])


if __name__ == "__main__":
    sys.stdout.write(table(run(quick="--quick" in sys.argv)) + "\n")
