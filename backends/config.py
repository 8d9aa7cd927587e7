"""Which backends there are: tables of a TOML file, each naming a type, its options and its price.

.. code-block:: toml

    [[backends]]
    name = "noisy-fez"
    type = "noisy"
    options = { snapshot = "fez", max_variables = 12 }
    price = { per_task_usd_micros = 300_000, per_shot_usd_micros = 1_450, source = "price list", as_of = "2026-01-31" }

Another device is another table; nothing else in the house knows types.
"""

from __future__ import annotations

import inspect
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from backends.backend import Backend, Price
from solvers.errors import FieldViolation, InvalidProblem

TYPES: Mapping[str, str] = {
    "annealer": "backends.annealer:LocalAnnealer",
    "statevector": "backends.statevector:StatevectorSimulator",
    "noisy": "backends.noisy:NoisySimulator",
    "ibm": "backends.ibm:IbmDevice",
    "dwave": "backends.dwave:DWaveAnnealer",
    "braket": "backends.braket:BraketDevice",
}
"""``module:class`` by type, imported when a table names it. Options are the class's keyword arguments."""

EXTRAS: Mapping[str, tuple[str, ...]] = {"dwave": ("dwave.cloud", "minorminer"), "braket": ("boto3",)}
"""Packages of a type that come with the extra of the same name."""

GPU_TYPES: Mapping[str, str] = {"annealer": "torch"}
"""Types with an option ``device``, and the package that its ``"cuda"`` needs, of the extra ``gpu``."""

ENVIRONMENT = "ISINGLASS_BACKENDS"
"""Path of a TOML file with ``[[backends]]`` tables, when no other is given."""


@dataclass(frozen=True)
class BackendConfig:
    """One backend: a unique ``name``, a ``type`` of `TYPES`, the type's ``options``, and its ``price``.

    ``price`` is ``None`` where the type's own default holds (free, for local types).
    """

    name: str
    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    price: Price | None = None


@dataclass(frozen=True)
class BackendsConfig:
    """All configured backends, names unique."""

    backends: tuple[BackendConfig, ...]

    @classmethod
    def load(cls, path: Path | None = None) -> BackendsConfig:
        """From the ``[[backends]]`` tables of ``path``, else of the file that `ENVIRONMENT` names, else the defaults.

        Raises
        ------
        InvalidProblem
            Naming every table entry at fault.
        """
        if path is None and os.environ.get(ENVIRONMENT):
            path = Path(os.environ[ENVIRONMENT])
        if path is None:
            return default_backends()
        try:
            content = tomllib.loads(path.read_text())
        except (OSError, ValueError) as error:
            violation = FieldViolation("backends", f"cannot be read from {path}: {error}", "a TOML file")
            raise InvalidProblem([violation]) from error
        return backends_from_tables(content.get("backends", []))


def default_backends() -> BackendsConfig:
    """What runs without any configuration: an annealer, an exact simulator, and a metered noisy one.

    The charge of the last is simulated, so that budgets have something to guard: nobody is billed.
    """
    charge = Price(
        per_task_usd_micros=300_000,
        per_shot_usd_micros=1_450,
        source="simulated charge, at Amazon Braket's published rate of IQM Garnet, $0.30 a task and $0.00145 a shot",
        as_of="2026-11-20",
    )
    return BackendsConfig(
        (
            BackendConfig("local-annealer", "annealer"),
            BackendConfig("statevector", "statevector"),
            BackendConfig("noisy-fez", "noisy", {"snapshot": "fez"}, charge),
        )
    )


def backends_from_tables(tables: Sequence[Any] | None) -> BackendsConfig:
    """Configuration from tables as TOML gives them; ``None`` is `default_backends`.

    Raises
    ------
    InvalidProblem
        Naming every entry at fault, as ``backends[1].options.shots``.
    """
    if tables is None:
        return default_backends()
    violations: list[FieldViolation] = []
    found: list[BackendConfig] = []
    for k, table in enumerate(tables):
        path = f"backends[{k}]"
        if not isinstance(table, Mapping):
            violations.append(FieldViolation(path, f"is {table!r}", "a table"))
            continue
        config, faults = _table(path, table)
        violations += faults
        if config.name and config.name in [other.name for other in found]:
            violations.append(FieldViolation(f"{path}.name", f"is {config.name!r}, used before", "a unique name"))
        found.append(config)
    if violations:
        raise InvalidProblem(violations)
    return BackendsConfig(tuple(found))


def needs_gpu(config: BackendConfig) -> bool:
    """Whether the backend runs on a GPU or not at all."""
    return config.type in GPU_TYPES and config.options.get("device") == "cuda"


