"""The messages of each kind of problem, and their converters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from services.convert import binary, invoices, routing


@dataclass(frozen=True)
class ServiceKind:
    """``convert`` has ``problem_from_message``, ``problem_to_message`` and ``plan_to_message``."""

    name: str
    request: type[Any]
    response: type[Any]
    convert: ModuleType


@cache
def service_kinds() -> dict[str, ServiceKind]:
    """All kinds by name."""
    from protos import invoices_pb2, routing_pb2, sampling_pb2

    return {
        kind.name: kind
        for kind in (
            ServiceKind("routing", routing_pb2.OptimizeToursRequest, routing_pb2.OptimizeToursResponse, routing),
            ServiceKind(
                "invoices", invoices_pb2.PrioritizeInvoicesRequest, invoices_pb2.PrioritizeInvoicesResponse, invoices
            ),
            ServiceKind("binary", sampling_pb2.SampleRequest, sampling_pb2.SampleResponse, binary),
        )
    }
