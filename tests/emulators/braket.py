"""Amazon Braket and the corner of S3 it writes results to, as boto3 speaks to them."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from qiskit import QuantumCircuit

from tests.emulators.physics import shoot
from tests.emulators.server import Emulator, Job, Reply, Request, Trouble, as_json

DEVICE = "arn:aws:braket:eu-north-1::device/qpu/iqm/Emulated"
KEY_ID, SECRET = "AKIAEMULATED", "emulated-secret-key"
_STATES = {"queued": "QUEUED", "done": "COMPLETED", "failed": "FAILED", "cancelled": "CANCELLED"}
_KINDS = {
    400: "ValidationException", 401: "ExpiredTokenException", 403: "AccessDeniedException",
    404: "ResourceNotFoundException", 429: "ThrottlingException", 500: "InternalServiceException",
    502: "InternalServiceException",
}  # fmt: skip
_QUBITS = range(1, 8)  # labels begin at 1, as on Garnet
_EDGES = [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (2, 5)]
_LINE = re.compile(r"(\w+)(?:\(([^)]*)\))?\s+(.*);")


class BraketEmulator(Emulator):
    """One gate device of seven qubits that keeps Braket's promise on client tokens."""

    vendor = "braket"

    def __init__(self, **options: Any) -> None:
        self.status = "ONLINE"
        self.fidelity = 0.993
        self._tokens: dict[str, tuple[str, Any]] = {}
        super().__init__(**options)

    def operation(self, request: Request) -> str:
        path = request.path
        if path.startswith("/device/"):
            return "device"
        if path == "/quantum-task":
            return "submit"
        if path == "/quantum-tasks":
            return "find"
        if path.endswith("/cancel"):
            return "cancel"
        return "status" if path.startswith("/quantum-task/") else "result"

    def error(self, status: int, text: str, **headers: str) -> Reply:
        kind = _KINDS.get(status, "InternalServiceException")
        return as_json({"message": text}, status, x_amzn_ErrorType=kind, **headers)

    def answer(self, operation: str, request: Request) -> Reply:
        if f"Credential={KEY_ID}/" not in request.headers.get("Authorization", ""):
            return self.error(403, "the security token included in the request is invalid")
        if operation == "device":
            return as_json(self._device())
        if operation == "submit":
            return self._submit(json.loads(request.body))
        if operation == "find":
            tasks = [self._summary(job) for job in self.listed()]
            return as_json({"quantumTasks": tasks})
        if operation == "result":
            return self._object(request.path)
        arn = request.path.removeprefix("/quantum-task/").removesuffix("/cancel")
        job = self.jobs.get(arn)
        if job is None:
            return self.error(404, f"no task {arn}")
        if operation == "cancel":
            if job.state == "queued":
                job.state = "cancelled"
            return as_json({"quantumTaskArn": arn, "cancellationStatus": "CANCELLING"})
        job.advance()
        about = {**self._summary(job), "deviceParameters": "{}"}
        if job.state == "failed":
            about["failureReason"] = "the device lost its temper"
        return as_json(about)

    def _device(self) -> dict[str, Any]:
        single = {
            "T1": {"value": 40.0, "unit": "us"},
            "T2": {"value": 20.0, "unit": "us"},
            "oneQubitFidelity": [
                {"fidelityType": {"name": "RANDOMIZED_BENCHMARKING"}, "fidelity": 0.999},
                {"fidelityType": {"name": "READOUT"}, "fidelity": 0.97},
            ],
        }
        graph: dict[str, list[str]] = {str(q): [] for q in _QUBITS}
        for a, b in _EDGES:
            graph[str(a)].append(str(b))
            graph[str(b)].append(str(a))
        gate = {"gateName": "CZ", "fidelity": self.fidelity, "fidelityType": {"name": "INTERLEAVED"}}
        capabilities = {
            "service": {
                "executionWindows": [
                    {"executionDay": "Everyday", "windowStartHour": "00:00:00", "windowEndHour": "23:59:59.999999"}
                ],
                "shotsRange": [1, 2_000],
                "updatedAt": "2026-11-01T00:00:00+00:00",
            },
            "paradigm": {
                "qubitCount": len(_QUBITS),
                "nativeGateSet": ["prx", "cz"],
                "connectivity": {"fullyConnected": False, "connectivityGraph": graph},
            },
            "standardized": {
                "oneQubitProperties": {str(q): single for q in _QUBITS},
                "twoQubitProperties": {f"{a}-{b}": {"twoQubitGateFidelity": [gate]} for a, b in _EDGES},
            },
        }
        return {
            "deviceArn": DEVICE,
            "deviceName": "Emulated",
            "providerName": "IQM",
            "deviceType": "QPU",
            "deviceStatus": self.status,
            "deviceCapabilities": json.dumps(capabilities),
            "deviceQueueInfo": [
                {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": self.queue, "queuePriority": "Normal"},
                {"queue": "QUANTUM_TASKS_QUEUE", "queueSize": "0", "queuePriority": "Priority"},
            ],
        }

    def _submit(self, body: dict[str, Any]) -> Reply:
        if self.status == "RETIRED":
            return as_json({"message": "device is retired"}, 410, x_amzn_ErrorType="DeviceRetiredException")
        token, rest = body["clientToken"], {k: v for k, v in body.items() if k != "clientToken"}
        with self.lock:
            known = self._tokens.get(token)
            if known is not None:
                if known[1] != rest:
                    return self.error(400, "the client token was used with other parameters")
                return as_json({"quantumTaskArn": known[0]}, 201)
            arn = f"arn:aws:braket:eu-north-1:000000000000:quantum-task/{uuid4()}"
            self._tokens[token] = (arn, rest)
            self.accept(arn, token, body["shots"], rest)
        return as_json({"quantumTaskArn": arn}, 201)

    def _summary(self, job: Job) -> dict[str, Any]:
        return {
            "quantumTaskArn": job.id,
            "status": _STATES[job.state],
            "deviceArn": DEVICE,
            "shots": job.shots,
            "outputS3Bucket": job.payload["outputS3Bucket"],
            "outputS3Directory": f"{job.payload['outputS3KeyPrefix']}/{job.id[-36:]}",
            "createdAt": datetime.fromtimestamp(job.created_s, UTC).isoformat(),
            "tags": job.payload["tags"],
        }

    def _object(self, path: str) -> Reply:
        match = re.fullmatch(r"/[^/]+/(.+)/([0-9a-f-]{36})/results\.json", path)
        job = next((j for j in self.jobs.values() if match and j.id.endswith(match[2])), None)
        if job is None or job.state != "done":
            body = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
            return Reply(404, body, "application/xml")
        source = json.loads(job.payload["action"])["source"]
        circuit = parse(source)
        shots = job.shots // 2 if job.trouble is Trouble.TRUNCATED else job.shots
        bits = shoot(source, circuit, shots, seed=len(source))
        measured = [item.qubits[0]._index for item in circuit.data if item.operation.name == "measure"]
        if job.trouble is Trouble.MALFORMED:
            bits = bits + 1
        content = {
            "braketSchemaHeader": {"name": "braket.task_result.gate_model_task_result", "version": "1"},
            "measurements": bits.tolist(),
            "measuredQubits": measured,
            "taskMetadata": {"id": job.id, "shots": job.shots, "deviceId": DEVICE, "endedAt": time.time()},
        }
        return as_json(content)


def parse(source: str) -> QuantumCircuit:
    """The circuit of OpenQASM 3 with rz, v, x, cz and measurements on physical qubits."""
    width = max(int(q) for q in re.findall(r"\$(\d+)", source)) + 1
    bits = int(_found(re.search(r"bit\[(\d+)\]", source))[1])
    circuit = QuantumCircuit(width, bits)
    for line in source.splitlines()[2:]:
        if "= measure" in line:
            bit, qubit = _found(re.fullmatch(r"c\[(\d+)\] = measure \$(\d+);", line)).groups()
            circuit.measure(int(qubit), int(bit))
            continue
        name, angles, rest = _found(_LINE.fullmatch(line)).groups()
        qubits = [int(q) for q in re.findall(r"\$(\d+)", rest)]
        if name == "rz":
            circuit.rz(float(angles), qubits[0])
        elif name in ("v", "x"):
            (circuit.sx if name == "v" else circuit.x)(qubits[0])
        elif name == "cz":
            circuit.cz(*qubits)
        else:
            raise ValueError(f"the device has no gate {name}")
    return circuit


def _found(match: re.Match[str] | None) -> re.Match[str]:
    if match is None:
        raise ValueError("this is not the OpenQASM that the device takes")
    return match