def make_backend(config: BackendConfig) -> Backend:
    """The backend that ``config`` describes; imports its module now.

    Raises
    ------
    InvalidProblem
        When the type or an option is unknown, an option's value is refused, or the type's packages are missing.
    """
    path = f"backend {config.name!r}"
    faults = list(_option_faults(path, config.type, config.options))
    if faults:
        raise InvalidProblem(faults)
    options = dict(config.options)
    if config.price is not None:
        options["price"] = config.price
    try:
        backend: Backend = _class(config.type)(config.name, **options)
    except (TypeError, ValueError) as error:
        raise InvalidProblem([FieldViolation(f"{path}.options", f"are refused: {error}", "see the type")]) from error
    return backend


def _table(path: str, table: Mapping[str, Any]) -> tuple[BackendConfig, list[FieldViolation]]:
    known = [f.name for f in fields(BackendConfig)]
    faults = [
        FieldViolation(f"{path}.{name}", "is not a setting", ", ".join(known)) for name in table if name not in known
    ]
    name, type_name = table.get("name"), table.get("type")
    if not isinstance(name, str) or not name:
        faults.append(FieldViolation(f"{path}.name", f"is {name!r}", "a text that is not empty"))
    options = table.get("options", {})
    if not isinstance(options, Mapping):
        faults.append(FieldViolation(f"{path}.options", f"is {options!r}", "a table"))
        options = {}
    faults += _option_faults(path, type_name, options)
    price, price_faults = _price(f"{path}.price", table.get("price"))
    return BackendConfig(str(name or ""), str(type_name), dict(options), price), faults + price_faults


def _option_faults(path: str, type_name: Any, options: Mapping[str, Any]) -> list[FieldViolation]:
    if type_name not in TYPES:
        return [FieldViolation(f"{path}.type", f"is {type_name!r}", ", ".join(TYPES))]
    missing = [name for name in EXTRAS.get(type_name, ()) if find_spec(name) is None]
    if missing:
        problem = f"{type_name!r} needs {', '.join(missing)}, not installed here"
        return [FieldViolation(f"{path}.type", problem, f"the extra isinglass[{type_name}] installed")]
    try:
        allowed = _options(type_name)
    except ImportError as error:
        return [
            FieldViolation(f"{path}.type", f"{type_name!r} needs a missing package: {error}", "its extra installed")
        ]
    faults = [
        FieldViolation(f"{path}.options.{name}", f"is no option of type {type_name!r}", ", ".join(allowed))
        for name in options
        if name not in allowed
    ]
    if type_name in GPU_TYPES:
        faults += _device_faults(f"{path}.options.device", options.get("device", "auto"), GPU_TYPES[type_name])
    return faults


def _device_faults(path: str, device: Any, package: str) -> list[FieldViolation]:
    from solvers.binary.gpu import DEVICES

    if device not in DEVICES:
        return [FieldViolation(path, f"is {device!r}", ", ".join(DEVICES))]
    if device == "cuda" and find_spec(package) is None:
        problem = f"is 'cuda', which needs {package}, not installed here"
        return [FieldViolation(path, problem, "auto, cpu, or the extra isinglass[gpu] installed")]
    return []


def _price(path: str, table: Any) -> tuple[Price | None, list[FieldViolation]]:
    if table is None:
        return None, []
    if not isinstance(table, Mapping):
        return None, [FieldViolation(path, f"is {table!r}", "a table")]
    known = [f.name for f in fields(Price)]
    faults = [
        FieldViolation(f"{path}.{name}", "is not a setting", ", ".join(known)) for name in table if name not in known
    ]
    for name in known[:3]:
        amount = table.get(name, 0)
        if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
            faults.append(FieldViolation(f"{path}.{name}", f"is {amount!r}", "an integer >= 0, millionths of a dollar"))
    if not isinstance(table.get("source"), str) or not table["source"]:
        faults.append(FieldViolation(f"{path}.source", f"is {table.get('source')!r}", "where the figures come from"))
    as_of = table.get("as_of")
    text = as_of.isoformat() if isinstance(as_of, date) else as_of
    try:
        date.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        faults.append(FieldViolation(f"{path}.as_of", f"is {as_of!r}", "an ISO date"))
    if faults:
        return None, faults
    return Price(**{**table, "as_of": text}), []


def _class(type_name: str) -> Any:
    module, name = TYPES[type_name].split(":")
    return getattr(import_module(module), name)


@cache
def _options(type_name: str) -> tuple[str, ...]:
    """Names of the options: keyword arguments but the price, which has its own table."""
    parameters = inspect.signature(_class(type_name)).parameters
    return tuple(name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY and name != "price")
