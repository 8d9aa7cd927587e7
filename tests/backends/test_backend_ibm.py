from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import pytest

from backends.backend import Price, Program, RemoteStatus
from backends.calibration import parse_snapshot
from backends.config import BackendConfig, make_backend
from backends.gate_session import Availability, bits_of
from backends.ibm import IbmDevice
from backends.ibm_session import LocalSession
from backends.limits import within
from solvers.errors import (
    BackendDenied,
    BackendError,
    BackendTimeout,
    BackendUnavailable,
    ProgramRefused,
    ResultCorrupt,
    SubmissionUnknown,
)
from tests.backends.conformance import BackendConformance, model, wait

PRICE = Price(0, 0, 1_600_000, source="a test", as_of="2026-01-01")


class TestLocalTestingMode(BackendConformance):
    """The vendor's own client and fake device behind the adapter."""

    def make(self):
        return IbmDevice("ibm-local", price=PRICE, device="perth", local=True, max_variables=6, search_s=0.05)


class Job:
    """A job of the fake session."""

    def __init__(self, id, texts):
        self.id, self.texts, self.state, self.why, self.seconds = id, texts, RemoteStatus.QUEUED, "", 3.0


class Service:
    """A session that can drop answers, refuse, and hang."""

    def __init__(self):
        self.jobs = {}
        self.runs = 0
        self.fault = ""
        self.released = threading.Event()

    def snapshot(self):
        return parse_snapshot(json.loads(bundled_file("perth").read_text()), "a test")

    def availability(self):
        if self.fault == "hang":
            self.released.wait(30)
        if self.fault == "down":
            raise ConnectionError("no route")
        return Availability(True, 7)

    def find(self, tag):
        if self.fault == "blind":
            raise ConnectionError("no route")
        return self.jobs[tag].id if tag in self.jobs else None

    def send(self, order):
        circuit = order.prepared.on_device(order.qubits)
        assert circuit.num_qubits == 7
        if self.fault == "refused":
            raise Refused("403: not entitled")
        if self.fault == "slow":
            self.released.wait(30)
        self.runs += 1
        width = circuit.num_clbits
        self.jobs[order.tag] = Job(f"j{self.runs}", ["1".zfill(width)] * order.shots)
        if self.fault in ("dropped", "blind"):
            raise ConnectionError("connection reset after the request was sent")
        return self.jobs[order.tag].id

    def of(self, id):
        return next(job for job in self.jobs.values() if job.id == id)

    def state(self, id):
        return self.of(id).state, self.of(id).why

    def bits(self, id, size):
        return bits_of(self.of(id).texts, size)

    def seconds(self, id):
        return self.of(id).seconds

    def cancel(self, id):
        self.of(id).state = RemoteStatus.CANCELLED


class Refused(Exception):
    status_code = 403


def bundled_file(device):
    from importlib.util import find_spec
    from pathlib import Path

    return Path(find_spec("qiskit_ibm_runtime").origin).parent / f"fake_provider/backends/{device}/props_{device}.json"


@pytest.fixture
def service():
    service = Service()
    yield service
    service.released.set()


@pytest.fixture
def device(service):
    def make(**options):
        settings = {"search_s": 0.02, "call_timeout_s": 5.0, "max_execution_s": 30, "listing_lag_s": 0.05, **options}
        device = IbmDevice("ibm", price=PRICE, **settings)
        device._connect = lambda: service
        return device

    return make


PROGRAM = Program(model(3), layers=1)


def test_samples_keep_the_variables_order_and_are_charged_by_the_second(device, service):
    backend = device()
    job = backend.submit(PROGRAM, 20, "k")
    assert backend.poll(job) is RemoteStatus.QUEUED
    (remote,) = service.jobs.values()
    remote.state = RemoteStatus.DONE
    samples = backend.fetch(job)
    assert samples.first.sample == dict(zip(PROGRAM.bqm.variables, (1, 0, 0), strict=True))
    assert samples.info["cost_usd_micros"] == 4_800_000
    assert samples.info["seconds"] == 3.0


def test_dropped_answer_finds_the_job_and_never_pays_twice(device, service):
    service.fault = "dropped"
    job = device().submit(PROGRAM, 20, "k")
    assert job.id == "j1"
    service.fault = ""
    assert device().submit(PROGRAM, 20, "k") == job  # another process, the same key
    assert service.runs == 1


def test_answer_that_stays_unknown_says_so_and_a_retry_picks_it_up(device, service):
    backend = device()
    find = service.find
    calls = []

    def blind_after_the_first(tag):
        calls.append(tag)
        if len(calls) == 2:
            raise ConnectionError("no route")
        return find(tag)

    service.find, service.fault = blind_after_the_first, "dropped"
    with pytest.raises(SubmissionUnknown, match="whether it was accepted is unknown"):
        backend.submit(PROGRAM, 20, "k")
    assert backend.submit(PROGRAM, 20, "k").id == "j1"
    assert service.runs == 1


