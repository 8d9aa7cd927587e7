"""What each field of a policy may be, and which raw values break that."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any

from solvers.errors import FieldViolation

MIN_DEADLINE_S = 0.1
MAX_DEADLINE_S = 3600.0
MAX_AGE_S = 86_400.0
MAX_BUDGET_USD = 1_000_000
MAX_SHOTS = 2**53 - 1
MAX_SEED = 2**53 - 1
MAX_PRIORITY = 9
MAX_KEY_LENGTH = 128
MAX_LABELS = 16
MAX_LABEL_LENGTH = 63

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


Faults = list[tuple[str, str, str]]
"""(path within the field, what is wrong, what is allowed)."""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def seconds_of(value: Any) -> float | None:
    """Seconds of a number or of a JSON duration (``"2.5s"``); ``None`` when it is neither."""
    if isinstance(value, str):
        return float(value[:-1]) if _DURATION.match(value) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    return None


def _check_deadline(value: Any) -> Faults:
    allowed = f"{MIN_DEADLINE_S:g} s - {MAX_DEADLINE_S:g} s"
    seconds = seconds_of(value)
    if seconds is None:
        return [("", f"is {value!r}", allowed)]
    if not MIN_DEADLINE_S <= seconds <= MAX_DEADLINE_S:
        return [("", f"is {seconds:g} s", allowed)]
    return []


def _check_age(value: Any) -> Faults:
    seconds = seconds_of(value)
    if seconds is None or not 0 <= seconds <= MAX_AGE_S:
        return [("", f"is {value!r}", f"0 s - {MAX_AGE_S:g} s")]
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
        if not isinstance(key, str) or not 0 < len(key) <= MAX_LABEL_LENGTH or "=" in key:
            found.append((f"[{key!s:.80}]", "is a bad key", f"1 - {MAX_LABEL_LENGTH} characters, no ="))
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
    "max_age": _check_age,
}
