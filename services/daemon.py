"""The service's own process: holds the Ray driver until SIGTERM or SIGINT.

Started by `services.host`, in the environment that `services.environment` describes.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.config import ServiceConfig


def main() -> int:
    """``python -m services.daemon FILE``, of JSON: run until told to stop."""
    config = load_config(json.loads(Path(sys.argv[1]).read_text()))
    stop = threading.Event()
    _listen(stop)
    lock = (config.state_dir / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write(f"a service already runs on {config.state_dir}\n")
        return 3
    for stale in (config.state_dir / "metrics").glob("*.db"):  # counters of processes that are gone
        stale.unlink()
    from services import deploy

    key = deploy.first_key(config)
    deploy.connect(config)
    _listen(stop)  # Ray has put its own handlers in their place
    info = config.state_dir / "service.json"
    try:
        deploy.deploy(config)
        if not stop.is_set():
            _publish(info, config, key)
        stop.wait()
    finally:
        info.unlink(missing_ok=True)
        deploy.withdraw(config)
    return 0


def _listen(stop: threading.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def load_config(values: dict[str, Any]) -> ServiceConfig:
    """The configuration that `services.host.start` passed on."""
    known = {f.name for f in fields(ServiceConfig)}
    values = {name: value for name, value in values.items() if name in known}
    values["state_dir"] = Path(values["state_dir"])
    if values.get("backends") is not None:
        values["backends"] = tuple(values["backends"])
    return ServiceConfig(**values)


def _publish(path: Path, config: ServiceConfig, key: Path) -> None:
    """Say where the service is; appears whole, and only once it is healthy."""
    import ray

    context = ray.get_runtime_context()
    dashboard = f"http://127.0.0.1:{config.dashboard_port}" if config.dashboard_port and not config.ray_address else ""
    values = {
        "pid": os.getpid(),
        "grpc_address": f"127.0.0.1:{config.grpc_port}",
        "http_address": f"127.0.0.1:{config.http_port}",
        "dashboard_url": dashboard,
        "ray_address": context.gcs_address,
        "started_at": datetime.now(UTC).isoformat(),
        "key_file": str(key),
        "workers": config.workers,
        "coordinators": config.coordinators,
    }
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(values, indent=1))
    beside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
