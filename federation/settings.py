"""What an operator sets of the federation: the ``[federation]`` table of the service's configuration.

.. code-block:: toml

    [federation]
    exploration_share = 0.1
    usd_per_gain = 100.0
    approval_above_usd = 50.0

    [federation.heartbeat]
    interval_s = 0.1

    [federation.breaker]
    consecutive_failures = 3

    [federation.domains]
    ibm-a = ["ibm", "us-east"]

    [[federation.groups]]
    name = "annealers"
    backends = ["annealer-a", "annealer-b", "annealer-c"]

    [[federation.canaries]]
    stable = "annealer-a"
    candidate = "annealer-new"
    share = 0.05

    [[federation.flags]]
    kind = "routing"
    strategy = "pyvrp"
    share = 0.0

    [federation.shadow]
    share = 0.02

    [federation.fairness.weights]
    acme = 3.0
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from federation.breaker import BreakerConfig
from federation.flags import Flag
from federation.groups import GroupConfig
from federation.heartbeat import HeartbeatConfig
from federation.policy import USD_MICROS
from federation.rollouts import CanarySetting
from federation.selection import SelectionConfig
from federation.settings_reader import Reader
from federation.settings_traffic import canaries, flags
from federation.sharing import FairnessSettings, fairness_from_table
from federation.watch import WatchConfig
from federation.weights import WeightsConfig
from solvers.errors import FieldViolation, InvalidProblem

_MOST_USD = 1_000_000
_SELECTION = ("exploration_share", "trial_runs", "usd_per_gain", "most_racing")
_TABLES = ("heartbeat", "breaker", "domains", "groups", "weights", "canaries", "flags", "shadow", "fairness")


@dataclass(frozen=True)
class FederationSettings:
    """The parsed table; every default is what holds without one.

    Parameters
    ----------
    selection
        How backends are chosen.
    watch
        How they are watched.
    domains
        Vendor, region and whatever else fails as one, by backend.
    groups
        Interchangeable backends.
    approval_above_usd_micros
        What a request may spend unless an operator sends it, in millionths of a US dollar; ``None``: its own budget.
    canaries
        Candidates that get a share of a stable backend's or strategy's traffic until a rule promotes them or rolls
        them back.
    flags
        Backends and strategies that are switched off, or for a share of the requests only.
    shadow_share
        Share (0 - 1) of classical requests that a free local backend is asked for too, without effect on the answer.
    fairness
        How tenants share workers and the queue.
    """

    selection: SelectionConfig = field(default_factory=lambda: SelectionConfig(ask_free=True))
    watch: WatchConfig = field(default_factory=WatchConfig)
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[GroupConfig, ...] = ()
    approval_above_usd_micros: int | None = None
    canaries: tuple[CanarySetting, ...] = ()
    flags: tuple[Flag, ...] = ()
    shadow_share: float = 0.0
    fairness: FairnessSettings = field(default_factory=FairnessSettings)


def settings_from_table(table: Any, backends: Collection[str]) -> FederationSettings:
    """The settings in ``table``, the ``[federation]`` table as TOML gives it; ``None``: the defaults.

    Parameters
    ----------
    table
        As read.
    backends
        Names of the configured backends: nothing else may be named.

    Raises
    ------
    InvalidProblem
        Naming each setting at fault, as ``federation.groups[0].backends``.
    """
    if table is None:
        return FederationSettings()
    reader = Reader(frozenset(backends))
    if not isinstance(table, Mapping):
        raise InvalidProblem([FieldViolation("federation", f"is {table!r}", "a table")])
    reader.only(table, (*_SELECTION, "approval_above_usd", *_TABLES), "federation")
    weights = reader.build(WeightsConfig, table.get("weights", {}), "federation.weights", _names(WeightsConfig), {})
    found = FederationSettings(
        selection=reader.build(
            SelectionConfig,
            {name: table[name] for name in _SELECTION if name in table},
            "federation",
            _SELECTION,
            {"ask_free": True},
        )
        or SelectionConfig(ask_free=True),
        watch=_watch(reader, table),
        domains=_domains(reader, table.get("domains", {})),
        groups=_groups(reader, table.get("groups", []), weights or WeightsConfig()),
        approval_above_usd_micros=_dollars(reader, table.get("approval_above_usd"), "federation.approval_above_usd"),
        canaries=canaries(reader, table.get("canaries", [])),
        flags=flags(reader, table.get("flags", [])),
        shadow_share=_shadow(reader, table.get("shadow", {})),
        fairness=fairness_from_table(table.get("fairness", {}), reader.wrong),
    )
    if reader.violations:
        raise InvalidProblem(reader.violations)
    return found


def _shadow(reader: Reader, table: Any) -> float:
    def make(share: float = 0.0) -> float:
        if not 0 <= share <= 1:
            raise ValueError(f"share is {share}; allowed: 0 - 1")
        return float(share)

    return reader.build(make, table, "federation.shadow", ("share",), {}) or 0.0


def _dollars(reader: Reader, value: Any, path: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_USD:
        reader.wrong(path, f"is {value!r}", f"0 - {_MOST_USD:,} US dollars")
        return None
    return round(value * USD_MICROS)


def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


def _watch(reader: Reader, table: Mapping[str, Any]) -> WatchConfig:
    heart = table.get("heartbeat", {})
    known = ("interval_s", "threshold", "hold_phi", "least_deviation_s", "most_unheard", "lone_silence_s")

    def make(
        hold_phi: float = WatchConfig.hold_phi,
        interval_s: float = HeartbeatConfig.expected_s,
        threshold: float = HeartbeatConfig.threshold,
        least_deviation_s: float = HeartbeatConfig.least_deviation_s,
        most_unheard: int = WatchConfig.most_unheard,
        lone_silence_s: float = WatchConfig.lone_silence_s,
    ) -> WatchConfig:
        if not 0.02 <= interval_s <= 60:
            raise ValueError(f"interval_s is {interval_s}; allowed: 0.02 - 60 s")
        breaker = reader.build(BreakerConfig, table.get("breaker", {}), "federation.breaker", _names(BreakerConfig), {})
        heartbeat = HeartbeatConfig(interval_s, threshold, least_deviation_s=least_deviation_s)
        return WatchConfig(
            heartbeat, hold_phi, most_unheard, lone_silence_s=lone_silence_s, breaker=breaker or BreakerConfig()
        )

    return reader.build(make, heart, "federation.heartbeat", known, {}) or WatchConfig()


def _domains(reader: Reader, table: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, Mapping):
        reader.wrong("federation.domains", f"is {table!r}", "a table: backend = [names of what it shares]")
        return {}
    reader.known_backends(list(table), "federation.domains")
    found = {}
    for name, shared in table.items():
        if not isinstance(shared, (list, tuple)) or not all(isinstance(each, str) and each for each in shared):
            reader.wrong(f"federation.domains.{name}", f"is {shared!r}", "a list of names, such as a vendor's")
        else:
            found[name] = tuple(shared)
    return found


def _groups(reader: Reader, tables: Any, weights: WeightsConfig) -> tuple[GroupConfig, ...]:
    if not isinstance(tables, (list, tuple)):
        reader.wrong("federation.groups", f"is {tables!r}", "tables, [[federation.groups]]")
        return ()
    found: list[GroupConfig] = []
    taken: dict[str, str] = {}
    for place, table in enumerate(tables):
        path = f"federation.groups[{place}]"
        if not isinstance(table, Mapping):
            reader.wrong(path, f"is {table!r}", "a table")
            continue
        reader.only(table, ("name", "backends", "expected_s"), path)
        name = table.get("name")
        if not isinstance(name, str) or not name or name in [group.name for group in found]:
            reader.wrong(f"{path}.name", f"is {name!r}", "a text that no other group has")
        members = reader.known_backends(table.get("backends"), f"{path}.backends")
        for member in members:
            if member in taken:
                reader.wrong(f"{path}.backends", f"names {member!r}, which is in {taken[member]!r}", "one group each")
        taken |= dict.fromkeys(members, str(name))
        numbers = {key: table[key] for key in ("expected_s",) if key in table}
        fixed = {"name": str(name), "backends": members, "weights": weights}
        group = reader.build(GroupConfig, numbers, path, ("expected_s",), fixed)
        if group is not None:
            found.append(group)
    return tuple(found)
