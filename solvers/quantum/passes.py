"""The passes over memory that a QAOA layer is made of: phase, mixer, and what is read from the final state.

States are two float32 arrays, real and imaginary parts, of 2**n amplitudes; the low pass works on blocks that stay in
the second-level cache, the high pass gathers columns of rows far apart into a small scratch, so that a layer costs two
round trips to memory whatever n is. Ranges of blocks and columns are independent: threads share a pass by halves.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from numpy.typing import NDArray

from solvers.quantum import lanes

F4 = NDArray[np.float32]

SUB_QUBITS = 10
"""Qubits whose phase and mixer are done while 8 KiB of amplitudes stay in the first-level cache."""

BLOCK_QUBITS = 16
"""Qubits of a low-pass block: 512 KiB of amplitudes."""

_TILE_QUBITS = 13  # amplitudes of a high-pass tile: 64 KiB

_ROUND = np.float32(12582912.0)  # 1.5 * 2**23: adding and subtracting it rounds to the nearest integer
_QUARTER = np.float32(0.25)


def _series(values: Chebyshev) -> tuple[np.float32, ...]:
    return tuple(np.float32(c) for c in values.convert(kind=Polynomial).coef)


# sin(2 pi r) / r and cos(2 pi r) as polynomials of w = r**2 for |r| <= 1/4 turn, good to 1e-8
_DOMAIN = [0.0, 1.0 / 16.0]
_SIN = _series(Chebyshev.interpolate(lambda w: 2 * np.pi * np.sinc(2 * np.sqrt(w)), 5, _DOMAIN))
_COS = _series(Chebyshev.interpolate(lambda w: np.cos(2 * np.pi * np.sqrt(w)), 5, _DOMAIN))
_S0, _S1, _S2, _S3, _S4, _S5 = _SIN
_C0, _C1, _C2, _C3, _C4, _C5 = _COS


@nb.njit(cache=True, nogil=True, fastmath={"contract"}, inline="always")
def _unit(turns: np.float32) -> tuple[np.float32, np.float32]:  # pragma: no cover - compiled
    """Cosine and sine of ``turns`` (1 = a full turn), within 3e-7 of the reduced angle; vectorises."""
    halves = (turns + turns + _ROUND) - _ROUND
    rest = turns - np.float32(0.5) * halves
    odd = np.float32(0.5) * halves
    odd = odd - ((odd + _ROUND) - _ROUND)  # 0 or +-1/2
    sign = np.float32(1.0) - np.float32(8.0) * odd * odd
    w = rest * rest
    sine = rest * (_S0 + w * (_S1 + w * (_S2 + w * (_S3 + w * (_S4 + w * _S5)))))
    cosine = _C0 + w * (_C1 + w * (_C2 + w * (_C3 + w * (_C4 + w * _C5))))
    return sign * cosine, sign * sine


@nb.njit(cache=True, nogil=True, fastmath={"contract"})
def _phase(re: F4, im: F4, diagonal: F4, turns: np.float32, start: int, stop: int) -> None:  # pragma: no cover
    """Multiply by exp(-2 pi i turns cost)."""
    for k in range(start, stop):
        cosine, sine = _unit(turns * diagonal[k])
        a, b = re[k], im[k]
        re[k] = a * cosine + b * sine
        im[k] = b * cosine - a * sine


@nb.njit(cache=True, nogil=True)
def product_state(
    re: F4, im: F4, zero: NDArray[np.float64], one: NDArray[np.float64], first: int, last: int
) -> None:  # pragma: no cover - compiled
    """Write blocks [first, last) of 2**SUB_QUBITS amplitudes of the real product state (zero[k]|0> + one[k]|1>)."""
    qubits = zero.size
    low = min(qubits, SUB_QUBITS)
    size = 1 << low
    table = np.ones(size, dtype=np.float32)
    for k in range(low):
        half = 1 << k
        for x in range(half):
            table[half + x] = table[x] * np.float32(one[k])
            table[x] *= np.float32(zero[k])
    for block in range(first, last):
        factor = 1.0
        for k in range(low, qubits):
            factor *= one[k] if block >> (k - low) & 1 else zero[k]
        base = block << low
        for x in range(size):
            re[base + x] = np.float32(factor) * table[x]
            im[base + x] = np.float32(0.0)


@nb.njit(cache=True, nogil=True)
def _mix_lanes(
    re: F4, im: F4, start: int, stop: int, count: int, plain: bool, c: np.float32, xs: F4, zs: F4
) -> None:  # pragma: no cover - compiled
    """Turn the lowest ``count`` (4 - 7) qubits of [start, stop)."""
    x = xs[0]
    for base in range(start, stop, 1 << count):
        if plain:
            if count == 7:
                lanes.plain_7(re, im, base, 16, c, x)
            elif count == 6:
                lanes.plain_6(re, im, base, 16, c, x)
            elif count == 5:
                lanes.plain_5(re, im, base, 16, c, x)
            else:
                lanes.plain_4(re, im, base, 16, c, x)
        elif count == 7:
            lanes.general_7(re, im, base, 16, c, xs, zs, 0)
        elif count == 6:
            lanes.general_6(re, im, base, 16, c, xs, zs, 0)
        elif count == 5:
            lanes.general_5(re, im, base, 16, c, xs, zs, 0)
        else:
            lanes.general_4(re, im, base, 16, c, xs, zs, 0)


@nb.njit(cache=True, nogil=True)
def _mix_strided(
    re: F4,
    im: F4,
    start: int,
    stop: int,
    columns: int,
    shift: int,
    first: int,
    count: int,
    plain: bool,
    c: np.float32,
    xs: F4,
    zs: F4,
) -> None:  # pragma: no cover - compiled
    """Turn qubits first ... first + count - 1, the first of stride 2**shift (>= 16), of [start, stop).

    ``columns`` (a multiple of 16, at most 2**shift) of each run of neighbours are turned, from ``start`` on.
    """
    x = xs[0]
    done = 0
    while done < count:
        radix = min(3, count - done)
        stride = 1 << (shift + done)
        qubit = first + done
        for high in range(start, stop, stride << radix):
            for inner in range(0, stride, 1 << shift):
                for base in range(high + inner, high + inner + columns, 16):
                    if plain:
                        if radix == 3:
                            lanes.plain_3(re, im, base, stride, c, x)
                        elif radix == 2:
                            lanes.plain_2(re, im, base, stride, c, x)
                        else:
                            lanes.plain_1(re, im, base, stride, c, x)
                    elif radix == 3:
                        lanes.general_3(re, im, base, stride, c, xs, zs, qubit)
                    elif radix == 2:
                        lanes.general_2(re, im, base, stride, c, xs, zs, qubit)
                    else:
                        lanes.general_1(re, im, base, stride, c, xs, zs, qubit)
        done += radix


@nb.njit(cache=True, nogil=True)
def low_pass(
    re: F4,
    im: F4,
    diagonal: F4,
    turns: np.float32,
    qubits: int,
    plain: bool,
    c: np.float32,
    xs: F4,
    zs: F4,
    first: int,
    last: int,
) -> None:  # pragma: no cover - compiled
    """Phase, then the mixer of the lowest BLOCK_QUBITS qubits, on blocks [first, last) of as many qubits."""
    block_qubits = min(qubits, BLOCK_QUBITS)
    sub_qubits = min(qubits, SUB_QUBITS)
    lane_qubits = min(qubits, 7)
    sub = 1 << sub_qubits
    for block in range(first, last):
        start = block << block_qubits
        stop = start + (1 << block_qubits)
        for base in range(start, stop, sub):
            _phase(re, im, diagonal, turns, base, base + sub)
            _mix_lanes(re, im, base, base + sub, lane_qubits, plain, c, xs, zs)
            if sub_qubits > lane_qubits:
                _mix_strided(
                    re, im, base, base + sub, 128, lane_qubits, lane_qubits, sub_qubits - lane_qubits, plain, c, xs, zs
                )
        if block_qubits > sub_qubits:
            _mix_strided(re, im, start, stop, sub, sub_qubits, sub_qubits, block_qubits - sub_qubits, plain, c, xs, zs)


@nb.njit(cache=True, nogil=True)
def tile_columns(qubits: int) -> int:  # pragma: no cover - compiled
    """Width of a high-pass tile, in amplitudes; a multiple of 16 that divides 2**BLOCK_QUBITS."""
    high = qubits - BLOCK_QUBITS
    return 1 << min(BLOCK_QUBITS, max(4, _TILE_QUBITS - high))


@nb.njit(cache=True, nogil=True)
def high_pass(
    re: F4, im: F4, qubits: int, plain: bool, c: np.float32, xs: F4, zs: F4, first: int, last: int
) -> None:  # pragma: no cover - compiled
    """Turn the qubits above BLOCK_QUBITS in tiles [first, last) of `tile_columns` columns."""
    high = qubits - BLOCK_QUBITS
    rows = 1 << high
    width = tile_columns(qubits)
    if high <= 3:  # one butterfly serves them all: no scratch
        _mix_strided(
            re,
            im,
            first * width,
            first * width + 1,
            (last - first) * width,
            BLOCK_QUBITS,
            BLOCK_QUBITS,
            high,
            plain,
            c,
            xs,
            zs,
        )
        return
    shift = 0
    while 1 << shift < width:
        shift += 1
    tile_re = np.empty(rows * width, dtype=np.float32)
    tile_im = np.empty(rows * width, dtype=np.float32)
    for tile in range(first, last):
        for row in range(rows):
            far = (row << BLOCK_QUBITS) + tile * width
            near = row * width
            for k in range(width):
                tile_re[near + k] = re[far + k]
                tile_im[near + k] = im[far + k]
        _mix_strided(tile_re, tile_im, 0, rows * width, width, shift, BLOCK_QUBITS, high, plain, c, xs, zs)
        for row in range(rows):
            far = (row << BLOCK_QUBITS) + tile * width
            near = row * width
            for k in range(width):
                re[far + k] = tile_re[near + k]
                im[far + k] = tile_im[near + k]
