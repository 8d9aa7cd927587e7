"""How late this process's event loop runs, measured as long as the gateway lives."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from actors.metrics import metrics
from federation.policy import Policy
from federation.pressure import Pressure

_PERIOD_S = 0.02


def deadline_s(request: Any) -> float:
    """The deadline that a solving request asks for, in seconds, before anything of it is converted or checked."""
    return request.policy.deadline.ToNanoseconds() / 1e9 or Policy.deadline_s


async def watch_lag(pressure: Pressure) -> None:
    """Tell ``pressure`` how late a timer fires, and operators what it makes of it."""
    while True:
        due_s = time.monotonic() + _PERIOD_S
        await asyncio.sleep(_PERIOD_S)
        pressure.note(max(0.0, time.monotonic() - due_s), _PERIOD_S)
        metrics().gateway_lag_seconds.set(pressure.lag_s)
