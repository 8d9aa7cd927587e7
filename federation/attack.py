"""The plan of attack: which strategies in which order, which backends with what, and why the others are left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from backends.backend import BackendFacts, Technology
from federation.policy import Policy, Profile, Residency
from federation.reasons import NOT_DEGRADED, Reason
from federation.sizing import MIN_KERNEL_VARIABLES, expected_seconds, max_kernel_variables, qaoa_layers
from federation.spending import MIN_SHOTS, allot, is_metered
from solvers.problem import Features, JsonObject


@dataclass(frozen=True)
class BackendView:
    """What the scheduler sees of one backend now.

    ``overloaded``: more jobs wait than there are workers, and what runs on the same cores takes time from all of them.
    ``switched_off``: the operator does not let this request have it.
    """

    facts: BackendFacts
    circuit_open: bool = False
    overloaded: bool = False
    switched_off: bool = False


@dataclass(frozen=True)
class BackendChoice:
    """A backend that takes part.

    Parameters
    ----------
    name
        Which.
    max_variables
        Most variables of the kernel cut for it (>= 2).
    shots
        Shots (gate) or reads (annealer) it may use (>= 1).
    layers
        QAOA layers (gate backends; 1 - 16).
    expected_usd_micros
        Worst case of its cost, in millionths of a US dollar.
    reason
        Why it was chosen, for the decision record.
    """

    name: str
    max_variables: int
    shots: int
    layers: int
    expected_usd_micros: int
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A backend that is left out. ``wanted``: the profile counted on it, so its absence is a degradation."""

    backend: str
    reason: Reason
    wanted: bool = True


@dataclass(frozen=True)
class Attack:
    """Strategies in the order in which workers take them; backends in the order of preference; who is left out.

    ``shadow`` is asked after the answer has left, for what it would have brought. ``strategies_out``: strategies that
    accept the problem and were left out all the same, with why.
    """

    strategies: tuple[str, ...]
    backends: tuple[BackendChoice, ...]
    skipped: tuple[Skipped, ...]
    shadow: BackendChoice | None = None
    strategies_out: tuple[tuple[str, str], ...] = ()

    @property
    def expected_usd_micros(self) -> int:
        """Worst case of all backends together, in millionths of a US dollar."""
        return sum(choice.expected_usd_micros for choice in self.backends)

    def to_json(self) -> JsonObject:
        """For the decision record."""
        shadow = {} if self.shadow is None else {"shadow": self.shadow.name}
        return shadow | {
            "strategies": list(self.strategies),
            "strategies_skipped": [{"strategy": name, "reason": why} for name, why in self.strategies_out],
            "backends": [
                {
                    "name": choice.name,
                    "max_variables": choice.max_variables,
                    "shots": choice.shots,
                    "layers": choice.layers,
                    "expected_usd_micros": choice.expected_usd_micros,
                    "reason": choice.reason,
                }
                for choice in self.backends
            ],
            "skipped": [
                {"backend": skipped.backend, "reason": str(skipped.reason), "wanted": skipped.wanted}
                for skipped in self.skipped
            ],
        }


@dataclass(frozen=True)
class Pick:
    """A selector's word on one eligible backend: take it (in the order given) or leave it, and why."""

    backend: str
    take: bool
    reason: str
    skip_reason: Reason = Reason.NOT_SELECTED


class Selector(Protocol):
    """Learns from observations which strategies and backends are worth their time and money."""

    def order_strategies(
        self, kind: str, features: Features, strategies: Sequence[str], remaining_s: float
    ) -> tuple[str, ...]:
        """``strategies`` in the order in which workers should take them: a permutation."""
        ...

    def pick_backends(
        self, kind: str, features: Features, eligible: Sequence[BackendFacts], policy: Policy, remaining_s: float
    ) -> Sequence[Pick]:
        """One `Pick` per eligible backend, the preferred first."""
        ...


