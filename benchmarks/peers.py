"""Where the peers live that cannot share the product's environment."""

from __future__ import annotations

import os
from pathlib import Path

#: The interpreter that `make peers` sets up; `$ISINGLASS_PEERS` names another.
_DEFAULT = Path(__file__).resolve().parent.parent / ".venv-peers" / "bin" / "python"


def peers_python() -> Path | None:
    """The interpreter with OR-Tools, VROOM, OpenJij, Lightning and qulacs, or None where `make peers` was never run."""
    path = Path(os.environ.get("ISINGLASS_PEERS") or _DEFAULT)
    return path if path.is_file() else None
