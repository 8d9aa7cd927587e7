"""A service on loopback that answers what a test tells it to and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from protos import (
    decisions_pb2_grpc,
    federation_pb2_grpc,
    invoices_pb2_grpc,
    jobs_pb2_grpc,
    routing_pb2_grpc,
    sampling_pb2_grpc,
)

SERVICES = (
    (routing_pb2_grpc, "RoutingService"),
    (invoices_pb2_grpc, "InvoiceService"),
    (sampling_pb2_grpc, "SamplingService"),
    (jobs_pb2_grpc, "JobService"),
    (federation_pb2_grpc, "FederationService"),
    (decisions_pb2_grpc, "DecisionService"),
)


@dataclass
class Refusal:
    """A gRPC error with google.rpc details, as the service answers it."""

    code: str
    message: str
    fields: tuple[tuple[str, str], ...] = ()
    retry_after_s: float | None = None

    def raise_in(self, context: Any) -> None:
        status = status_pb2.Status(code=code_pb2.Code.Value(self.code), message=self.message)
        if self.fields:
            violations = [
                error_details_pb2.BadRequest.FieldViolation(field=f, description=text) for f, text in self.fields
            ]
            status.details.append(packed(error_details_pb2.BadRequest(field_violations=violations)))
        if self.retry_after_s is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(int(self.retry_after_s * 1e9))
            status.details.append(packed(retry))
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(getattr(grpc.StatusCode, self.code), self.message)


def packed(message: Any) -> any_pb2.Any:
    detail = any_pb2.Any()
    detail.Pack(message)
    return detail


@dataclass
class FakeService:
    """``answers`` maps method names to a message, a list (stream), a `Refusal` or a function of the request."""

    address: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)

    def requests(self, method: str) -> list[Any]:
        return [request for name, request in self.asked if name == method]

    def answer(self, method: str, request: Any, context: Any) -> Any:
        self.asked.append((method, request))
        self.metadata.append(dict(context.invocation_metadata()))
        answer = self.answers.get(method, Refusal("UNIMPLEMENTED", f"{method} is not served"))
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(request)
        if isinstance(answer, Refusal):
            answer.raise_in(context)
        return answer


@contextmanager
def running() -> Iterator[FakeService]:
    """A fake service on a free port of loopback."""
    service = FakeService()
    server = grpc.server(ThreadPoolExecutor(8))
    for module, name in SERVICES:
        base = getattr(module, f"{name}Servicer")
        methods = {method: _handler(service, method) for method in vars(base) if not method.startswith("_")}
        getattr(module, f"add_{name}Servicer_to_server")(type(name, (base,), methods)(), server)
    service.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield service
    finally:
        server.stop(None).wait()


def _handler(service: FakeService, method: str) -> Any:
    def unary(_self: Any, request: Any, context: Any) -> Any:
        return service.answer(method, request, context)

    def stream(_self: Any, request: Any, context: Any) -> Iterator[Any]:
        yield from service.answer(method, request, context)

    return stream if method in ("StreamTours", "StreamPriorities", "WatchJob") else unary


@dataclass(frozen=True)
class Outcome:
    """What a run of the program left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        lines = self.out.splitlines()
        assert len(lines) == 1, f"one line of JSON is wanted on standard output, not {lines}"
        return json.loads(lines[0])


Run = Callable[..., Outcome]
