"""Where the public instances are that benchmarks read."""

from __future__ import annotations

import os
from pathlib import Path

_DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


def data_folder(part: str) -> Path:
    """``$ISINGLASS_DATA``, else ``../shared/data`` beside the repository, which holds the folder ``part``.

    Raises
    ------
    FileNotFoundError
        When it does not.

    """
    folder = Path(os.environ.get("ISINGLASS_DATA") or _DEFAULT)
    if not (folder / part).is_dir():
        raise FileNotFoundError(f"{folder / part}; set ISINGLASS_DATA to the folder of instances")
    return folder
