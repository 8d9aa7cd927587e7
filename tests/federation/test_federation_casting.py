"""Flags and canaries decide which strategies run, each with its reason, before anything else orders them."""

from federation.attack import Attack
from federation.canary import CanaryConfig
from federation.casting import cast_of
from federation.flags import Flag, Flags
from federation.rollouts import CanarySetting, Rollouts

NAMES = ("first", "old", "new")
JOBS = [f"job-{number}" for number in range(300)]


def ordered(flags=(), canaries=(), names=NAMES):
    """By job: the strategies that run, and who was left out, where selection turns the order round."""
    found = {}
    for job_id in JOBS:
        casting = cast_of(Flags(flags), Rollouts(canaries), "routing", job_id, names)
        found[job_id] = casting.applied(Attack(tuple(reversed(casting.names)), (), ()))
    return found


def test_without_flags_and_canaries_everybody_runs():
    assert {attack.strategies for attack in ordered().values()} == {("new", "old", "first")}
    assert all(attack.strategies_out == () for attack in ordered().values())


def test_what_is_switched_off_never_runs_and_the_record_says_so():
    for attack in ordered([Flag("old", 0.0, "routing")]).values():
        assert attack.strategies == ("new", "first")
        assert attack.strategies_out == (("old", "SWITCHED_OFF"),)
        assert attack.to_json()["strategies_skipped"] == [{"strategy": "old", "reason": "SWITCHED_OFF"}]


def test_a_flag_of_another_kind_or_of_a_backend_switches_nothing_off():
    flags = [Flag("old", 0.0, "binary"), Flag("old", 0.0)]
    assert {attack.strategies for attack in ordered(flags).values()} == {("new", "old", "first")}


def test_a_flag_with_a_share_lets_that_share_have_it():
    on = ["old" in attack.strategies for attack in ordered([Flag("old", 0.3, "routing")]).values()]
    assert 60 <= sum(on) <= 120


def test_a_candidate_takes_the_place_that_the_stable_one_was_given():
    canary = CanarySetting("old", "new", 0.3, CanaryConfig(), "routing", ("1", "2"))
    attacks = ordered(canaries=[canary])
    assert {attack.strategies for attack in attacks.values()} == {("old", "first"), ("new", "first")}
    assert 60 <= sum("new" in attack.strategies for attack in attacks.values()) <= 120
    for attack in attacks.values():
        [(loser, why)] = attack.strategies_out
        assert loser not in attack.strategies
        assert "runs in its place; the canary has its share" in why


def test_a_candidate_that_is_switched_off_leaves_all_to_the_stable_one():
    canary = CanarySetting("old", "new", 0.3, CanaryConfig(), "routing", ("1", "2"))
    attacks = ordered([Flag("new", 0.0, "routing")], [canary])
    assert {attack.strategies for attack in attacks.values()} == {("old", "first")}


def test_a_backend_that_is_off_for_a_share_is_there_for_who_names_it_unless_it_is_off_for_all():
    flags = Flags([Flag("some", 0.5), Flag("none", 0.0), Flag("old", 0.0, "routing")])
    off = [flags.backends_off(job_id) for job_id in JOBS]
    assert 110 <= sum("some" in one for one in off) <= 190
    assert all("none" in one and "old" not in one for one in off)
    assert {flags.backends_off(job_id, ("some", "none")) for job_id in JOBS} == {frozenset({"none"})}
