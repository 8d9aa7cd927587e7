import pytest

from federation.evidence import relative_gain, seen_from_observation


def test_gains_are_relative_to_where_the_run_started():
    assert relative_gain(10.0, 90.0) == pytest.approx(0.1)
    assert relative_gain(0.0, 90.0) == 0
    assert relative_gain(-3.0, 90.0) == 0


def test_gains_of_negative_objectives_have_the_size_of_the_objective_as_scale():
    assert relative_gain(10.0, -100.0) == pytest.approx(0.1)
    assert relative_gain(1e9, 0.0) == 1.0
    assert 0 <= relative_gain(5.0, -2.0) <= 1


def test_an_observation_becomes_evidence_without_the_objective_among_its_features():
    seen = seen_from_observation("routing", {"size": 9.0, "objective": 90.0}, "qaoa", "perth", "OK", 10.0, 2.0)
    assert seen.gain == pytest.approx(0.1)
    assert dict(seen.features.values) == {"size": 9.0}


def test_an_observation_without_an_objective_is_no_evidence():
    assert seen_from_observation("routing", {"size": 9.0}, "s", "", "OK", 10.0, 2.0) is None
