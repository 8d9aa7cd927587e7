"""What gets which share of the requests: the tables ``[[federation.canaries]]`` and ``[[federation.flags]]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from federation.canary import CanaryConfig
from federation.flags import Flag
from federation.rollouts import CanarySetting
from federation.settings_reader import Reader
from solvers.registry import KINDS, problem_kind

_RULE = tuple(one.name for one in fields(CanaryConfig))


def canaries(reader: Reader, tables: Any) -> tuple[CanarySetting, ...]:
    """Pairs of backends, or with a ``kind`` of strategies; each may be in one canary only."""
    found: list[CanarySetting] = []
    numbers = ("share", "attempt", *_RULE)
    for path, table in _tables(reader, tables, "federation.canaries"):
        reader.only(table, ("stable", "candidate", "kind", *numbers), path)
        kind = table.get("kind", "")
        versions = _versions(reader, kind, f"{path}.kind") if kind else None
        if kind and versions is None:
            continue
        known = reader.backends if versions is None else versions
        what = f"a strategy of {kind} problems" if kind else "a configured backend"
        pair = [_named(reader, table.get(end), known, what, f"{path}.{end}") for end in ("stable", "candidate")]
        taken = {(one.kind, name): place for place, one in enumerate(found) for name in (one.stable, one.candidate)}
        for end, name in zip(("stable", "candidate"), pair, strict=True):
            if (kind, name) in taken:
                where = f"federation.canaries[{taken[kind, name]}]"
                reader.wrong(f"{path}.{end}", f"is {name!r}, which is in {where}", "each in one canary")
                pair = [""]
        if not all(pair):
            continue
        stable, candidate = pair
        of = ("", "") if versions is None else (versions[stable], versions[candidate])

        def make(
            share: float = 0.05,
            attempt: int = 1,
            ends: tuple[str, str] = (stable, candidate),
            kind: str = kind,
            of: tuple[str, str] = of,
            **rule: Any,
        ) -> CanarySetting:
            return CanarySetting(*ends, share, CanaryConfig(**rule), kind, of, attempt)

        one = reader.build(make, {name: table[name] for name in numbers if name in table}, path, numbers, {})
        if one is not None:
            found.append(one)
    return tuple(found)


def flags(reader: Reader, tables: Any) -> tuple[Flag, ...]:
    """Backends, or strategies with their ``kind``, and the share of the requests that may use them."""
    found: list[Flag] = []
    for path, table in _tables(reader, tables, "federation.flags"):
        reader.only(table, ("backend", "strategy", "kind", "share"), path)
        if ("backend" in table) == ("strategy" in table):
            reader.wrong(path, "names both a backend and a strategy, or neither", "one of them")
            continue
        if "share" not in table:
            reader.wrong(f"{path}.share", "is missing", "0 - 1; 0: switched off")
            continue
        kind = ""
        if "backend" in table:
            if "kind" in table:
                reader.wrong(f"{path}.kind", f"is {table['kind']!r}", "only with a strategy")
            name = _named(reader, table["backend"], reader.backends, "a configured backend", f"{path}.backend")
        else:
            kind = table.get("kind", "")
            versions = _versions(reader, kind, f"{path}.kind")
            if versions is None:
                continue
            what = f"a strategy of {kind} problems"
            name = _named(reader, table["strategy"], versions, what, f"{path}.strategy")
        if any((one.kind, one.name) == (kind, name) for one in found):
            reader.wrong(path, f"names {name!r} again", "one flag each")
            name = ""
        fixed = {"name": name, "kind": kind}
        one = reader.build(Flag, {"share": table["share"]}, path, ("share",), fixed) if name else None
        if one is not None:
            found.append(one)
    return tuple(found)


def _tables(reader: Reader, tables: Any, path: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Each table with its path."""
    if not isinstance(tables, (list, tuple)):
        reader.wrong(path, f"is {tables!r}", f"tables, [[{path}]]")
        return []
    for place, table in enumerate(tables):
        if not isinstance(table, Mapping):
            reader.wrong(f"{path}[{place}]", f"is {table!r}", "a table")
    return [(f"{path}[{place}]", table) for place, table in enumerate(tables) if isinstance(table, Mapping)]


def _versions(reader: Reader, kind: Any, path: str) -> dict[str, str] | None:
    """Version of each strategy of ``kind``; ``None`` when there is no such kind."""
    if kind not in KINDS:
        reader.wrong(path, f"is {kind!r}", ", ".join(KINDS))
        return None
    return {strategy.name: strategy.version for strategy in problem_kind(kind).strategies}


def _named(reader: Reader, name: Any, known: Any, what: str, path: str) -> str:
    """``name``; empty when nothing ``known`` is called so."""
    if isinstance(name, str) and name in known:
        return name
    reader.wrong(
        path, "is missing" if name is None else f"is {name!r}", f"{what}: {', '.join(sorted(known)) or 'none'}"
    )
    return ""
