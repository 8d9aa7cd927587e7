"""What a request allows: the `SolvePolicy` of the contract as a frozen value, and its JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from federation.policy_ranges import Profile, Residency, seconds_of, validate
from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import JsonObject

__all__ = ["USD_MICROS", "Policy", "Profile", "Residency", "format_duration", "validate"]

USD_MICROS = 1_000_000
"""Millionths in a US dollar."""


@dataclass(frozen=True)
class Policy:
    """How an answer is to be found, and what it may take. Not validated on construction: see `check`, `from_json`.

    Parameters
    ----------
    deadline_s
        From receipt to reply, in seconds (0.1 - 3600).
    target_gap
        Stop at this proved relative gap (>= 0); ``None``: run until the deadline or proved optimality.
    budget_usd_micros
        Most that the request may spend, in millionths of a US dollar (0 - 10**12).
    max_shots
        Most shots on quantum backends, all together (0 - 2**53 - 1).
    seed
        All chance comes from it (0 - 2**53 - 1).
    priority
        Higher goes first among waiting jobs (0 - 9).
    profile, residency
        Which solvers, and whether data may leave the cluster.
    allowed_backends
        Names of backends; empty: all that the profile allows.
    replayable
        One classical strategy under a work limit; only with profile ``CLASSICAL``.
    idempotency_key
        The same key with the same request is the same job; at most 128 characters.
    labels
        Sorted (key, value) pairs, at most 16, each at most 63 characters.
    """

    deadline_s: float = 10.0
    target_gap: float | None = None
    budget_usd_micros: int = 0
    max_shots: int = 2000
    seed: int = 0
    priority: int = 5
    profile: Profile = Profile.CLASSICAL
    allowed_backends: tuple[str, ...] = ()
    residency: Residency = Residency.LOCAL_ONLY
    replayable: bool = False
    idempotency_key: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def check(self, known_backends: Collection[str] | None = None, path: str = "policy") -> list[FieldViolation]:
        """Every field out of range, as `validate` finds them; backends' names only against given ``known_backends``."""
        found = validate(self._values(), known_backends, path)
        keys = [key for key, _ in self.labels]
        found += [
            FieldViolation(f"{path}.labels[{key}]" if path else f"labels[{key}]", "is given twice", "each key once")
            for key in sorted({key for key in keys if keys.count(key) > 1})
        ]
        return found

    def to_json(self) -> JsonObject:
        """In proto field names; budget as a number of dollars, deadline as the protos' JSON duration (``"10s"``)."""
        values = self._values()
        values["deadline"] = format_duration(self.deadline_s)
        return {
            name: value
            for name, value in values.items()
            if not (value is None or (value in ("", False, 0) and name not in _WRITTEN_ZERO) or value in ([], {}))
        }

    @classmethod
    def from_json(
        cls, data: Mapping[str, Any], known_backends: Collection[str] | None = None, path: str = "policy", seed: int = 0
    ) -> Policy:
        """The policy in ``data``, `to_json`'s form or the protos' own JSON; absent fields take the contract's defaults.

        ``seed`` stands in when ``data`` has none.

        Raises
        ------
        InvalidProblem
            Naming every field at fault.
        """
        violations = validate(data, known_backends, path)
        if violations:
            raise InvalidProblem(violations)
        values = {name: value for name, value in data.items() if value is not None}
        target_gap = values.get("target_gap")
        return cls(
            deadline_s=seconds_of(values.get("deadline", cls.deadline_s)) or cls.deadline_s,
            target_gap=None if target_gap is None else float(target_gap),
            budget_usd_micros=round(values.get("budget_usd", 0) * USD_MICROS),
            max_shots=int(values.get("max_shots", cls.max_shots)),
            seed=int(values.get("seed", seed)),
            priority=int(values.get("priority", cls.priority)),
            profile=Profile(_default_enum(values.get("profile"), Profile.CLASSICAL)),
            allowed_backends=tuple(values.get("allowed_backends", ())),
            residency=Residency(_default_enum(values.get("data_residency"), Residency.LOCAL_ONLY)),
            replayable=values.get("replayable", False),
            idempotency_key=values.get("idempotency_key", ""),
            labels=tuple(sorted(values.get("labels", {}).items())),
        )

    def _values(self) -> JsonObject:
        return {
            "deadline": self.deadline_s,
            "target_gap": self.target_gap,
            "budget_usd": self.budget_usd_micros / USD_MICROS,
            "max_shots": self.max_shots,
            "seed": self.seed,
            "priority": self.priority,
            "profile": str(self.profile),
            "allowed_backends": list(self.allowed_backends),
            "data_residency": str(self.residency),
            "replayable": self.replayable,
            "idempotency_key": self.idempotency_key,
            "labels": dict(self.labels),
        }


_WRITTEN_ZERO = frozenset({"target_gap", "max_shots", "seed", "priority"})
"""Fields whose zero is not what their absence means."""


def _default_enum(value: str | None, default: StrEnum) -> str:
    return str(default) if value is None or value.endswith("_UNSPECIFIED") else value


def format_duration(seconds: float) -> str:
    """``seconds`` as the protos' JSON duration, with 0, 3, 6 or 9 decimals as they need."""
    whole, nanos = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
    if nanos == 0:
        return f"{whole}s"
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{whole}.{digits}s"
