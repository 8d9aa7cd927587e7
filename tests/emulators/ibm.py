"""IBM Quantum Platform: IAM tokens, backends, jobs of the executor program, as qiskit-ibm-runtime speaks to them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from tests.emulators.physics import shoot
from tests.emulators.server import Emulator, Job, Reply, Request, Trouble, as_json

DEVICE = "ibm_perth"
INSTANCE = "crn:v1:bluemix:public:quantum-computing:us-east:a/0:emulated::"
API_KEY = "emulated-api-key"
_STATES = {"queued": "Queued", "done": "Completed", "failed": "Failed", "cancelled": "Cancelled"}


@cache
def bundled(kind: str) -> dict[str, Any]:
    """Properties (``props``) or configuration (``conf``) of the fake perth that comes with qiskit-ibm-runtime."""
    spec = find_spec("qiskit_ibm_runtime")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("qiskit-ibm-runtime is not installed")
    root = Path(spec.origin).parent
    content: dict[str, Any] = json.loads((root / f"fake_provider/backends/perth/{kind}_perth.json").read_text())
    content["backend_name"] = DEVICE
    return content


class IbmEmulator(Emulator):
    """A device of seven qubits. Parameters of the client: `url`, `iam_url`, and ``INSTANCE``."""

    vendor = "ibm"

    def __init__(self, **options: Any) -> None:
        self.usage_settled = True
        super().__init__(**options)

    @property
    def api(self) -> str:
        return f"{self.url}/experimental"

    def operation(self, request: Request) -> str:
        path = request.path.removeprefix("/experimental")
        if path.startswith("/identity/"):
            return "auth"
        if path.startswith(("/backends", "/instances")):
            return "device"
        if path == "/jobs":
            return "submit" if request.method == "POST" else "find"
        if path.endswith("/cancel"):
            return "cancel"
        return "result" if path.endswith(("/results", "/metrics")) else "status"

    def error(self, status: int, text: str, **headers: str) -> Reply:
        return as_json({"errors": [{"code": status, "message": text}]}, status, **headers)

    def answer(self, operation: str, request: Request) -> Reply:
        path = request.path.removeprefix("/experimental")
        if operation == "auth":
            now_s = int(datetime.now(UTC).timestamp())
            return as_json(
                {
                    "access_token": self._bearer(now_s),
                    "refresh_token": "no",
                    "token_type": "Bearer",
                    "expires_in": 3600,
                    "expiration": now_s + 3600,
                }
            )
        if not request.headers.get("Authorization", "").endswith(".emulated"):
            return self.error(401, "not authorized")
        if operation == "device":
            return self._device(path)
        if operation == "submit":
            return self._submit(json.loads(request.body))
        if operation == "find":
            tags = set(request.query.get("tags", []))
            jobs = [self._about(job) for job in self.listed() if not tags or job.tag in tags]
            return as_json({"jobs": jobs, "count": len(jobs), "limit": 200, "offset": 0})
        id = path.split("/")[2]
        job = self.jobs.get(id)
        if job is None:
            return self.error(404, f"job {id} not found")
        if operation == "cancel":
            if job.state == "queued":
                job.state = "cancelled"
            return Reply(204)
        if path.endswith("/metrics"):
            status = "final" if self.usage_settled else "pending"
            seconds = 3 if self.usage_settled else 0
            return as_json({"usage": {"status": status, "qpu_charge_time_seconds": seconds}})
        if operation == "result":
            return self._result(job)
        job.advance()
        return as_json(self._about(job))

    def _bearer(self, now_s: int) -> str:
        """A token of the form that IAM gives: the client reads when it expires."""
        parts = ({"alg": "HS256", "typ": "JWT"}, {"iat": now_s, "exp": now_s + 3600})
        return ".".join([*(urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), "emulated"])

    def _device(self, path: str) -> Reply:
        if path == "/backends":
            return as_json({"devices": [{"name": DEVICE, "status": {"name": "online"}, "qubits": 7}]})
        if path.endswith("/configuration"):
            return as_json(bundled("conf"))
        if path.endswith("/properties"):
            return as_json(bundled("props"))
        if path.endswith("/status"):
            return as_json(
                {"state": self.online, "status": "active", "length_queue": int(self.queue), "backend_version": "1.0.0"}
            )
        return as_json({"usage_consumed_seconds": 0})

    def _submit(self, body: dict[str, Any]) -> Reply:
        (tag,) = body["tags"]
        program = body["params"].get("quantum_program", body["params"])
        job = self.accept(f"j{uuid4().hex[:18]}", tag, int(program["shots"]), body)
        return as_json({"id": job.id, "backend": body["backend"]})

    def _about(self, job: Job) -> dict[str, Any]:
        state: dict[str, Any] = {"status": _STATES[job.state]}
        if job.state == "failed":
            state |= {"reason": "the device lost its temper", "reason_code": 1517}
        return {
            "id": job.id,
            "backend": DEVICE,
            "state": state,
            "status": _STATES[job.state],
            "program": {"id": job.payload["program_id"]},
            "created": datetime.fromtimestamp(job.created_s, UTC).isoformat(),
            "tags": [job.tag],
            "cost": job.payload.get("cost", 0),
            "usage": {"seconds": 3},
        }

    def _result(self, job: Job) -> Reply:
        from ibm_quantum_schemas.executor.version_2_0 import ParamsModel, QuantumProgramResultModel
        from ibm_quantum_schemas.executor.version_2_0.models import QuantumProgramResultItemModel
        from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

        params = job.payload["params"]
        program, _ = QUANTUM_PROGRAM_PARAMS_CONVERTERS["v2.0"].decoder(ParamsModel.model_validate(params))
        (item,) = program.items
        circuit = item.circuit
        if item.circuit_arguments is not None and item.circuit_arguments.size:
            circuit = circuit.assign_parameters(np.ravel(item.circuit_arguments))
        shots = job.shots // 2 if job.trouble is Trouble.TRUNCATED else job.shots
        bits = shoot(json.dumps(params, sort_keys=True), circuit, shots, seed=len(job.id))
        if job.trouble is Trouble.MALFORMED:
            bits = bits[:, :-1]
        tensor = QuantumProgramResultItemModel.model_fields["results"].annotation.__args__[1]
        raw = params.get("quantum_program", params)
        result = QuantumProgramResultModel.model_validate(
            {
                "data": [{"results": {"c": tensor.from_numpy(bits.astype(bool)).model_dump()}, "metadata": {}}],
                "metadata": {"chunk_timing": []},
                "passthrough_data": raw.get("passthrough_data"),
                "semantic_role": raw.get("semantic_role"),
            }
        )
        return Reply(200, result.model_dump_json().encode())
