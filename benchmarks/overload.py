"""More small requests than the machine can answer: how many come back in time, and as what.

``python -m benchmarks.overload --deadline 2 --rates 15 40 80 15 --seconds 12`` sends requests to a service of its own
whether or not earlier ones came back (an open loop), one rate after the other. Clients and service share the machine.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.service import invoice_request
from benchmarks.service_load import start

GRACE_S = 0.1
"""So long after the deadline an answer is still counted as in time: the way back and the client's own threads."""

PAUSE_S = 3.0
"""Between two rates."""


@dataclass(frozen=True)
class Reply:
    """What became of one request."""

    what: str
    took_s: float
    answered: bool


def run(deadline_s: float, rates: Sequence[float], seconds: float) -> list[dict[str, Any]]:
    """One row of figures a rate, in their order."""
    rows = []
    with ExitStack() as stack:
        client = start(stack, "overload", 64).client
        for seed in range(5):
            _ask(client, _request(seed, deadline_s), 60.0)
        for number, rate in enumerate(rates):
            requests = [_request(1_000 * (number + 1) + k, deadline_s) for k in range(int(rate * seconds))]
            replies = _open_loop(client, requests, rate, 4.0 * deadline_s + 5.0)
            rows.append(_figures(rate, deadline_s, replies))
            time.sleep(PAUSE_S)
    return rows


def _request(seed: int, deadline_s: float) -> Any:
    request = invoice_request(seed)
    request.policy.deadline.FromNanoseconds(int(deadline_s * 1e9))
    return request


def _ask(client: Any, request: Any, timeout_s: float) -> Reply:
    from protos.common_pb2 import ServiceLevel
    from services.client import ServiceError

    started = time.monotonic()
    try:
        answer = client.call(client.invoices.PrioritizeInvoices, request, timeout_s)
    except ServiceError as error:
        return Reply(str(error.code), time.monotonic() - started, answered=False)
    report = answer.report
    level = ServiceLevel.Name(report.service_level)
    what = f"{level} ({report.service_level_reason})" if report.service_level_reason else level
    return Reply(what, time.monotonic() - started, answered=True)


def _open_loop(client: Any, requests: list[Any], rate: float, timeout_s: float) -> list[Reply]:
    """Send each request at its time, in a thread of its own."""
    replies: list[Reply] = []
    threads = []
    started = time.monotonic()
    for k, request in enumerate(requests):
        time.sleep(max(0.0, started + k / rate - time.monotonic()))
        thread = threading.Thread(target=lambda r=request: replies.append(_ask(client, r, timeout_s)))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    return replies


def _figures(rate: float, deadline_s: float, replies: list[Reply]) -> dict[str, Any]:
    answered = [reply.took_s for reply in replies if reply.answered]
    late = sum(took_s > deadline_s + GRACE_S for took_s in answered)
    p50, p99 = np.percentile(answered, (50, 99)) if answered else (None, None)
    return {
        "rate_per_s": rate,
        "requests": len(replies),
        "in_time": len(answered) - late,
        "late": late,
        "not_answered": len(replies) - len(answered),
        "p50_s": p50,
        "p99_s": p99,
        "as": dict(Counter(reply.what for reply in replies).most_common()),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--deadline", type=float, default=2.0, help="of each request, in seconds")
    parser.add_argument("--rates", type=float, nargs="+", default=[15.0, 40.0, 80.0, 15.0], help="requests a second")
    parser.add_argument("--seconds", type=float, default=12.0, help="for each rate")
    given = parser.parse_args()
    print(f"deadline {given.deadline:g} s, {given.seconds:g} s a rate; not answered: refused with a time to come back")
    for row in run(given.deadline, given.rates, given.seconds):
        times = "" if row["p50_s"] is None else f", p50 {row['p50_s']:.2f} s, p99 {row['p99_s']:.2f} s"
        print(
            f"{row['rate_per_s']:g}/s: {row['in_time']} of {row['requests']} in time, {row['late']} late,"
            f" {row['not_answered']} not answered{times}; {row['as']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
