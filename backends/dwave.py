"""D-Wave's quantum annealers through dwave-cloud-client, embedded by minorminer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import dimod
import numpy as np

from backends.backend import BackendFacts, Estimate, Price, Program, RemoteJob, RemoteStatus, Technology
from backends.dwave_session import AnnealAnswer, AnnealOrder, AnnealSession, Graph, SapiSession
from backends.embedding import Embedder, Embedding, chain_strength, embed_model, ising_of, unembed
from backends.gate import check_program
from backends.ledger import Ledger
from backends.sent import SentJobs
from backends.submissions import Submissions
from solvers.errors import BackendError, ProgramRefused, ResultCorrupt

T = TypeVar("T")


@dataclass(frozen=True)
class _Sent:
    """What was submitted under one key; ``embedding`` is ``None`` for a model without variables."""

    program: Program
    embedding: Embedding | None
    info: dict[str, Any]


class DWaveAnnealer:
    """Forward annealing on a D-Wave QPU; one problem a key.

    A key becomes the problem's label, and the label is looked up before every submission and after every one that got
    no answer. Embeddings are kept by the working graph's id; a graph that changed is embedded into anew. ``layers``,
    ``sweeps``, ``one_hot_groups`` and ``warm_start`` of a program are hints that forward annealing has no use for; the
    ``seed`` only decides ties of broken chains.

    Parameters
    ----------
    name
        Unique among the configured backends.
    price
        Per second of QPU access, from the contract.
    solver
        The vendor's name of the QPU solver.
    endpoint
        Address of the Solver API.
    token_variable
        Environment variable that holds the API token.
    annealing_time_us
        Of one read (0.5 - 2,000), microseconds.
    max_variables, max_shots
        Larger programs are refused; so is what finds no embedding, or more reads than the device's range.
    programming_s, read_s
        At most what the QPU takes for programming and for one read, seconds: what a price per second is reserved for.
    embedding_s
        Most that a search for an embedding may take (> 0), seconds.
    call_timeout_s, listing_lag_s
        As of `backends.submissions.Submissions`.
    graph_fresh_s
        The working graph is asked for again after so many seconds.
    """

    def __init__(
        self,
        name: str = "dwave",
        *,
        price: Price | None = None,
        solver: str = "Advantage2_system1",
        endpoint: str = "https://na-west-1.cloud.dwavesys.com/sapi/v2/",
        token_variable: str = "DWAVE_API_TOKEN",  # noqa: S107 - the name of a variable
        annealing_time_us: float = 20.0,
        max_variables: int = 120,
        max_shots: int = 5_000,
        programming_s: float = 0.05,
        read_s: float = 0.0005,
        embedding_s: float = 10.0,
        call_timeout_s: float = 30.0,
        listing_lag_s: float = 5.0,
        graph_fresh_s: float = 300.0,
    ) -> None:
        if not 0.5 <= annealing_time_us <= 2_000:
            raise ValueError(f"annealing_time_us is {annealing_time_us}; allowed: 0.5 - 2000")
        if max_variables < 1 or max_shots < 1 or not (programming_s > 0 and read_s > 0 and embedding_s > 0):
            raise ValueError("max_variables, max_shots, programming_s, read_s or embedding_s is not above 0")
        self.name, self._price = name, price or Price()
        self._anneal_us, self._max_variables, self._max_shots = annealing_time_us, max_variables, max_shots
        self._programming_s, self._read_s, self._embedding_s = programming_s, read_s, embedding_s
        self._fresh_s, self._timeout_s = graph_fresh_s, call_timeout_s
        self._connect: Callable[[], AnnealSession] = lambda: SapiSession(
            name, solver, endpoint, token_variable, call_timeout_s
        )
        self._session: AnnealSession | None = None
        self._graph: tuple[float, Graph, Embedder] | None = None
        self._sent: SentJobs[_Sent] = SentJobs(name)
        self._submissions = Submissions(name, call_timeout_s, listing_lag_s)
        self._lock = threading.RLock()

    def remember_in(self, ledger: Ledger) -> None:
        """Keep submissions in ``ledger`` from now on, so that another process finds them."""
        self._submissions.ledger = ledger

    def facts(self) -> BackendFacts:
        """The working graph, and whether the solver takes problems; the vendor tells no length of its queue."""
        try:
            graph, _ = self._working_graph()
            online, graph_id = self._ask("status", self._connected().status)
            if graph_id != graph.graph_id:
                graph, _ = self._working_graph(stale=graph)
        except BackendError:
            if self._graph is None:
                raise
            graph, online = self._graph[1], False
        return BackendFacts(
            name=self.name,
            technology=Technology.ANNEALER,
            qubits=min(self._max_variables, max(1, len(graph.qubits))),
            coupling=None,  # programs are embedded: any coupling may be asked for
            calibration=(),
            calibration_id="",
            queue_length=0,
            price=self._price,
            max_shots=self._most_shots(graph),
            is_local=False,
            available=online and bool(graph.qubits),
        )

    def estimate(self, program: Program, shots: int) -> Estimate:
        """QPU access at most, by ``programming_s`` and ``read_s``; embeds, so that what does not fit is refused."""
        graph, embedder = self._check(program, shots)
        if program.bqm.num_variables:
            fields, couplings = ising_of(program.bqm)
            embedder.embed(len(fields), list(couplings))
        seconds = self._programming_s + shots * (self._read_s + self._anneal_us * 1e-6)
        limits = graph.properties.get("problem_run_duration_range")
        if limits and seconds - self._programming_s > limits[1] * 1e-6:
            raise ProgramRefused(self.name, f"{shots} reads take {seconds:.2f} s; allowed: {limits[1] * 1e-6:g} s")
        return Estimate(seconds, self._price.charge_usd_micros(shots, seconds), 1.0)

    def submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        """Send it unless the key is known here, in the ledger, or by its label at the vendor."""
        if not idempotency_key:
            raise ValueError("idempotency key is empty; allowed: any other text")
        if known := self._sent.known(idempotency_key):
            return known
        with self._submissions.unless_sent(idempotency_key):
            return self._submit(program, shots, idempotency_key)

    def _submit(self, program: Program, shots: int, idempotency_key: str) -> RemoteJob:
        self.estimate(program, shots)
        graph, embedder = self._check(program, shots)
        if program.bqm.num_variables == 0:
            job = RemoteJob(self.name, self._submissions.tag(idempotency_key), idempotency_key, shots)
            return self._sent.keep(job, _Sent(program, None, {}))
        fields, couplings = ising_of(program.bqm)
        embedding = embedder.embed(len(fields), list(couplings))
        strength = chain_strength(list(couplings.values()), len(fields))
        linear, quadratic = embed_model(fields, couplings, embedding, embedder.couplers, strength)
        params = {"num_reads": shots, "annealing_time": self._anneal_us, "auto_scale": True, "answer_mode": "histogram"}
        session = self._connected()
        job_id = self._submissions.once(
            idempotency_key,
            shots,
            session.find,
            lambda tag: session.send(AnnealOrder(graph, linear, quadratic, params, tag)),
        )
        info = {
            "graph_id": graph.graph_id,
            "embedded_qubits": embedding.qubits,
            "longest_chain": embedding.longest_chain,
            "chain_strength": strength,
            "annealing_time_us": self._anneal_us,
        }
        return self._sent.keep(RemoteJob(self.name, job_id, idempotency_key, shots), _Sent(program, embedding, info))

    def poll(self, job: RemoteJob) -> RemoteStatus:
        """The vendor's state of it."""
        return self._state(job)[0]

    def fetch(self, job: RemoteJob) -> dimod.SampleSet:
        """Samples of a finished problem: chains to variables by majority, energies from the program itself."""
        status, why = self._state(job)
        sent = self._sent.of(job)
        if status is not RemoteStatus.DONE:
            raise BackendError(self.name, f"job {job.id} is {status.value}{f': {why}' if why else ''}")
        bqm = sent.program.bqm
        if sent.embedding is None:
            bits, counts, broken, seconds = np.zeros((1, 0), dtype=np.int8), np.array([job.shots]), 0.0, 0.0
        else:
            session = self._connected()
            answer = self._ask("result of job", lambda: session.answer(job.id), is_result=True)
            self._fits(job, sent.embedding, answer)
            bits, broken = unembed(answer.spins, answer.columns, sent.embedding, sent.program.seed)
            counts, seconds = answer.counts, answer.seconds
        samples = dimod.SampleSet.from_samples_bqm((bits, list(bqm.variables)), bqm, num_occurrences=counts)
        samples = samples.aggregate()
        samples.info.update(sent.info)
        samples.info.update(
            seconds=seconds,
            cost_usd_micros=self._price.charge_usd_micros(job.shots, seconds),
            broken_chains=broken,
            contributed=seconds > 0,
        )
        return samples

    def cancel(self, job: RemoteJob) -> None:
        """Ask the vendor to stop it if it still waits or runs."""
        if self._sent.of(job).embedding is None:
            return
        if self.poll(job) in (RemoteStatus.QUEUED, RemoteStatus.RUNNING):
            session = self._connected()
            self._ask("cancel of job", lambda: session.cancel(job.id))

    def _fits(self, job: RemoteJob, embedding: Embedding, answer: AnnealAnswer) -> None:
        wrong = {q for chain in embedding.chains for q in chain} ^ set(answer.columns)
        if int(answer.counts.sum()) != job.shots or wrong:
            reason = (
                f"job {job.id} answered {int(answer.counts.sum())} reads for {job.shots}, {len(wrong)} qubits differ"
            )
            raise ResultCorrupt(self.name, reason)

    def _state(self, job: RemoteJob) -> tuple[RemoteStatus, str]:
        if self._sent.of(job).embedding is None:
            return RemoteStatus.DONE, ""
        session = self._connected()
        return self._ask("status of job", lambda: session.state(job.id))

    def _ask(self, what: str, work: Callable[[], T], *, is_result: bool = False) -> T:
        return self._submissions.call(what, work, is_result=is_result)

    def _check(self, program: Program, shots: int) -> tuple[Graph, Embedder]:
        if self._graph is None:
            check_program(self.name, program, shots, self._max_variables, self._max_shots)
        graph, embedder = self._working_graph()
        check_program(self.name, program, shots, min(self._max_variables, len(graph.qubits)), self._most_shots(graph))
        return graph, embedder

    def _most_shots(self, graph: Graph) -> int:
        reads = graph.properties.get("num_reads_range")
        return min(self._max_shots, int(reads[1])) if reads else self._max_shots

    def _working_graph(self, stale: Graph | None = None) -> tuple[Graph, Embedder]:
        """The solver, asked for again when it is old or ``stale``; embeddings are kept while its ``graph_id`` stays."""
        with self._lock:
            now_s = time.monotonic()
            if self._graph is None or self._graph[1] is stale or now_s - self._graph[0] > self._fresh_s:
                graph = self._ask("solver", self._connected().graph)
                embedder = self._graph[2] if self._graph is not None else None
                if embedder is None or embedder.graph_id != graph.graph_id or embedder.couplers != graph.couplers:
                    embedder = Embedder(self.name, graph.graph_id, graph.couplers, self._embedding_s)
                self._graph = (now_s, graph, embedder)
            return self._graph[1], self._graph[2]

    def _connected(self) -> AnnealSession:
        with self._lock:
            if self._session is None:
                self._session = self._ask("connect", self._connect)
            return self._session
