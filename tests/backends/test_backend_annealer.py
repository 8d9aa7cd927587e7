"""The local annealer as a backend."""

import dimod
import numpy as np
import pytest

from backends.annealer import LocalAnnealer
from backends.backend import Price, Program, RemoteStatus, Technology
from solvers.binary import gpu
from solvers.errors import BackendError, BackendTimeout, BackendUnavailable, ProgramRefused


@pytest.fixture
def annealer():
    backend = LocalAnnealer(price=Price(300_000, 20, 1_000_000, "test", "2026-01-01"), time_limit_s=20.0)
    yield backend
    backend.close()


def a_bqm(seed=1, n=12):
    rng = np.random.default_rng(seed)
    bqm = dimod.BinaryQuadraticModel("BINARY")
    for i in range(n):
        bqm.add_variable(("x", i), float(rng.normal()))
        for j in range(i):
            bqm.add_quadratic(("x", i), ("x", j), float(rng.normal()))
    return bqm


def run(backend, program, shots, key="k"):
    job = backend.submit(program, shots, key)
    assert backend.wait(job, 30.0) is RemoteStatus.DONE
    return backend.fetch(job)


def test_it_finds_the_optimum_and_counts_every_shot(annealer):
    """Samples are over the program's own labels, priced by its model, ``shots`` in all, the optimum among them."""
    bqm = a_bqm()
    samples = run(annealer, Program(bqm, sweeps=200), 100)
    assert list(samples.variables) == list(bqm.variables)
    assert samples.record.num_occurrences.sum() == 100
    assert np.allclose(bqm.energies(samples), samples.record.energy)
    assert samples.first.energy == pytest.approx(dimod.ExactSolver().sample(bqm).first.energy)
    assert samples.info["seconds"] > 0


def test_the_seed_decides_the_samples(annealer):
    bqm = a_bqm(n=150)
    one, again, other = (
        run(annealer, Program(bqm, sweeps=3, seed=seed), 20, key) for seed, key in ((5, "a"), (5, "b"), (6, "c"))
    )
    assert np.array_equal(one.record.sample, again.record.sample)
    assert not np.array_equal(one.record.sample, other.record.sample)


def test_a_key_is_run_and_charged_once(annealer):
    program = Program(a_bqm(), sweeps=10)
    first = annealer.submit(program, 10, "same")
    assert annealer.submit(program, 10, "same") == first
    other = annealer.submit(program, 10, "other")
    assert other != first
    assert annealer.wait(other, 10.0) is RemoteStatus.DONE


def test_what_is_charged_is_within_the_estimate(annealer):
    program = Program(a_bqm(), sweeps=10)
    estimate = annealer.estimate(program, 10)
    charged = run(annealer, program, 10).info["cost_usd_micros"]
    assert 300_000 + 10 * 20 < charged <= estimate.cost_usd_micros
    assert 0 < estimate.seconds <= 20.0


def test_free_by_default_and_told_so():
    backend = LocalAnnealer()
    facts = backend.facts()
    assert facts.technology is Technology.ANNEALER
    assert facts.is_local
    assert facts.coupling is None
    assert backend.estimate(Program(a_bqm()), 10).cost_usd_micros == 0
    assert run(backend, Program(a_bqm(), sweeps=10), 10).info["cost_usd_micros"] == 0
    backend.close()


@pytest.mark.parametrize(
    ("program", "shots"),
    [
        (Program(a_bqm()), 0),
        (Program(a_bqm()), 10_001),
        (Program(a_bqm(), sweeps=0), 1),
        (Program(a_bqm(), seed=-1), 1),
        (Program(dimod.BinaryQuadraticModel({0: 1.0}, {}, "SPIN")), 1),
        (Program(dimod.BinaryQuadraticModel({0: float("nan")}, {}, "BINARY")), 1),
        (Program(dimod.BinaryQuadraticModel(5_001, "BINARY")), 1),
    ],
)
def test_what_it_cannot_run_is_refused_before_anything_is_spent(annealer, program, shots):
    for ask in (lambda: annealer.estimate(program, shots), lambda: annealer.submit(program, shots, "k")):
        with pytest.raises(ProgramRefused):
            ask()
    assert annealer.facts().queue_length == 0


def test_a_running_job_is_cancelled(annealer):
    job = annealer.submit(Program(a_bqm(n=200), sweeps=1_000_000), 10_000, "long")
    annealer.cancel(job)
    assert annealer.wait(job, 10.0) is RemoteStatus.CANCELLED
    with pytest.raises(BackendError):
        annealer.fetch(job)


