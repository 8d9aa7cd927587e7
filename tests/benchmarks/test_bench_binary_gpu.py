"""The benchmark of the annealer's forms."""

import sys

import pytest

from benchmarks import binary_gpu


def test_its_models_are_what_it_says():
    torus, complete = binary_gpu.torus(6), binary_gpu.complete(9)
    assert torus.size == 36
    assert set(torus.indptr[1:] - torus.indptr[:-1]) == {4}
    assert complete.weights.shape[0] == 72


def test_both_forms_are_measured_on_the_device_that_is_there(monkeypatch, capsys):
    """A line each, named, and both reach the ground states of small models."""
    pytest.importorskip("torch")
    monkeypatch.setattr(binary_gpu, "torus", lambda side, make=binary_gpu.torus: make(4))
    monkeypatch.setattr(binary_gpu, "complete", lambda size, make=binary_gpu.complete: make(8))
    monkeypatch.setattr(sys, "argv", ["binary_gpu", "--sweeps", "40", "--reads", "16"])
    binary_gpu.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("PyTorch ")
    rows = [line.split() for line in lines if line.startswith(("torus", "complete"))]
    assert [row[2] for row in rows] == ["numba", "by", "numba", "by"]
    assert binary_gpu.measure(binary_gpu.complete(8), 16, 5, binary_gpu.device())[0] > 0
    assert rows[0][-2] == rows[1][-2]
    assert rows[2][-2] == rows[3][-2]
