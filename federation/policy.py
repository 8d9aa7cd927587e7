"""What a request allows: the `SolvePolicy` of the contract as a frozen value, its ranges, and its JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from solvers.errors import FieldViolation, InvalidProblem
from solvers.problem import JsonObject

MIN_DEADLINE_S = 0.1
MAX_DEADLINE_S = 3600.0
MAX_BUDGET_USD = 1_000_000
MAX_SHOTS = 2**53 - 1
MAX_SEED = 2**53 - 1
MAX_PRIORITY = 9
MAX_KEY_LENGTH = 128
MAX_LABELS = 16
MAX_LABEL_LENGTH = 63

USD_MICROS = 1_000_000
"""Millionths in a US dollar."""

_DURATION = re.compile(r"^(-?\d{1,12})(\.\d{1,9})?s$")


class Profile(StrEnum):
    """Which solvers a request may use."""

    CLASSICAL = "CLASSICAL"
    SIMULATE = "SIMULATE"
    HYBRID = "HYBRID"
    HARDWARE = "HARDWARE"


class Residency(StrEnum):
    """Whether data may leave the cluster."""

    LOCAL_ONLY = "LOCAL_ONLY"
    EXTERNAL_ALLOWED = "EXTERNAL_ALLOWED"


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
            FieldViolation(_join(path, f"labels[{key}]"), "is given twice", "each key once")
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
            deadline_s=_seconds(values.get("deadline", cls.deadline_s)) or cls.deadline_s,
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


def validate(
    values: Mapping[str, Any], known_backends: Collection[str] | None = None, path: str = "policy"
) -> list[FieldViolation]:
    """Every field of ``values`` that breaks the contract; an empty list when all is well.

    Parameters
    ----------
    values
        Raw values by proto field name. ``deadline`` is a number of seconds or a JSON duration (``"2.5s"``); 64-bit
        integers may be decimal strings, as the protos' JSON writes them; ``None`` is the same as absent.
    known_backends
        Names that ``allowed_backends`` may use; ``None`` does not check them.
    path
        Put before each field's path.
    """
    found: list[FieldViolation] = []
    for name, value in values.items():
        check = _CHECKS.get(name)
        if check is None:
            found.append(FieldViolation(_join(path, name), "is not a field", ", ".join(_CHECKS)))
        elif value is not None:
            found += [FieldViolation(_join(path, name + at), problem, allowed) for at, problem, allowed in check(value)]
    backends = values.get("allowed_backends")
    if known_backends is not None and isinstance(backends, (list, tuple)):
        allowed = ", ".join(sorted(known_backends)) or "none is configured"
        found += [
            FieldViolation(_join(path, f"allowed_backends[{i}]"), f"is {name!r}, which no backend is called", allowed)
            for i, name in enumerate(backends)
            if isinstance(name, str) and name and name not in known_backends
        ]
    if values.get("replayable") is True:
        profile = values.get("profile")
        if profile in tuple(Profile) and profile != Profile.CLASSICAL:
            found.append(
                FieldViolation(_join(path, "replayable"), f"is true with profile {profile}", "profile CLASSICAL")
            )
    return found


def format_duration(seconds: float) -> str:
    """``seconds`` as the protos' JSON duration, with 0, 3, 6 or 9 decimals as they need."""
    whole, nanos = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
    if nanos == 0:
        return f"{whole}s"
    digits = f"{nanos:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{whole}.{digits}s"


Faults = list[tuple[str, str, str]]
"""(path within the field, what is wrong, what is allowed)."""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _seconds(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value[:-1]) if _DURATION.match(value) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return None


def _default_enum(value: str | None, default: StrEnum) -> str:
    return str(default) if value is None or value.endswith("_UNSPECIFIED") else value


def _check_deadline(value: Any) -> Faults:
    allowed = f"{MIN_DEADLINE_S:g} s - {MAX_DEADLINE_S:g} s"
    seconds = _seconds(value)
    if seconds is None:
        return [("", f"is {value!r}", allowed)]
    if not MIN_DEADLINE_S <= seconds <= MAX_DEADLINE_S:
        return [("", f"is {seconds:g} s", allowed)]
    return []


def _number(low: float, high: float, allowed: str) -> Callable[[Any], Faults]:
    def check(value: Any) -> Faults:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
        return [] if fits else [("", f"is {value!r}", allowed)]

    return check


def _integer(high: int, allowed: str) -> Callable[[Any], Faults]:
    def check(value: Any) -> Faults:
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value):
            value = int(value)
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= high
        return [] if fits else [("", f"is {value!r}", allowed)]

    return check


def _name_of(kind: type[StrEnum], unspecified: str) -> Callable[[Any], Faults]:
    def check(value: Any) -> Faults:
        fits = isinstance(value, str) and (value in tuple(kind) or value == unspecified)
        return [] if fits else [("", f"is {value!r}", ", ".join(kind))]

    return check


def _check_backends(value: Any) -> Faults:
    if not isinstance(value, (list, tuple)):
        return [("", f"is {value!r}", "a list of names")]
    found = [
        (f"[{i}]", f"is {name!r}", "the name of a backend")
        for i, name in enumerate(value)
        if not isinstance(name, str) or not name
    ]
    names = [name for name in value if isinstance(name, str)]
    return found + [
        (f"[{i}]", f"is {name!r} again", "each name once") for i, name in enumerate(names) if name in names[:i]
    ]


def _check_bool(value: Any) -> Faults:
    return [] if isinstance(value, bool) else [("", f"is {value!r}", "true or false")]


def _check_key(value: Any) -> Faults:
    if not isinstance(value, str):
        return [("", f"is {value!r}", f"a text of at most {MAX_KEY_LENGTH} characters")]
    if len(value) > MAX_KEY_LENGTH:
        return [("", f"has {len(value)} characters", f"at most {MAX_KEY_LENGTH}")]
    return []


def _check_labels(value: Any) -> Faults:
    if not isinstance(value, Mapping):
        return [("", f"is {value!r}", "a map from text to text")]
    found: Faults = []
    if len(value) > MAX_LABELS:
        found.append(("", f"has {len(value)} entries", f"at most {MAX_LABELS}"))
    for key, text in value.items():
        if not isinstance(key, str) or not 0 < len(key) <= MAX_LABEL_LENGTH:
            found.append((f"[{key!s:.80}]", "is a bad key", f"1 - {MAX_LABEL_LENGTH} characters"))
        if not isinstance(text, str) or len(text) > MAX_LABEL_LENGTH:
            found.append((f"[{key!s:.80}]", f"is {text!s:.80}", f"a text of at most {MAX_LABEL_LENGTH} characters"))
    return found


_CHECKS: dict[str, Callable[[Any], Faults]] = {
    "deadline": _check_deadline,
    "target_gap": _number(0, math.nextafter(math.inf, 0), "a finite number >= 0"),
    "budget_usd": _number(0, MAX_BUDGET_USD, f"0 - {MAX_BUDGET_USD} US dollars"),
    "max_shots": _integer(MAX_SHOTS, "an integer 0 - 2^53 - 1"),
    "seed": _integer(MAX_SEED, "an integer 0 - 2^53 - 1"),
    "priority": _integer(MAX_PRIORITY, f"an integer 0 - {MAX_PRIORITY}"),
    "profile": _name_of(Profile, "PROFILE_UNSPECIFIED"),
    "allowed_backends": _check_backends,
    "data_residency": _name_of(Residency, "DATA_RESIDENCY_UNSPECIFIED"),
    "replayable": _check_bool,
    "idempotency_key": _check_key,
    "labels": _check_labels,
}
