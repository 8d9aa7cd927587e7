"""Selection that learns: Thompson sampling over what backends and strategies did, and a race planned from the draws.

For each request: belief of each backend's gain on a problem with these features (prior from its calibration), its
chance to answer in time and in health, its price; then the set with the best expected best-of gain for its price. A
share of requests, set by an operator, explores by drawing from the beliefs; the others use what is expected.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr

from backends.backend import BackendFacts
from federation.attack import Pick
from federation.calibration import FRESH_S, CalibrationDesk
from federation.evidence import Seen
from federation.learning import ArmBelief, LearningConfig, Vector, feature_vector
from federation.policy import USD_MICROS, Policy
from federation.racing import plan_race
from federation.reasons import Reason
from federation.sizing import expected_seconds, max_kernel_variables, qaoa_layers
from federation.spending import facts_cost_usd_micros, is_metered
from federation.waiting import WaitEstimator
from solvers.problem import Features

SUCCESSFUL = frozenset({"OK"})
FAILURES = frozenset({"FAILED"})
"""Outcomes that speak of the arm; a refused, skipped or cancelled run says nothing about its gain."""

PLACE_STEP = 0.05
"""What each place in the configured order of strategies costs in the prior, in ``gain_scale``: ties keep the order."""


@dataclass(frozen=True)
class SelectionConfig:
    """What an operator sets.

    Parameters
    ----------
    exploration_share
        Share of requests that explore (0 - 1).
    trial_runs
        Until a backend has so many recent runs for a kind of problem, its gain is drawn for every request, ever less
        widely (>= 0); never where ``exploration_share`` is 0.
    usd_per_gain
        What improving an objective by all of itself (a gain of 1) is worth, in US dollars (> 0): what money is weighed
        against. At 100, a gain of 1 % is worth a dollar.
    most_racing
        Most backends in one race (>= 1).
    scenarios
        Scenarios of gains from which a race is planned (>= 1).
    fresh_s
        How long a calibrated value of each name counts in full, in seconds.
    learning
        Prior and memory of each arm.
    ask_free
        Ask what runs here free of charge also when little is expected of it: the answer then says what it brought.
    seed
        Of all draws.
    """

    exploration_share: float = 0.1
    trial_runs: float = 30.0
    usd_per_gain: float = 100.0
    most_racing: int = 3
    scenarios: int = 128
    fresh_s: Mapping[str, float] = field(default_factory=lambda: dict(FRESH_S))
    learning: LearningConfig = field(default_factory=LearningConfig)
    ask_free: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.exploration_share <= 1:
            raise ValueError(f"exploration_share is {self.exploration_share}; allowed: 0 - 1")
        if not 0 < self.usd_per_gain < math.inf:
            raise ValueError(f"usd_per_gain is {self.usd_per_gain}; allowed: > 0")
        if not 0 <= self.trial_runs < math.inf:
            raise ValueError(f"trial_runs is {self.trial_runs}; allowed: >= 0")
        if self.most_racing < 1 or self.scenarios < 1:
            raise ValueError(f"most_racing {self.most_racing}, scenarios {self.scenarios}; allowed: >= 1")


@dataclass(frozen=True)
class Prospect:
    """What one backend is expected to bring to one request; gains relative, money in US dollars."""

    backend: str
    gain: float
    deviation: float
    noise: float
    sampled: float
    healthy: float
    in_time: float
    usd: float
    weight: float

    @property
    def expected(self) -> float:
        """Expected gain, failures and lateness included."""
        return self.healthy * self.in_time * max(0.0, self.sampled)

    def describe(self, explores: bool) -> str:
        """For the decision record: ``"gain 1.20 % +- 0.30 (40 runs), up 0.97, in time 1.00, $0.30"``."""
        per_usd = f", {100 * self.expected / self.usd:.3g} % a dollar" if self.usd > 0 else ""
        return (
            f"gain {100 * self.gain:.2f} % +- {100 * self.deviation:.2f} ({self.weight:.0f} runs), "
            f"up {self.healthy:.2f}, in time {self.in_time:.2f}, ${self.usd:.2f}{per_usd}"
            f"{', exploring' if explores else ''}"
        )


class Selection:
    """Beliefs about all arms. A cache: it is rebuilt by feeding it the store's observations, oldest first."""

    def __init__(self, config: SelectionConfig | None = None) -> None:
        self.config = config or SelectionConfig()
        self._arms: dict[tuple[str, str, str], ArmBelief] = {}
        self._waits: dict[str, WaitEstimator] = {}
        self.desk = CalibrationDesk(self.config.fresh_s)
        """What calibrations promise; tell it of drift."""
        self._decisions = 0

    def observe(self, seen: Seen, now_s: float) -> None:
        """Learn from one run that ended at ``now_s`` (Unix time, seconds)."""
        arm = self._arm(seen.kind, *(("backend", seen.backend) if seen.backend else ("strategy", seen.strategy)))
        if seen.outcome in FAILURES:
            arm.record_failure(now_s)
        elif seen.outcome in SUCCESSFUL and not seen.contested:
            arm.health.record(True, now_s)
        elif seen.outcome in SUCCESSFUL:
            vector, prior = self._vector(seen.features, seen.facts, now_s)
            arm.record_gain(vector, seen.gain, prior, seen.seconds, now_s)

    def observe_queue(self, backend: str, queue_length: int, now_s: float) -> None:
        """``backend`` publishes a queue of ``queue_length`` jobs."""
        self.waits(backend).observe_queue(queue_length, now_s)

    def waits(self, backend: str) -> WaitEstimator:
        """The wait estimates of ``backend``."""
        return self._waits.setdefault(backend, WaitEstimator())

    def at(self, now_s: float) -> SelectionAt:
        """The `federation.attack.Selector` for decisions made at ``now_s`` (Unix time, seconds)."""
        return SelectionAt(self, now_s)

    def prospect(
        self,
        kind: str,
        features: Features,
        facts: BackendFacts,
        shots: int,
        remaining_s: float,
        now_s: float,
        draw: float,
    ) -> Prospect:
        """What to expect of one backend; ``draw`` is a standard normal number, 0 without exploring."""
        arm = self._arm(kind, "backend", facts.name)
        vector, prior = self._vector(features, facts, now_s)
        belief = arm.belief(vector, prior, now_s, draw)
        median_s, spread = arm.seconds(expected_seconds(facts))
        if facts.is_local or facts.name not in self._waits:
            in_time = float(ndtr(math.log(max(remaining_s, 1e-9) / median_s) / spread))
        else:
            run_s = expected_seconds(facts) - _queue_prior_s(facts)
            in_time = self.waits(facts.name).in_time_probability(facts.queue_length, remaining_s - run_s, now_s)
        return Prospect(
            facts.name,
            belief.mean,
            belief.deviation,
            belief.noise,
            belief.sampled,
            arm.health.mean(now_s),
            in_time,
            facts_cost_usd_micros(facts, min(shots, facts.max_shots)) / USD_MICROS,
            belief.weight,
        )

    def novelty(self, kind: str, backend: str, now_s: float) -> float:
        """1 for a backend without runs, falling to 0 at ``trial_runs`` of them; 0 where nothing may be explored."""
        if self.config.exploration_share == 0 or self.config.trial_runs == 0:
            return 0.0
        weight = self._arm(kind, "backend", backend).weight(now_s)
        return max(0.0, 1.0 - weight / self.config.trial_runs)

    def strategy_gain(
        self, kind: str, features: Features, strategy: str, place: int, now_s: float, draw: float
    ) -> float:
        """Expected (or drawn) gain of a classical strategy that is configured at ``place`` (0 first)."""
        arm = self._arm(kind, "strategy", strategy)
        scale = self.config.learning.gain_scale
        prior = scale * (1 - PLACE_STEP * place)
        belief = arm.belief(feature_vector(features, 1.0), prior, now_s)
        # An untried strategy keeps its configured place: exploring is for those that have been seen to be close.
        explored = draw * belief.deviation * min(1.0, belief.weight / 10)
        # What only ran often is no healthier than what has not run yet.
        untried = self.config.learning.health.prior_mean
        return min(arm.health.mean(now_s), untried) * (belief.mean + explored)

    def next_generator(self, *key: object) -> np.random.Generator:
        """Chance for the next decision: from the seed, the count of decisions and ``key`` alone."""
        self._decisions += 1
        text = repr((self.config.seed, self._decisions, key)).encode()
        return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))

    def _arm(self, kind: str, what: str, name: str) -> ArmBelief:
        key = (kind, what, name)
        found = self._arms.get(key)
        if found is None:
            found = self._arms[key] = ArmBelief(self.config.learning)
        return found

    def _vector(self, features: Features, facts: BackendFacts | None, now_s: float) -> tuple[Vector, float]:
        """The regression's row, and the gain to expect without learning: in full unless a calibration says less."""
        quality = 1.0
        if facts is not None:
            size = int(max(2.0, features.values.get("size", 2.0)))
            variables = min(size, max_kernel_variables(facts))
            quality = self.desk.quality(facts, variables, qaoa_layers(facts), now_s)
        return feature_vector(features, quality), self.config.learning.gain_scale * quality


