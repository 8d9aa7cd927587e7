"""Butterflies over 16 amplitudes at a time, written as LLVM vectors because numba does not find them by itself.

One qubit's mixer is ``U = cos(b) I + i sin(b) (sin(t) X + cos(t) Z)``. With ``c = cos(b)``, ``x = sin(b) sin(t)`` and
``z = sin(b) cos(t)`` the pair of amplitudes ``(p, q)`` whose index differs in that qubit becomes
``((c + i z) p + i x q, (c - i z) q + i x p)``. The *plain* form has ``t = pi/2`` (so ``z = 0``) on every qubit.

A butterfly keeps ``2**stages`` vectors of real and imaginary parts in registers and turns ``stages`` qubits (and, with
lanes, the four lowest qubits by shuffles inside each vector), so that one pass over memory serves 3 or 7 qubits.
LLVM splits the vectors on machines whose registers are narrower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic
from numpy.polynomial import Chebyshev, Polynomial

WIDTH = 16
"""Amplitudes in one vector."""

LANE_QUBITS = 4
"""Qubits whose butterflies stay inside one vector."""

_VECTOR = ir.VectorType(ir.FloatType(), WIDTH)
_INDEX = ir.IntType(64)
_MASK = ir.VectorType(ir.IntType(32), WIDTH)
_FUSE = ("contract",)


def _constant(values: list[float]) -> Any:
    return ir.Constant(_VECTOR, values)


def _splat(builder: Any, scalar: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(_MASK, [0] * WIDTH))


def _vector_at(builder: Any, pointer: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [index]), _VECTOR.as_pointer())


class _Pair:
    """Emits the arithmetic of one butterfly: ``a * p + b * q (+ d * r)``, fused where the machine can."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def times(self, a: Any, b: Any) -> Any:
        return self._builder.fmul(a, b, flags=_FUSE)

    def plus(self, a: Any, b: Any) -> Any:
        return self._builder.fadd(a, b, flags=_FUSE)

    def minus(self, a: Any, b: Any) -> Any:
        return self._builder.fsub(a, b, flags=_FUSE)

    def turn(self, own: tuple[Any, Any], other: tuple[Any, Any], c: Any, x: Any, z: Any | None) -> tuple[Any, Any]:
        """``(c + i z) own + i x other``; ``z`` is ``None`` for the plain mixer."""
        real, imaginary = own
        new_real, new_imaginary = self.times(c, real), self.times(c, imaginary)
        if z is not None:
            new_real = self.minus(new_real, self.times(z, imaginary))
            new_imaginary = self.plus(new_imaginary, self.times(z, real))
        return self.minus(new_real, self.times(x, other[1])), self.plus(new_imaginary, self.times(x, other[0]))


def _emit_lanes(builder: Any, cells: list[tuple[Any, Any]], c: Any, turn_of: Callable[[int], Any]) -> None:
    """Turn the four lane qubits of every cell in place."""
    pair = _Pair(builder)
    for qubit in range(LANE_QUBITS):
        x, z = turn_of(qubit)
        partner = ir.Constant(_MASK, [lane ^ (1 << qubit) for lane in range(WIDTH)])
        if z is not None:
            signs = _constant([-1.0 if lane >> qubit & 1 else 1.0 for lane in range(WIDTH)])
            z = pair.times(z, signs)  # upper partners turn the other way
        for k, (real, imaginary) in enumerate(cells):
            other = builder.shuffle_vector(real, real, partner), builder.shuffle_vector(imaginary, imaginary, partner)
            cells[k] = pair.turn((real, imaginary), other, c, x, z)


def _emit_stages(
    builder: Any, cells: list[tuple[Any, Any]], stages: int, c: Any, turn_of: Callable[[int], Any]
) -> None:
    """Turn ``stages`` qubits across the cells in place; ``turn_of`` counts from the first of them."""
    pair = _Pair(builder)
    for stage in range(stages):
        x, z = turn_of(stage)
        minus_z = None if z is None else pair.minus(_constant([0.0] * WIDTH), z)
        for low in range(len(cells)):
            high = low | 1 << stage
            if high != low:
                p, q = cells[low], cells[high]
                cells[low], cells[high] = pair.turn(p, q, c, x, z), pair.turn(q, p, c, x, minus_z)


