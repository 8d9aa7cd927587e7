"""Put the whole service on a Ray cluster: actors, then the gateway on Serve."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation, gRPCOptions

from actors import cluster
from actors.names import NAMESPACE
from services.config import ServiceConfig
from services.gateway import Gateway
from store.keys import Role
from store.store import Store

APPLICATION = "isinglass"
SERVICER_FUNCTIONS = [
    "protos.routing_pb2_grpc.add_RoutingServiceServicer_to_server",
    "protos.invoices_pb2_grpc.add_InvoiceServiceServicer_to_server",
    "protos.sampling_pb2_grpc.add_SamplingServiceServicer_to_server",
    "protos.jobs_pb2_grpc.add_JobServiceServicer_to_server",
    "protos.federation_pb2_grpc.add_FederationServiceServicer_to_server",
    "protos.decisions_pb2_grpc.add_DecisionServiceServicer_to_server",
]
FIRST_TENANT = "default"
_MB = 1_000_000


def environment(state_dir: Path) -> dict[str, str]:
    """What every process of the service has in its environment.

    Ray's authentication mode and token are set explicitly: Ray 2.60 otherwise turns them on behind one's back
    for some of its own commands and not for others.
    """
    token = state_dir / "ray_token"
    if not token.exists():
        _write_private(token, secrets.token_hex(32))
    metrics = state_dir / "metrics"
    metrics.mkdir(exist_ok=True)
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        # One process a core: numerical libraries must not start threads of their own.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "GRPC_VERBOSITY": os.environ.get("GRPC_VERBOSITY", "ERROR"),
    }


def connect(config: ServiceConfig) -> None:
    """Join the Ray cluster of ``config.ray_address``, or start a node of our own."""
    common: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": "warning"}
    if config.ray_address:
        ray.init(address=config.ray_address, **common)
        return
    ray.init(
        num_cpus=max(config.workers, os.cpu_count() or 1),
        include_dashboard=config.dashboard_port > 0,
        dashboard_host="127.0.0.1",
        dashboard_port=config.dashboard_port or None,
        **common,
    )


def deploy(config: ServiceConfig) -> None:
    """Start every actor and the gateway; returns when the gateway answers."""
    settings = config.settings()
    cluster.start(settings)
    serve.start(
        proxy_location=ProxyLocation.EveryNode,
        http_options=HTTPOptions(host=config.http_host, port=config.http_port),
        grpc_options=gRPCOptions(port=config.grpc_port, grpc_servicer_functions=SERVICER_FUNCTIONS),
    )
    gateway = Gateway.options(num_replicas=config.gateways).bind(settings)
    serve.run(gateway, name=APPLICATION, route_prefix="/")


def first_key(config: ServiceConfig) -> Path:
    """The first API key, with every role, in ``state_dir/key`` (mode 0600); made when there is none that works."""
    settings = config.settings()
    path = config.state_dir / "key"
    store = Store.open(settings.database_url, settings.artifacts_url, settings.state_dir)
    try:
        if path.exists() and store.keys.authenticate(path.read_text().strip()) is not None:
            return path
        _, token = store.keys.create(FIRST_TENANT, tuple(Role), datetime.now(UTC), "made by isinglass up")
    finally:
        store.close()
    _write_private(path, token + "\n")
    return path


def withdraw(config: ServiceConfig) -> None:
    """Take the service off the cluster; a cluster of our own ends with it."""
    serve.delete(APPLICATION)
    serve.shutdown()
    if config.ray_address:
        cluster.stop()
    ray.shutdown()


def _write_private(path: Path, text: str) -> None:
    """Write a secret that nobody else may read, whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)