@dataclass(frozen=True)
class SelectionAt:
    """A `Selection` at a moment: a `federation.attack.Selector`."""

    selection: Selection
    now_s: float

    def order_strategies(
        self,
        kind: str,
        features: Features,
        strategies: Sequence[str],
        remaining_s: float,  # noqa: ARG002 - the protocol's; anytime strategies have no run time of their own
    ) -> tuple[str, ...]:
        """``strategies``, the one with the most expected gain first; unseen ones keep their order."""
        rng = self.selection.next_generator("strategies", kind)
        explores = rng.random() < self.selection.config.exploration_share
        draws = rng.standard_normal(len(strategies)) if explores else np.zeros(len(strategies))
        gain = {
            name: self.selection.strategy_gain(kind, features, name, place, self.now_s, float(draws[place]))
            for place, name in enumerate(strategies)
        }
        return tuple(sorted(strategies, key=lambda name: -gain[name]))

    def pick_backends(
        self, kind: str, features: Features, eligible: Sequence[BackendFacts], policy: Policy, remaining_s: float
    ) -> Sequence[Pick]:
        """The race: chosen backends in the order of their worth, then the others with why not."""
        config = self.selection.config
        rng = self.selection.next_generator("backends", kind, policy.seed)
        explores = bool(rng.random() < config.exploration_share)
        left_out: list[Pick] = []
        field_: list[BackendFacts] = []
        for facts in eligible:
            fresh = self.selection.desk.freshness(facts, self.now_s)
            if fresh.excluded:
                oldest = (
                    f"{len(fresh.stale)} values are stale, the oldest {fresh.oldest_s / 3600:.0f} h: {fresh.stale[0]}"
                )
                left_out.append(Pick(facts.name, False, oldest, Reason.CALIBRATION_STALE))
            else:
                field_.append(facts)
        if not field_:
            return left_out
        shots = policy.max_shots // min(len(field_), config.most_racing)
        draws = rng.standard_normal(len(field_))
        prospects = [
            self.selection.prospect(
                kind,
                features,
                facts,
                shots,
                remaining_s,
                self.now_s,
                float(draw) * (1.0 if explores else self.selection.novelty(kind, facts.name, self.now_s)),
            )
            for facts, draw in zip(field_, draws, strict=True)
        ]
        gains = gain_scenarios(prospects, config.scenarios, rng)
        prices = [p.usd / config.usd_per_gain for p in prospects]
        money = [round(p.usd * USD_MICROS) for p in prospects]
        race = plan_race(gains, prices, money, policy.budget_usd_micros, config.most_racing, policy.seed)
        picks = [Pick(field_[i].name, True, prospects[i].describe(explores)) for i in race.chosen]
        picks += [
            Pick(facts.name, config.ask_free and _is_free(facts), prospects[i].describe(explores))
            for i, facts in enumerate(field_)
            if i not in race.chosen
        ]
        return picks + left_out


