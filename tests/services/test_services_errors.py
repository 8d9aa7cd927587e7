"""The table of gRPC codes, and what reaches the caller."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services import errors
from solvers.errors import FieldViolation, IdempotencyConflict, InvalidProblem, IsinglassError, NotFound, TooBusy


class _Context:
    code: Any = None
    details = ""
    trailing: tuple[tuple[str, Any], ...] = ()

    def set_code(self, code: Any) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, metadata: Any) -> None:
        self.trailing = tuple(metadata)

    def status(self) -> status_pb2.Status:
        return status_pb2.Status.FromString(dict(self.trailing)["grpc-status-details-bin"])


def _subclasses(kind: type[BaseException]) -> list[type[BaseException]]:
    return [sub for child in kind.__subclasses__() for sub in (child, *_subclasses(child))]


def test_every_error_raised_on_purpose_has_a_code() -> None:
    ours = [kind for kind in _subclasses(IsinglassError) if kind.__module__ == "solvers.errors"]
    assert len(ours) > 10
    codes = {kind: next((code for known, code in errors.CODES if issubclass(kind, known)), None) for kind in ours}
    assert [kind for kind, code in codes.items() if code is None] == []


def test_field_violations_arrive_with_path_and_what_is_allowed() -> None:
    context = _Context()
    error = InvalidProblem(
        [FieldViolation("visits[3].demand", "is -4", ">= 0"), FieldViolation("x", "is NaN", "finite")]
    )
    assert errors.answer(context, error, "c1") is grpc.StatusCode.INVALID_ARGUMENT
    request = error_details_pb2.BadRequest()
    assert context.status().details[0].Unpack(request)
    assert [(v.field, v.description) for v in request.field_violations] == [
        ("visits[3].demand", "is -4; allowed: >= 0"),
        ("x", "is NaN; allowed: finite"),
    ]


def test_ten_thousand_violations_fit_the_metadata_and_are_counted() -> None:
    context = _Context()
    error = InvalidProblem([FieldViolation(f"visits[{i}].demand", "is -4", ">= 0") for i in range(10_000)])
    errors.answer(context, error, "c1")
    assert sum(len(key) + len(value) for key, value in context.trailing) + len(context.details) < 8_000
    request = error_details_pb2.BadRequest()
    context.status().details[0].Unpack(request)
    shown = len(request.field_violations) - 1
    assert request.field_violations[-1].description == f"and {10_000 - shown} more"


def test_too_busy_says_when_to_come_back() -> None:
    context = _Context()
    assert errors.answer(context, TooBusy("queue full", 2.5), "c1") is grpc.StatusCode.RESOURCE_EXHAUSTED
    retry = error_details_pb2.RetryInfo()
    assert context.status().details[0].Unpack(retry)
    assert retry.retry_delay.ToNanoseconds() == 2_500_000_000


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (IdempotencyConflict("k", "job_1"), grpc.StatusCode.ALREADY_EXISTS),
        (NotFound("job", "x"), grpc.StatusCode.NOT_FOUND),
        (NotImplementedError("not yet"), grpc.StatusCode.UNIMPLEMENTED),
    ],
)
def test_known_errors_keep_their_message(error: Exception, code: grpc.StatusCode) -> None:
    context = _Context()
    assert errors.answer(context, error, "c1") is code
    assert context.details == str(error)


def test_an_unexpected_error_tells_nothing_but_the_correlation_id() -> None:
    context = _Context()
    assert errors.answer(context, RuntimeError("/secret/path leaked"), "corr-7") is grpc.StatusCode.INTERNAL
    assert "secret" not in context.details
    assert "corr-7" in context.details
