"""A dense model on a sparse annealer: chains of qubits for variables, and back by majority."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dimod
import numpy as np
from numpy.typing import NDArray

from solvers.errors import ProgramRefused

Edge = tuple[int, int]
_KEPT = 256
_PREFACTOR = 1.414


@dataclass(frozen=True)
class Embedding:
    """``chains[k]`` are the qubits of variable k, disjoint, each connected by couplers."""

    chains: tuple[tuple[int, ...], ...]

    @property
    def qubits(self) -> int:
        """Qubits in use."""
        return sum(len(chain) for chain in self.chains)

    @property
    def longest_chain(self) -> int:
        return max((len(chain) for chain in self.chains), default=0)


class Embedder:
    """Finds embeddings into one working graph and keeps them by the shape of the model.

    Parameters
    ----------
    backend
        Name, for errors.
    graph_id
        The vendor's name of this working graph: another graph is another embedder.
    couplers
        Undirected edges between live qubits.
    timeout_s
        Most that one search may take (> 0), seconds.
    """

    def __init__(self, backend: str, graph_id: str, couplers: Sequence[Edge], timeout_s: float) -> None:
        self.backend, self.graph_id, self.couplers, self._timeout_s = backend, graph_id, tuple(couplers), timeout_s
        self._found: OrderedDict[tuple[int, tuple[Edge, ...]], Embedding] = OrderedDict()
        self._lock = threading.Lock()

    def embed(self, size: int, edges: Sequence[Edge]) -> Embedding:
        """Chains for variables 0 .. ``size`` - 1 with couplings ``edges``; the same ones for the same shape.

        Raises
        ------
        ProgramRefused
            When none is found within the time limit.
        """
        shape = (size, tuple(sorted((min(e), max(e)) for e in edges)))
        with self._lock:
            known = self._found.get(shape)
            if known is None:
                known = self._search(*shape)
                self._found[shape] = known
                while len(self._found) > _KEPT:
                    self._found.popitem(last=False)
            return known

    def _search(self, size: int, edges: tuple[Edge, ...]) -> Embedding:
        import minorminer

        found = minorminer.find_embedding(
            [*edges, *((k, k) for k in range(size))],
            self.couplers,
            random_seed=1,
            timeout=max(1, math.ceil(self._timeout_s)),
            threads=1,
        )
        if len(found) < size:
            reason = (
                f"{size} variables with {len(edges)} couplings find no place on its graph within {self._timeout_s:g} s"
            )
            raise ProgramRefused(self.backend, reason)
        return Embedding(tuple(tuple(sorted(found[k])) for k in range(size)))


def chain_strength(couplings: Sequence[float], size: int) -> float:
    """Ferromagnetic coupling that holds a chain together: uniform torque compensation, ``1.414 rms(J) sqrt(degree)``
    with the mean degree of the ``size`` variables; 1 for a model without couplings.
    """
    if not couplings:
        return 1.0
    rms = math.sqrt(sum(j * j for j in couplings) / len(couplings))
    return max(1e-12, _PREFACTOR * rms * math.sqrt(2 * len(couplings) / size))


def embed_model(
    fields: Mapping[int, float],
    couplings: Mapping[Edge, float],
    embedding: Embedding,
    couplers: Sequence[Edge],
    strength: float,
) -> tuple[dict[int, float], dict[Edge, float]]:
    """The Ising model on qubits: fields shared along chains, couplings shared over the couplers between two chains,
    ``-strength`` on the couplers within one.
    """
    owner = {q: k for k, chain in enumerate(embedding.chains) for q in chain}
    linear = {q: fields.get(k, 0.0) / len(embedding.chains[k]) for q, k in owner.items()}
    between: dict[Edge, list[Edge]] = {}
    quadratic: dict[Edge, float] = {}
    for a, b in couplers:
        i, j = owner.get(a), owner.get(b)
        if i is None or j is None:
            continue
        if i == j:
            quadratic[a, b] = -strength
        else:
            between.setdefault((min(i, j), max(i, j)), []).append((a, b))
    for pair, value in couplings.items():
        places = between[min(pair), max(pair)]
        for place in places:
            quadratic[place] = value / len(places)
    return linear, quadratic


def unembed(
    spins: NDArray[np.int8], columns: Sequence[int], embedding: Embedding, seed: int
) -> tuple[NDArray[np.int8], float]:
    """Bits of the variables by majority of each chain, ties by chance, and the share of chains that were broken.

    Parameters
    ----------
    spins
        (samples, qubits), -1 or 1.
    columns
        Qubit of each column.

    Returns
    -------
    tuple[NDArray[np.int8], float]
        (samples, variables) of 0 and 1; 0 - 1.
    """
    place = {q: k for k, q in enumerate(columns)}
    rng = np.random.default_rng(seed)
    bits = np.empty((len(spins), len(embedding.chains)), dtype=np.int8)
    broken = 0
    for k, chain in enumerate(embedding.chains):
        votes = spins[:, [place[q] for q in chain]].astype(np.int64).sum(axis=1)
        broken += int((np.abs(votes) < len(chain)).sum())
        ties = rng.integers(0, 2, len(spins))
        bits[:, k] = np.where(votes == 0, ties, votes > 0)
    return bits, broken / max(1, bits.size)


def ising_of(bqm: dimod.BinaryQuadraticModel) -> tuple[dict[int, float], dict[Edge, float]]:
    """Fields and couplings of ``bqm`` in spins, variables numbered in its order; couplings of 0 left out."""
    number = {v: k for k, v in enumerate(bqm.variables)}
    linear, quadratic, _ = bqm.to_ising()
    fields = {number[v]: float(h) for v, h in linear.items()}
    return fields, {(number[u], number[v]): float(j) for (u, v), j in quadratic.items() if j}
