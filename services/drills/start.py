"""Start a drill's own process: Ray takes its authentication from the environment it is imported in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from services.drills.load import LoadConfig
from services.environment import environment
from solvers.errors import PolicyUnmet

if TYPE_CHECKING:
    from services.host import ServiceInfo

_SPARE_S = 120.0
_ROUND_S = 30.0


def start_drill(
    info: ServiceInfo, rounds: Sequence[tuple[str, str]], outage_s: float, load: LoadConfig
) -> dict[str, Any]:
    """The findings of a drill on the service of ``info``, which must run on this machine.

    Raises
    ------
    PolicyUnmet
        When the drill refuses, or its process fails.
    """
    order = {
        "grpc_address": info.grpc_address,
        "ray_address": info.ray_address,
        "state_dir": str(info.state_dir),
        "rounds": [list(one) for one in rounds],
        "outage_s": outage_s,
        "load": asdict(load),
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.drills.run"],
        input=json.dumps(order),
        env={**os.environ, **environment(info.state_dir)},
        capture_output=True,
        text=True,
        timeout=_SPARE_S + len(rounds) * (outage_s + _ROUND_S),
        check=False,
    )
    if done.returncode:
        raise PolicyUnmet(f"the drill's process failed: {(done.stderr or 'no message').strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "error" in found:
        raise PolicyUnmet(found["error"])
    return found
