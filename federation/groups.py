"""Interchangeable backends: one request goes to one of them, by weights that follow health and latency.

The weights are those of `federation.weights` over sampled failures. Which member a request gets follows from its id and
the weights alone, so that the same job asks the same one wherever it is planned; the others stand by in an order.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from federation.breaker import CircuitState
from federation.shares import position
from federation.watch import Watch
from federation.weights import WeightsConfig, traffic_weights

WEIGH_EVERY_S = 0.5
"""Weights are worked out again after so long, or at once when a member goes down or is heard again."""
RETURN_PER_S = 0.03
"""Share of the way back to equal weights that a group of healthy members goes in a second: half of it in 23 s."""
LATENCY_MEMORY = 0.1
"""What the newest latency counts against all before it."""
PROBE_EVERY_S = 0.5
"""A member whose circuit is half open is offered one request in so many seconds."""
_SCENARIO_SEED = 20_260_101


@dataclass(frozen=True)
class GroupConfig:
    """Backends that can stand in for each other.

    Parameters
    ----------
    name
        Of the group, for records.
    backends
        Its members, at least two, none of them in another group.
    expected_s
        Latency of a call until some are known, in seconds (> 0).
    weights
        What the weights minimise.
    """

    name: str
    backends: tuple[str, ...]
    expected_s: float = 0.1
    weights: WeightsConfig = field(default_factory=WeightsConfig)

    def __post_init__(self) -> None:
        if len(set(self.backends)) < 2 or len(set(self.backends)) != len(self.backends):
            raise ValueError(f"backends are {list(self.backends)}; allowed: at least two, each once")
        if not 0 < self.expected_s < math.inf:
            raise ValueError(f"expected_s is {self.expected_s}; allowed: > 0")


class Group:
    """The traffic of one group."""

    def __init__(self, config: GroupConfig, watch: Watch) -> None:
        self.config = config
        self._watch = watch
        self._latency_s = dict.fromkeys(config.backends, config.expected_s)
        self._weights: dict[str, float] = {}
        self._weighed_s = -math.inf
        self._probed_s: dict[str, float] = {}
        # One uniform number a member and scenario for its silence, spread evenly, the same at every weighing.
        rng = np.random.default_rng(_SCENARIO_SEED)
        rows = len(watch.domains.sample(0.0))
        ranks = np.argsort(rng.random((rows, len(config.backends))), axis=0)
        self._uniform = (ranks + 0.5) / rows

    def observe(self, backend: str, seconds: float) -> None:
        """A call took ``seconds`` (>= 0), or was given up after so many."""
        old_s = self._latency_s[backend]
        self._latency_s[backend] = old_s + LATENCY_MEMORY * (seconds - old_s)

    def latency_s(self, backend: str) -> float:
        """What a call is expected to take, in seconds."""
        return self._latency_s[backend]

    def weights(self, now_s: float, again: bool = False) -> dict[str, float]:
        """Share of the traffic by member, adding up to 1; ``again``: work them out now."""
        if again or not self._weights or now_s - self._weighed_s >= WEIGH_EVERY_S:
            columns = [self._watch.domains.backends.index(name) for name in self.config.backends]
            alive = np.array([self._watch.alive(name, now_s) for name in self.config.backends])
            up = self._watch.domains.sample(now_s)[:, columns] & (self._uniform < alive)
            before = self._returning(now_s) if self._weights else None
            self._weights = traffic_weights(self._latency_s, up, before, self.config.weights)
            self._weighed_s = now_s
        return dict(self._weights)

    def _returning(self, now_s: float) -> dict[str, float]:
        """The weights in force, a little nearer to equal ones over the members that are well.

        Moving traffic has a price, so without this a member that was away would stay at the floor for good.
        """
        well = [name for name in self.config.backends if self._watch.circuit(name, now_s) is CircuitState.CLOSED]
        if not well:
            return self._weights
        share = min(1.0, RETURN_PER_S * max(0.0, now_s - self._weighed_s))
        equal = {name: 1 / len(well) if name in well else 0.0 for name in self.config.backends}
        return {name: (1 - share) * old + share * equal[name] for name, old in self._weights.items()}

    def order(self, job_id: str, candidates: Collection[str], now_s: float) -> tuple[str, ...]:
        """The members among ``candidates`` for one job: the one it asks, then those that stand by.

        Members that are down or rest are left out. One whose circuit is half open comes first for one request in
        `PROBE_EVERY_S` and last for the others: without traffic it would never be known to be well.
        """
        able = [name for name in self.config.backends if name in candidates and self._watch.askable(name, now_s)]
        half_open = [name for name in able if self._watch.circuit(name, now_s) is CircuitState.HALF_OPEN]
        whole = [name for name in able if name not in half_open]
        weights = self.weights(now_s)
        # Exponential clocks: the first to ring is drawn by weight, and so is each one after it among the rest.
        whole.sort(key=lambda name: _clock(job_id, self.config.name, name, weights[name]))
        probe = next((name for name in half_open if self._due(name, now_s)), None)
        if probe is None:
            return (*whole, *half_open)
        self._probed_s[probe] = now_s
        return (probe, *whole, *(name for name in half_open if name != probe))

    def _due(self, name: str, now_s: float) -> bool:
        return now_s - self._probed_s.get(name, -math.inf) >= PROBE_EVERY_S


class Groups:
    """All groups of a scheduler; a backend in none of them stands alone."""

    def __init__(self, configs: Sequence[GroupConfig], watch: Watch) -> None:
        self._groups = [Group(config, watch) for config in configs]
        self._of: Mapping[str, Group] = {name: group for group in self._groups for name in group.config.backends}

    @property
    def all(self) -> tuple[Group, ...]:
        """As configured."""
        return tuple(self._groups)

    def of(self, backend: str) -> Group | None:
        """The group of ``backend``."""
        return self._of.get(backend)

    def observe(self, backend: str, seconds: float) -> None:
        """A call on ``backend`` took ``seconds``."""
        group = self.of(backend)
        if group is not None:
            group.observe(backend, seconds)

    def changed(self, backend: str, now_s: float) -> None:
        """``backend`` went down or came back: its group's traffic moves now."""
        group = self.of(backend)
        if group is not None:
            group.weights(now_s, again=True)

    def preferred(self, job_id: str, backends: Collection[str], now_s: float) -> dict[str, str]:
        """Every backend whose place one of ``backends`` takes, and which.

        Members of a group of which nobody can be asked give way to nobody: each is left out for its own reason.
        """
        gives_way: dict[str, str] = {}
        for group in self._groups:
            order = group.order(job_id, backends, now_s)
            gives_way |= {name: order[0] for name in group.config.backends if order and name != order[0]}
        return gives_way


def _clock(job_id: str, group: str, name: str, weight: float) -> float:
    uniform = max(position(job_id, f"{group}/{name}"), 1e-18)
    return -math.log(uniform) / max(weight, 1e-12)
