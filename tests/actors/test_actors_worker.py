"""What workers share before anybody asks them for a plan."""

from __future__ import annotations

import pytest

from actors.worker import _share


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_each_step_of_compiling_is_done_by_one_worker(parts: int) -> None:
    steps = tuple((lambda: None) for _ in range(4))
    shares = [_share(steps, part, parts) for part in range(parts)]
    done = [step for share in shares for step in share]
    assert sorted(map(id, done)) == sorted(map(id, steps))
    assert all(shares)
