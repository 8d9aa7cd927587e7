"""The seam to a vendor of gate devices: the few calls that the adapter makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backends.ansatz import Prepared
from backends.backend import RemoteStatus
from backends.calibration import Snapshot


@dataclass(frozen=True)
class GateOrder:
    """What is submitted: a bound circuit, how often to run it, under which tag.

    ``qubits`` is the width of the device; ``seed`` is for simulators, ``max_execution_s`` for vendors that end a job.
    """

    prepared: Prepared
    qubits: int
    shots: int
    tag: str
    seed: int
    max_execution_s: int


@dataclass(frozen=True)
class Availability:
    """Whether the device takes jobs now, how many wait, and its own limit of shots (``None``: it has none)."""

    available: bool
    waiting: int
    max_shots: int | None = None


class GateSession(Protocol):
    """Everything the adapter asks of a vendor. Calls block, may hang, and raise what the vendor's client raises: the
    adapter limits and translates them.
    """

    def snapshot(self) -> Snapshot:
        """The device's calibration now."""
        ...

    def availability(self) -> Availability:
        """Whether it takes jobs now."""
        ...

    def find(self, tag: str) -> str | None:
        """Id of the job that was submitted with a tag, or ``None``."""
        ...

    def send(self, order: GateOrder) -> str:
        """Submit once; the id of the job."""
        ...

    def state(self, job_id: str) -> tuple[RemoteStatus, str]:
        """State, and for a failed or cancelled job the vendor's reason (``""``: none given)."""
        ...

    def bits(self, job_id: str, size: int) -> NDArray[np.int8]:
        """Bits of a finished job, one row a shot, column k for variable k. Raises `ValueError` when malformed."""
        ...

    def seconds(self, job_id: str) -> float | None:
        """Device time that a finished job is billed for; ``None`` while the vendor has not settled it."""
        ...

    def cancel(self, job_id: str) -> None:
        """Ask for its end."""
        ...


def bits_of(texts: list[str], size: int) -> NDArray[np.int8]:
    """Bits of bit strings whose last character is variable 0.

    Raises
    ------
    ValueError
        When a string has another length or other characters.
    """
    wrong = next((text for text in texts if len(text) != size or set(text) - {"0", "1"}), None)
    if wrong is not None:
        raise ValueError(f"a shot reads {wrong[:40]!r}; expected {size} bits")
    flat = np.frombuffer("".join(texts).encode(), dtype=np.uint8) - ord("0")
    return np.ascontiguousarray(flat.reshape(len(texts), size)[:, ::-1]).astype(np.int8)
