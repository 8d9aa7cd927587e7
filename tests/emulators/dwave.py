"""D-Wave's Solver API: solvers, problems, answers, as dwave-cloud-client speaks it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import uuid4

import numpy as np

from tests.emulators.physics import anneal_reads
from tests.emulators.server import Emulator, Job, Reply, Request, Trouble, as_json

SOLVER = "Advantage2_emulated"
TOKEN = "DEV-emulated-token"
_STATES = {"queued": "PENDING", "done": "COMPLETED", "failed": "FAILED", "cancelled": "CANCELLED"}
_PROGRAMMING_US, _READ_US = 15_000.0, 200.0


@cache
def zephyr(size: int) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """Qubits and couplers of a Zephyr graph."""
    from dwave.graphs import zephyr_graph

    graph = zephyr_graph(size)
    return tuple(sorted(graph.nodes)), tuple(sorted((min(e), max(e)) for e in graph.edges))


class DWaveEmulator(Emulator):
    """One QPU solver with a Zephyr graph of 48 qubits; ``graph_id`` and ``dead`` qubits may change under way."""

    vendor = "dwave"

    def __init__(self, **options: Any) -> None:
        self.graph_id, self.dead = "01", frozenset[int]()
        super().__init__(**options)

    @property
    def endpoint(self) -> str:
        return f"{self.url}/sapi/v2/"

    def operation(self, request: Request) -> str:
        path = request.path.removeprefix("/sapi/v2/")
        if path.startswith("solvers/"):
            return "device"
        if request.method == "POST":
            return "submit"
        if request.method == "DELETE":
            return "cancel"
        if path.endswith("/answer"):
            return "result"
        return "find" if "label" in request.query else "status"

    def error(self, status: int, text: str, **headers: str) -> Reply:
        if status >= 500:  # plain text, as behind a gateway
            return Reply(status, text.encode(), "text/plain")
        return as_json({"error_code": status, "error_msg": text}, status, **headers)

    def answer(self, operation: str, request: Request) -> Reply:
        if request.headers.get("X-Auth-Token") != TOKEN:
            return self.error(401, "invalid token or access denied")
        path = request.path.removeprefix("/sapi/v2/")
        if operation == "device":
            return self._typed(self._solver(request), "solver-definition")
        if operation == "submit":
            return self._typed([self._submit(job) for job in json.loads(request.body)], "problems")
        if operation == "find":
            label = request.query["label"][0]
            return self._typed([self._status(job) for job in self.listed() if job.tag == label], "problems")
        id = path.split("/")[1] or request.query.get("id", [""])[0]
        job = self.jobs.get(id)
        if job is None:
            return self.error(404, f"problem {id} does not exist")
        if operation == "cancel":
            if job.state == "queued":
                job.state = "cancelled"
            return self._typed(self._status(job), "problem")
        if operation == "result":
            return self._typed({"answer": self._answer(job)}, "problem-answer")
        if path.endswith("/messages"):
            return self._typed([{"message": "the QPU lost its temper", "severity": "ERROR"}], "problem-message")
        job.advance()
        return self._typed([self._status(job)], "problems")

    def _typed(self, content: Any, kind: str) -> Reply:
        return as_json(content, type=f"application/vnd.dwave.sapi.{kind}+json; version=3.0.0")

    def _solver(self, request: Request) -> dict[str, Any]:
        identity = {"name": SOLVER, "version": {"graph_id": self.graph_id}}
        status = "ONLINE" if self.online else "OFFLINE"
        if "none" in request.query.get("filter", [""])[0]:
            return {"identity": identity, "status": status}
        qubits, couplers = self.graph()
        properties = {
            "qubits": qubits,
            "couplers": couplers,
            "num_qubits": 48,
            "num_reads_range": [1, 10_000],
            "problem_run_duration_range": [0.0, 1_000_000.0],
            "topology": {"type": "zephyr", "shape": [1, 4]},
            "quota_conversion_rate": 1,
        }
        about = {"description": "emulated", "avg_load": 0.1}
        return {"identity": identity, "status": status, "properties": properties, **about}

    def graph(self) -> tuple[list[int], list[tuple[int, int]]]:
        qubits, couplers = zephyr(1)
        return (
            [q for q in qubits if q not in self.dead],
            [e for e in couplers if not self.dead.intersection(e)],
        )

    def _submit(self, job: dict[str, Any]) -> dict[str, Any]:
        if job["solver"]["version"]["graph_id"] != self.graph_id:
            return {"error_code": 400, "error_msg": "the working graph has changed"}
        qubits, couplers = self.graph()
        lin = np.frombuffer(base64.b64decode(job["data"]["lin"]), dtype="<f8")
        quad = np.frombuffer(base64.b64decode(job["data"]["quad"]), dtype="<f8")
        active = [q for q, h in zip(qubits, lin, strict=True) if not np.isnan(h)]
        inside = [e for e in couplers if set(e) <= set(active)]
        linear = {q: float(h) for q, h in zip(qubits, lin, strict=True) if not np.isnan(h)}
        quadratic = {e: float(j) for e, j in zip(inside, quad, strict=True) if j}
        made = self.accept(str(uuid4()), job["label"], job["params"]["num_reads"], (linear, quadratic))
        return self._status(made)

    def _status(self, job: Job) -> dict[str, Any]:
        return {
            "id": job.id,
            "type": "ising",
            "solver": {"name": SOLVER, "version": {"graph_id": self.graph_id}},
            "label": job.tag,
            "status": _STATES[job.state],
            "submitted_on": datetime.fromtimestamp(job.created_s, UTC).isoformat(),
        }

    def _answer(self, job: Job) -> dict[str, Any]:
        linear, quadratic = job.payload
        reads = job.shots // 2 if job.trouble is Trouble.TRUNCATED else job.shots
        columns, spins = anneal_reads(linear, quadratic, reads, seed=len(job.id))
        distinct, counts = np.unique(spins, axis=0, return_counts=True)
        solutions = np.packbits(distinct > 0, axis=1).tobytes()
        if job.trouble is Trouble.MALFORMED:
            solutions = solutions[:-1]
        return {
            "format": "qp",
            "active_variables": _b64(np.array(columns, dtype="<i4")),
            "energies": _b64(np.zeros(len(distinct), dtype="<f8")),
            "num_occurrences": _b64(counts.astype("<i4")),
            "solutions": base64.b64encode(solutions).decode(),
            "num_variables": 48,
            "timing": {"qpu_access_time": _PROGRAMMING_US + reads * _READ_US},
        }


def _b64(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