def _is_free(facts: BackendFacts) -> bool:
    return facts.is_local and not is_metered(facts.price)


def gain_scenarios(prospects: Sequence[Prospect], scenarios: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Gain of each backend in each scenario, shape ``(scenarios, len(prospects))``.

    A gain is never negative, so it is drawn from a Gamma distribution of the expected gain and the noise seen. Half of
    the variance is the problem's own and shared by all backends (a Gaussian copula): a kernel without anything to win
    has nothing for anyone, which is what keeps a race from looking better than it is.
    """
    count = len(prospects)
    shared = rng.standard_normal((scenarios, 1))
    own = rng.standard_normal((scenarios, count))
    levels = ndtr(math.sqrt(0.5) * shared + math.sqrt(0.5) * own)
    answers = rng.random((scenarios, count)) < np.array([p.healthy * p.in_time for p in prospects])
    mean = np.maximum(np.array([p.sampled for p in prospects]), 1e-12)
    deviation = np.maximum(np.array([p.noise for p in prospects]), 1e-12)
    shape = np.clip((mean / deviation) ** 2, 1e-3, 1e6)
    return np.asarray(np.where(answers, gammaincinv(shape, levels) * mean / shape, 0.0), dtype=np.float64)


def _queue_prior_s(facts: BackendFacts) -> float:
    """The part of `expected_seconds` that is the queue, which a `WaitEstimator` knows better."""
    return expected_seconds(facts) - expected_seconds(replace(facts, queue_length=0))
