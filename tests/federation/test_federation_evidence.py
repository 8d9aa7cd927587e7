import pytest

from federation.evidence import CONTESTED, is_contest, relative_gain, seen_from_observation


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


@pytest.mark.parametrize(
    ("seconds", "contest"),
    [({}, False), ({"a": 9.0}, False), ({"a": 9.0, "b": 1.0}, False), ({"a": 9.0, "b": 8.0, "c": 0.1}, True)],
)
def test_strategies_compete_where_two_looked_for_about_as_long(seconds, contest):
    assert is_contest(seconds) is contest


def test_a_strategy_is_compared_only_by_what_it_did_beside_another():
    def seen(backend: str, **features: float):
        return seen_from_observation("routing", {"objective": 9.0, **features}, "s", backend, "OK", 1.0, 1.0)

    assert seen("", **{CONTESTED: 1.0}).contested
    assert CONTESTED not in seen("", **{CONTESTED: 1.0}).features.values
    assert not seen("", **{CONTESTED: 0.0}).contested
    assert not seen("").contested
    assert seen("annealer").contested
