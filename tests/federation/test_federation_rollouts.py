from dataclasses import replace

import numpy as np
import pytest

from federation.canary import CanaryConfig, Verdict
from federation.evidence import Seen
from federation.rollouts import CanarySetting, Rollouts
from solvers.problem import Features

SETTING = CanarySetting("old", "new", 0.2, CanaryConfig(least_runs=20))
STRATEGIES = replace(SETTING, kind="routing", versions=("1", "2"))


def begun(*settings, entries=()):
    rollouts = Rollouts(settings, entries)
    rollouts.begin(0.0)
    return rollouts


def run(backend, gain=0.01, outcome="OK"):
    return Seen("routing", Features("routing", {}), "", backend, outcome, gain, 1.0)


def strategy_run(name, gain=0.01, outcome="OK", version=None, kind="routing"):
    version = {"old": "1", "new": "2"}[name] if version is None else version
    return Seen(kind, Features(kind, {}), name, "", outcome, gain, 1.0, version=version)


def feed(rollouts, new_gain, new_fails=0.0, runs=600, of=run, at_s=1.0):
    rng, entries = np.random.default_rng(1), []
    for _ in range(runs):
        entries += rollouts.observe(of("old", float(rng.gamma(4, 0.0025))), at_s)
        failed = rng.random() < new_fails
        gain = 0.0 if failed else float(rng.gamma(4, new_gain / 4))
        entries += rollouts.observe(of("new", gain, "FAILED" if failed else "OK"), at_s)
    return entries


def test_the_candidate_gets_its_share_of_jobs_and_the_same_jobs_again():
    rollouts = begun(SETTING)
    to_new = [job for job in range(2000) if rollouts.gives_way(f"job-{job}", ("old", "new")) == {"old": "new"}]
    assert 330 <= len(to_new) <= 470
    assert all(rollouts.gives_way(f"job-{job}", ("new", "old")) == {"old": "new"} for job in to_new[:20])


def test_where_only_one_of_the_pair_is_there_it_takes_part():
    rollouts = begun(SETTING)
    assert rollouts.gives_way("job-1", ("old",)) == rollouts.gives_way("job-1", ("new",)) == {}


def test_a_candidate_that_fails_is_rolled_back_once_and_takes_part_no_more():
    rollouts = begun(SETTING)
    [entry] = feed(rollouts, 0.01, new_fails=0.5)
    assert (entry["verdict"], entry["why"]) == ("ROLL_BACK", "it fails more often")
    assert rollouts.gives_way("job-1", ("new",)) == {"new": "old"}


def test_a_candidate_that_gains_more_is_promoted_and_gets_every_job():
    rollouts = begun(SETTING)
    [entry] = feed(rollouts, 0.02)
    assert entry["verdict"] == "PROMOTE"
    assert all(rollouts.gives_way(f"job-{job}", ("old", "new")) == {"old": "new"} for job in range(50))


def test_a_verdict_outlives_a_restart_by_its_audit_entry():
    first = begun(SETTING)
    entries = feed(first, 0.01, new_fails=0.5)
    again = Rollouts([SETTING], [{**entry, "at_s": 0.0} for entry in entries])
    assert again.verdict(SETTING) is Verdict.ROLL_BACK
    assert feed(again, 0.02) == []


def test_runs_that_say_nothing_of_a_backend_are_not_counted():
    rollouts = begun(SETTING)
    for _ in range(500):
        assert rollouts.observe(run("new", 0.0, "CANCELLED"), 1.0) == []
        assert rollouts.observe(run("other", 0.0, "FAILED"), 1.0) == []
    assert rollouts.verdict(SETTING) is Verdict.CONTINUE


@pytest.mark.parametrize("values", [("a", "a", 0.1), ("a", "b", 0.0), ("a", "b", 1.0)])
def test_a_canary_out_of_range_is_refused(values):
    with pytest.raises(ValueError, match="allowed"):
        CanarySetting(*values)


def test_its_start_is_written_down_once_and_only_what_ran_after_it_is_compared():
    first = Rollouts([SETTING])
    [start] = first.begin(100.0)
    assert (start["verdict"], start["stable"], start["candidate"], start["share"]) == ("CONTINUE", "old", "new", 0.2)
    again = Rollouts([SETTING], [{**start, "at_s": 100.0}])
    assert again.begin(500.0) == []
    assert feed(again, 0.01, new_fails=0.5, at_s=99.0) == []
    assert feed(again, 0.01, new_fails=0.5, at_s=101.0)


def test_strategies_are_compared_by_their_versions():
    rollouts = begun(STRATEGIES)
    assert feed(rollouts, 0.01, 0.5, of=lambda *a: strategy_run(*a, version="9")) == []
    assert feed(rollouts, 0.01, 0.5, of=lambda *a: strategy_run(*a, kind="binary")) == []
    assert feed(rollouts, 0.01, 0.5) == [], "a backend of the same name is something else"
    [entry] = feed(rollouts, 0.01, new_fails=0.5, of=strategy_run)
    assert (entry["verdict"], entry["kind"], entry["candidate_version"]) == ("ROLL_BACK", "routing", "2")


def test_a_verdict_binds_neither_another_version_nor_another_attempt():
    entries = [{**entry, "at_s": 0.0} for entry in feed(begun(STRATEGIES), 0.01, new_fails=0.5, of=strategy_run)]
    assert Rollouts([STRATEGIES], entries).verdict(STRATEGIES) is Verdict.ROLL_BACK
    for other in (replace(STRATEGIES, versions=("1", "3")), replace(STRATEGIES, attempt=2)):
        rollouts = Rollouts([other], entries)
        assert rollouts.verdict(other) is Verdict.CONTINUE
        assert len(rollouts.begin(5.0)) == 1


def test_a_candidate_strategy_takes_its_share_and_runs_alone_where_only_it_is_there():
    rollouts = begun(STRATEGIES)
    names = ("old", "new", "third")
    to_new = [job for job in range(2000) if rollouts.strategies("routing", f"job-{job}", names) == {"old": "new"}]
    assert 330 <= len(to_new) <= 470
    assert rollouts.strategies("binary", "job-1", names) == {}
    assert rollouts.strategies("routing", "job-1", ("new", "third")) == {}
    feed(rollouts, 0.01, new_fails=0.5, of=strategy_run)
    assert all(rollouts.strategies("routing", f"job-{job}", names) == {"new": "old"} for job in range(50))
    assert rollouts.strategies("routing", "job-1", ("new", "third")) == {"new": "old"}
    assert rollouts.strategies("routing", "job-1", ("new",)) == {}, "somebody has to solve it"
