"""The seam to D-Wave: the Solver API through dwave-cloud-client's synchronous resources, which have time limits."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backends.backend import RemoteStatus
from backends.secrets import read_secret
from solvers.errors import BackendError, BackendUnavailable, ProgramRefused

_STATES = {
    "PENDING": RemoteStatus.QUEUED,
    "IN_PROGRESS": RemoteStatus.RUNNING,
    "COMPLETED": RemoteStatus.DONE,
    "FAILED": RemoteStatus.FAILED,
    "CANCELLED": RemoteStatus.CANCELLED,
}
_IDLE = 8


@dataclass(frozen=True)
class Graph:
    """A solver as it is now.

    Parameters
    ----------
    name, graph_id
        The vendor's names of the solver and of its working graph.
    qubits, couplers
        Live ones, in the order in which biases are encoded.
    properties
        As published.
    """

    name: str
    graph_id: str
    qubits: tuple[int, ...]
    couplers: tuple[tuple[int, int], ...]
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class AnnealOrder:
    """What is submitted: an Ising model on qubits, reads, and the vendor's parameters, under a tag."""

    graph: Graph
    linear: Mapping[int, float]
    quadratic: Mapping[tuple[int, int], float]
    params: Mapping[str, Any]
    tag: str


@dataclass(frozen=True)
class AnnealAnswer:
    """Spins (samples, qubits), the qubit of each column, how often each sample came, seconds of QPU access."""

    spins: NDArray[np.int8]
    columns: tuple[int, ...]
    counts: NDArray[np.int64]
    seconds: float


class AnnealSession(Protocol):
    """Everything the adapter asks of the vendor. Calls block and raise what the vendor's client raises."""

    def graph(self) -> Graph:
        """The solver now."""
        ...

    def status(self) -> tuple[bool, str]:
        """Whether the solver takes problems now, and the id of its working graph; a small request."""
        ...

    def find(self, tag: str) -> str | None:
        """Id of the problem with a tag as its label, or ``None``."""
        ...

    def send(self, order: AnnealOrder) -> str:
        """Submit once; the id."""
        ...

    def state(self, job_id: str) -> tuple[RemoteStatus, str]:
        """State, and for a failed problem the vendor's reason."""
        ...

    def answer(self, job_id: str) -> AnnealAnswer:
        """Of a finished problem. Raises `ValueError` when malformed."""
        ...

    def cancel(self, job_id: str) -> None:
        """Ask for its end."""
        ...


