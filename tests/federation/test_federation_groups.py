from collections import Counter

import pytest

from federation.groups import GroupConfig, Groups
from federation.watch import Watch

NAMES = ("a", "b", "c")


def groups(names=NAMES, members=NAMES):
    watch = Watch((*names, "alone"))
    for name in watch.names:
        watch.beat(name, 0.0)
    return watch, Groups([GroupConfig("g", tuple(members))], watch)


def asked(found, count=600, now_s=0.05, names=NAMES):
    chosen = Counter()
    for number in range(count):
        gives_way = found.preferred(f"job-{number}", names, now_s)
        [name] = [name for name in names if name not in gives_way]
        chosen[name] += 1
    return chosen


def test_each_job_gets_one_member_and_all_members_share_the_traffic_when_all_are_well():
    _, found = groups()
    chosen = asked(found)
    assert set(chosen) == set(NAMES)
    assert sum(found.all[0].weights(0.05).values()) == pytest.approx(1.0)


def test_the_same_job_asks_the_same_member():
    _, found = groups()
    assert found.preferred("job-1", NAMES, 0.05) == found.preferred("job-1", NAMES, 0.06)


def test_a_member_that_goes_down_gives_way_at_once_and_the_others_take_its_share():
    watch, found = groups()
    watch.gone("b", "killed", 0.05)
    found.changed("b", 0.05)
    chosen = asked(found)
    assert set(chosen) == {"a", "c"}
    assert found.all[0].weights(0.05)["b"] == pytest.approx(0.01, abs=0.02)


def test_a_member_that_is_heard_again_gets_one_probe_in_half_a_second_until_it_has_passed():
    watch, found = groups()
    watch.gone("b", "killed", 0.05)
    watch.beat("b", 1.0)
    for name in ("a", "c"):
        watch.beat(name, 1.0)
    assert asked(found, 100, 1.0)["b"] == 1
    assert watch.allow("b", 1.0)
    watch.record("b", True, 1.1)
    found.changed("b", 1.1)
    assert asked(found, 600, 1.1)["b"] > 1


def test_a_member_that_is_well_again_gets_its_share_back_in_a_minute_and_not_at_once():
    watch, found = groups()
    [group] = found.all
    watch.gone("b", "killed", 0.05)
    found.changed("b", 0.05)
    now_s = 1.0
    for name in NAMES:
        watch.beat(name, now_s)
    assert watch.allow("b", now_s)
    watch.record("b", True, now_s)
    found.changed("b", now_s)
    assert group.weights(now_s)["b"] < 0.1
    before = group.weights(now_s)["b"]
    while now_s < 90:
        now_s += 0.1
        for name in NAMES:
            watch.beat(name, now_s)
        watch.look(now_s)
        after = group.weights(now_s)["b"]
        assert after - before < 0.05, "smoothly"
        before = after
    assert before > 0.25


def test_a_group_of_which_all_are_down_gives_way_to_nobody():
    watch, found = groups()
    for name in NAMES:
        watch.gone(name, "killed", 0.05)
    assert found.preferred("job-1", NAMES, 0.05) == {}


def test_a_slow_member_loses_traffic():
    watch, found = groups()
    for name in watch.names:
        watch.beat(name, 1.0)
    for _ in range(60):
        found.observe("a", 2.0)
        found.observe("b", 0.05)
        found.observe("c", 0.05)
    chosen = asked(found, now_s=1.0)
    assert chosen["a"] < 60


def test_a_backend_in_no_group_stands_alone():
    _, found = groups()
    assert found.of("alone") is None
    assert "alone" not in found.preferred("job-1", (*NAMES, "alone"), 0.05)


@pytest.mark.parametrize("values", [{"backends": ("a",)}, {"backends": ("a", "a")}, {"expected_s": 0.0}])
def test_a_group_out_of_range_is_refused(values):
    with pytest.raises(ValueError, match="allowed"):
        GroupConfig(**{"name": "g", "backends": ("a", "b"), **values})