def test_a_job_beyond_the_time_limit_fails_with_a_timeout():
    backend = LocalAnnealer(time_limit_s=0.05)
    job = backend.submit(Program(a_bqm(n=200), sweeps=1_000_000), 1000, "long")
    assert backend.wait(job, 10.0) is RemoteStatus.FAILED
    with pytest.raises(BackendTimeout):
        backend.fetch(job)
    backend.close()


def test_a_program_without_variables_is_answered(annealer):
    samples = run(annealer, Program(dimod.BinaryQuadraticModel({}, {}, 2.5, "BINARY")), 7)
    assert samples.record.num_occurrences.sum() == 7
    assert samples.first.energy == 2.5


def test_a_device_it_does_not_know_or_have_is_refused(monkeypatch):
    """Each with what is allowed."""
    monkeypatch.setattr(gpu, "find_gpu", lambda: None)
    with pytest.raises(ValueError, match=r"'tpu'; allowed: auto, cpu, cuda"):
        LocalAnnealer(device="tpu")
    with pytest.raises(ValueError, match=r"'cuda', but .*; allowed here: auto, cpu"):
        LocalAnnealer(device="cuda")


def test_a_gpu_is_chosen_where_there_is_one_and_the_program_is_large_enough(monkeypatch):
    """By what was asked for, and the samples say what ran."""
    calls = []

    def stand_in(found, layout, reads, sweeps, rng, more):
        calls.append((found.device, layout.form, reads, sweeps))
        return np.ones((reads, layout.model.size), dtype=np.int8)

    monkeypatch.setattr(gpu, "find_gpu", lambda: gpu.Gpu("cuda:0", "a card", "2.13.0"))
    monkeypatch.setattr(gpu, "anneal_on", stand_in)
    small = Program(a_bqm(), sweeps=10)
    for device, least, ran in (
        ("auto", 1 << 40, "cpu"),
        ("auto", 1, "cuda:0 (a card)"),
        ("cpu", 1, "cpu"),
        ("cuda", 1 << 40, "cuda:0 (a card)"),
    ):
        monkeypatch.setattr(gpu, "LEAST_UPDATES", least)
        monkeypatch.setattr(gpu, "LEAST_AT_ONCE", 1)
        backend = LocalAnnealer(device=device)
        calls.clear()
        samples = run(backend, small, 20)
        assert samples.info["device"] == ran
        assert samples.info.get("torch") == (None if ran == "cpu" else "2.13.0")
        assert calls == ([] if ran == "cpu" else [("cuda:0", "by row", 20, 10)])
        assert samples.record.num_occurrences.sum() == 20
        backend.close()


def test_a_machine_without_a_gpu_runs_large_programs_on_its_cores(monkeypatch):
    monkeypatch.setattr(gpu, "find_gpu", lambda: None)
    monkeypatch.setattr(gpu, "LEAST_UPDATES", 1)
    monkeypatch.setattr(gpu, "LEAST_AT_ONCE", 1)
    backend = LocalAnnealer()
    assert run(backend, Program(a_bqm(), sweeps=10), 20).info["device"] == "cpu"
    backend.close()


def test_a_gpu_that_went_away_is_told(monkeypatch):
    """With ``cuda`` nothing runs elsewhere in silence."""
    monkeypatch.setattr(gpu, "find_gpu", lambda: gpu.Gpu("cuda:0", "a card", "2.13.0"))
    backend = LocalAnnealer(device="cuda")
    monkeypatch.setattr(gpu, "find_gpu", lambda: None)
    job = backend.submit(Program(a_bqm(), sweeps=10), 20, "k")
    assert backend.wait(job, 10.0) is RemoteStatus.FAILED
    with pytest.raises(BackendUnavailable, match="the GPU is gone"):
        backend.fetch(job)
    backend.close()


def test_on_pytorch_the_samples_are_the_programs(monkeypatch):
    """The whole way through PyTorch, here on its CPU device: labels, counts, energies, the optimum, the seed's own."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(gpu, "find_gpu", lambda: gpu.Gpu("cpu", "the CPU", torch.__version__))
    backend = LocalAnnealer(device="cuda", time_limit_s=200.0)
    bqm = a_bqm()
    samples = run(backend, Program(bqm, sweeps=60, seed=3), 40)
    assert samples.info["torch"] == torch.__version__
    assert samples.record.num_occurrences.sum() == 40
    assert np.allclose(bqm.energies(samples), samples.record.energy)
    assert samples.first.energy == pytest.approx(dimod.ExactSolver().sample(bqm).first.energy)
    again = run(backend, Program(bqm, sweeps=60, seed=3), 40, "again")
    assert np.array_equal(again.record, samples.record)
    backend.close()
