import math

import pytest

from federation.breaker import Breaker, CircuitState
from federation.fairness import FairQueue, Ticket
from federation.timeline import Timeline


def test_time_goes_on_from_the_latest_when_the_clock_is_set_back():
    line = Timeline()
    assert line.at(1000) == 1000
    assert line.at(400) == 1000
    assert line.at(405) == 1005
    assert line.of(410) == 1010


def test_times_that_arrive_out_of_order_change_nothing():
    line = Timeline()
    line.at(10.0)
    assert line.at(9.5) == 10.0
    assert line.at(10.5) == 10.5


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_no_number_is_refused(bad):
    with pytest.raises(ValueError, match="allowed"):
        Timeline().at(bad)


def test_a_breakers_rest_stays_as_long_when_the_clock_is_set_back():
    breaker = Breaker()
    for _ in range(3):
        breaker.record(False, 10_000)
    assert breaker.state(0) is CircuitState.OPEN
    assert breaker.state(4.9) is CircuitState.OPEN
    assert breaker.state(5.1) is CircuitState.HALF_OPEN


def test_a_queue_goes_on_granting_and_recalling_when_the_clock_is_set_back():
    queue = FairQueue(quantum_s=0.5)
    queue.enqueue(Ticket("old", "a", 5, 1, 10_060.0, 10_000.0))
    queue.grant(["w"], 10_000.0)
    queue.enqueue(Ticket("new", "a", 5, 1, 60.0, 0.0))
    assert queue.recall(0.3) == []
    assert queue.recall(0.6) == ["w"]
    queue.release("w", 0.7)
    assert [grant.job_id for grant in queue.grant(["w"], 0.7)] == ["new"]
    assert queue.expire(59.0) == []
    assert queue.expire(60.5) == ["old"]