def test_look_up_that_fails_stops_a_submission_before_it_costs(device, service):
    service.fault = "blind"
    with pytest.raises(BackendUnavailable, match="no route"):
        device().submit(PROGRAM, 20, "k")
    assert service.runs == 0


def test_refusal_keeps_the_vendors_text(device, service):
    service.fault = "refused"
    with pytest.raises(BackendDenied, match="403: not entitled"):
        device().submit(PROGRAM, 20, "k")


def test_hanging_vendor_is_left_after_the_limit(device, service):
    backend = device()
    backend.facts()
    backend._submissions._timeout_s = 0.05
    service.fault = "hang"
    assert not backend.facts().available


def test_submission_that_hangs_is_not_repeated_and_its_late_answer_is_taken(device, service):
    backend = device()
    backend.facts()
    backend._submissions._timeout_s = 0.05
    service.fault = "slow"
    for _ in range(2):
        with pytest.raises(SubmissionUnknown):
            backend.submit(PROGRAM, 20, "k")
    service.released.set()
    backend._submissions._hanging["k"].over(5)
    assert backend.submit(PROGRAM, 20, "k").id == "j1"
    assert service.runs == 1


def test_usage_that_is_not_settled_is_charged_at_its_worst(device, service):
    backend = device()
    job = backend.submit(PROGRAM, 20, "k")
    (remote,) = service.jobs.values()
    remote.state, remote.seconds = RemoteStatus.DONE, None
    assert backend.fetch(job).info["cost_usd_micros"] == 30 * 1_600_000


def test_circuit_with_too_many_two_qubit_gates_is_refused_before_any_spend(device, service):
    with pytest.raises(ProgramRefused, match="two-qubit gates; allowed: 1"):
        device(max_two_qubit_gates=1).submit(PROGRAM, 20, "k")
    assert service.runs == 0


def test_vendor_that_is_down_is_unavailable_with_the_last_calibration(device, service):
    backend = device()
    before = backend.facts()
    assert (before.available, before.queue_length) == (True, 7)
    service.fault = "down"
    after = backend.facts()
    assert not after.available
    assert after.calibration_id == before.calibration_id


def test_failed_job_tells_why(device, service):
    backend = device()
    job = backend.submit(PROGRAM, 20, "k")
    remote = next(iter(service.jobs.values()))
    remote.state, remote.why = RemoteStatus.FAILED, "Error 1305: ran too long"
    assert backend.poll(job) is RemoteStatus.FAILED
    with pytest.raises(BackendError, match="1305: ran too long"):
        backend.fetch(job)


@pytest.mark.parametrize("texts", [["001"] * 19, ["0001"] * 20, []])
def test_answers_of_wrong_length_are_errors(device, service, texts):
    backend = device()
    job = backend.submit(PROGRAM, 20, "k")
    (remote,) = service.jobs.values()
    remote.state, remote.texts = RemoteStatus.DONE, texts
    with pytest.raises(ResultCorrupt, match=r"of 3|expected 3 bits"):
        backend.fetch(job)


def test_unknown_state_is_an_error_that_names_it():
    session = LocalSession("perth")
    session._jobs.keep(SimpleNamespace(job_id=lambda: "j1", status=lambda: "PAUSED"))
    with pytest.raises(ValueError, match="PAUSED"):
        session.state("j1")


def test_cancel_reaches_the_vendor(device, service):
    backend = device()
    job = backend.submit(PROGRAM, 20, "k")
    backend.cancel(job)
    assert backend.poll(job) is RemoteStatus.CANCELLED
    assert wait(backend, job) is RemoteStatus.CANCELLED


def test_estimate_is_capped_by_the_execution_limit_and_longer_programs_are_refused(device):
    backend = device()
    estimate = backend.estimate(PROGRAM, 1000)
    assert estimate.cost_usd_micros == 30 * 1_600_000
    assert 2 < estimate.seconds < 30
    short = IbmDevice("ibm", max_execution_s=2, local=True, device="perth")
    with pytest.raises(ProgramRefused, match="of 2 s allowed"):
        short.estimate(PROGRAM, 1000)


def test_missing_key_is_told_by_its_variables_name(monkeypatch):
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    backend = make_backend(BackendConfig("ibm", "ibm", {"token_variable": "NO_SUCH_TOKEN"}))
    with pytest.raises(BackendDenied, match="NO_SUCH_TOKEN"):
        backend.facts()


def test_limit_passes_values_and_errors_through():
    assert within(5.0, "b", "w", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(5.0, "b", "w", lambda: 1 / 0)
    with pytest.raises(BackendTimeout, match="w: no answer within"):
        within(0.01, "b", "w", threading.Event().wait)