def _butterfly(stages: int, lanes: bool, plain: bool) -> Any:
    """An intrinsic that turns qubits of the cells at ``base + k * stride`` for k < 2**stages.

    Plain form: ``f(re, im, base, stride, to_re, to_im, to_base, to_stride, c, x)``: cells are read from ``re, im`` and
    written to ``to_re, to_im``, which may be the same. General form, ``xs`` and ``zs`` indexed by qubit from ``first``:
    ``f(re, im, base, stride, to_re, to_im, to_base, to_stride, c, xs, zs, first)``.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def pointer(k: int) -> Any:
            return context.make_array(signature.args[k])(context, builder, arguments[k]).data

        def places(first: int) -> list[tuple[Any, Any]]:
            real, imaginary, base, stride = (
                pointer(first),
                pointer(first + 1),
                arguments[first + 2],
                arguments[first + 3],
            )
            offsets = [builder.add(base, builder.mul(stride, ir.Constant(_INDEX, k))) for k in range(1 << stages)]
            return [(_vector_at(builder, real, k), _vector_at(builder, imaginary, k)) for k in offsets]

        c = _splat(builder, arguments[8])
        if plain:
            turn = _splat(builder, arguments[9]), None

            def turn_of(qubit: int) -> Any:  # noqa: ARG001 - the same for all
                return turn
        else:
            xs, zs, first = pointer(9), pointer(10), arguments[11]

            def turn_of(qubit: int) -> Any:
                at = builder.add(first, ir.Constant(_INDEX, qubit))
                x, z = builder.load(builder.gep(xs, [at])), builder.load(builder.gep(zs, [at]))
                return _splat(builder, x), _splat(builder, z)

        cells = [(builder.load(r, align=4), builder.load(i, align=4)) for r, i in places(0)]
        if lanes:
            _emit_lanes(builder, cells, c, turn_of)
        skipped = LANE_QUBITS if lanes else 0
        _emit_stages(builder, cells, stages, c, lambda stage: turn_of(stage + skipped))
        for (r, i), (new_real, new_imaginary) in zip(places(4), cells, strict=True):
            builder.store(new_real, r, align=4)
            builder.store(new_imaginary, i, align=4)
        return context.get_dummy_value()

    f4, index = types.float32, types.intp
    if plain:

        @intrinsic
        def butterfly(typing_context, re, im, base, stride, to_re, to_im, to_base, to_stride, c, x):  # type: ignore[no-untyped-def] # noqa: ARG001
            return types.void(re, im, index, index, to_re, to_im, index, index, f4, f4), emit
    else:

        @intrinsic
        def butterfly(typing_context, re, im, base, stride, to_re, to_im, to_base, to_stride, c, xs, zs, first):  # type: ignore[no-untyped-def] # noqa: ARG001
            return types.void(re, im, index, index, to_re, to_im, index, index, f4, xs, zs, index), emit

    return butterfly


plain_1, plain_2, plain_3 = (_butterfly(k, lanes=False, plain=True) for k in (1, 2, 3))
plain_4, plain_5, plain_6, plain_7 = (_butterfly(k, lanes=True, plain=True) for k in (0, 1, 2, 3))
general_1, general_2, general_3 = (_butterfly(k, lanes=False, plain=False) for k in (1, 2, 3))
general_4, general_5, general_6, general_7 = (_butterfly(k, lanes=True, plain=False) for k in (0, 1, 2, 3))


def _series(values: Chebyshev) -> list[float]:
    return [float(c) for c in values.convert(kind=Polynomial).coef]


# sin(2 pi r) / r and cos(2 pi r) as polynomials of w = r**2 for |r| <= 1/4 turn, good to 1e-8
_DOMAIN = [0.0, 1.0 / 16.0]
_SIN = _series(Chebyshev.interpolate(lambda w: 2 * np.pi * np.sinc(2 * np.sqrt(w)), 5, _DOMAIN))
_COS = _series(Chebyshev.interpolate(lambda w: np.cos(2 * np.pi * np.sqrt(w)), 5, _DOMAIN))
_ROUND = 12582912.0  # 1.5 * 2**23: adding and subtracting it rounds to the nearest integer


def _emit_unit(builder: Any, turns: Any) -> tuple[Any, Any]:
    """Cosine and sine of ``turns`` (1 = a full turn), within 3e-7 of those of the reduced angle."""
    pair, magic = _Pair(builder), _splat_constant(_ROUND)

    def rounded(value: Any) -> Any:  # without flags: nothing may cancel the magic number
        return builder.fsub(builder.fadd(value, magic), magic)

    def polynomial(coefficients: list[float], w: Any) -> Any:
        value = _splat_constant(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            value = pair.plus(pair.times(value, w), _splat_constant(c))
        return value

    halves = rounded(builder.fadd(turns, turns))
    half = builder.fmul(halves, _splat_constant(0.5))
    rest = builder.fsub(turns, half)
    odd = builder.fsub(half, rounded(half))  # 0 or +-1/2
    sign = pair.minus(_splat_constant(1.0), pair.times(pair.times(odd, odd), _splat_constant(8.0)))
    w = pair.times(rest, rest)
    sine = pair.times(pair.times(rest, sign), polynomial(_SIN, w))
    return pair.times(sign, polynomial(_COS, w)), sine


def _splat_constant(value: float) -> Any:
    return _constant([float(np.float32(value))] * WIDTH)


@intrinsic
def phase(typing_context, re, im, diagonal, base, turns):  # type: ignore[no-untyped-def] # noqa: ARG001
    """``phase(re, im, diagonal, base, turns)``: multiply 16 amplitudes by exp(-2 pi i turns cost), in place."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def place(k: int) -> Any:
            array = context.make_array(signature.args[k])(context, builder, arguments[k])
            return _vector_at(builder, array.data, arguments[3])

        real, imaginary, cost = place(0), place(1), builder.load(place(2), align=4)
        angle = builder.fmul(cost, _splat(builder, arguments[4]))
        cosine, sine = _emit_unit(builder, angle)
        pair = _Pair(builder)
        a, b = builder.load(real, align=4), builder.load(imaginary, align=4)
        builder.store(pair.plus(pair.times(a, cosine), pair.times(b, sine)), real, align=4)
        builder.store(pair.minus(pair.times(b, cosine), pair.times(a, sine)), imaginary, align=4)
        return context.get_dummy_value()

    return types.void(re, im, diagonal, types.intp, types.float32), emit


