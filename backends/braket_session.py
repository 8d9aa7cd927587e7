"""The seam to Amazon Braket: boto3's clients of Braket and S3.

The Braket SDK is left out on purpose: it makes a client token of its own for every call, and so cannot be asked to
create a task once.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from backends.backend import RemoteStatus
from backends.braket_calibration import braket_snapshot, is_open
from backends.calibration import Snapshot
from backends.gate_session import Availability, GateOrder
from backends.ledger import KEPT
from backends.secrets import guard
from solvers.errors import BackendUnavailable

TAG = "isinglass-key"
LAYOUT_TAG = "isinglass-layout"

_STATES = {
    "CREATED": RemoteStatus.QUEUED,
    "QUEUED": RemoteStatus.QUEUED,
    "RUNNING": RemoteStatus.RUNNING,
    "COMPLETED": RemoteStatus.DONE,
    "FAILED": RemoteStatus.FAILED,
    "CANCELLING": RemoteStatus.RUNNING,
    "CANCELLED": RemoteStatus.CANCELLED,
}
_GATES = {"rz": "rz", "sx": "v", "x": "x", "cz": "cz"}
"""Braket's OpenQASM names of the gates that circuits are transpiled to."""
_LOOK_BACK = timedelta(days=2)
_PAGES = 20


class BraketSession:
    """One device, its tasks and their results. Parameters as of `backends.braket.BraketDevice`."""

    def __init__(
        self,
        backend: str,
        device: str,
        bucket: str,
        prefix: str,
        region: str,
        url: str,
        s3_url: str,
        timeout_s: float,
    ) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise BackendUnavailable(backend, "needs the extra isinglass[braket], which is not installed") from error
        guard()
        config = Config(
            connect_timeout=timeout_s,
            read_timeout=timeout_s,
            retries={"total_max_attempts": 1},  # when to ask again is decided above, by deadline and budget
            s3={"addressing_style": "path"} if s3_url else {},
        )
        place = region or device.split(":")[3] or None
        session = boto3.Session(region_name=place)
        credentials = session.get_credentials()
        if credentials is not None:
            guard(*(text for text in (credentials.secret_key, credentials.token) if text))
        self._braket = session.client("braket", endpoint_url=url or None, config=config)
        self._s3 = session.client("s3", endpoint_url=s3_url or None, config=config)
        self._device, self._bucket, self._prefix = device, bucket, prefix
        self._tasks: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def snapshot(self) -> Snapshot:
        return braket_snapshot(self._capabilities(self._about()), self._device)

    def availability(self) -> Availability:
        about = self._about()
        service = self._capabilities(about).get("service", {})
        waiting = max((_count(entry.get("queueSize")) for entry in about.get("deviceQueueInfo", [])), default=0)
        shots = service.get("shotsRange")
        open_now = is_open(service.get("executionWindows", []), datetime.now(UTC))
        return Availability(
            about.get("deviceStatus") == "ONLINE" and open_now, waiting, int(shots[1]) if shots else None
        )

    def find(self, tag: str) -> str | None:
        """The newest task of the last two days with the tag; tasks cannot be asked for by tag, so pages are read."""
        since = (datetime.now(UTC) - _LOOK_BACK).isoformat()
        filters = [
            {"name": "deviceArn", "operator": "EQUAL", "values": [self._device]},
            {"name": "createdAt", "operator": "GTE", "values": [since]},
        ]
        extra: dict[str, str] = {}
        for _ in range(_PAGES):
            page = self._braket.search_quantum_tasks(filters=filters, maxResults=100, **extra)
            for task in page["quantumTasks"]:
                if task.get("tags", {}).get(TAG) == tag:
                    return str(task["quantumTaskArn"])
            if not page.get("nextToken"):
                return None
            extra = {"nextToken": page["nextToken"]}
        return None

    def send(self, order: GateOrder) -> str:
        layout = [order.prepared.compiled.physical[home] for home in order.prepared.compiled.home]
        task = self._braket.create_quantum_task(
            clientToken=order.tag,
            deviceArn=self._device,
            shots=order.shots,
            outputS3Bucket=self._bucket,
            outputS3KeyPrefix=self._prefix,
            action=json.dumps(
                {
                    "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
                    "source": openqasm(order.prepared.on_device(order.qubits)),
                }
            ),
            deviceParameters=json.dumps(
                {
                    "braketSchemaHeader": {
                        "name": "braket.device_schema.gate_model_parameters",
                        "version": "1",
                    },
                    "qubitCount": order.qubits,
                    "disableQubitRewiring": True,
                }
            ),
            tags={TAG: order.tag, LAYOUT_TAG: "-".join(map(str, layout))},
        )
        return str(task["quantumTaskArn"])

    def state(self, job_id: str) -> tuple[RemoteStatus, str]:
        task = self._braket.get_quantum_task(quantumTaskArn=job_id)
        if task["status"] not in _STATES:
            raise ValueError(f"task {job_id} has the unknown state {task['status']!r}")
        state = _STATES[task["status"]]
        if state is RemoteStatus.DONE:
            with self._lock:
                self._tasks[job_id] = task
                while len(self._tasks) > KEPT:
                    self._tasks.popitem(last=False)
        return state, str(task.get("failureReason", ""))

    def bits(self, job_id: str, size: int) -> NDArray[np.int8]:
        with self._lock:
            task = self._tasks.get(job_id)
        if task is None:
            task = self._braket.get_quantum_task(quantumTaskArn=job_id)
        layout = [int(text) for text in task["tags"][LAYOUT_TAG].split("-")]
        if len(layout) != size:
            raise ValueError(f"task {job_id} measured {len(layout)} qubits; expected {size}")
        result = self._result(task)
        measured = [int(qubit) for qubit in result["measuredQubits"]]
        table = np.array(result["measurements"], dtype=np.int8)
        if table.ndim != 2 or table.shape[1] != len(measured) or not np.isin(table, (0, 1)).all():
            raise ValueError(f"task {job_id} has measurements of shape {table.shape} for {len(measured)} qubits")
        return table[:, [measured.index(qubit) for qubit in layout]]

    def seconds(self, job_id: str) -> float | None:  # noqa: ARG002 - tasks are billed by shot; device time is not told
        return 0.0

    def cancel(self, job_id: str) -> None:
        self._braket.cancel_quantum_task(quantumTaskArn=job_id, clientToken=job_id[-36:])

    def _about(self) -> dict[str, Any]:
        about: dict[str, Any] = self._braket.get_device(deviceArn=self._device)
        return about

    def _capabilities(self, about: Mapping[str, Any]) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(about["deviceCapabilities"])
        return content

    def _result(self, task: Mapping[str, Any]) -> dict[str, Any]:
        key = f"{task['outputS3Directory']}/results.json"
        body = self._s3.get_object(Bucket=task["outputS3Bucket"], Key=key)["Body"].read()
        content: dict[str, Any] = json.loads(body)
        return content


