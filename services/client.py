"""A thin gRPC client: one channel, the API key on every call, errors as one exception with fields."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

import grpc

from solvers.errors import IsinglassError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from protos.common_pb2 import SolvePolicy
    from protos.decisions_pb2_grpc import DecisionServiceStub
    from protos.federation_pb2_grpc import FederationServiceStub
    from protos.invoices_pb2_grpc import InvoiceServiceStub
    from protos.jobs_pb2_grpc import JobServiceStub
    from protos.routing_pb2_grpc import RoutingServiceStub
    from protos.sampling_pb2_grpc import SamplingServiceStub

DEFAULT_DEADLINE_S = 10.0
"""What the service allows a request that names no deadline (s), see ``SolvePolicy.deadline``."""

REPLY_SLACK_S = 10.0
"""How much longer than the deadline the client waits for the reply before it calls the service unreachable (s)."""

QUICK_CALL_S = 30.0
"""Wait at most this long for calls that do not solve (s)."""

MAX_MESSAGE_BYTES = 256 * 1024 * 1024
"""Largest message the client sends or accepts; the service has a smaller limit of its own."""

_STATUS_DETAILS = "grpc-status-details-bin"

RequestT = TypeVar("RequestT", bound="Message")
ResponseT = TypeVar("ResponseT", bound="Message")
_Request_contra = TypeVar("_Request_contra", contravariant=True)
_Response_co = TypeVar("_Response_co", covariant=True)


class UnaryMethod(Protocol[_Request_contra, _Response_co]):
    """A stub's method with one request and one response."""

    def __call__(self, request: _Request_contra, /, *, timeout: float, metadata: Any) -> _Response_co: ...


class ResponseStream(Protocol[_Response_co]):
    """Responses as they come."""

    def __iter__(self) -> Iterator[_Response_co]: ...

    def cancel(self) -> Any: ...


class StreamMethod(Protocol[_Request_contra, _Response_co]):
    """A stub's method with one request and a stream of responses."""

    def __call__(
        self, request: _Request_contra, /, *, timeout: float, metadata: Any
    ) -> ResponseStream[_Response_co]: ...


class ServiceError(IsinglassError):
    """The service refused or failed a call.

    Parameters
    ----------
    code
        Name of the gRPC status: ``"INVALID_ARGUMENT"``.
    message
        What the service says.
    field_violations
        Pairs of field path and what is wrong with it, from google.rpc.BadRequest.
    retry_after_s
        When to come back, from google.rpc.RetryInfo; ``None`` when not said.
    correlation_id
        Finds the call in the service's logs.

    """

    def __init__(
        self,
        code: str,
        message: str,
        field_violations: tuple[tuple[str, str], ...] = (),
        retry_after_s: float | None = None,
        correlation_id: str = "",
    ) -> None:
        self.code, self.message, self.field_violations = code, message, field_violations
        self.retry_after_s, self.correlation_id = retry_after_s, correlation_id
        super().__init__(f"{code}: {message}")

    @property
    def unreachable(self) -> bool:
        """Whether no service answered, as opposed to one that said no."""
        return self.code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


