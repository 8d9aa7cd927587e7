from backends.backend import BackendFacts, Price, Technology
from federation.approval import explained, unapproved
from federation.attack import BackendView, Outcome, plan_attack, service_level
from federation.policy import Policy, Profile, Residency
from federation.reasons import Reason
from solvers.problem import Features

DOLLAR = 1_000_000
VENDOR = BackendFacts("vendor", Technology.GATE, 127, ((0, 1),), (), "sha256:2", 0, Price(DOLLAR, 10_000), 8_192, False)
RICH = Policy(
    profile=Profile.HYBRID, budget_usd_micros=50 * DOLLAR, residency=Residency.EXTERNAL_ALLOWED, max_shots=1000
)


def planned(limit, approved):
    allowed = unapproved(RICH, limit, approved)
    attack = plan_attack("routing", Features("routing", {}), ("a",), [BackendView(VENDOR)], allowed, 600.0)
    return explained(attack, RICH, allowed)


def test_unapproved_a_request_spends_no_more_than_the_limit():
    [choice] = planned(5 * DOLLAR, False).backends
    assert choice.expected_usd_micros <= 5 * DOLLAR
    assert planned(5 * DOLLAR, False).skipped == ()


def test_what_the_limit_cannot_pay_for_waits_for_an_approval_and_that_is_a_degradation():
    attack = planned(1 * DOLLAR, False)
    [skipped] = attack.skipped
    assert (skipped.reason, skipped.wanted) == (Reason.APPROVAL_NEEDED, True)
    assert service_level(attack, {}) == ("LOCAL", "APPROVAL_NEEDED")


def test_with_nothing_allowed_unasked_nothing_is_spent():
    [skipped] = planned(0, False).skipped
    assert skipped.reason is Reason.APPROVAL_NEEDED


def test_an_operator_or_no_limit_leaves_the_request_its_own_budget():
    for attack in (planned(0, True), planned(None, False)):
        [choice] = attack.backends
        assert choice.expected_usd_micros > 5 * DOLLAR
        assert service_level(attack, {"vendor": Outcome("OK")}) == ("FULL", "")
