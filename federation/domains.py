"""Failures that strike together: backends that share a vendor or a region, by sampling.

A backend is up in a scenario when it is up itself and every domain it belongs to is. Uniform numbers are drawn once and
kept (common random numbers), so that the scenarios of two moments differ by the probabilities alone and what is decided
from them moves smoothly. Jiang, Kandula et al., TeaVaR, SIGCOMM 2019, weighs network paths over such scenarios.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from federation.health import BetaHealth, HealthConfig

DOMAIN_HEALTH = HealthConfig(prior_successes=99.0, prior_failures=1.0, half_life_s=600.0)
"""A vendor or region is down about 1 % of the time until seen otherwise."""


class FailureDomains:
    """Own and shared health of a set of backends.

    Parameters
    ----------
    domains
        Names of the shared domains of each backend: ``{"ibm_a": ("ibm", "us-east")}``.
    scenarios
        How many are sampled (>= 1).
    seed
        Of the kept random numbers.
    own, shared
        Prior and memory of a backend's own health and of a domain's.
    """

    def __init__(
        self,
        domains: Mapping[str, Sequence[str]],
        scenarios: int = 512,
        seed: int = 0,
        own: HealthConfig | None = None,
        shared: HealthConfig | None = None,
    ) -> None:
        if scenarios < 1:
            raise ValueError(f"scenarios is {scenarios}; allowed: >= 1")
        self.backends = tuple(sorted(domains))
        self._names = tuple(sorted({name for of in domains.values() for name in of}))
        self._member = np.array([[name in domains[b] for name in self._names] for b in self.backends], dtype=bool)
        self._member = self._member.reshape(len(self.backends), len(self._names))
        self._own = {backend: BetaHealth(own) for backend in self.backends}
        self._shared = {name: BetaHealth(shared or DOMAIN_HEALTH) for name in self._names}
        self._domains = {backend: tuple(domains[backend]) for backend in self.backends}
        self._last: dict[str, bool] = {}
        # Stratified, so that a probability of 1 % shows in 512 scenarios as 5 of them, not as 2 or 9.
        rng = np.random.default_rng(seed)
        width = len(self.backends) + len(self._names)
        ranks = np.argsort(rng.random((scenarios, width)), axis=0)
        self._uniform = (ranks + rng.random((scenarios, width))) / scenarios

    def record(self, backend: str, ok: bool, now_s: float) -> None:
        """A call on ``backend`` ended. A failure is put down to a shared domain when all that share it fail too."""
        self._last[backend] = ok
        blamed = False
        for name in self._domains[backend]:
            others = [b for b in self.backends if b != backend and name in self._domains[b]]
            if ok:
                self._shared[name].record(True, now_s)
            elif others and all(self._last.get(other) is False for other in others):
                self._shared[name].record(False, now_s)
                blamed = True
        # A failure that the domain explains says little about the backend itself.
        self._own[backend].record(ok, now_s, weight=0.25 if blamed else 1.0)

    def own(self, backend: str, now_s: float) -> float:
        """Probability that ``backend`` itself is up."""
        return self._own[backend].mean(now_s)

    def shared(self, domain: str, now_s: float) -> float:
        """Probability that ``domain`` is up."""
        return self._shared[domain].mean(now_s)

    def up(self, backend: str, now_s: float) -> float:
        """Probability that a call on ``backend`` succeeds: its own and that of all its domains."""
        result = self.own(backend, now_s)
        for name in self._domains[backend]:
            result *= self.shared(name, now_s)
        return result

    def sample(self, now_s: float) -> NDArray[np.bool_]:
        """Which backends are up in each scenario, shape ``(scenarios, len(backends))``, columns as in ``backends``."""
        count = len(self.backends)
        own = np.array([self.own(backend, now_s) for backend in self.backends])
        shared = np.array([self.shared(name, now_s) for name in self._names])
        own_up = self._uniform[:, :count] < own
        shared_down = self._uniform[:, count:] >= shared
        struck = (shared_down.astype(np.int64) @ self._member.T.astype(np.int64)) > 0
        return np.asarray(own_up & ~struck, dtype=np.bool_)
