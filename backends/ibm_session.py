"""The seam to IBM: the few calls that the adapter makes, over a real account or the vendor's local testing mode."""

from __future__ import annotations

import os
from typing import Any, Protocol

from qiskit import QuantumCircuit


class IbmSession(Protocol):
    """Everything the adapter asks of the vendor. Calls block and may hang: the adapter limits them."""

    def properties(self) -> dict[str, Any]:
        """BackendProperties JSON of the device now."""
        ...

    def pending(self) -> tuple[bool, int]:
        """Whether the device takes jobs, and how many wait."""
        ...

    def find(self, tag: str) -> Any | None:
        """The job that was submitted with ``tag``, or ``None``."""
        ...

    def run(self, circuit: QuantumCircuit, shots: int, tag: str, max_execution_s: int, seed: int) -> Any:
        """Submit once; a job with ``job_id``, ``status``, ``result``, ``cancel`` and, of a service, ``usage``."""
        ...


def _sampler(mode: Any) -> Any:
    """The vendor's sampler: the client-side one where this release has it, else `SamplerV2`."""
    try:
        from qiskit_ibm_runtime.executor_sampler import Sampler
    except ImportError:
        from qiskit_ibm_runtime import SamplerV2 as Sampler
    return Sampler(mode=mode)


class ServiceSession:
    """A device of IBM Quantum Platform, through qiskit-ibm-runtime.

    Parameters
    ----------
    device
        ``"ibm_fez"``.
    instance
        CRN of the instance that is billed.
    token_variable
        Environment variable that holds the API key; keys are not written into configuration.
    url
        Another address of the service; ``None`` is IBM's.
    """

    def __init__(self, device: str, instance: str | None, token_variable: str, url: str | None) -> None:
        from qiskit_ibm_runtime import QiskitRuntimeService

        token = os.environ.get(token_variable)
        if not token:
            raise ValueError(f"environment variable {token_variable} holds no API key")
        self._service = QiskitRuntimeService(channel="ibm_quantum_platform", token=token, instance=instance, url=url)
        self._device = self._service.backend(device)

    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self._device.properties(refresh=True).to_dict()
        return found

    def pending(self) -> tuple[bool, int]:
        status = self._device.status()
        return bool(status.operational and status.status_msg == "active"), int(status.pending_jobs)

    def find(self, tag: str) -> Any | None:
        jobs = self._service.jobs(job_tags=[tag], limit=1)
        return jobs[0] if jobs else None

    def run(self, circuit: QuantumCircuit, shots: int, tag: str, max_execution_s: int, seed: int) -> Any:  # noqa: ARG002 - devices have no seed
        sampler = _sampler(self._device)
        sampler.options.environment.job_tags = [tag]
        sampler.options.max_execution_time = max_execution_s
        return sampler.run([circuit], shots=shots)


class LocalSession:
    """The vendor's local testing mode: its client, its fake device, its noise model; no account, no charge.

    Parameters
    ----------
    device
        Name of a fake device: ``"perth"`` is ``FakePerth``.
    """

    def __init__(self, device: str) -> None:
        from qiskit_ibm_runtime import fake_provider

        kind = getattr(fake_provider, f"Fake{device.capitalize()}", None)
        if kind is None:
            kind = getattr(fake_provider, f"Fake{device.capitalize()}V2", None)
        if kind is None:
            raise ValueError(f"no fake device {device!r}")
        self._device = kind()
        self._jobs: dict[str, Any] = {}

    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = self._device.properties().to_dict()
        return found

    def pending(self) -> tuple[bool, int]:
        return True, 0

    def find(self, tag: str) -> Any | None:
        return self._jobs.get(tag)

    def run(self, circuit: QuantumCircuit, shots: int, tag: str, max_execution_s: int, seed: int) -> Any:  # noqa: ARG002 - has no limit
        sampler = _sampler(self._device)
        sampler.options.simulator.seed_simulator = seed % 2**31
        self._jobs[tag] = sampler.run([circuit], shots=shots)
        return self._jobs[tag]
