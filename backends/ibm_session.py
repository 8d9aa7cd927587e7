"""The seam to IBM: an account through qiskit-ibm-runtime, or the vendor's local testing mode."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backends.backend import RemoteStatus
from backends.calibration import Snapshot, parse_snapshot
from backends.gate_session import Availability, GateOrder, bits_of
from backends.ledger import KEPT
from backends.secrets import read_secret

_STATES = {
    "INITIALIZING": RemoteStatus.QUEUED,
    "QUEUED": RemoteStatus.QUEUED,
    "VALIDATING": RemoteStatus.QUEUED,
    "RUNNING": RemoteStatus.RUNNING,
    "DONE": RemoteStatus.DONE,
    "COMPLETED": RemoteStatus.DONE,
    "CANCELLED": RemoteStatus.CANCELLED,
    "ERROR": RemoteStatus.FAILED,
    "FAILED": RemoteStatus.FAILED,
}


def _sampler(mode: Any) -> Any:
    """The vendor's sampler: the client-side one where this release has it, else `SamplerV2`."""
    try:
        from qiskit_ibm_runtime.executor_sampler import Sampler
    except ImportError:
        from qiskit_ibm_runtime import SamplerV2 as Sampler
    return Sampler(mode=mode)


class _Jobs:
    """Jobs of the vendor's client by id, the newest `KEPT`."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, job: Any) -> str:
        id = str(job.job_id())
        with self._lock:
            self._jobs[id] = job
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        return id

    def get(self, id: str) -> Any:
        with self._lock:
            return self._jobs.get(id)


class _Session:
    """What both modes share: reading a job. ``_device`` and ``_job`` are the mode's own."""

    _device: Any

    def _job(self, id: str) -> Any:
        raise NotImplementedError

    def state(self, job_id: str) -> tuple[RemoteStatus, str]:
        job = self._job(job_id)
        status = job.status()
        text = str(getattr(status, "name", status)).upper()
        if text not in _STATES:
            raise ValueError(f"job {job_id} has the unknown state {text!r}")
        why = ""
        if _STATES[text] in (RemoteStatus.FAILED, RemoteStatus.CANCELLED) and hasattr(job, "error_message"):
            why = str(job.error_message() or "")
        return _STATES[text], why

    def bits(self, job_id: str, size: int) -> NDArray[np.int8]:
        return bits_of(self._job(job_id).result()[0].data.c.get_bitstrings(), size)

    def cancel(self, job_id: str) -> None:
        self._job(job_id).cancel()


class ServiceSession(_Session):
    """A device of IBM Quantum Platform, through qiskit-ibm-runtime.

    Parameters
    ----------
    backend
        Our name of it, for errors.
    device
        ``"ibm_fez"``.
    instance
        CRN of the instance that is billed.
    token_variable
        Environment variable that holds the API key; keys are not written into configuration.
    url
        Another address of the service; ``None`` is IBM's.
    timeout_s
        Limit of one request, seconds.
    """

    def __init__(
        self, backend: str, device: str, instance: str | None, token_variable: str, url: str | None, timeout_s: float
    ) -> None:
        token = read_secret(backend, token_variable)
        from qiskit_ibm_runtime import QiskitRuntimeService

        self._service = QiskitRuntimeService(channel="ibm_quantum_platform", token=token, instance=instance, url=url)
        self._device = self._service.backend(device)
        _send_once(self._device, timeout_s)
        self._jobs = _Jobs()

    def snapshot(self) -> Snapshot:
        content = self._device.properties(refresh=True).to_dict()
        return parse_snapshot(content, f"calibration of {self._device.name}")

    def availability(self) -> Availability:
        status = self._device.status()
        ready = bool(status.operational and status.status_msg == "active")
        return Availability(ready, int(status.pending_jobs))

    def find(self, tag: str) -> str | None:
        jobs = self._service.jobs(job_tags=[tag], limit=1)
        return self._jobs.keep(jobs[0]) if jobs else None

    def send(self, order: GateOrder) -> str:
        sampler = _sampler(self._device)
        sampler.options.environment.job_tags = [order.tag]
        sampler.options.max_execution_time = order.max_execution_s
        return self._jobs.keep(sampler.run([order.prepared.on_device(order.qubits)], shots=order.shots))

    def seconds(self, job_id: str) -> float | None:
        usage = self._job(job_id).metrics().get("usage", {})  # job.usage() says 0 as long as it is not settled
        if usage.get("status", "pending") == "pending":
            return None
        return float(usage["qpu_charge_time_seconds"])

    def _job(self, id: str) -> Any:
        job = self._jobs.get(id)
        if job is None:
            job = self._service.job(id)
            self._jobs.keep(job)
        return job


def _send_once(device: Any, timeout_s: float) -> None:
    """Take the client's own retries and its limit of 900 s for a submission away.

    It repeats a POST after an answer of 5xx, which may have been accepted: asking for the tag comes first here.
    """
    from requests.adapters import HTTPAdapter

    session = device._api_client._api.session

    class _Limited(HTTPAdapter):
        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            kwargs["timeout"] = timeout_s
            return super().send(request, *args, **kwargs)

    for scheme in ("http://", "https://"):
        session.mount(scheme, _Limited(max_retries=0))


class LocalSession(_Session):
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
        self._jobs = _Jobs()
        self._tags: dict[str, str] = {}

    def snapshot(self) -> Snapshot:
        return parse_snapshot(self._device.properties().to_dict(), f"calibration of {self._device.name}")

    def availability(self) -> Availability:
        return Availability(True, 0)

    def find(self, tag: str) -> str | None:
        return self._tags.get(tag)

    def send(self, order: GateOrder) -> str:
        sampler = _sampler(self._device)
        sampler.options.simulator.seed_simulator = order.seed % 2**31
        self._tags[order.tag] = self._jobs.keep(
            sampler.run([order.prepared.on_device(order.qubits)], shots=order.shots)
        )
        return self._tags[order.tag]

    def seconds(self, job_id: str) -> float | None:
        usage = getattr(self._job(job_id), "usage", None)
        return float(usage()) if usage is not None else 0.0

    def _job(self, id: str) -> Any:
        return self._jobs.get(id)
