"""Noisy circuits shot by shot: exact quantum trajectories over one small statevector.

A circuit is one-qubit matrices, CZ gates and noise sites. Pauli noise strikes with a probability of its own, whatever
the state. Amplitude damping is unravelled into jumps (Dalibard, Castin and Moelmer, 1992): a jump needs a uniform
number below the damping strength first, which is rare and known before the state is, and only then below strength times
the excited population; without a jump the excited half shrinks by a fixed factor. So every shot follows one and the
same evolution up to its first event: that one is kept at checkpoints, and a shot is computed from its first event on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from solvers.quantum import lanes
from solvers.quantum.lanes import LANE_QUBITS
from solvers.quantum.passes import aligned

F4 = NDArray[np.float32]
C16 = NDArray[np.complex128]

_CHECKPOINTS = 48
_CHUNK_SHOTS = 1000

_MATRIX, _DAMP, _PAULI = 0, 1, 2
_CANDIDATE = 4  # event codes 1 - 3 are X, Y, Z

_NOTHING: C16 = np.eye(2, dtype=np.complex128)


class NoisyCircuit:
    """Collects a circuit gate by gate; see the module's text.

    Gates on one qubit are kept back until a CZ needs them, so that a run without events applies one matrix for each
    qubit and CZ.

    Parameters
    ----------
    qubits
        1 or more; the state takes 8 * 2**qubits bytes.
    """

    def __init__(self, qubits: int) -> None:
        self.qubits = qubits
        self._pending: list[list[int]] = [[] for _ in range(qubits)]
        self._kinds: list[int] = []
        self._matrices: list[C16] = []
        self._factors: list[float] = []
        self._blocks: list[tuple[int, int, list[int], list[int]]] = []
        self._sites: list[tuple[float, tuple[int, ...], bool]] = []

    def matrix(self, qubit: int, matrix: C16) -> None:
        """A 2x2 unitary without noise."""
        self._add(qubit, _MATRIX, matrix, 0.0)

    def cz(self, a: int, b: int) -> None:
        """A controlled-Z without noise."""
        self._blocks.append((a, b, self._pending[a], self._pending[b]))
        self._pending[a], self._pending[b] = [], []

    def depolarise(self, qubits: tuple[int, ...], probability: float) -> None:
        """With ``probability`` one of the 3 (15) Paulis other than the identity on one (two) qubits, each as likely."""
        if probability > 0:
            places = tuple(self._add(q, _PAULI, _NOTHING, 0.0) for q in qubits)
            self._sites.append((probability, places, False))

    def relax(self, qubit: int, length_s: float, t1_s: float, t2_s: float) -> None:
        """Thermal relaxation to |0> for ``length_s`` seconds; t2 <= 2 t1."""
        damping = -np.expm1(-length_s / t1_s)
        flip = -np.expm1(-length_s * (1 / t2_s - 0.5 / t1_s)) / 2
        if damping > 0:
            kept = np.diag([1.0, np.sqrt(1 - damping)]).astype(complex)
            self._sites.append((float(damping), (self._add(qubit, _DAMP, kept, float(damping)),), True))
        if flip > 1e-15:
            place = self._add(qubit, _PAULI, _NOTHING, 0.0)
            self._sites.append((float(flip), (place,), True))

    def _add(self, qubit: int, kind: int, matrix: C16, factor: float) -> int:
        place = len(self._kinds)
        self._kinds.append(kind)
        self._matrices.append(np.asarray(matrix, dtype=complex))
        self._factors.append(factor)
        self._pending[qubit].append(place)
        return place

    def prepare(self) -> Trajectories:
        """The circuit as it is now, ready to be sampled."""
        plan = self._plan()
        return Trajectories(plan, _Prefix.of(plan))

    def _plan(self) -> _Plan:
        """Micro-operations in the order in which blocks apply them."""
        blocks = [*self._blocks]
        blocks += [(q, -1, pending, []) for q, pending in enumerate(self._pending)]
        order: list[int] = []
        bounds = [0]
        for _, _, first, second in blocks:
            order += first
            bounds.append(len(order))
            order += second
            bounds.append(len(order))
        moved = np.empty(len(order), dtype=np.int64)
        moved[order] = np.arange(len(order))
        matrices = np.array([self._matrices[k] for k in order]).reshape(-1, 2, 2)
        return _Plan(
            qubits=max(self.qubits, LANE_QUBITS),
            pairs=np.array([(a, b) for a, b, _, _ in blocks], dtype=np.int64).reshape(-1, 2),
            bounds=np.array(bounds, dtype=np.int64),
            kinds=np.array([self._kinds[k] for k in order], dtype=np.int64),
            matrices=matrices,
            fused=_fuse(matrices, np.array(bounds, dtype=np.int64)),
            chances=np.array([chance for chance, _, _ in self._sites]),
            places=np.array(
                [(moved[w[0]], moved[w[-1]] if len(w) == 2 else -1) for _, w, _ in self._sites], dtype=np.int64
            ).reshape(-1, 2),
            fixed=np.array([alone for _, _, alone in self._sites], dtype=np.bool_),
        )


@dataclass(frozen=True)
class _Plan:
    """Arrays of a circuit: block b applies micro-operations bounds[2b] - bounds[2b + 2] to pairs[b], then a CZ unless
    its second qubit is -1. Noise sites have ``chances``, one or two micro-operations, and are ``fixed`` when what
    happens there is not drawn (a damping candidate, a Z).
    """

    qubits: int
    pairs: NDArray[np.int64]
    bounds: NDArray[np.int64]
    kinds: NDArray[np.int64]
    matrices: C16
    fused: C16
    chances: NDArray[np.float64]
    places: NDArray[np.int64]
    fixed: NDArray[np.bool_]


@dataclass(frozen=True)
class _Prefix:
    """The evolution without events at checkpoints ``every`` blocks apart, and at the end."""

    real: F4
    imaginary: F4
    every: int

    @classmethod
    def of(cls, plan: _Plan) -> _Prefix:
        blocks = len(plan.pairs)
        every = max(1, -(-blocks // _CHECKPOINTS))
        rows = -(-blocks // every) + 1
        real = np.zeros((rows, 1 << plan.qubits), dtype=np.float32)
        imaginary = np.zeros_like(real)
        real[0, 0] = 1.0
        _checkpoints(real, imaginary, plan.pairs, plan.fused, every)
        return cls(real, imaginary, every)


@dataclass(frozen=True)
class Trajectories:
    """A circuit with its shared evolution, as `NoisyCircuit.prepare` gives it."""

    _plan: _Plan
    _prefix: _Prefix

    def sample(self, shots: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """One basis state a shot (bit k is qubit k); readout is perfect."""
        sizes = [min(_CHUNK_SHOTS, shots - done) for done in range(0, shots, _CHUNK_SHOTS)]
        out = [_shots(self._plan, self._prefix, size, rng) for size in sizes]
        return np.concatenate(out) if out else np.empty(0, dtype=np.int64)


def _shots(plan: _Plan, prefix: _Prefix, shots: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw every event of ``shots`` shots, then run them."""
    strikes = rng.random((shots, len(plan.chances))) < plan.chances
    shot, site = np.nonzero(strikes)
    paulis = rng.integers(1, 16, len(site))  # two qubits: 4 a + b; one qubit: 1 - 3 of it
    values = rng.random(len(site))
    first, second = plan.places[site, 0], plan.places[site, 1]
    damped = plan.kinds[first] == _DAMP
    alone = second < 0
    code = np.where(
        damped, _CANDIDATE, np.where(plan.fixed[site], 3, np.where(alone, (paulis - 1) % 3 + 1, paulis // 4))
    )
    pair = ~alone
    shot = np.concatenate([shot, shot[pair]])
    place = np.concatenate([first, second[pair]])
    code = np.concatenate([code, (paulis % 4)[pair]])
    values = np.concatenate([values, values[pair]])
    real = code > 0
    shot, place, code, values = shot[real], place[real], code[real], values[real]
    order = np.lexsort((place, shot))
    starts = np.searchsorted(shot[order], np.arange(shots + 1))
    out = np.empty(shots, dtype=np.int64)
    _run(
        prefix.real,
        prefix.imaginary,
        prefix.every,
        plan.pairs,
        plan.bounds,
        plan.kinds,
        plan.matrices,
        plan.fused,
        starts,
        place[order],
        code[order],
        values[order],
        rng.random(shots),
        aligned(1 << plan.qubits),
        aligned(1 << plan.qubits, offset_lines=32),
        out,
    )
    return out


@nb.njit(cache=True, nogil=True)
def _times(a: C16, b: C16) -> C16:  # pragma: no cover - compiled
    out = np.empty((2, 2), dtype=np.complex128)
    for i in range(2):
        for j in range(2):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j]
    return out


@nb.njit(cache=True, nogil=True)
def _fuse(matrices: C16, bounds: NDArray[np.int64]) -> C16:  # pragma: no cover - compiled
    """Product of each side's micro-operations, shape (2 * blocks, 2, 2)."""
    out = np.empty((bounds.size - 1, 2, 2), dtype=np.complex128)
    for side in range(bounds.size - 1):
        m = np.eye(2).astype(np.complex128)
        for k in range(bounds[side], bounds[side + 1]):
            m = _times(matrices[k], m)
        out[side] = m
    return out


@nb.njit(cache=True, nogil=True)
def _apply(re: F4, im: F4, qubit: int, m: C16) -> None:  # pragma: no cover - compiled
    a, ai = np.float32(m[0, 0].real), np.float32(m[0, 0].imag)
    b, bi = np.float32(m[0, 1].real), np.float32(m[0, 1].imag)
    c, ci = np.float32(m[1, 0].real), np.float32(m[1, 0].imag)
    d, di = np.float32(m[1, 1].real), np.float32(m[1, 1].imag)
    if qubit == 0:
        for base in range(0, re.size, 16):
            lanes.matrix_0(re, im, base, 0, a, ai, b, bi, c, ci, d, di)
    elif qubit == 1:
        for base in range(0, re.size, 16):
            lanes.matrix_1(re, im, base, 0, a, ai, b, bi, c, ci, d, di)
    elif qubit == 2:
        for base in range(0, re.size, 16):
            lanes.matrix_2(re, im, base, 0, a, ai, b, bi, c, ci, d, di)
    elif qubit == 3:
        for base in range(0, re.size, 16):
            lanes.matrix_3(re, im, base, 0, a, ai, b, bi, c, ci, d, di)
    else:
        stride = 1 << qubit
        for high in range(0, re.size, 2 * stride):
            for base in range(high, high + stride, 16):
                lanes.matrix_far(re, im, base, stride, a, ai, b, bi, c, ci, d, di)


@nb.njit(cache=True, nogil=True)
def _flip(re: F4, im: F4, a: int, b: int) -> None:  # pragma: no cover - compiled
    """CZ: turn the sign where both bits are set."""
    signs = np.ones(16, dtype=np.float32)
    low = (1 << a | 1 << b) & 15
    high = (1 << a | 1 << b) & ~15
    for lane in range(16):
        if lane & low == low:
            signs[lane] = -1.0
    for base in range(0, re.size, 16):
        if base & high == high:
            lanes.scale(re, im, base, signs)


@nb.njit(cache=True, nogil=True)
def _jump(re: F4, im: F4, qubit: int, value: float) -> bool:  # pragma: no cover - compiled
    """Whether a candidate jumps (``value`` below the excited share); if so, move the excited half to the ground."""
    norm = 0.0
    excited = 0.0
    bit = 1 << qubit
    for k in range(re.size):
        p = re[k] * re[k] + im[k] * im[k]
        norm += p
        if k & bit:
            excited += p
    if value * norm >= excited:
        return False
    for k in range(re.size):
        if k & bit:
            re[k ^ bit], im[k ^ bit] = re[k], im[k]
            re[k], im[k] = np.float32(0.0), np.float32(0.0)
    return True


@nb.njit(cache=True, nogil=True)
def _checkpoints(re: F4, im: F4, pairs: NDArray[np.int64], fused: C16, every: int) -> None:  # pragma: no cover
    now_re, now_im = re[0].copy(), im[0].copy()
    row = 0
    for block in range(len(pairs)):
        if block and block % every == 0:
            row += 1
            re[row], im[row] = now_re, now_im
        _apply(now_re, now_im, pairs[block, 0], fused[2 * block])
        if pairs[block, 1] >= 0:
            _apply(now_re, now_im, pairs[block, 1], fused[2 * block + 1])
            _flip(now_re, now_im, pairs[block, 0], pairs[block, 1])
    re[-1], im[-1] = now_re, now_im


@nb.njit(cache=True, nogil=True)
def _draw(re: F4, im: F4, uniform: float) -> int:  # pragma: no cover - compiled
    total = 0.0
    for k in range(re.size):
        total += np.float64(re[k] * re[k] + im[k] * im[k])
    left = uniform * total
    last = 0
    for k in range(re.size):
        p = re[k] * re[k] + im[k] * im[k]
        if p > 0:
            last = k
            left -= p
            if left < 0:
                return k
    return last


@nb.njit(cache=True, nogil=True)
def _run(
    prefix_re: F4,
    prefix_im: F4,
    every: int,
    pairs: NDArray[np.int64],
    bounds: NDArray[np.int64],
    kinds: NDArray[np.int64],
    matrices: C16,
    fused: C16,
    starts: NDArray[np.int64],
    places: NDArray[np.int64],
    codes: NDArray[np.int64],
    values: NDArray[np.float64],
    uniforms: NDArray[np.float64],
    re: F4,
    im: F4,
    out: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    paulis = np.zeros((4, 2, 2), dtype=np.complex128)
    paulis[0] = np.eye(2)
    paulis[1, 0, 1] = paulis[1, 1, 0] = 1.0
    paulis[2, 0, 1], paulis[2, 1, 0] = -1j, 1j
    paulis[3, 0, 0], paulis[3, 1, 1] = 1.0, -1.0
    blocks = len(pairs)
    last = len(prefix_re) - 1
    for shot in range(out.size):
        event, end = starts[shot], starts[shot + 1]
        if event == end:
            out[shot] = _draw(prefix_re[last], prefix_im[last], uniforms[shot])
            continue
        begin = (np.searchsorted(bounds, places[event], side="right") - 1) // 2
        row = begin // every
        re[:], im[:] = prefix_re[row], prefix_im[row]
        for block in range(row * every, blocks):
            for side in range(2):
                qubit = pairs[block, side]
                if qubit < 0:
                    continue
                stop = bounds[2 * block + side + 1]
                if event == end or places[event] >= stop:
                    _apply(re, im, qubit, fused[2 * block + side])
                    continue
                m = paulis[0].copy()
                for k in range(bounds[2 * block + side], stop):
                    jumped = False
                    while event < end and places[event] == k:
                        code = codes[event]
                        if code == _CANDIDATE:
                            _apply(re, im, qubit, m)
                            m = paulis[0].copy()
                            jumped = _jump(re, im, qubit, values[event])
                        else:
                            m = _times(paulis[code], m)
                        event += 1
                    if kinds[k] != _PAULI and not jumped:
                        m = _times(matrices[k], m)
                _apply(re, im, qubit, m)
            if pairs[block, 1] >= 0:
                _flip(re, im, pairs[block, 0], pairs[block, 1])
        out[shot] = _draw(re, im, uniforms[shot])