def openqasm(circuit: QuantumCircuit) -> str:
    """OpenQASM 3 of a bound circuit of `_GATES` on physical qubits, with its measurements.

    Raises
    ------
    ValueError
        When it holds another gate.
    """
    lines = ["OPENQASM 3.0;", f"bit[{circuit.num_clbits}] c;"]
    place = {bit: k for k, bit in enumerate(circuit.qubits)}
    bit_of = {bit: k for k, bit in enumerate(circuit.clbits)}
    for item in circuit.data:
        qubits = ", ".join(f"${place[q]}" for q in item.qubits)
        name = item.operation.name
        if name == "measure":
            lines.append(f"c[{bit_of[item.clbits[0]]}] = measure {qubits};")
        elif name in _GATES:
            angles = ", ".join(repr(float(p)) for p in item.operation.params)
            lines.append(f"{_GATES[name]}{f'({angles})' if angles else ''} {qubits};")
        else:
            raise ValueError(f"gate {name!r} has no OpenQASM name here; allowed: {', '.join(_GATES)}")
    return "\n".join(lines) + "\n"


def _count(size: Any) -> int:
    """Length of a queue, which comes as a text like ``"12"`` or ``">4000"``."""
    digits = "".join(ch for ch in str(size) if ch.isdigit())
    return int(digits) if digits else 0