def plan_attack(
    kind: str,
    features: Features,
    strategies: Sequence[str],
    backends: Sequence[BackendView],
    policy: Policy,
    remaining_s: float,
    selector: Selector | None = None,
    gives_way: Callable[[Collection[str]], Mapping[str, str]] | None = None,
) -> Attack:
    """Choose strategies and backends for one request.

    Parameters
    ----------
    kind, features
        The problem's kind, and what selection may learn from.
    strategies
        Names of the strategies that accept the problem, the preferred first.
    backends
        All that are configured.
    policy
        What the request allows.
    remaining_s
        Seconds left until the request's deadline.
    selector
        Orders and thins what the rules leave; ``None``: all of it, local and free first (devices first under
        profile ``HARDWARE``).
    gives_way
        Given the backends that may take part: every backend whose place one of them takes, and which
        (`federation.groups.Groups.preferred`); ``None``: no two are interchangeable.

    Returns
    -------
    Attack
        Every backend is either in ``backends`` or in ``skipped``. The worst cases of all chosen ones together stay
        within ``policy.budget_usd_micros``, their shots within ``policy.max_shots``.
    """
    ordered = tuple(strategies)
    if policy.replayable:
        # One strategy under a work limit: anything that runs beside it would make the order of events matter.
        skipped = tuple(Skipped(view.facts.name, Reason.REPLAYABLE, wanted=False) for view in backends)
        return Attack(ordered[:1], (), skipped)
    if selector is not None:
        try:
            ordered = tuple(selector.order_strategies(kind, features, ordered, remaining_s))
        except (ArithmeticError, ValueError):
            # Selection may only improve on the rules: where its numbers fail, the configured order stands.
            ordered = tuple(strategies)

    left_out: list[Skipped] = []
    eligible: list[BackendFacts] = []
    for view in backends:
        reason = _rule_out(view, policy, remaining_s)
        if reason is None:
            eligible.append(view.facts)
        else:
            left_out.append(Skipped(view.facts.name, reason, wanted=reason not in NOT_DEGRADED))
    if gives_way is not None:
        replaced = gives_way([facts.name for facts in eligible])
        # Who is away misses nothing that another does in its place: its reason stays, and lowers no service level.
        left_out = [replace(skipped, wanted=skipped.wanted and skipped.backend not in replaced) for skipped in left_out]
        left_out += [
            Skipped(facts.name, Reason.INTERCHANGEABLE, wanted=False) for facts in eligible if facts.name in replaced
        ]
        eligible = [facts for facts in eligible if facts.name not in replaced]

    devices_first = policy.profile is Profile.HARDWARE
    eligible.sort(key=lambda facts: _preference(facts, devices_first))
    reasons = {facts.name: _why(facts, policy.profile) for facts in eligible}
    if selector is not None and eligible:
        picks = _picks(selector, kind, features, eligible, policy, remaining_s)
        by_name = {facts.name: facts for facts in eligible}
        eligible = [by_name[pick.backend] for pick in picks if pick.take]
        reasons |= {pick.backend: pick.reason for pick in picks}
        left_out += [
            Skipped(pick.backend, pick.skip_reason, wanted=pick.skip_reason not in NOT_DEGRADED)
            for pick in picks
            if not pick.take
        ]

    chosen: list[BackendChoice] = []
    facts_of = {facts.name: facts for facts in eligible}
    for allotment in allot(eligible, policy.budget_usd_micros, policy.max_shots):
        facts = facts_of[allotment.backend]
        if allotment.reason is not None:
            left_out.append(Skipped(facts.name, allotment.reason))
            continue
        chosen.append(
            BackendChoice(
                facts.name,
                max_kernel_variables(facts),
                allotment.shots,
                qaoa_layers(facts),
                allotment.expected_usd_micros,
                reasons[facts.name],
            )
        )
    return Attack(ordered, tuple(chosen), tuple(left_out))


def _picks(
    selector: Selector,
    kind: str,
    features: Features,
    eligible: Sequence[BackendFacts],
    policy: Policy,
    remaining_s: float,
) -> Sequence[Pick]:
    """The selector's picks, or all that the rules leave where its numbers fail: an answer does not wait for a model."""
    try:
        return selector.pick_backends(kind, features, eligible, policy, remaining_s)
    except (ArithmeticError, ValueError) as error:
        failed = f"by rule, since selection failed: {type(error).__name__}: {error}"[:300]
        return [Pick(facts.name, True, failed) for facts in eligible]


