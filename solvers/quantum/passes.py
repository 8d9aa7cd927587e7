"""The passes over memory that a QAOA layer is made of: phase, mixer, and what is read from the final state.

States are two float32 arrays, real and imaginary parts, of 2**n amplitudes; the low pass works on blocks that stay in
the second-level cache, the high pass gathers columns of rows far apart into a small scratch, so that a layer costs two
round trips to memory whatever n is. Ranges of blocks and columns are independent: threads share a pass by halves.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from solvers.quantum import lanes

F4 = NDArray[np.float32]

SUB_QUBITS = 10
"""Qubits whose phase and mixer are done while 8 KiB of amplitudes stay in the first-level cache."""

BLOCK_QUBITS = 16
"""Qubits of a low-pass block: 512 KiB of amplitudes."""

_TILE_QUBITS = 12  # amplitudes of a high-pass tile: 32 KiB, within the first-level cache


@nb.njit(cache=True, nogil=True)
def _phase(re: F4, im: F4, diagonal: F4, turns: np.float32, start: int, stop: int) -> None:  # pragma: no cover
    """Multiply [start, stop) by exp(-2 pi i turns cost)."""
    for base in range(start, stop, 16):
        lanes.phase(re, im, diagonal, base, turns)


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
        a, b = re[block << low :][:size], im[block << low :][:size]  # slices: an index that cannot wrap vectorises
        scale = np.float32(factor)
        for x in range(size):
            a[x] = scale * table[x]
            b[x] = np.float32(0.0)


@nb.njit(cache=True, nogil=True)
def _mix_lanes(
    re: F4, im: F4, start: int, stop: int, count: int, plain: bool, c: np.float32, xs: F4, zs: F4
) -> None:  # pragma: no cover - compiled
    """Turn the lowest ``count`` (4 - 7) qubits of [start, stop)."""
    x = xs[0]
    for base in range(start, stop, 1 << count):
        if plain:
            if count == 7:
                lanes.plain_7(re, im, base, 16, re, im, base, 16, c, x)
            elif count == 6:
                lanes.plain_6(re, im, base, 16, re, im, base, 16, c, x)
            elif count == 5:
                lanes.plain_5(re, im, base, 16, re, im, base, 16, c, x)
            else:
                lanes.plain_4(re, im, base, 16, re, im, base, 16, c, x)
        elif count == 7:
            lanes.general_7(re, im, base, 16, re, im, base, 16, c, xs, zs, 0)
        elif count == 6:
            lanes.general_6(re, im, base, 16, re, im, base, 16, c, xs, zs, 0)
        elif count == 5:
            lanes.general_5(re, im, base, 16, re, im, base, 16, c, xs, zs, 0)
        else:
            lanes.general_4(re, im, base, 16, re, im, base, 16, c, xs, zs, 0)


@nb.njit(cache=True, nogil=True)
def _turn(
    re: F4,
    im: F4,
    base: int,
    stride: int,
    to_re: F4,
    to_im: F4,
    to_base: int,
    to_stride: int,
    columns: int,
    radix: int,
    qubit: int,
    plain: bool,
    c: np.float32,
    xs: F4,
    zs: F4,
) -> None:  # pragma: no cover - compiled
    """Turn ``radix`` (1 - 3) qubits from ``qubit`` on of ``columns`` neighbours, from one place to another."""
    x = xs[0]
    if plain:
        if radix == 3:
            for k in range(0, columns, 16):
                lanes.plain_3(re, im, base + k, stride, to_re, to_im, to_base + k, to_stride, c, x)
        elif radix == 2:
            for k in range(0, columns, 16):
                lanes.plain_2(re, im, base + k, stride, to_re, to_im, to_base + k, to_stride, c, x)
        else:
            for k in range(0, columns, 16):
                lanes.plain_1(re, im, base + k, stride, to_re, to_im, to_base + k, to_stride, c, x)
    elif radix == 3:
        for k in range(0, columns, 16):
            lanes.general_3(re, im, base + k, stride, to_re, to_im, to_base + k, to_stride, c, xs, zs, qubit)
    elif radix == 2:
        for k in range(0, columns, 16):
            lanes.general_2(re, im, base + k, stride, to_re, to_im, to_base + k, to_stride, c, xs, zs, qubit)
    else:
        for k in range(0, columns, 16):
            lanes.general_1(re, im, base + k, stride, to_re, to_im, to_base + k, to_stride, c, xs, zs, qubit)


@nb.njit(cache=True, nogil=True)
def _mix_strided(
    re: F4, im: F4, start: int, stop: int, shift: int, count: int, plain: bool, c: np.float32, xs: F4, zs: F4
) -> None:  # pragma: no cover - compiled
    """Turn qubits shift ... shift + count - 1 (strides of 16 and more) of [start, stop)."""
    done = 0
    while done < count:
        radix = min(3, count - done)
        qubit = shift + done
        stride = 1 << qubit
        for base in range(start, stop, stride << radix):
            _turn(re, im, base, stride, re, im, base, stride, stride, radix, qubit, plain, c, xs, zs)
        done += radix


@nb.njit(cache=True, nogil=True)
def _tile_width(rows: int, columns: int) -> int:  # pragma: no cover - compiled
    """Columns of a tile: a power of two, at least 32 unless there are fewer."""
    return min(columns, max(32, (1 << _TILE_QUBITS) // rows))


@nb.njit(cache=True, nogil=True)
def _mix_tiled(
    re: F4,
    im: F4,
    start: int,
    shift: int,
    count: int,
    first: int,
    last: int,
    tile_re: F4,
    tile_im: F4,
    plain: bool,
    c: np.float32,
    xs: F4,
    zs: F4,
) -> None:  # pragma: no cover - compiled
    """Turn qubits shift ... shift + count - 1 of 2**count rows of 2**shift columns from ``start``, tiles [first, last).

    The first butterfly reads rows far apart and writes them side by side into a small tile, the last one reads the tile
    and writes them back: rows a power of two apart would push each other out of the cache in between.
    """
    rows = 1 << count
    row = 1 << shift
    width = _tile_width(rows, row)
    for tile in range(first, last):
        at = start + tile * width
        if count <= 3:  # one butterfly serves them all
            _turn(re, im, at, row, re, im, at, row, width, count, shift, plain, c, xs, zs)
            continue
        for k in range(0, rows, 8):
            far, near = at + k * row, k * width
            _turn(re, im, far, row, tile_re, tile_im, near, width, width, 3, shift, plain, c, xs, zs)
        done = 3
        while count - done > 3:
            stride = width << done
            for base in range(0, rows * width, stride << 3):
                _turn(
                    tile_re, tile_im, base, stride, tile_re, tile_im, base, stride, stride, 3, shift + done,
                    plain, c, xs, zs,
                )  # fmt: skip
            done += 3
        for k in range(1 << done):
            _turn(
                tile_re, tile_im, k * width, width << done, re, im, at + k * row, row << done, width, count - done,
                shift + done, plain, c, xs, zs,
            )  # fmt: skip


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
            _mix_strided(re, im, base, base + sub, lane_qubits, sub_qubits - lane_qubits, plain, c, xs, zs)
        _mix_strided(re, im, start, stop, sub_qubits, block_qubits - sub_qubits, plain, c, xs, zs)


@nb.njit(cache=True, nogil=True)
def high_tiles(qubits: int) -> int:  # pragma: no cover - compiled
    """Number of tiles of the high pass, for ``qubits`` > BLOCK_QUBITS."""
    return int((1 << BLOCK_QUBITS) // _tile_width(1 << (qubits - BLOCK_QUBITS), 1 << BLOCK_QUBITS))


def tile_size(qubits: int) -> int:
    """Amplitudes of the tile that `high_pass` needs, for ``qubits`` > BLOCK_QUBITS."""
    count = qubits - BLOCK_QUBITS
    return int((1 << count) * _tile_width(1 << count, 1 << BLOCK_QUBITS))


def aligned(size: int, offset_lines: int = 0) -> F4:
    """``size`` float32 that begin on a cache line, so that no vector straddles two; not initialised.

    ``offset_lines`` moves the beginning by whole lines: arrays of one length at the same place modulo 4 KiB would
    compete for the same sets of the first-level cache.
    """
    line = 16
    raw = np.empty(size + line * (offset_lines + 1), dtype=np.float32)
    skip = -(raw.ctypes.data // 4) % line + line * offset_lines
    return raw[skip : skip + size]


@nb.njit(cache=True, nogil=True)
def high_pass(
    re: F4,
    im: F4,
    qubits: int,
    plain: bool,
    c: np.float32,
    xs: F4,
    zs: F4,
    tile_re: F4,
    tile_im: F4,
    first: int,
    last: int,
) -> None:  # pragma: no cover - compiled
    """Turn the qubits above BLOCK_QUBITS, tiles [first, last) of `high_tiles`."""
    count = qubits - BLOCK_QUBITS
    _mix_tiled(re, im, 0, BLOCK_QUBITS, count, first, last, tile_re, tile_im, plain, c, xs, zs)
