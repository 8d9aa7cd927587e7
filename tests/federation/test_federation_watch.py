import numpy as np
import pytest

from federation.breaker import BreakerConfig, CircuitState
from federation.heartbeat import HeartbeatConfig
from federation.watch import Event, Watch, WatchConfig

BEAT_S = 0.2


def beating(names=("a", "b"), config=None, until_s=5.0, rng=None):
    watch, now_s = Watch(names, config), 0.0
    while now_s < until_s:
        for name in names:
            watch.beat(name, now_s)
        watch.look(now_s)
        now_s += BEAT_S if rng is None else float(rng.uniform(0.16, 0.24))
    return watch, now_s


def events(watch, name):
    return [entry.event for entry in watch.log if entry.backend == name]


def test_a_backend_that_falls_silent_is_held_first_and_down_within_a_second():
    watch, now_s = beating()
    silent_since_s, held_s = now_s, None
    while not watch.down("a"):
        now_s += 0.05
        watch.beat("b", now_s)
        watch.look(now_s)
        held_s = held_s or (now_s if watch.held("a", now_s) else None)
        assert now_s < silent_since_s + 1.0
    assert held_s is not None
    assert held_s < now_s
    assert not watch.held("b", now_s)
    assert watch.circuit("a", now_s) is CircuitState.OPEN


def test_a_backend_without_a_substitute_is_given_time_before_it_is_held_or_down():
    watch = Watch(("a", "b"), lone=("a",))
    now_s = 0.0
    while now_s < 5.0:
        watch.beat("a", now_s)
        watch.beat("b", now_s)
        now_s += BEAT_S
    for _ in range(56):  # 2.8 s since the last beat, and some
        now_s += 0.05
        watch.look(now_s)
        if now_s < 7.7:
            assert watch.askable("a", now_s)
    assert watch.down("b")
    for _ in range(20):
        now_s += 0.05
        watch.look(now_s)
    assert watch.down("a")


def test_heartbeats_with_jitter_never_take_a_backend_down():
    watch, _ = beating(until_s=600.0, rng=np.random.default_rng(1))
    assert Event.DOWN not in events(watch, "a")


def test_a_pause_of_the_watcher_itself_is_nobodys_silence():
    watch, now_s = beating()
    now_s += 30.0
    assert watch.look(now_s) == ()
    assert not watch.down("a")


def test_no_call_goes_out_to_a_backend_that_is_down_and_one_probe_when_it_is_heard_again():
    watch, now_s = beating()
    assert watch.gone("a", "process gone", now_s)
    assert not watch.gone("a", "process gone", now_s), "that is no news"
    assert not watch.allow("a", now_s)
    watch.beat("a", now_s + 1.0)
    assert watch.circuit("a", now_s + 1.0) is CircuitState.HALF_OPEN
    assert [watch.allow("a", now_s + 1.0), watch.allow("a", now_s + 1.0)] == [True, False]
    watch.record("a", True, now_s + 1.1)
    assert watch.circuit("a", now_s + 1.1) is CircuitState.CLOSED
    assert events(watch, "a")[-2:] == [Event.OK, Event.CLOSED]


def test_between_two_signs_of_life_no_more_than_a_few_calls_go_out():
    watch, now_s = beating()
    assert [watch.allow("a", now_s) for _ in range(6)] == [True] * 4 + [False] * 2
    watch.beat("a", now_s + 0.1)
    assert watch.allow("a", now_s + 0.1)
    watch.record("a", True, now_s + 0.1)
    assert [watch.allow("a", now_s + 0.1) for _ in range(5)] == [True] * 4 + [False]


def test_calls_that_fail_open_the_circuit_though_the_heart_beats():
    watch, now_s = beating(config=WatchConfig(breaker=BreakerConfig(consecutive_failures=2)))
    for _ in range(2):
        assert watch.allow("a", now_s)
        watch.record("a", False, now_s)
    assert events(watch, "a")[-1] is Event.OPENED
    assert not watch.askable("a", now_s)
    assert watch.askable("b", now_s)


def test_a_shared_domain_is_blamed_for_what_all_its_members_suffer():
    watch = Watch(("a", "b", "c"), domains={"a": ("vendor",), "b": ("vendor",)})
    for _ in range(5):
        for name in ("a", "b"):
            watch.record(name, False, 1.0)
    alone = Watch(("a", "b", "c"))
    for _ in range(5):
        alone.record("a", False, 1.0)
    assert watch.domains.own("a", 1.0) > alone.domains.own("a", 1.0)
    assert watch.domains.shared("vendor", 1.0) < 0.99


def test_the_log_tells_what_happened_since():
    watch, now_s = beating()
    watch.allow("a", now_s, "job-1")
    watch.record("a", True, now_s + 0.1, "job-1")
    assert [(e.event, e.detail) for e in watch.since(now_s)] == [(Event.SENT, "job-1"), (Event.OK, "job-1")]


@pytest.mark.parametrize("values", [{"hold_phi": 0.0}, {"hold_phi": 9.0}, {"most_unheard": 0}, {"pause_s": 0.0}])
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(ValueError, match="allowed"):
        WatchConfig(HeartbeatConfig(), **values)
