"""What every actor is started with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Plain values, so that an actor on any node can restore what it needs from them.

    Field meanings as in `services.config.ServiceConfig`, with every default filled in.
    """

    state_dir: str
    database_url: str
    artifacts_url: str
    workers: int
    coordinators: int
    max_queued_jobs: int
    max_message_bytes: int
    log_level: str
    backends: tuple[dict[str, Any], ...] | None
    federation: dict[str, Any] | None = None
    share_commits: int = 64
