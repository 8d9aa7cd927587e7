"""Warming runs the real lift."""

from __future__ import annotations

import pytest

from solvers.quantum import warming


def test_warming_lifts_through_the_real_step(monkeypatch: pytest.MonkeyPatch) -> None:
    lifted = []
    real = warming.lift_samples
    monkeypatch.setattr(warming, "lift_samples", lambda *args, **kwargs: lifted.append(real(*args, **kwargs)))
    warming.warm()
    assert lifted[0].objective == -2.0
