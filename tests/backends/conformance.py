"""What every backend must do, whatever it runs on. Ship it with a new one:

.. code-block:: python

    from tests.backends.conformance import BackendConformance

    class TestMine(BackendConformance):
        def make(self):
            return MyBackend("mine", price=PRICE)

Energies are recomputed here, by dimod alone.
"""

from __future__ import annotations

import time

import dimod
import numpy as np
import pytest

from backends.backend import Program, RemoteStatus
from solvers.errors import BackendError, ProgramRefused

LIMIT_S = 120.0


def model(size, seed=0):
    """A random model over variables with names of several types."""
    rng = np.random.default_rng(seed)
    names = ["a", 7, ("pair", 1), "d", "e", 0, "g", "h"][:size]
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i, name in enumerate(names):
        bqm.add_linear(name, rng.normal())
        for other in names[:i]:
            bqm.add_quadratic(name, other, rng.normal())
    bqm.offset = rng.normal()
    return bqm


def wait(backend, job, limit_s=LIMIT_S):
    """Final state of ``job``."""
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s:
        status = backend.poll(job)
        if status not in (RemoteStatus.QUEUED, RemoteStatus.RUNNING):
            return status
        time.sleep(0.002)
    pytest.fail(f"{job} is still {status} after {limit_s} s")


