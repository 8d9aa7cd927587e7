"""The adapters of D-Wave, Braket and IBM against emulated vendors, through the vendors' own client libraries."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import dimod
import pytest

from backends.backend import Program, RemoteStatus
from backends.ledger import FileLedger
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
from tests.emulators.backends import adapter, emulator, keys, missing
from tests.emulators.server import Fault, Trouble

VENDORS = [
    pytest.param(
        name,
        marks=[
            pytest.mark.skipif(bool(missing(name)), reason=f"the extra {name} is not installed: {missing(name)}"),
            # The vendors' clients warn of what they fall back to; that is theirs to mend.
            pytest.mark.filterwarnings("ignore:Unable to retrieve IBM Cloud access token"),
        ],
    )
    for name in ("dwave", "braket", "ibm")
]
PROGRAM = Program(model(4), layers=1)


class Emulated(BackendConformance):
    same_seed_same_samples = False
    vendor = ""

    def make(self):
        if missing(self.vendor):
            pytest.skip(f"the extra {self.vendor} is not installed: {missing(self.vendor)}")
        return adapter(self.vendor, self.at)

    @pytest.fixture
    def backend(self):
        if missing(self.vendor):
            pytest.skip(f"the extra {self.vendor} is not installed: {missing(self.vendor)}")
        with keys(), emulator(self.vendor) as self.at:
            yield adapter(self.vendor, self.at)


class TestDWaveEmulated(Emulated):
    vendor = "dwave"


class TestBraketEmulated(Emulated):
    vendor = "braket"


@pytest.mark.long  # the same adapter runs the suite over the vendor's local testing mode
class TestIbmEmulated(Emulated):
    vendor = "ibm"


@pytest.fixture(params=VENDORS)
def vendor(request):
    return request.param


@pytest.fixture
def at(vendor):
    with keys(), emulator(vendor, hang_s=1.0) as found:
        yield found


@pytest.fixture
def backend(vendor, at):
    return adapter(vendor, at)


def solved(backend, key="k"):
    job = backend.submit(PROGRAM, 30, key)
    assert wait(backend, job) is RemoteStatus.DONE
    return backend.fetch(job)


def test_answer_lost_after_the_job_was_created_finds_that_job(backend, at):
    backend.facts()
    at.fail("submit", Fault.RESET_AFTER)
    assert solved(backend).record.num_occurrences.sum() == 30
    at.fail("submit", Fault.ERROR_AFTER)
    solved(backend, "other")
    assert list(at.paid().values()) == [1, 1]


def test_another_process_finds_the_job_by_its_tag(vendor, at):
    first = adapter(vendor, at).submit(PROGRAM, 30, "k")
    again = adapter(vendor, at)
    assert again.submit(PROGRAM, 30, "k").id == first.id
    assert wait(again, again.submit(PROGRAM, 30, "k")) is RemoteStatus.DONE
    assert again.fetch(first).record.num_occurrences.sum() == 30
    assert list(at.paid().values()) == [1]


def test_another_process_reads_the_job_from_the_ledger(vendor, at, tmp_path):
    backend = adapter(vendor, at)
    backend.remember_in(FileLedger(tmp_path / "jobs.jsonl"))
    first = backend.submit(PROGRAM, 30, "k")
    again = adapter(vendor, at)
    again.remember_in(FileLedger(tmp_path / "jobs.jsonl"))
    at.calls.clear()
    assert again.submit(PROGRAM, 30, "k").id == first.id
    assert "find" not in at.calls
    assert list(at.paid().values()) == [1]


def test_job_that_is_listed_late_is_not_sent_twice(vendor, at):
    backend = adapter(vendor, at)
    at.trouble(Trouble.LATE_LISTED)
    at.fail("submit", Fault.RESET_AFTER)
    with pytest.raises(SubmissionUnknown):
        backend.submit(PROGRAM, 30, "k")
    solved(backend)
    assert list(at.paid().values()) == [1]


def test_two_at_once_under_one_key_are_one_job(backend, at):
    backend.facts()
    both = threading.Barrier(2)

    def submit(_):
        both.wait(10)
        return backend.submit(PROGRAM, 30, "k")

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(submit, range(2))
    assert first == second
    assert list(at.paid().values()) == [1]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.BUSY, BackendUnavailable),
        (Fault.DENIED, BackendDenied),
        (Fault.FORBIDDEN, BackendDenied),
        (Fault.REFUSED, ProgramRefused),
        (Fault.RESET, SubmissionUnknown),
        (Fault.ERROR, SubmissionUnknown),
        (Fault.GARBAGE, None),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_failure_of_a_submission_has_its_class_and_a_retry_pays_once(backend, at, fault, kind):
    backend.facts()
    at.fail("submit", fault)
    if kind is None:  # accepted, but the answer says nothing: found by its tag
        solved(backend)
    else:
        with pytest.raises(kind) as caught:
            backend.submit(PROGRAM, 30, "k")
        assert type(caught.value) is kind
        if fault is Fault.BUSY:
            assert caught.value.retry_after_s == pytest.approx(0.01)
    solved(backend)
    assert list(at.paid().values()) == [1]


def test_hanging_submission_ends_at_its_limit_and_its_job_is_found(vendor, at):
    backend = adapter(vendor, at)
    backend.facts()
    backend._submissions._timeout_s = 1.5  # the calls after it have the same limit
    at.fail("submit", Fault.HANG_AFTER)
    solved(backend)
    assert list(at.paid().values()) == [1]


@pytest.mark.parametrize("trouble", [Trouble.FAILED, Trouble.CANCELLED])
def test_job_that_ended_badly_is_an_error_that_says_so(backend, at, trouble):
    at.trouble(trouble)
    job = backend.submit(PROGRAM, 30, "k")
    assert wait(backend, job) is (RemoteStatus.FAILED if trouble is Trouble.FAILED else RemoteStatus.CANCELLED)
    with pytest.raises(BackendError, match="temper" if trouble is Trouble.FAILED else "cancelled"):
        backend.fetch(job)


@pytest.mark.parametrize("trouble", [Trouble.TRUNCATED, Trouble.MALFORMED])
def test_samples_that_do_not_fit_are_corrupt(backend, at, trouble):
    at.trouble(trouble)
    job = backend.submit(PROGRAM, 30, "k")
    wait(backend, job)
    with pytest.raises(ResultCorrupt):
        backend.fetch(job)


def test_result_that_is_not_json_is_corrupt_and_fetched_again_at_no_cost(backend, at):
    job = backend.submit(PROGRAM, 30, "k")
    wait(backend, job)
    at.fail("result", Fault.GARBAGE)
    with pytest.raises(ResultCorrupt):
        backend.fetch(job)
    assert backend.fetch(job).record.num_occurrences.sum() == 30


def test_cancel_reaches_the_vendor(backend, at):
    at.trouble(Trouble.SLOW, polls=100)
    job = backend.submit(PROGRAM, 30, "k")
    backend.cancel(job)
    assert wait(backend, job) is RemoteStatus.CANCELLED


def test_vendor_that_is_away_is_unavailable_with_the_last_calibration(backend, at):
    before = backend.facts()
    assert before.available
    at.fail("device", *[Fault.ERROR] * 3)
    after = backend.facts()
    assert (after.available, after.calibration_id, after.qubits) == (False, before.calibration_id, before.qubits)


def test_no_key_is_in_an_error(vendor, at):
    backend = adapter(vendor, at, call_timeout_s=2.0)
    at.fail("device", *[Fault.DENIED] * 9)
    at.fail("auth", *[Fault.DENIED] * 9)
    with pytest.raises(BackendError) as caught:
        backend.facts()
    for secret in ("DEV-emulated-token", "emulated-secret-key", "emulated-api-key"):
        assert secret not in str(caught.value)


@pytest.mark.skipif(bool(missing("dwave")), reason="the extra dwave is not installed")
def test_dwave_graph_that_changed_is_embedded_into_anew():
    with keys(), emulator("dwave") as at:
        backend = adapter("dwave", at)
        before = solved(backend).info
        at.graph_id, at.dead = "02", frozenset({0, 1, 2})
        backend.facts()
        after = solved(backend, "other").info
        assert (before["graph_id"], after["graph_id"]) == ("01", "02")
        assert backend._graph[1].qubits[0] == 3


@pytest.mark.skipif(bool(missing("dwave")), reason="the extra dwave is not installed")
def test_dwave_refuses_what_finds_no_embedding_before_any_spend():
    clique = dimod.BinaryQuadraticModel("BINARY")
    for i in range(40):
        for j in range(i):
            clique.add_quadratic(i, j, 1.0)
    with keys(), emulator("dwave") as at:
        backend = adapter("dwave", at, embedding_s=0.5)
        with pytest.raises(ProgramRefused, match="40 variables with 780 couplings"):
            backend.submit(Program(clique), 10, "k")
        assert not at.jobs


@pytest.mark.skipif(bool(missing("braket")), reason="the extra braket is not installed")
def test_braket_device_that_is_retired_takes_nothing():
    with keys(), emulator("braket") as at:
        backend = adapter("braket", at)
        assert backend.facts().available
        at.queue = ">4000"
        assert backend.facts().queue_length == 4000
        at.status = "RETIRED"
        assert not backend.facts().available
        with pytest.raises(BackendError):
            backend.submit(PROGRAM, 30, "k")
        assert not at.jobs


def test_wait_of_a_call_ends_at_its_limit(vendor, at):
    backend = adapter(vendor, at)
    job = backend.submit(PROGRAM, 30, "k")
    backend._submissions._timeout_s = 0.2
    at.fail("status", Fault.HANG)
    with pytest.raises(BackendTimeout):
        backend.poll(job)
