"""The one table from errors to gRPC codes. No stack trace leaves the service."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from solvers import errors

CODES: tuple[tuple[type[BaseException], grpc.StatusCode], ...] = (
    (errors.InvalidProblem, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.PermissionDenied, grpc.StatusCode.PERMISSION_DENIED),
    (errors.IdempotencyConflict, grpc.StatusCode.ALREADY_EXISTS),
    (errors.TooBusy, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.PolicyUnmet, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.BudgetExceeded, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.JobError, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.CorruptRecord, grpc.StatusCode.DATA_LOSS),
    (errors.BackendTimeout, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.BackendError, grpc.StatusCode.UNAVAILABLE),
    (NotImplementedError, grpc.StatusCode.UNIMPLEMENTED),
)

DETAILS_BYTES = 5_000
"""gRPC clients take 8 kB of trailing metadata unless told otherwise: details and message share it."""
_MESSAGE_CHARACTERS = 1_000


def code_of(error: BaseException) -> grpc.StatusCode:
    """The gRPC code of an error; INTERNAL for those nobody raised on purpose."""
    for kind, code in CODES:
        if isinstance(error, kind):
            return code
    return grpc.StatusCode.INTERNAL


def answer(context: Any, error: BaseException, correlation_id: str) -> grpc.StatusCode:
    """Set code, message and google.rpc details on a call's ``context``; the handler then returns an empty reply."""
    code = code_of(error)
    if code is grpc.StatusCode.INTERNAL:
        message = f"internal error; the logs have it under correlation id {correlation_id}"
    else:
        message = str(error)
    details = _details(error)
    message = message.replace("\n", " ")
    if len(message) > _MESSAGE_CHARACTERS:
        message = message[:_MESSAGE_CHARACTERS] + " ..."
    status = status_pb2.Status(code=code.value[0], message=message[:200], details=details)
    context.set_code(code)
    context.set_details(message)
    context.set_trailing_metadata(
        [("grpc-status-details-bin", status.SerializeToString()), ("x-correlation-id", correlation_id)]
    )
    return code


def _details(error: BaseException) -> list[any_pb2.Any]:
    if isinstance(error, errors.InvalidProblem):
        return [_packed(_bad_request(error.violations))]
    if isinstance(error, errors.TooBusy):
        delay = Duration()
        delay.FromNanoseconds(round(error.retry_after_s * 1e9))
        return [_packed(error_details_pb2.RetryInfo(retry_delay=delay))]
    return []


def _bad_request(violations: tuple[errors.FieldViolation, ...]) -> error_details_pb2.BadRequest:
    """As many violations as fit the metadata; the last entry counts the rest."""
    request = error_details_pb2.BadRequest()
    for number, violation in enumerate(violations):
        entry = request.field_violations.add()
        entry.field = violation.path
        entry.description = f"{violation.problem}; allowed: {violation.allowed}"
        if request.ByteSize() > DETAILS_BYTES:
            entry.field = ""
            entry.description = f"and {len(violations) - number} more"
            break
    return request


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
