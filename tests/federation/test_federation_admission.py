import math

import pytest

from federation.admission import admit, expected_wait_s
from solvers.errors import TooBusy


def test_an_empty_queue_admits_at_once():
    assert admit(0, workers=2, service_s=0.5, deadline_s=0.1) == 0.0


def test_a_queue_beyond_the_deadline_is_refused_with_when_to_come_back():
    with pytest.raises(TooBusy) as refused:
        admit(100, workers=2, service_s=0.5, deadline_s=10)
    assert refused.value.retry_after_s == pytest.approx(25 - 10)
    assert admit(100, workers=2, service_s=0.5, deadline_s=26) == pytest.approx(25)


def test_coming_back_after_the_hint_fits():
    with pytest.raises(TooBusy) as refused:
        admit(1000, workers=4, service_s=0.5, deadline_s=5)
    drained = refused.value.retry_after_s * 4 / 0.5
    assert admit(round(1000 - drained), workers=4, service_s=0.5, deadline_s=5) <= 5


def test_a_full_queue_is_refused_whatever_the_deadline():
    with pytest.raises(TooBusy):
        admit(10, workers=4, service_s=0.001, deadline_s=3600, max_queue=10)


def test_without_workers_a_short_queue_still_admits():
    assert admit(5, workers=0, service_s=0.5, deadline_s=10) == math.inf
    assert expected_wait_s(0, 0, 0.5) == 0.0


@pytest.mark.parametrize("bad", [(-1, 1, 1.0), (1, -1, 1.0), (1, 1, -1.0), (1, 1, math.nan)])
def test_impossible_figures_are_refused(bad):
    with pytest.raises(ValueError, match="out of range"):
        expected_wait_s(*bad)
