import numpy as np
import pytest

from federation.canary import CanaryConfig, Verdict
from federation.evidence import Seen
from federation.rollouts import CanarySetting, Rollouts
from solvers.problem import Features

SETTING = CanarySetting("old", "new", 0.2, CanaryConfig(least_runs=20))


def run(backend, gain=0.01, outcome="OK"):
    return Seen("routing", Features("routing", {}), "", backend, outcome, gain, 1.0)


def feed(rollouts, new_gain, new_fails=0.0, runs=600):
    rng, entries = np.random.default_rng(1), []
    for _ in range(runs):
        entries += rollouts.observe(run("old", float(rng.gamma(4, 0.0025))))
        failed = rng.random() < new_fails
        gain = 0.0 if failed else float(rng.gamma(4, new_gain / 4))
        entries += rollouts.observe(run("new", gain, "FAILED" if failed else "OK"))
    return entries


def test_the_candidate_gets_its_share_of_jobs_and_the_same_jobs_again():
    rollouts = Rollouts([SETTING])
    to_new = [job for job in range(2000) if rollouts.gives_way(f"job-{job}", ("old", "new")) == {"old": "new"}]
    assert 330 <= len(to_new) <= 470
    assert all(rollouts.gives_way(f"job-{job}", ("new", "old")) == {"old": "new"} for job in to_new[:20])


def test_where_only_one_of_the_pair_is_there_it_takes_part():
    rollouts = Rollouts([SETTING])
    assert rollouts.gives_way("job-1", ("old",)) == rollouts.gives_way("job-1", ("new",)) == {}


def test_a_candidate_that_fails_is_rolled_back_once_and_takes_part_no_more():
    rollouts = Rollouts([SETTING])
    [entry] = feed(rollouts, 0.01, new_fails=0.5)
    assert (entry["verdict"], entry["why"]) == ("ROLL_BACK", "it fails more often")
    assert rollouts.gives_way("job-1", ("new",)) == {"new": "old"}


def test_a_candidate_that_gains_more_is_promoted_and_gets_every_job():
    rollouts = Rollouts([SETTING])
    [entry] = feed(rollouts, 0.02)
    assert entry["verdict"] == "PROMOTE"
    assert all(rollouts.gives_way(f"job-{job}", ("old", "new")) == {"old": "new"} for job in range(50))


def test_a_verdict_outlives_a_restart_by_its_audit_entry():
    first = Rollouts([SETTING])
    entries = feed(first, 0.01, new_fails=0.5)
    again = Rollouts([SETTING], entries)
    assert again.verdict(SETTING) is Verdict.ROLL_BACK
    assert feed(again, 0.02) == []


def test_runs_that_say_nothing_of_a_backend_are_not_counted():
    rollouts = Rollouts([SETTING])
    for _ in range(500):
        assert rollouts.observe(run("new", 0.0, "CANCELLED")) == []
        assert rollouts.observe(run("other", 0.0, "FAILED")) == []
    assert rollouts.verdict(SETTING) is Verdict.CONTINUE


@pytest.mark.parametrize("values", [("a", "a", 0.1), ("a", "b", 0.0), ("a", "b", 1.0)])
def test_a_canary_out_of_range_is_refused(values):
    with pytest.raises(ValueError, match="allowed"):
        CanarySetting(*values)
