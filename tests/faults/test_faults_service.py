"""The outage drill on a real service: detected, switched, nothing lost."""

from __future__ import annotations

import pytest

from benchmarks import drill

pytestmark = [pytest.mark.system, pytest.mark.long]


def test_one_of_three_backends_dies_under_load_and_nobody_notices() -> None:
    result = drill.run(quick=True)
    assert result["undetected"] == 0
    assert result["answers_lost"] == 0
    assert result["usd_over_budget"] == 0
    assert result["attempts_most"] <= 5
    assert result["detect"]["n"] == len(result["rounds"])
