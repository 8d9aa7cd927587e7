"""The environment that every process of the service runs in. To be set before Ray is imported: it reads it then."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def environment(state_dir: Path) -> dict[str, str]:
    """What every process of the service has in its environment.

    Ray's authentication mode and token are set explicitly: Ray 2.60 otherwise turns them on behind one's back
    for some of its own commands and not for others.
    """
    token = state_dir / "ray_token"
    if not token.exists():
        write_private(token, secrets.token_hex(32))
    metrics = state_dir / "metrics"
    metrics.mkdir(exist_ok=True)
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        # Ray gives all its workers nice 15; here the gateway keeps 0 and solvers and devices step back themselves.
        "RAY_worker_niceness": "0",
        # One process a core: numerical libraries must not start threads of their own.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "GRPC_VERBOSITY": os.environ.get("GRPC_VERBOSITY", "ERROR"),
    }


def write_private(path: Path, text: str) -> None:
    """Write a secret that nobody else may read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)
