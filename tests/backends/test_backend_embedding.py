from __future__ import annotations

import dimod
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.embedding import Embedder, Embedding, chain_strength, embed_model, ising_of, unembed
from tests.backends.conformance import model

GRID = [(4 * r + c, 4 * r + c + 1) for r in range(4) for c in range(3)] + [(q, q + 4) for q in range(12)]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 1), min_size=3, max_size=3))
def test_unbroken_chains_cost_what_the_model_costs(seed, bits):
    """Any state whose chains agree has the model's energy plus a constant of the chains."""
    bqm = model(3, seed)
    fields, couplings = ising_of(bqm)
    embedding = Embedding(((0, 1), (4, 5), (8, 9, 10)))
    couplers = [*GRID, (0, 8)]
    linear, quadratic = embed_model(fields, couplings, embedding, couplers, 2.0)
    spins = {q: 2 * bits[k] - 1 for k, chain in enumerate(embedding.chains) for q in chain}
    energy = sum(h * spins[q] for q, h in linear.items()) + sum(
        j * spins[a] * spins[b] for (a, b), j in quadratic.items()
    )
    offset = bqm.to_ising()[2]
    within = -2.0 * sum(len(set(e) & set(chain)) == 2 for e in couplers for chain in embedding.chains)
    expected = bqm.energy(dict(zip(bqm.variables, bits, strict=True)))
    assert energy - within + offset == pytest.approx(expected, abs=1e-9)


def test_majority_decides_and_broken_chains_are_counted():
    embedding = Embedding(((3, 1, 2), (7,)))
    spins = np.array([[1, 1, -1, -1], [-1, -1, -1, 1]], dtype=np.int8)  # columns 1, 2, 3, 7
    bits, broken = unembed(spins, [1, 2, 3, 7], embedding, 0)
    assert bits.tolist() == [[1, 0], [0, 1]]
    assert broken == pytest.approx(1 / 4)


def test_ties_fall_by_the_seed_and_to_both_sides():
    spins = np.tile(np.array([[1, -1]], dtype=np.int8), (400, 1))
    bits, _ = unembed(spins, [0, 1], Embedding(((0, 1),)), 5)
    again, _ = unembed(spins, [0, 1], Embedding(((0, 1),)), 5)
    assert np.array_equal(bits, again)
    assert 150 < bits.sum() < 250


def test_chain_strength_grows_with_the_couplings_and_never_vanishes():
    assert chain_strength([], 3) == 1.0
    assert chain_strength([2.0] * 3, 3) == pytest.approx(2 * chain_strength([1.0] * 3, 3))
    assert chain_strength([0.0], 2) > 0


def test_embeddings_are_chains_that_reach_each_other_and_are_kept_by_shape():
    pytest.importorskip("minorminer")
    embedder = Embedder("b", "g", GRID, 5.0)
    edges = [(0, 1), (1, 2), (0, 2)]
    found = embedder.embed(3, edges)
    assert embedder.embed(3, list(reversed(edges))) is found
    owner = {q: k for k, chain in enumerate(found.chains) for q in chain}
    assert len(owner) == found.qubits
    touching = {
        tuple(sorted((owner[a], owner[b]))) for a, b in GRID if a in owner and b in owner and owner[a] != owner[b]
    }
    assert set(edges) <= touching


def test_models_without_couplings_have_a_place_too():
    pytest.importorskip("minorminer")
    found = Embedder("b", "g", GRID, 5.0).embed(2, [])
    assert sorted(len(chain) for chain in found.chains) == [1, 1]
    fields, couplings = ising_of(dimod.BinaryQuadraticModel({"a": 1.0, "b": -1.0}, {}, 0.0, "BINARY"))
    assert couplings == {}
    assert embed_model(fields, couplings, found, GRID, 1.0)[1] == {}