class Client:
    """Calls one Isinglass service.

    Parameters
    ----------
    address
        ``"127.0.0.1:9000"``, or ``"https://host:443"`` for TLS in front of the service.
    key
        The API key; empty sends none.
    certificate_authority
        PEM file with the roots to trust under TLS; ``None``: the system's.

    """

    def __init__(self, address: str, key: str, certificate_authority: Path | None = None) -> None:
        self.address = address
        self._key = key
        options = [
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ]
        if address.startswith("https://"):
            roots = certificate_authority.read_bytes() if certificate_authority else None
            credentials = grpc.ssl_channel_credentials(root_certificates=roots)
            self._channel = grpc.secure_channel(address.removeprefix("https://"), credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(address.removeprefix("http://"), options=options)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; calls under way end."""
        self._channel.close()

    @cached_property
    def routing(self) -> RoutingServiceStub:
        from protos.routing_pb2_grpc import RoutingServiceStub

        return RoutingServiceStub(self._channel)

    @cached_property
    def invoices(self) -> InvoiceServiceStub:
        from protos.invoices_pb2_grpc import InvoiceServiceStub

        return InvoiceServiceStub(self._channel)

    @cached_property
    def sampling(self) -> SamplingServiceStub:
        from protos.sampling_pb2_grpc import SamplingServiceStub

        return SamplingServiceStub(self._channel)

    @cached_property
    def jobs(self) -> JobServiceStub:
        from protos.jobs_pb2_grpc import JobServiceStub

        return JobServiceStub(self._channel)

    @cached_property
    def federation(self) -> FederationServiceStub:
        from protos.federation_pb2_grpc import FederationServiceStub

        return FederationServiceStub(self._channel)

    @cached_property
    def decisions(self) -> DecisionServiceStub:
        from protos.decisions_pb2_grpc import DecisionServiceStub

        return DecisionServiceStub(self._channel)

    def call(
        self,
        method: UnaryMethod[RequestT, ResponseT],
        request: RequestT,
        timeout_s: float = QUICK_CALL_S,
        correlation_id: str = "",
    ) -> ResponseT:
        """Answer of ``method``: ``client.call(client.jobs.GetJob, GetJobRequest(job_id=...))``.

        Raises
        ------
        ServiceError
            When the service refuses, fails, or cannot be reached within ``timeout_s``.

        """
        correlation_id = correlation_id or uuid4().hex
        try:
            return method(request, timeout=timeout_s, metadata=self._metadata(correlation_id))
        except grpc.RpcError as error:
            raise service_error(error, correlation_id) from None

    def start(self, method: Any, request: Message, timeout_s: float = QUICK_CALL_S) -> Any:
        """Begin a unary call and return its future, a `grpc.Future`; its result raises `grpc.RpcError`."""
        return method.future(request, timeout=timeout_s, metadata=self._metadata(uuid4().hex))

    def stream(
        self,
        method: StreamMethod[RequestT, ResponseT],
        request: RequestT,
        timeout_s: float = QUICK_CALL_S,
        correlation_id: str = "",
    ) -> Iterator[ResponseT]:
        """Responses of ``method`` as they come. Closing the generator cancels the call.

        Raises
        ------
        ServiceError
            When the service refuses, fails, or cannot be reached within ``timeout_s``.

        """
        correlation_id = correlation_id or uuid4().hex
        call = method(request, timeout=timeout_s, metadata=self._metadata(correlation_id))
        try:
            for response in call:
                if response.ByteSize():  # an empty one only carries the error behind it
                    yield response
        except grpc.RpcError as error:
            raise service_error(error, correlation_id) from None
        finally:
            call.cancel()

    def _metadata(self, correlation_id: str) -> tuple[tuple[str, str], ...]:
        metadata = (("x-correlation-id", correlation_id),)
        return (*metadata, ("authorization", f"Bearer {self._key}")) if self._key else metadata


def service_error(error: grpc.RpcError, correlation_id: str = "") -> ServiceError:
    """What ``error`` says, with the details of google.rpc that came with it."""
    code, message = "UNKNOWN", str(error)
    violations: list[tuple[str, str]] = []
    retry_after_s = None
    call: Any = error
    if isinstance(call, grpc.Call):
        code, message = call.code().name, call.details() or ""
        for key, value in call.trailing_metadata() or ():
            if key == _STATUS_DETAILS and isinstance(value, bytes):
                violations, retry_after_s = _details(value)
    return ServiceError(code, message, tuple(violations), retry_after_s, correlation_id)


def _details(serialized: bytes) -> tuple[list[tuple[str, str]], float | None]:
    from google.protobuf.message import DecodeError
    from google.rpc import error_details_pb2, status_pb2

    violations: list[tuple[str, str]] = []
    retry_after_s = None
    try:
        status = status_pb2.Status.FromString(serialized)
        for detail in status.details:
            bad_request, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
            if detail.Unpack(bad_request):
                violations += [(fault.field, fault.description) for fault in bad_request.field_violations]
            elif detail.Unpack(retry):
                retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
    except DecodeError as error:
        violations.append(("grpc-status-details-bin", f"could not be read: {error}"))
    return violations, retry_after_s


def solve_timeout_s(policy: SolvePolicy) -> float:
    """How long to wait for the reply to a request under ``policy`` (s)."""
    deadline_s = policy.deadline.ToTimedelta().total_seconds() if policy.HasField("deadline") else DEFAULT_DEADLINE_S
    return deadline_s + REPLY_SLACK_S


def read_key(state_dir: Path) -> str:
    """The API key: ``$ISINGLASS_KEY``, else the one that ``isinglass up`` left in ``state_dir``; empty when neither."""
    key = os.environ.get("ISINGLASS_KEY", "")
    if key:
        return key
    path = state_dir / "key"
    return path.read_text().strip() if path.is_file() else ""