@intrinsic
def scale(typing_context, re, im, base, factors):  # type: ignore[no-untyped-def] # noqa: ARG001
    """``scale(re, im, base, factors)``: multiply 16 amplitudes by as many real factors, in place."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def place(k: int, index: Any) -> Any:
            array = context.make_array(signature.args[k])(context, builder, arguments[k])
            return _vector_at(builder, array.data, index)

        factor = builder.load(place(3, ir.Constant(_INDEX, 0)), align=4)
        for part in (place(0, arguments[2]), place(1, arguments[2])):
            builder.store(builder.fmul(builder.load(part, align=4), factor), part, align=4)
        return context.get_dummy_value()

    return types.void(re, im, types.intp, factors), emit


def _product(builder: Any, a: tuple[Any, Any], b: tuple[Any, Any], more: tuple[Any, Any] | None) -> tuple[Any, Any]:
    """Complex ``a * b + more``."""
    pair = _Pair(builder)
    real = pair.times(a[0], b[0]) if more is None else pair.plus(more[0], pair.times(a[0], b[0]))
    imaginary = pair.times(a[0], b[1]) if more is None else pair.plus(more[1], pair.times(a[0], b[1]))
    return pair.minus(real, pair.times(a[1], b[1])), pair.plus(imaginary, pair.times(a[1], b[0]))


def _matrix(lane_qubit: int | None) -> Any:
    """An intrinsic that applies any 2x2 complex matrix to one qubit, in place.

    ``f(real, imaginary, base, stride, a, ai, b, bi, c, ci, d, di)`` for ``[[a, b], [c, d]]`` on the vectors at ``base``
    and ``base + stride``, or on the lanes of the vector at ``base``.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def pointer(k: int) -> Any:
            return context.make_array(signature.args[k])(context, builder, arguments[k]).data

        real, imaginary, base, stride = pointer(0), pointer(1), arguments[2], arguments[3]
        entries = [_splat(builder, value) for value in arguments[4:]]
        a, b, c, d = [(entries[k], entries[k + 1]) for k in (0, 2, 4, 6)]

        def at(index: Any) -> tuple[Any, Any]:
            return _vector_at(builder, real, index), _vector_at(builder, imaginary, index)

        def read(place: tuple[Any, Any]) -> tuple[Any, Any]:
            return builder.load(place[0], align=4), builder.load(place[1], align=4)

        def write(place: tuple[Any, Any], value: tuple[Any, Any]) -> None:
            builder.store(value[0], place[0], align=4)
            builder.store(value[1], place[1], align=4)

        if lane_qubit is None:
            low, high = at(base), at(builder.add(base, stride))
            p, q = read(low), read(high)
            write(low, _product(builder, b, q, _product(builder, a, p, None)))
            write(high, _product(builder, d, q, _product(builder, c, p, None)))
            return context.get_dummy_value()

        # own: a on lanes whose bit is 0, d on the others; other: b and c
        partner = ir.Constant(_MASK, [lane ^ (1 << lane_qubit) for lane in range(WIDTH)])
        choose = ir.Constant(_MASK, [lane + WIDTH * (lane >> lane_qubit & 1) for lane in range(WIDTH)])
        own = tuple(builder.shuffle_vector(x, y, choose) for x, y in zip(a, d, strict=True))
        other = tuple(builder.shuffle_vector(x, y, choose) for x, y in zip(b, c, strict=True))
        place = at(base)
        value = read(place)
        swapped = tuple(builder.shuffle_vector(part, part, partner) for part in value)
        write(place, _product(builder, other, swapped, _product(builder, own, value, None)))
        return context.get_dummy_value()

    f4, index = types.float32, types.intp

    @intrinsic
    def matrix(typing_context, real, imaginary, base, stride, a, ai, b, bi, c, ci, d, di):  # type: ignore[no-untyped-def] # noqa: ARG001
        return types.void(real, imaginary, index, index, f4, f4, f4, f4, f4, f4, f4, f4), emit

    return matrix


matrix_far = _matrix(None)
matrix_0, matrix_1, matrix_2, matrix_3 = (_matrix(qubit) for qubit in range(LANE_QUBITS))
