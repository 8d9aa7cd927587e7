"""Configuration of the service: a TOML file, then the environment, then the command line; the last one wins."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from actors.settings import Settings
from solvers.errors import FieldViolation, InvalidProblem

_ENVIRONMENT_PREFIX = "ISINGLASS_"
_RANGES: dict[str, tuple[int, int]] = {
    "grpc_port": (1, 65535),
    "http_port": (1, 65535),
    "dashboard_port": (0, 65535),
    "workers": (1, 1024),
    "coordinators": (1, 64),
    "gateways": (1, 64),
    "max_queued_jobs": (1, 1_000_000),
    "share_commits": (1, 1000),
    "max_message_mb": (1, 2000),
}


def default_state_dir() -> Path:
    """``$ISINGLASS_STATE``, else ``~/.isinglass``."""
    return Path(os.environ.get("ISINGLASS_STATE", "~/.isinglass")).expanduser()


@dataclass(frozen=True)
class ServiceConfig:
    """Everything an operator may set.

    Parameters
    ----------
    state_dir
        Folder (mode 0700) of the API key, the signing key, the embedded database, artifacts and logs.
    database_url
        SQLAlchemy URL; empty: SQLite in ``state_dir``. A cluster of more than one node needs PostgreSQL.
    artifacts_url
        fsspec URL of the artifact store; empty: a folder in ``state_dir``.
    grpc_port
        Where Serve's gRPC proxy listens, on every interface.
    http_host, http_port
        Where ``/metrics`` and ``/healthz`` are served.
    dashboard_port
        Ray dashboard on loopback; 0: off.
    ray_address
        Address of a running Ray cluster (``"auto"``); empty: the service starts its own node.
    workers
        Solver worker processes; 0 in a file means one per core of the cluster.
    coordinators, gateways
        Coordinator actors, gateway replicas.
    max_queued_jobs
        Accepted jobs waiting for a worker before admission answers RESOURCE_EXHAUSTED.
    share_commits
        Most writes of one process that share one commit of SQLite when they come together; 1: each has its own.
    max_message_mb
        Largest request accepted.
    log_level
        ``"debug"``, ``"info"``, ``"warning"`` or ``"error"``.
    backends
        Backend tables as `backends.config` reads them; ``None``: its defaults.
    federation
        The ``[federation]`` table as `federation.settings` reads it; ``None``: its defaults.

    """

    state_dir: Path = field(default_factory=default_state_dir)
    database_url: str = ""
    artifacts_url: str = ""
    grpc_port: int = 9000
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    dashboard_port: int = 8265
    ray_address: str = ""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    coordinators: int = 2
    gateways: int = 1
    max_queued_jobs: int = 10_000
    share_commits: int = 64
    max_message_mb: int = 64
    log_level: str = "info"
    backends: tuple[dict[str, Any], ...] | None = None
    federation: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        violations = []
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                violations.append(FieldViolation(name, f"is {value!r}", f"an integer {low} - {high}"))
        if self.log_level not in ("debug", "info", "warning", "error"):
            violations.append(FieldViolation("log_level", f"is {self.log_level!r}", "debug, info, warning, error"))
        if self.federation is not None:  # imported only where somebody has set something
            from backends.config import backends_from_tables
            from federation.settings import settings_from_table

            try:
                settings_from_table(self.federation, [c.name for c in backends_from_tables(self.backends).backends])
            except InvalidProblem as error:
                violations += error.violations
        if violations:
            raise InvalidProblem(violations)

    @classmethod
    def load(cls, path: Path | None = None, **overrides: Any) -> ServiceConfig:
        """Read ``path`` (TOML; ``None``: ``state_dir/config.toml`` when it is there), environment and ``overrides``.

        ``overrides`` that are ``None`` count as not given.

        Raises
        ------
        InvalidProblem
            Naming each unknown or wrong setting.

        """
        values: dict[str, Any] = {}
        state_dir = Path(overrides.get("state_dir") or default_state_dir())
        if path is None and (state_dir / "config.toml").is_file():
            path = state_dir / "config.toml"
        if path is not None:
            values.update(tomllib.loads(path.read_text()))
        names = {f.name: f for f in fields(cls)}
        for name in names:
            text = os.environ.get(_ENVIRONMENT_PREFIX + name.upper())
            if text is not None and name not in ("backends", "federation"):
                values[name] = text
        values.update({name: value for name, value in overrides.items() if value is not None})
        values["state_dir"] = state_dir
        unknown = sorted(set(values) - set(names))
        violations = [FieldViolation(name, "is not a setting", ", ".join(names)) for name in unknown]
        for name in set(values) & set(_RANGES):
            try:
                values[name] = int(values[name])
            except (TypeError, ValueError):
                violations.append(FieldViolation(name, f"is {values[name]!r}", "an integer"))
        if violations:
            raise InvalidProblem(violations)
        if values.get("workers") == 0:
            values["workers"] = os.cpu_count() or 1
        if values.get("backends") is not None:
            values["backends"] = tuple(values["backends"])
        return cls(**values)

    def settings(self) -> Settings:
        """The part that actors need."""
        state_dir = self.state_dir.resolve()
        return Settings(
            state_dir=str(state_dir),
            database_url=self.database_url or f"sqlite:///{state_dir}/isinglass.sqlite",
            artifacts_url=self.artifacts_url or f"file://{state_dir}/artifacts",
            workers=self.workers,
            coordinators=self.coordinators,
            max_queued_jobs=self.max_queued_jobs,
            max_message_bytes=self.max_message_mb * 1_000_000,
            log_level=self.log_level,
            backends=self.backends,
            federation=self.federation,
            share_commits=self.share_commits,
        )
