from __future__ import annotations

import json
import threading

import pytest

from backends.backend import Price, Program, RemoteStatus
from backends.config import BackendConfig, make_backend
from backends.ibm import IbmDevice
from backends.limits import within
from solvers.errors import BackendError, BackendTimeout, BackendUnavailable, ProgramRefused
from tests.backends.conformance import BackendConformance, model, wait

PRICE = Price(0, 0, 1_600_000, source="a test", as_of="2026-01-01")


class TestLocalTestingMode(BackendConformance):
    """The vendor's own client and fake device behind the adapter."""

    def make(self):
        return IbmDevice("ibm-local", price=PRICE, device="perth", local=True, max_variables=6, search_s=0.05)


class Register:
    def __init__(self, texts):
        self.texts = texts

    def get_bitstrings(self):
        return self.texts


class Job:
    """A job of the fake service."""

    def __init__(self, id, texts):
        self.id, self.texts, self.state, self.seconds = id, texts, "QUEUED", 3.0

    def job_id(self):
        return self.id

    def status(self):
        return self.state

    def cancel(self):
        self.state = "CANCELLED"

    def usage(self):
        return self.seconds

    def error_message(self):
        return "Error 1305: ran too long" if self.state == "ERROR" else None

    def result(self):
        data = type("Data", (), {"c": Register(self.texts)})()
        return [type("Pub", (), {"data": data})()]


class Service:
    """A vendor that can drop answers, refuse, and hang."""

    def __init__(self):
        self.jobs = {}
        self.runs = 0
        self.fault = ""
        self.released = threading.Event()

    def properties(self):
        return json.loads(bundled_file("perth").read_text())

    def pending(self):
        if self.fault == "hang":
            self.released.wait(30)
        if self.fault == "down":
            raise ConnectionError("no route")
        return True, 7

    def find(self, tag):
        if self.fault == "blind":
            raise ConnectionError("no route")
        return self.jobs.get(tag)

    def run(self, circuit, shots, tag, max_execution_s, seed):
        assert circuit.num_qubits == 7
        if self.fault == "refused":
            raise PermissionError("403: not entitled")
        self.runs += 1
        width = circuit.num_clbits
        self.jobs[tag] = Job(f"j{self.runs}", ["1".zfill(width)] * shots)
        if self.fault in ("dropped", "blind"):
            raise ConnectionError("connection reset after the request was sent")
        return self.jobs[tag]


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
    def make():
        device = IbmDevice("ibm", price=PRICE, search_s=0.02, call_timeout_s=5.0, max_execution_s=30)
        device._open = lambda: service
        return device

    return make


PROGRAM = Program(model(3), layers=1)


def test_samples_keep_the_variables_order_and_are_charged_by_the_second(device, service):
    backend = device()
    job = backend.submit(PROGRAM, 20, "k")
    assert backend.poll(job) is RemoteStatus.QUEUED
    (remote,) = service.jobs.values()
    remote.state = "DONE"
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
    with pytest.raises(BackendError, match="whether it was accepted is unknown") as caught:
        backend.submit(PROGRAM, 20, "k")
    assert not isinstance(caught.value, BackendUnavailable)  # that would say that nothing was spent
    assert backend.submit(PROGRAM, 20, "k").id == "j1"
    assert service.runs == 1


def test_look_up_that_fails_stops_a_submission_before_it_costs(device, service):
    service.fault = "blind"
    with pytest.raises(BackendUnavailable, match="no route"):
        device().submit(PROGRAM, 20, "k")
    assert service.runs == 0


def test_refusal_keeps_the_vendors_text(device, service):
    service.fault = "refused"
    with pytest.raises(BackendError, match="403: not entitled"):
        device().submit(PROGRAM, 20, "k")


def test_hanging_vendor_is_left_after_the_limit(service):
    backend = IbmDevice("ibm", call_timeout_s=0.05)
    backend._open = lambda: service
    backend._call_timeout_s = 5.0
    backend._calibration()
    backend._call_timeout_s = 0.05
    service.fault = "hang"
    assert not backend.facts().available


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
    next(iter(service.jobs.values())).state = "ERROR"
    assert backend.poll(job) is RemoteStatus.FAILED
    with pytest.raises(BackendError, match="1305: ran too long"):
        backend.fetch(job)


@pytest.mark.parametrize("texts", [["001"] * 19, ["0001"] * 20, []])
def test_answers_of_wrong_length_are_errors(device, service, texts):
    backend = device()
    job = backend.submit(PROGRAM, 20, "k")
    (remote,) = service.jobs.values()
    remote.state, remote.texts = "DONE", texts
    with pytest.raises(BackendError, match="shots for 20 of 3 bits"):
        backend.fetch(job)


def test_unknown_state_is_an_error_that_names_it(device, service):
    backend = device()
    job = backend.submit(PROGRAM, 20, "k")
    next(iter(service.jobs.values())).state = "PAUSED"
    with pytest.raises(BackendError, match="PAUSED"):
        backend.poll(job)


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
    with pytest.raises(BackendUnavailable, match="NO_SUCH_TOKEN"):
        backend.facts()


def test_limit_passes_values_and_errors_through():
    assert within(5.0, "b", "w", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        within(5.0, "b", "w", lambda: 1 / 0)
    with pytest.raises(BackendTimeout, match="w: no answer within"):
        within(0.01, "b", "w", threading.Event().wait)
