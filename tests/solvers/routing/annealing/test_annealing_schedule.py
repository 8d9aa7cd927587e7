"""The cooling schedule."""

import itertools

import pytest

from solvers.routing.annealing.schedule import BLOCK_S, TRACE_VERSION, Cooling, Pace, Trace, replayed, timed, worked
from solvers.stop import WorkLimit


class _Machine:
    """An engine and a stop in one: each iteration takes ``step_s``, which a test may change."""

    def __init__(self, total_s, step_s):
        self.left_s, self.step_s, self.calls, self.coolings = total_s, step_s, [], 0

    def run(self, iterations, temperature):
        self.left_s -= iterations * self.step_s
        self.calls.append((iterations, temperature))

    def next_cooling(self):
        self.coolings += 1

    def __call__(self):
        return self.left_s <= 0

    def remaining_s(self):
        return max(self.left_s, 0.0)


@pytest.mark.parametrize("step_s", [1e-6, 1e-4])
def test_blocks_stay_near_the_time_between_two_questions(step_s):
    machine = _Machine(2.0, step_s)
    list(timed(machine, Cooling(10.0, 1.0, 1), machine, Trace()))
    longest = max(iterations for iterations, _ in machine.calls) * step_s
    assert 0.5 * BLOCK_S <= longest <= 1.01 * BLOCK_S
    assert machine.left_s > -BLOCK_S


def test_the_temperature_falls_from_hot_to_cold_over_all_the_time():
    machine = _Machine(5.0, 1e-5)
    list(timed(machine, Cooling(10.0, 0.1, 1), machine, Trace()))
    temperatures = [temperature for _, temperature in machine.calls]
    assert temperatures == sorted(temperatures, reverse=True)
    assert temperatures[0] == pytest.approx(10.0, rel=0.02)
    assert temperatures[-1] == pytest.approx(0.1, rel=0.02)


def test_a_trace_holds_every_iteration_and_repeats_them():
    machine, trace = _Machine(1.0, 1e-5), Trace()
    list(timed(machine, Cooling(10.0, 0.1, 1), machine, trace))
    again = _Machine(float("inf"), 0.0)
    segments = Trace.segments_of(trace.to_json())
    assert len(list(replayed(again, segments, WorkLimit(10**9)))) == len(segments)
    assert _by_temperature(again.calls) == _by_temperature(machine.calls)


def _by_temperature(calls):
    total = {}
    for iterations, temperature in calls:
        total[temperature] = total.get(temperature, 0) + iterations
    return total


def test_without_a_clock_coolings_follow_each_other_each_twice_as_long():
    machine, trace = _Machine(float("inf"), 0.0), Trace()
    list(worked(machine, Cooling(8.0, 1.0, 10_000), WorkLimit(1_000), trace))
    hottest = max(temperature for _, temperature in machine.calls)
    starts = [k for k, (_, temperature) in enumerate(trace.segments) if temperature == hottest]
    lengths = [sum(i for i, _ in trace.segments[a:b]) for a, b in itertools.pairwise(starts)]
    assert lengths[:2] == [10_000, 20_000]
    again = _Machine(float("inf"), 0.0)
    list(replayed(again, Trace.segments_of(trace.to_json()), WorkLimit(10**9)))
    assert again.coolings == machine.coolings >= 3


def test_a_pace_without_a_clock_counts_work_alone():
    machine = _Machine(float("inf"), 0.0)
    pace = Pace(WorkLimit(5))
    assert [pace.run(machine, 1.0, 1500), pace.run(machine, 1.0, 10)] == [1000, 10]


@pytest.mark.parametrize(("hot", "cold", "work"), [(1.0, 2.0, 1), (1.0, 0.0, 1), (float("inf"), 1.0, 1), (2.0, 1.0, 0)])
def test_impossible_coolings_are_refused(hot, cold, work):
    with pytest.raises(ValueError, match="allowed"):
        Cooling(hot, cold, work)


@pytest.mark.parametrize("segment", [[0, 0.5], [0, -2.0], [-1, 1.0], [5, 0.0], [5, -1.0]])
def test_a_malformed_trace_is_refused(segment):
    with pytest.raises(ValueError, match="malformed segment"):
        Trace.segments_of({"version": TRACE_VERSION, "segments": [[5, 1.0], segment]})