def _rule_out(view: BackendView, policy: Policy, remaining_s: float) -> Reason | None:
    """The first rule that keeps a backend out, the policy's own rules before the backend's state."""
    facts = view.facts
    metered = is_metered(facts.price)
    external = not facts.is_local
    if policy.profile is Profile.CLASSICAL or (policy.profile is Profile.SIMULATE and (metered or external)):
        return Reason.PROFILE_EXCLUDES
    if policy.allowed_backends and facts.name not in policy.allowed_backends:
        return Reason.NOT_ALLOWED
    if external and policy.residency is Residency.LOCAL_ONLY:
        return Reason.RESIDENCY_LOCAL_ONLY
    if metered and policy.budget_usd_micros == 0:
        # Hybrid means "metered backends within the budget": none without one. Hardware asks for devices by name.
        wanted = policy.profile is Profile.HARDWARE or facts.name in policy.allowed_backends
        return Reason.BUDGET_REQUEST_LIMIT if wanted else Reason.NO_BUDGET
    if view.switched_off:
        return Reason.SWITCHED_OFF
    if not facts.available:
        return Reason.BACKEND_UNAVAILABLE
    if view.circuit_open:
        return Reason.CIRCUIT_OPEN
    if view.overloaded and not external and facts.name not in policy.allowed_backends:
        return Reason.OVERLOADED
    if max_kernel_variables(facts) < MIN_KERNEL_VARIABLES:
        return Reason.PROGRAM_TOO_LARGE
    if policy.max_shots < min(MIN_SHOTS, facts.max_shots):
        return Reason.SHOTS_LIMIT
    if expected_seconds(facts) > remaining_s:
        return Reason.NO_TIME
    return None


def _preference(facts: BackendFacts, devices_first: bool) -> tuple[Any, ...]:
    is_device = not facts.is_local or is_metered(facts.price)
    # Annealers answer soonest; among equals the larger machine sees more of the core.
    first = not is_device if devices_first else is_device
    return (first, facts.technology is not Technology.ANNEALER, -facts.qubits, facts.name)


def _why(facts: BackendFacts, profile: Profile) -> str:
    where = "local" if facts.is_local else "vendor"
    charge = "metered, within the request's budget" if is_metered(facts.price) else "free of charge"
    return f"profile {profile}: {where} {facts.technology.value}, {charge}"


@dataclass(frozen=True)
class Outcome:
    """What became of one chosen backend: ``outcome`` is OK, SKIPPED, REFUSED, FAILED or CANCELLED."""

    outcome: str
    reason: str = ""


def service_level(attack: Attack, outcomes: Mapping[str, Outcome], solved: bool = True) -> tuple[str, str]:
    """The degradation ladder's step and its reason code (empty for ``FULL``).

    Parameters
    ----------
    attack
        The plan.
    outcomes
        By name of a chosen backend; one that is absent counts as not answered by the deadline.
    solved
        Whether any strategy of ``attack`` took part; without one the answer is the insurance.

    Returns
    -------
    tuple[str, str]
        ``FULL``; ``REDUCED`` when some wanted backend is missing; ``LOCAL`` when all of them are;
        ``INSURANCE`` when no strategy took part.
    """
    if not solved:
        return "INSURANCE", str(Reason.NO_WORKER if attack.strategies else Reason.NO_STRATEGY)
    missing = [str(skipped.reason) for skipped in attack.skipped if skipped.wanted]
    present = 0
    for choice in attack.backends:
        outcome = outcomes.get(choice.name, Outcome("CANCELLED", Reason.DEADLINE))
        if outcome.outcome == "OK" or outcome.reason in NOT_DEGRADED:
            present += 1
        else:
            missing.append(outcome.reason or str(Reason.BACKEND_FAILED))
    if not missing:
        return "FULL", ""
    # A backend that failed under way tells more than one that was left out before the start.
    return ("REDUCED" if present else "LOCAL"), missing[-1]
