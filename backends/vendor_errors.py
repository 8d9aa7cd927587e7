"""What an error of a vendor's client means: one of our families, and whether the request can have been accepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backends.secrets import redact
from solvers.errors import (
    BackendDenied,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ProgramRefused,
    ResultCorrupt,
)

_REFUSED = frozenset({400, 409, 413, 415, 422})
_DENIED = frozenset({401, 402, 403})
_DENIED_NAMES = frozenset(
    {"IBMNotAuthorizedError", "NoCredentialsError", "PartialCredentialsError", "TokenRetrievalError"}
)
_UNSENT_NAMES = frozenset(
    {
        "ConnectTimeout",
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "NameResolutionError",
        "NewConnectionError",
        "SSLError",
    }
)
_TIMEOUT_NAMES = frozenset({"ReadTimeout", "ReadTimeoutError", "RequestTimeout", "Timeout"})
_MOST_RETRY_AFTER_S = 3600.0
_MOST_TEXT = 500


@dataclass(frozen=True)
class Meaning:
    """``error`` is ours; ``accepted_maybe``: a submission that failed so may have been accepted nevertheless."""

    error: BackendError
    accepted_maybe: bool


def meaning(backend: str, what: str, error: Exception, *, is_result: bool = False) -> Meaning:
    """What ``error`` of a vendor's client says.

    Parameters
    ----------
    backend, what
        For the text: whose, and what was being done.
    error
        As the client raised it; its causes are looked through for an HTTP status.
    is_result
        A result was being read: what has no HTTP status is an answer that cannot be understood.
    """
    if isinstance(error, BackendError):
        return Meaning(error, isinstance(error, BackendTimeout))
    chain = list(_chain(error))
    names = {type(link).__name__ for link in chain}
    status, retry_after_s = _http(chain)
    text = redact(f"{what}: {_text(error)}")[:_MOST_TEXT]
    if status is not None:
        return _by_status(backend, text, status, retry_after_s)
    if names & _DENIED_NAMES:
        return Meaning(BackendDenied(backend, text), False)
    if names & _UNSENT_NAMES:
        return Meaning(BackendUnavailable(backend, text), False)
    if names & _TIMEOUT_NAMES:
        return Meaning(BackendTimeout(backend, text), True)
    if is_result and not any(isinstance(link, OSError) for link in chain):
        return Meaning(ResultCorrupt(backend, text), True)
    return Meaning(BackendUnavailable(backend, text), True)


def _by_status(backend: str, text: str, status: int, retry_after_s: float) -> Meaning:
    if status in _DENIED:
        return Meaning(BackendDenied(backend, text), False)
    if status == 429:
        return Meaning(BackendUnavailable(backend, text, retry_after_s), False)
    if status in _REFUSED:
        return Meaning(ProgramRefused(backend, text), False)
    if status in (404, 410):
        return Meaning(BackendError(backend, text), False)
    if status == 408:
        return Meaning(BackendTimeout(backend, text), True)
    # 5xx: the machine in front may have failed after the one behind it accepted; 2xx: an answer nobody understands.
    return Meaning(BackendUnavailable(backend, text, retry_after_s), True)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and everything that it says caused it."""
    seen: set[int] = set()
    front: list[Any] = [error]
    while front:
        link = front.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        front += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _http(chain: list[BaseException]) -> tuple[int | None, float]:
    """HTTP status of the first link that has one, and the longest Retry-After of any, in seconds."""
    found: int | None = None
    retry_after_s = 0.0
    for link in chain:
        response = getattr(link, "response", None)
        if isinstance(response, dict):  # botocore
            about = response.get("ResponseMetadata", {})
            status, headers = about.get("HTTPStatusCode"), about.get("HTTPHeaders", {})
        else:
            status = getattr(link, "status_code", None) if response is None else response.status_code
            headers = getattr(response, "headers", None) or {}
        if isinstance(status, int) and 400 <= status < 600:
            found = found or status
            retry_after_s = max(retry_after_s, _seconds(headers.get("Retry-After") or headers.get("retry-after")))
    return found, retry_after_s


def _seconds(value: Any) -> float:
    """Retry-After in seconds; the form with a date counts as not said."""
    try:
        return min(_MOST_RETRY_AFTER_S, max(0.0, float(value)))
    except (TypeError, ValueError):
        return 0.0


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
