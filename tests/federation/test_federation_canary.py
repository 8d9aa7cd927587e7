import numpy as np
import pytest

from federation.canary import Canary, CanaryConfig, Verdict


def run(seed, gain_new, gain_old=0.01, fail_new=0.02, fail_old=0.02, runs=4000, share=0.5, config=None):
    rng = np.random.default_rng(seed)
    canary = Canary("pyvrp 1", "pyvrp 2", config)
    for count in range(runs):
        new = bool(rng.random() < share)
        ok = bool(rng.random() >= (fail_new if new else fail_old))
        mean = gain_new if new else gain_old
        canary.record(new, ok, float(rng.gamma(4, mean / 4)) if ok else 0.0)
        if canary.verdict is not Verdict.CONTINUE:
            return canary, count + 1
    return canary, runs


def test_a_better_version_is_promoted():
    verdicts = [run(seed, 0.012) for seed in range(20)]
    assert all(canary.verdict is Verdict.PROMOTE for canary, _ in verdicts)
    assert np.median([runs for _, runs in verdicts]) < 800


def test_an_equal_version_is_promoted_within_the_allowance():
    config = CanaryConfig(allowance=0.001)
    assert sum(run(seed, 0.01, config=config)[0].verdict is Verdict.PROMOTE for seed in range(20)) >= 18


def test_a_worse_version_is_rolled_back():
    verdicts = [run(seed, 0.007) for seed in range(20)]
    assert all(canary.verdict is Verdict.ROLL_BACK for canary, _ in verdicts)
    assert np.median([runs for _, runs in verdicts]) < 800


def test_a_version_that_fails_is_rolled_back_however_well_it_gains():
    verdicts = [run(seed, 0.02, fail_new=0.3) for seed in range(20)]
    rolled_back = [canary for canary, _ in verdicts if canary.verdict is Verdict.ROLL_BACK]
    assert len(rolled_back) == 20
    assert all("fails" in canary.audit_entry()["why"] for canary in rolled_back)


def test_looking_after_every_run_keeps_the_error_below_alpha():
    """Candidates that are worse by just more than the allowance, looked at 2,000 times each: few may be promoted."""
    config = CanaryConfig(alpha=0.05, allowance=0.0005)
    promoted = sum(
        run(seed, 0.01 - 0.0005, fail_new=0, fail_old=0, runs=1000, config=config)[0].verdict is Verdict.PROMOTE
        for seed in range(150)
    )
    assert promoted <= 150 * 0.05 + 3 * np.sqrt(150 * 0.05 * 0.95)


def test_a_verdict_is_final():
    canary, _ = run(0, 0.005)
    assert canary.verdict is Verdict.ROLL_BACK
    for _ in range(1000):
        canary.record(True, True, 1.0)
    assert canary.verdict is Verdict.ROLL_BACK


def test_an_open_canary_ends_after_its_last_run():
    canary, _ = run(1, 0.0099, config=CanaryConfig(allowance=0.0001, most_runs=60))
    assert canary.verdict is Verdict.ROLL_BACK
    assert "60 runs" in canary.audit_entry()["why"]


def test_the_audit_entry_says_what_was_seen():
    canary, runs = run(0, 0.012)
    entry = canary.audit_entry()
    assert entry["verdict"] == "PROMOTE"
    assert entry["stable_runs"] + entry["candidate_runs"] == runs
    assert entry["candidate_mean_gain"] > entry["stable_mean_gain"]


def test_without_runs_there_is_no_verdict():
    canary = Canary("a", "b")
    assert canary.verdict is Verdict.CONTINUE
    assert set(canary.evidence().values()) == {1.0}
    with pytest.raises(ValueError, match="gain"):
        canary.record(True, True, float("nan"))


@pytest.mark.parametrize("bad", [{"alpha": 0.0}, {"allowance": -1.0}, {"spread": 0.0}, {"least_runs": 0}])
def test_a_config_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match="allowed"):
        CanaryConfig(**bad)
