"""Flags: what an operator switches off, or gives a share of the requests, by configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from federation.shares import in_share


@dataclass(frozen=True)
class Flag:
    """``share`` (0 - 1) of the requests may use a backend, or a strategy of one ``kind``; 0: it is switched off.

    ``kind`` is empty for a backend.
    """

    name: str
    share: float
    kind: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is {self.share}; allowed: 0 - 1")

    def admits(self, job_id: str) -> bool:
        """Whether the request of ``job_id`` may use it."""
        return in_share(job_id, f"flag:{self.kind}/{self.name}", self.share)


class Flags:
    """All flags; what has none may be used by every request."""

    def __init__(self, flags: Iterable[Flag] = ()) -> None:
        self._flags = {(flag.kind, flag.name): flag for flag in flags}

    def strategies_off(self, kind: str, names: Collection[str], job_id: str) -> frozenset[str]:
        """Strategies of ``kind`` that ``job_id`` may not use."""
        return frozenset(
            name for name in names if (kind, name) in self._flags and not self._flags[kind, name].admits(job_id)
        )

    def backends_off(self, job_id: str, asked_for: Collection[str] = ()) -> frozenset[str]:
        """Backends that ``job_id`` may not use. One that it names itself is only off where it is off for everybody."""
        return frozenset(
            flag.name
            for (kind, name), flag in self._flags.items()
            if not kind and not flag.admits(job_id) and (flag.share == 0 or name not in asked_for)
        )