class BackendConformance:
    """Subclass it and give ``make``; ``same_seed_same_samples`` is ``False`` for real devices."""

    same_seed_same_samples = True

    def make(self):
        """A fresh backend."""
        raise NotImplementedError

    @pytest.fixture
    def backend(self):
        backend = self.make()
        yield backend
        if hasattr(backend, "close"):
            backend.close()

    def run(self, backend, program, shots, key="key"):
        job = backend.submit(program, shots, key)
        assert wait(backend, job) is RemoteStatus.DONE, backend.fetch(job)
        return backend.fetch(job)

    def test_facts_are_complete_and_stable(self, backend):
        facts = backend.facts()
        assert facts.name
        assert facts.qubits >= 1
        assert facts.max_shots >= 1
        assert facts.queue_length >= 0
        assert facts.price.source
        assert all(value.date.tzinfo is not None for value in facts.calibration)
        assert bool(facts.calibration) == bool(facts.calibration_id)
        again = backend.facts()
        assert (again.calibration_id, again.price, again.qubits) == (facts.calibration_id, facts.price, facts.qubits)

    def test_samples_cover_exactly_the_variables_and_count_up_to_shots(self, backend):
        bqm = model(6)
        samples = self.run(backend, Program(bqm, layers=1, sweeps=50, seed=3), 57)
        assert set(samples.variables) == set(bqm.variables)
        assert samples.record.num_occurrences.sum() == 57
        assert set(np.unique(samples.record.sample)) <= {0, 1}
        assert samples.vartype is dimod.BINARY

    def test_energies_are_those_that_dimod_computes(self, backend):
        bqm = model(6, 1)
        samples = self.run(backend, Program(bqm, layers=1, sweeps=50, seed=3), 40)
        expected = bqm.energies((samples.record.sample, samples.variables))
        assert samples.record.energy == pytest.approx(expected, abs=1e-9)

    def test_same_seed_same_samples(self, backend):
        if not self.same_seed_same_samples:
            pytest.skip("a device has no seed")
        program = Program(model(6, 2), layers=1, sweeps=50, seed=11)
        first, second = self.run(backend, program, 30, "first"), self.run(backend, program, 30, "second")
        assert np.array_equal(first.record.sample, second.record.sample)
        assert np.array_equal(first.record.num_occurrences, second.record.num_occurrences)

    def test_same_key_is_one_job(self, backend):
        program = Program(model(4), layers=1, sweeps=50)
        first = backend.submit(program, 10, "once")
        assert backend.submit(program, 10, "once") == first
        assert wait(backend, first) is RemoteStatus.DONE
        assert backend.submit(program, 10, "once") == first
        other = backend.submit(program, 10, "twice")
        assert other.id != first.id
        wait(backend, other)

    def test_estimate_covers_the_charge_and_every_second(self, backend):
        program = Program(model(5), layers=1, sweeps=50)
        estimate = backend.estimate(program, 25)
        samples = self.run(backend, program, 25)
        assert 0 <= samples.info["cost_usd_micros"] <= estimate.cost_usd_micros
        assert estimate.seconds > 0
        assert 0 < estimate.success_probability <= 1
        assert samples.info["seconds"] >= 0

    def test_price_is_what_is_charged(self, backend):
        price = backend.facts().price
        info = self.run(backend, Program(model(3), layers=1, sweeps=50), 20).info
        least = price.per_task_usd_micros + 20 * price.per_shot_usd_micros
        assert info["cost_usd_micros"] >= least
        if not price.per_second_usd_micros:
            assert info["cost_usd_micros"] == least

    @pytest.mark.parametrize("what", ["shots", "no shots", "size", "vartype", "not finite"])
    def test_programs_beyond_the_device_are_refused_before_anything_is_spent(self, backend, what):
        facts = backend.facts()
        program, shots = Program(model(3), layers=1, sweeps=50), 10
        if what == "shots":
            shots = facts.max_shots + 1
        elif what == "no shots":
            shots = 0
        elif what == "size":
            large = dimod.BinaryQuadraticModel(dict.fromkeys(range(facts.qubits + 1), 1.0), {}, 0.0, "BINARY")
            program = Program(large, layers=1, sweeps=50)
        elif what == "vartype":
            program = Program(model(3).change_vartype("SPIN", inplace=False), layers=1, sweeps=50)
        else:
            program = Program(dimod.BinaryQuadraticModel({"a": float("nan")}, {}, 0.0, "BINARY"), layers=1, sweeps=50)
        with pytest.raises(ProgramRefused):
            backend.estimate(program, shots)
        with pytest.raises(ProgramRefused):
            backend.submit(program, shots, "refused")
        assert backend.facts().queue_length == 0

    def test_cancelled_job_ends_and_a_finished_one_stays(self, backend):
        program = Program(model(6), layers=1, sweeps=50)
        job = backend.submit(program, 10, "cancel me")
        backend.cancel(job)
        status = wait(backend, job)
        assert status in (RemoteStatus.CANCELLED, RemoteStatus.DONE)  # it may have been faster
        if status is RemoteStatus.CANCELLED:
            with pytest.raises(BackendError):
                backend.fetch(job)
        finished = backend.submit(program, 10, "leave me")
        assert wait(backend, finished) is RemoteStatus.DONE
        backend.cancel(finished)
        assert backend.poll(finished) is RemoteStatus.DONE

    @pytest.mark.parametrize(
        "bqm",
        [
            dimod.BinaryQuadraticModel({}, {}, 2.5, "BINARY"),
            dimod.BinaryQuadraticModel({"a": 0.0, "b": 0.0}, {}, -1.5, "BINARY"),
            dimod.BinaryQuadraticModel({"a": -1.0}, {}, 0.0, "BINARY"),
            dimod.BinaryQuadraticModel({"a": -1.0, "b": 1.0}, {}, 0.0, "BINARY"),
        ],
        ids=["empty", "constant", "one variable", "no couplings"],
    )
    def test_small_models_are_sampled(self, backend, bqm):
        samples = self.run(backend, Program(bqm, layers=1, sweeps=50, seed=5), 64)
        assert set(samples.variables) == set(bqm.variables)
        assert samples.record.num_occurrences.sum() == 64
        assert samples.first.energy == pytest.approx(min(dimod.ExactSolver().sample(bqm).record.energy, default=2.5))

    def test_warm_start_is_taken(self, backend):
        bqm = model(4)
        samples = self.run(backend, Program(bqm, layers=1, sweeps=50, warm_start=dict.fromkeys(bqm.variables, 1)), 16)
        assert samples.record.num_occurrences.sum() == 16
