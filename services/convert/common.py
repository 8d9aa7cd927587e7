"""Policies, reports and what else all kinds share, between messages and dataclasses."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from google.protobuf import json_format

from federation.policy import Policy
from federation.report import Report
from protos import common_pb2
from solvers.problem import JsonObject


def policy_from_message(message: common_pb2.SolvePolicy, known_backends: Collection[str], seed: int) -> Policy:
    """The policy of a request; ``seed`` stands in when it has none.

    Raises
    ------
    InvalidProblem
        Naming every field at fault, as ``policy.deadline``.

    """
    return Policy.from_json(policy_to_json(message), known_backends, seed=seed)


def policy_to_json(message: common_pb2.SolvePolicy) -> JsonObject:
    """The policy as it was sent, in proto field names."""
    data: JsonObject = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return data


def report_to_message(report: Report) -> common_pb2.SolveReport:
    return report_from_json(report.to_json())


def report_from_json(data: JsonObject) -> common_pb2.SolveReport:
    """A stored report as the contract's message."""
    return json_format.ParseDict(data, common_pb2.SolveReport())


def struct_of(data: JsonObject) -> Any:
    """A JSON object as google.protobuf.Struct."""
    from google.protobuf.struct_pb2 import Struct

    message = Struct()
    json_format.ParseDict(data, message)
    return message
