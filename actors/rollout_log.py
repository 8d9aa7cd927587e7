"""The audit log of canaries: one JSON line a verdict in the state folder, read again at the next start."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from actors import logs

_FILE = "canaries.jsonl"


def decided(state_dir: str) -> list[dict[str, Any]]:
    """Every verdict so far; a line that cannot be read, such as one cut off by a crash, is logged and left out."""
    path = Path(state_dir) / _FILE
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:
            logs.logger().error("canary_log_unreadable", file=str(path), line=number)
    return entries


def append(state_dir: str, entries: Iterable[dict[str, Any]]) -> None:
    """Keep verdicts, on disk before this returns."""
    with (Path(state_dir) / _FILE).open("a") as file:
        for entry in entries:
            file.write(json.dumps({"at": datetime.now(UTC).isoformat(), **entry}, sort_keys=True) + "\n")
            logs.logger().warning(
                "canary_verdict", **{name: str(value) for name, value in entry.items() if name != "event"}
            )
        file.flush()
        os.fsync(file.fileno())
