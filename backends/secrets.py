"""Keys of vendors: from the environment or from a mounted file, never from configuration, never in a message."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from solvers.errors import BackendDenied

_CHATTY = ("dwave.cloud", "qiskit_ibm_runtime", "ibm_cloud_sdk_core", "botocore", "boto3", "urllib3")
_SHORTEST = 6
_known: set[str] = set()


def read_secret(backend: str, variable: str) -> str:
    """The value of the environment variable ``variable``, else the content of the file that ``{variable}_FILE`` names.

    Raises
    ------
    BackendDenied
        When there is neither, naming both variables.
    """
    value = os.environ.get(variable, "").strip()
    file = os.environ.get(f"{variable}_FILE", "")
    if not value and file:
        try:
            value = Path(file).read_text().strip()
        except OSError as error:
            raise BackendDenied(backend, f"the file that {variable}_FILE names cannot be read: {error}") from error
    if not value:
        raise BackendDenied(backend, f"environment variable {variable} holds no API key, nor does {variable}_FILE")
    guard(value)
    return value


def guard(*values: str) -> None:
    """Keep ``values`` out of every text that passes `redact`, and vendors' clients from writing requests to a log.

    At level DEBUG these clients log whole requests, headers included.
    """
    _known.update(value for value in values if len(value) >= _SHORTEST)
    for name in _CHATTY:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)


def redact(text: str) -> str:
    """``text`` without any known key."""
    for value in _known:
        text = text.replace(value, "[key]")
    return text
