"""Jumps of xorshift32 are as many single steps."""

import numpy as np
import pytest

from solvers.binary.xorshift import PART_BITS, applied, jump, stepped, tables


@pytest.mark.parametrize("steps", [0, 1, 2, 31, 1000])
def test_a_jump_is_as_many_steps_by_its_matrix_and_by_its_tables(steps):
    start = np.random.default_rng(0).integers(1, 2**32, 200, dtype=np.uint32)
    slow = start
    for _ in range(steps):
        slow = stepped(slow)
    columns = jump(steps)
    assert np.array_equal(applied(columns, start), slow)
    table, mask = tables(columns), np.uint32((1 << PART_BITS) - 1)
    parts = [table[k][(start >> np.uint32(PART_BITS * k)) & mask] for k in range(3)]
    assert np.array_equal(parts[0] ^ parts[1] ^ parts[2], slow)


def test_a_step_is_marsaglias():
    """The first numbers from seed 2463534242 (Marsaglia 2003, the generator's own example)."""
    x = np.array([2463534242], dtype=np.uint32)
    found = []
    for _ in range(3):
        x = stepped(x)
        found.append(int(x[0]))
    assert found[0] == 723471715
    state = 2463534242
    for value in found:
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        assert value == state
