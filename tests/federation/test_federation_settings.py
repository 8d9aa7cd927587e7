import re
import tomllib
from pathlib import Path

import pytest

from federation.flags import Flag
from federation.settings import FederationSettings, settings_from_table
from solvers.errors import InvalidProblem

BACKENDS = ("a", "b", "c")

FULL = """
exploration_share = 0.2
usd_per_gain = 50.0
approval_above_usd = 2.5
[heartbeat]
interval_s = 0.5
threshold = 6.0
hold_phi = 1.5
[breaker]
consecutive_failures = 5
[weights]
risk = 1.0
[domains]
a = ["vendor", "region"]
[[groups]]
name = "g"
backends = ["a", "b"]
expected_s = 0.2
[[canaries]]
stable = "a"
candidate = "c"
share = 0.1
least_runs = 50
[[canaries]]
kind = "routing"
stable = "pyvrp"
candidate = "annealing"
attempt = 2
[[flags]]
backend = "b"
share = 0.5
[[flags]]
kind = "invoices"
strategy = "invoices-highs"
share = 0
[shadow]
share = 0.02
"""


def faults(text):
    with pytest.raises(InvalidProblem) as refused:
        settings_from_table(tomllib.loads(text), BACKENDS)
    return {violation.path: violation for violation in refused.value.violations}


def test_every_setting_reaches_what_it_sets():
    found = settings_from_table(tomllib.loads(FULL), BACKENDS)
    assert (found.selection.exploration_share, found.selection.usd_per_gain, found.selection.ask_free) == (
        0.2,
        50,
        True,
    )
    assert (found.watch.heartbeat.expected_s, found.watch.heartbeat.threshold, found.watch.hold_phi) == (0.5, 6, 1.5)
    assert found.approval_above_usd_micros == 2_500_000
    canary, of_strategies = found.canaries
    assert (of_strategies.kind, of_strategies.stable, of_strategies.attempt) == ("routing", "pyvrp", 2)
    assert all(of_strategies.versions)
    assert found.flags == (Flag("b", 0.5), Flag("invoices-highs", 0, "invoices"))
    assert (canary.stable, canary.candidate, canary.share, canary.rule.least_runs) == ("a", "c", 0.1, 50)
    assert found.shadow_share == 0.02
    assert found.watch.breaker.consecutive_failures == 5
    assert found.domains == {"a": ("vendor", "region")}
    [group] = found.groups
    assert (group.name, group.backends, group.expected_s, group.weights.risk) == ("g", ("a", "b"), 0.2, 1.0)


def test_without_a_table_the_defaults_hold():
    assert settings_from_table(None, BACKENDS) == FederationSettings() == settings_from_table({}, BACKENDS)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("speed = 1", "federation.speed"),
        ("exploration_share = 2", "federation"),
        ('usd_per_gain = "much"', "federation.usd_per_gain"),
        ("approval_above_usd = -1", "federation.approval_above_usd"),
        ("[shadow]\nshare = 2", "federation.shadow"),
        ("canaries = 1", "federation.canaries"),
        ("canaries = [1]", "federation.canaries[0]"),
        ("[[canaries]]\nstable = 'a'", "federation.canaries[0].candidate"),
        ("[[canaries]]\nstable = 'a'\ncandidate = 'z'", "federation.canaries[0].candidate"),
        ("[[canaries]]\nstable = 'a'\ncandidate = 'b'\nkind = 'chess'", "federation.canaries[0].kind"),
        ("[[canaries]]\nkind = 'routing'\nstable = 'pyvrp'\ncandidate = 'b'", "federation.canaries[0].candidate"),
        ("[[canaries]]\nstable = 'a'\ncandidate = 'b'\nattempt = 0", "federation.canaries[0]"),
        (
            "[[canaries]]\nstable = 'a'\ncandidate = 'b'\n[[canaries]]\nstable = 'b'\ncandidate = 'c'",
            "federation.canaries[1].stable",
        ),
        ("flags = 1", "federation.flags"),
        ("[[flags]]\nshare = 0", "federation.flags[0]"),
        ("[[flags]]\nbackend = 'a'", "federation.flags[0].share"),
        ("[[flags]]\nbackend = 'z'\nshare = 0", "federation.flags[0].backend"),
        ("[[flags]]\nbackend = 'a'\nshare = 2", "federation.flags[0]"),
        ("[[flags]]\nbackend = 'a'\nkind = 'routing'\nshare = 0", "federation.flags[0].kind"),
        ("[[flags]]\nstrategy = 'pyvrp'\nshare = 0", "federation.flags[0].kind"),
        ("[[flags]]\nstrategy = 'no'\nkind = 'routing'\nshare = 0", "federation.flags[0].strategy"),
        ("[[flags]]\nbackend = 'a'\nshare = 0\n[[flags]]\nbackend = 'a'\nshare = 1", "federation.flags[1]"),
        ("[[canaries]]\nstable = 'a'\ncandidate = 'b'\nshare = 2", "federation.canaries[0]"),
        ("[[canaries]]\nstable = 'a'\ncandidate = 'b'\nspeed = 2", "federation.canaries[0].speed"),
        ("heartbeat = 1", "federation.heartbeat"),
        ("[heartbeat]\nevery_s = 1", "federation.heartbeat.every_s"),
        ("[heartbeat]\ninterval_s = 0.001", "federation.heartbeat"),
        ("[breaker]\nfailure_rate = 2", "federation.breaker"),
        ("[domains]\nz = ['x']", "federation.domains"),
        ("[domains]\na = 'x'", "federation.domains.a"),
        ("groups = 1", "federation.groups"),
        ("[[groups]]\nname = 'g'\nbackends = ['a']", "federation.groups[0]"),
        ("[[groups]]\nname = 'g'\nbackends = ['a', 'z']", "federation.groups[0].backends"),
        ("[[groups]]\nname = ''\nbackends = ['a', 'b']", "federation.groups[0].name"),
        ("[[groups]]\nname = 'g'\nbackends = ['a', 'b']\nsize = 1", "federation.groups[0].size"),
        (
            "[[groups]]\nname = 'g'\nbackends = ['a', 'b']\n[[groups]]\nname = 'h'\nbackends = ['b', 'c']",
            "federation.groups[1].backends",
        ),
    ],
)
def test_each_fault_is_named(text, path):
    assert path in faults(text)


def test_several_faults_are_named_together():
    assert len(faults("speed = 1\n[breaker]\nprobes = 0")) == 2


def test_the_example_of_the_documentation_is_accepted():
    page = (Path(__file__).parents[2] / "docs" / "federation.md").read_text()
    [example] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    names = re.findall(r"(?:annealer-[abc]|statevector(?:-new)?|ibm-a)", example)
    found = settings_from_table(tomllib.loads(example)["federation"], names)
    assert found.groups
    assert {bool(canary.kind) for canary in found.canaries} == {True, False}
    assert found.flags
    assert found.shadow_share
    assert found.fairness.weights
