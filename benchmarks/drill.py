"""One of three interchangeable backends dies under load, again and again, on a real service of its own."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from services import host
from services.config import ServiceConfig
from services.drills.load import LoadConfig
from services.drills.start import start_drill
from services.drills.table import MUST, met
from services.drills.table import table as findings_table

BACKENDS = ("annealer-a", "annealer-b", "annealer-c")
READS = 10
"""Of a kernel: enough for plans as small as these, and cheap enough for 20 a second on two cores."""
OUTAGE_S = 2.0
FAULTS = ("partition", "outage")


def run(quick: bool = False) -> dict[str, Any]:
    """Drill; 4 faults when ``quick``, else 9. Each is of 2 s, in turn a process that hangs and one that is killed."""
    count = 4 if quick else 9
    rounds = [(FAULTS[place % 2], BACKENDS[place % 3]) for place in range(count)]
    with tempfile.TemporaryDirectory(prefix="isinglass-drill-") as folder:
        config = ServiceConfig(
            state_dir=Path(folder) / "state",
            grpc_port=_free_port(),
            http_port=_free_port(),
            dashboard_port=0,
            workers=2,
            backends=tuple({"name": name, "type": "annealer", "options": {"max_shots": READS}} for name in BACKENDS),
            federation={"groups": [{"name": "annealers", "backends": list(BACKENDS)}]},
        )
        info = host.start(config)
        try:
            found = start_drill(info, rounds, OUTAGE_S, LoadConfig())
        finally:
            host.stop(config.state_dir)
    return {**found, "must": MUST, "met": met(found)}


def table(result: dict[str, Any]) -> str:
    """The figures for people."""
    return findings_table(result)


def _free_port() -> int:
    """A port nobody listens on, below those that the system hands out to others meanwhile."""
    chance = Random()
    while True:
        port = chance.randrange(20_000, 30_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


if __name__ == "__main__":
    import sys

    print(table(run(quick="--quick" in sys.argv)))
