import numpy as np
import pytest

from federation.domains import FailureDomains
from federation.health import HealthConfig

DOMAINS = {"a1": ("acme", "east"), "a2": ("acme",), "b": ("best", "east"), "local": ()}
LASTING = HealthConfig(prior_successes=9, prior_failures=1, half_life_s=1e9)


def test_scenarios_have_the_right_frequencies_alone_and_together():
    domains = FailureDomains(DOMAINS, scenarios=20_000, own=LASTING, shared=LASTING)
    up = domains.sample(0)
    column = {name: up[:, i] for i, name in enumerate(domains.backends)}
    for name in DOMAINS:
        assert column[name].mean() == pytest.approx(domains.up(name, 0), abs=0.01)
    assert (column["a1"] & column["a2"]).mean() == pytest.approx(0.9**4, abs=0.01)
    assert (column["a1"] & column["local"]).mean() == pytest.approx(0.9**4, abs=0.01)
    assert (~column["a1"] & ~column["a2"]).mean() > 3 * (~column["a1"]).mean() * (~column["local"]).mean()


def test_the_same_probabilities_give_the_same_scenarios_and_close_ones_close_ones():
    domains = FailureDomains(DOMAINS)
    before = domains.sample(0)
    assert np.array_equal(before, domains.sample(0))
    domains.record("b", True, 0)
    assert (before != domains.sample(0)).mean() < 0.05


def test_a_vendor_that_fails_as_a_whole_is_blamed_instead_of_its_machines():
    domains = FailureDomains(DOMAINS)
    for now_s in range(30):
        domains.record("a1", False, now_s)
        domains.record("a2", False, now_s)
        domains.record("b", True, now_s)
    assert domains.shared("acme", 30) < domains.shared("best", 30) - 0.2
    assert domains.shared("east", 30) > 0.9
    assert domains.up("a1", 30) < 0.3


def test_one_bad_machine_is_not_blamed_on_its_vendor():
    domains = FailureDomains(DOMAINS)
    for now_s in range(30):
        domains.record("a1", False, now_s)
        domains.record("a2", True, now_s)
    assert domains.shared("acme", 30) > 0.98
    assert domains.up("a2", 30) > 0.9
    assert domains.up("a1", 30) < 0.3


def test_rare_failures_show_in_few_scenarios():
    rare = HealthConfig(prior_successes=99, prior_failures=1, half_life_s=1e9)
    domains = FailureDomains({"x": ()}, scenarios=500, own=rare)
    assert (~domains.sample(0)).sum() == 5


def test_no_scenarios_are_refused():
    with pytest.raises(ValueError, match="scenarios"):
        FailureDomains(DOMAINS, scenarios=0)