class SapiSession:
    """A QPU solver of D-Wave's Solver API.

    Parameters
    ----------
    backend
        Our name of it, for errors.
    solver
        ``"Advantage2_system1"``.
    endpoint
        Address of the API, with its region.
    token_variable
        Environment variable that holds the API token.
    timeout_s
        Limit of one request, seconds.
    """

    def __init__(self, backend: str, solver: str, endpoint: str, token_variable: str, timeout_s: float) -> None:
        try:
            from dwave.cloud.api import Problems, Solvers
        except ImportError as error:
            raise BackendUnavailable(backend, "needs the extra isinglass[dwave], which is not installed") from error
        self._backend, self._solver = backend, solver
        settings: dict[str, Any] = {
            "endpoint": endpoint,
            "timeout": (timeout_s, timeout_s),
            "retry": {"total": 0},  # when to ask again is decided above, by deadline and budget
        }

        def make(kind: Any) -> Callable[[], Any]:
            return lambda: kind(token=read_secret(backend, token_variable), **settings)

        self._solvers = _Clients(make(Solvers))
        self._problems = _Clients(make(Problems))
        read_secret(backend, token_variable)

    def graph(self) -> Graph:
        with self._solvers.client() as solvers:
            content = solvers.get_solver(self._solver)
        properties = content["properties"]
        return Graph(
            name=content["identity"].name,
            graph_id=str(content["identity"].version.graph_id if content["identity"].version else ""),
            qubits=tuple(int(q) for q in properties["qubits"]),
            couplers=tuple((int(a), int(b)) for a, b in properties["couplers"]),
            properties=properties,
        )

    def status(self) -> tuple[bool, str]:
        with self._solvers.client() as solvers:
            content = solvers.get_solver(self._solver, filter="none,+identity,+status")
        version = content["identity"].version
        return str(content["status"]).upper() == "ONLINE", str(version.graph_id if version else "")

    def find(self, tag: str) -> str | None:
        with self._problems.client() as problems:
            found = [p for p in problems.list_problems(label=tag, max_results=5) if p.label == tag]
        return str(found[0].id) if found else None

    def send(self, order: AnnealOrder) -> str:
        from dwave.cloud.api.models import ProblemJob, ProblemSubmitError
        from dwave.cloud.coders import encode_problem_as_qp

        shape = SimpleNamespace(_encoding_qubits=order.graph.qubits, _encoding_couplers=order.graph.couplers)
        job = ProblemJob.model_validate(
            {
                "data": encode_problem_as_qp(shape, dict(order.linear), dict(order.quadratic)),
                "params": dict(order.params),
                "solver": {"name": order.graph.name, "version": {"graph_id": order.graph.graph_id}},
                "type": "ising",
                "label": order.tag,
            }
        )
        with self._problems.client() as problems:
            (status,) = problems.submit_problems([job])
        if isinstance(status, ProblemSubmitError):
            kind = ProgramRefused if 400 <= status.error_code < 500 else BackendUnavailable
            raise kind(self._backend, f"submit: {status.error_code}: {status.error_msg}")
        return str(status.id)

    def state(self, job_id: str) -> tuple[RemoteStatus, str]:
        with self._problems.client() as problems:
            status = problems.get_problem_status(job_id)
            text = str(status.status.value)
            if text not in _STATES:
                raise ValueError(f"problem {job_id} has the unknown state {text!r}")
            why = ""
            if _STATES[text] is RemoteStatus.FAILED:
                why = "; ".join(str(m.get("message", m)) for m in problems.get_problem_messages(job_id))
        return _STATES[text], why

    def answer(self, job_id: str) -> AnnealAnswer:
        with self._problems.client() as problems:
            answer = problems.get_problem_answer(job_id)
        return decode(answer)

    def cancel(self, job_id: str) -> None:
        with self._problems.client() as problems:
            problems.cancel_problem(job_id)


def decode(answer: Any) -> AnnealAnswer:
    """Spins and counts of a ``qp`` answer, its lengths checked against each other.

    Raises
    ------
    ValueError
        When they do not fit.
    """
    columns = np.frombuffer(base64.b64decode(answer["active_variables"], validate=True), dtype="<i4")
    energies = np.frombuffer(base64.b64decode(answer["energies"], validate=True), dtype="<f8")
    counts = np.frombuffer(base64.b64decode(answer["num_occurrences"], validate=True), dtype="<i4").astype(np.int64)
    raw = np.frombuffer(base64.b64decode(answer["solutions"], validate=True), dtype=np.uint8)
    row = -(-len(columns) // 8)
    if len(counts) != len(energies) or raw.size != row * len(counts) or (counts < 1).any():
        reason = f"{raw.size} bytes of samples, {len(counts)} counts and {len(energies)} energies"
        raise ValueError(f"an answer over {len(columns)} qubits has {reason}")
    bits = np.unpackbits(raw.reshape(len(counts), row), axis=1)[:, : len(columns)]
    micros = float(answer["timing"].get("qpu_access_time", 0.0))
    return AnnealAnswer(2 * bits.astype(np.int8) - 1, tuple(int(q) for q in columns), counts, micros / 1e6)


class _Clients:
    """Clients of one resource: they are not thread-safe, so each call has one to itself; a failed one is closed."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._idle: SimpleQueue[Any] = SimpleQueue()

    @contextmanager
    def client(self) -> Iterator[Any]:
        try:
            found = self._idle.get_nowait()
        except Empty:
            found = self._make()
        try:
            yield found
        except BackendError:
            raise
        except BaseException:
            found.close()  # the next call makes a new one, with the key as it is then
            raise
        if self._idle.qsize() < _IDLE:
            self._idle.put(found)
        else:
            found.close()
