"""Times in messages."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def timestamp(at: datetime) -> Timestamp:
    """An aware time as a message."""
    message = Timestamp()
    message.FromDatetime(at)
    return message
