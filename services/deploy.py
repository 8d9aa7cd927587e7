"""Put the whole service on a Ray cluster: actors, then the gateway on Serve."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import ray
from ray import serve
from ray._private import parameter
from ray.serve.config import HTTPOptions, ProxyLocation, gRPCOptions

from actors import cluster
from actors.names import NAMESPACE
from services.config import ServiceConfig
from services.environment import write_private
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


def connect(config: ServiceConfig) -> None:
    """Join the Ray cluster of ``config.ray_address``, or start a node of our own."""
    common: dict[str, Any] = {"namespace": NAMESPACE, "log_to_driver": False, "logging_level": "warning"}
    if config.ray_address:
        ray.init(address=config.ray_address, **common)
        return
    with _agent_on_a_free_port():
        ray.init(
            num_cpus=max(config.workers, os.cpu_count() or 1),
            include_dashboard=config.dashboard_port > 0,
            dashboard_host="127.0.0.1",
            dashboard_port=config.dashboard_port or None,
            **common,
        )


@contextmanager
def _agent_on_a_free_port() -> Iterator[None]:
    """Let the agent that starts Ray jobs take any free port.

    Its default, 52365, is taken where another node runs on the machine, and then the cluster accepts no job. `ray
    start` has an option for it, `ray.init` of Ray 2.60 has none.
    """
    parameters = parameter.RayParams
    parameter.RayParams = partial(parameters, dashboard_agent_listen_port=0)
    try:
        yield
    finally:
        parameter.RayParams = parameters


def deploy(config: ServiceConfig) -> None:
    """Start every actor and the gateway; returns when the gateway answers."""
    settings = config.settings()
    cluster.start(settings)
    serve.start(
        proxy_location=ProxyLocation.EveryNode,
        http_options=HTTPOptions(host=config.http_host, port=config.http_port),
        grpc_options=gRPCOptions(port=config.grpc_port, grpc_servicer_functions=SERVICER_FUNCTIONS),
    )
    gateway = cast("Any", Gateway).options(num_replicas=config.gateways).bind(settings)
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
    write_private(path, token + "\n")
    return path


def withdraw(config: ServiceConfig) -> None:
    """Take the service off the cluster; a cluster of our own ends with it."""
    serve.shutdown()
    if config.ray_address:
        cluster.stop()
    ray.shutdown()
