"""What an operator sets of the sharing between tenants: ``[federation.fairness]``, weights by tenant among it.

.. code-block:: toml

    [federation.fairness]
    quantum_s = 0.5
    aging_s = 5.0

    [federation.fairness.weights]
    acme = 3.0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from federation.fairness import FairQueue

MOST_WEIGHT = 1000.0
NUMBERS = ("quantum_s", "aging_s", "patience")


@dataclass(frozen=True)
class FairnessSettings:
    """See `federation.fairness.FairQueue`, which takes the same.

    Parameters
    ----------
    weights
        Share of workers, and of a full queue, of each tenant relative to the others; 1 for those not named.
    quantum_s, aging_s, patience
        As there.

    """

    weights: Mapping[str, float] = field(default_factory=dict)
    quantum_s: float = 0.5
    aging_s: float = 5.0
    patience: float = 0.1

    def queue(self) -> FairQueue:
        """An empty queue that shares so."""
        return FairQueue(self.weights, self.quantum_s, self.aging_s, self.patience)

    def weight(self, tenant: str) -> float:
        """The share of ``tenant`` relative to the others."""
        return self.weights.get(tenant, 1.0)


def fairness_from_table(table: Any, wrong: Callable[[str, str, str], None]) -> FairnessSettings:
    """The settings in ``table``; what is at fault is told to ``wrong(path, what, allowed)``."""
    path = "federation.fairness"
    if not isinstance(table, Mapping):
        wrong(path, f"is {table!r}", "a table")
        return FairnessSettings()
    known = ("weights", *NUMBERS)
    for name in set(table) - set(known):
        wrong(f"{path}.{name}", "is not a setting", ", ".join(known))
    numbers = {name: table[name] for name in NUMBERS if name in table}
    ranges = {"quantum_s": (0.05, 60.0), "aging_s": (0.0, 3600.0), "patience": (0.0, 1.0)}
    for name, value in list(numbers.items()):
        low, high = ranges[name]
        if not _is_number(value) or not low <= value <= high:
            wrong(f"{path}.{name}", f"is {value!r}", f"a number {low:g} - {high:g}")
            del numbers[name]
    weights = table.get("weights", {})
    if not isinstance(weights, Mapping):
        wrong(f"{path}.weights", f"is {weights!r}", "a table: tenant = weight")
        weights = {}
    for tenant, weight in weights.items():
        if not _is_number(weight) or not 0 < weight <= MOST_WEIGHT:
            wrong(f"{path}.weights.{tenant}", f"is {weight!r}", f"a number > 0 and <= {MOST_WEIGHT:g}")
    good = {name: float(weight) for name, weight in weights.items() if _is_number(weight) and 0 < weight <= MOST_WEIGHT}
    return FairnessSettings(good, **numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
