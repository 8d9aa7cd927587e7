from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.backend import BackendFacts, Price, Technology
from federation.attack import Attack, BackendView, Outcome, Pick, plan_attack, service_level
from federation.policy import Policy, Profile, Residency
from federation.reasons import NOT_DEGRADED, Reason
from federation.sizing import max_kernel_variables
from solvers.problem import Features

FEATURES = Features("routing", {"size": 200.0, "density": 1.0, "tightness": 0.9})

ANNEAL = BackendFacts("anneal", Technology.ANNEALER, 5000, None, (), "", 0, Price(), 10_000, True)
QAOA = BackendFacts("qaoa", Technology.GATE, 24, None, (), "", 0, Price(), 100_000, True)
NOISY = BackendFacts(
    "noisy", Technology.GATE, 7, ((0, 1), (1, 2)), (), "sha256:1", 0, Price(300_000, 100), 20_000, True
)
VENDOR = BackendFacts("vendor", Technology.GATE, 127, ((0, 1),), (), "sha256:2", 3, Price(300_000, 1450), 8_192, False)
ALL = (ANNEAL, QAOA, NOISY, VENDOR)


def plan(policy, backends=ALL, remaining_s=60.0, circuit_open=(), selector=None):
    views = [BackendView(facts, facts.name in circuit_open) for facts in backends]
    return plan_attack("routing", FEATURES, ("savings", "pyvrp"), views, policy, remaining_s, selector)


def names(attack):
    return [choice.name for choice in attack.backends]


def reasons(attack):
    return {skipped.backend: skipped.reason for skipped in attack.skipped}


RICH = Policy(profile=Profile.HYBRID, budget_usd_micros=50_000_000, residency=Residency.EXTERNAL_ALLOWED)


def test_classical_uses_no_backend_and_is_full():
    attack = plan(Policy())
    assert attack.strategies == ("savings", "pyvrp")
    assert attack.backends == ()
    assert set(reasons(attack).values()) == {Reason.PROFILE_EXCLUDES}
    assert service_level(attack, {}) == ("FULL", "")


def test_simulate_uses_local_free_backends_alone():
    attack = plan(Policy(profile=Profile.SIMULATE, residency=Residency.EXTERNAL_ALLOWED, budget_usd_micros=10**9))
    assert names(attack) == ["anneal", "qaoa"]
    assert service_level(attack, {name: Outcome("OK") for name in names(attack)}) == ("FULL", "")


def test_hybrid_adds_metered_backends_that_the_budget_pays():
    attack = plan(RICH)
    assert names(attack) == ["anneal", "qaoa", "vendor", "noisy"]
    assert sum(choice.expected_usd_micros for choice in attack.backends) <= RICH.budget_usd_micros
    assert sum(choice.shots for choice in attack.backends) <= RICH.max_shots


def test_hybrid_without_a_budget_is_still_full():
    attack = plan(replace(RICH, budget_usd_micros=0))
    assert reasons(attack) == {"noisy": Reason.NO_BUDGET, "vendor": Reason.NO_BUDGET}
    assert service_level(attack, {"anneal": Outcome("OK"), "qaoa": Outcome("OK")}) == ("FULL", "")


def test_a_budget_too_small_for_any_metered_backend_reduces_the_level_with_its_reason():
    attack = plan(replace(RICH, budget_usd_micros=1000))
    assert names(attack) == ["anneal", "qaoa"]
    outcomes = {name: Outcome("OK") for name in names(attack)}
    assert service_level(attack, outcomes) == ("REDUCED", "BUDGET_REQUEST_LIMIT")


def test_hardware_puts_devices_first():
    attack = plan(replace(RICH, profile=Profile.HARDWARE))
    assert names(attack)[:2] == ["vendor", "noisy"]


def test_local_only_keeps_data_inside():
    attack = plan(replace(RICH, residency=Residency.LOCAL_ONLY))
    assert "vendor" not in names(attack)
    assert reasons(attack)["vendor"] == Reason.RESIDENCY_LOCAL_ONLY


def test_allowed_backends_are_the_only_ones():
    attack = plan(replace(RICH, allowed_backends=("qaoa",)))
    assert names(attack) == ["qaoa"]
    assert reasons(attack)["anneal"] == Reason.NOT_ALLOWED


@pytest.mark.parametrize(
    ("change", "open_circuits", "remaining_s", "reason"),
    [
        ({"available": False}, (), 60, Reason.BACKEND_UNAVAILABLE),
        ({}, ("qaoa",), 60, Reason.CIRCUIT_OPEN),
        ({"qubits": 1}, (), 60, Reason.PROGRAM_TOO_LARGE),
        ({}, (), 0.5, Reason.NO_TIME),
        ({"queue_length": 100}, (), 60, Reason.NO_TIME),
    ],
)
def test_a_backend_that_cannot_take_part_reduces_the_level(change, open_circuits, remaining_s, reason):
    backends = (ANNEAL, replace(QAOA, **change))
    attack = plan(Policy(profile=Profile.SIMULATE), backends, remaining_s, open_circuits)
    assert reasons(attack) == {"qaoa": reason}
    assert service_level(attack, {"anneal": Outcome("OK")}) == ("REDUCED", str(reason))


def test_a_request_without_shots_says_so():
    attack = plan(Policy(profile=Profile.SIMULATE, max_shots=10), (ANNEAL,))
    assert reasons(attack) == {"anneal": Reason.SHOTS_LIMIT}
    assert service_level(attack, {}) == ("LOCAL", "SHOTS_LIMIT")


def test_a_replayable_request_runs_one_strategy_alone():
    attack = plan(Policy(replayable=True))
    assert attack.strategies == ("savings",)
    assert attack.backends == ()


def test_level_follows_what_became_of_the_backends():
    attack = plan(Policy(profile=Profile.SIMULATE))
    ok, failed = Outcome("OK"), Outcome("FAILED", Reason.BACKEND_FAILED)
    assert service_level(attack, {"anneal": ok, "qaoa": failed}) == ("REDUCED", "BACKEND_FAILED")
    assert service_level(attack, {"anneal": failed, "qaoa": failed}) == ("LOCAL", "BACKEND_FAILED")
    assert service_level(attack, {"anneal": ok}) == ("REDUCED", "DEADLINE")
    assert service_level(attack, {"anneal": ok, "qaoa": Outcome("SKIPPED", Reason.NO_KERNEL)}) == ("FULL", "")
    assert service_level(attack, {}, solved=False) == ("INSURANCE", "NO_WORKER")
    assert service_level(Attack((), (), ()), {}, solved=False) == ("INSURANCE", "NO_STRATEGY")


def test_kernels_fit_the_machine():
    assert max_kernel_variables(QAOA) == 20
    assert max_kernel_variables(NOISY) == 7
    assert max_kernel_variables(ANNEAL) == 200
    pegasus = replace(ANNEAL, qubits=5640, coupling=((0, 1),))
    assert 100 <= max_kernel_variables(pegasus) <= 180


class OnlyLast:
    def order_strategies(self, kind, features, strategies, remaining_s):
        return tuple(reversed(strategies))

    def pick_backends(self, kind, features, eligible, policy, remaining_s):
        return [
            Pick(facts.name, i == len(eligible) - 1, f"rank {i}", Reason.CALIBRATION_STALE)
            for i, facts in enumerate(eligible)
        ]


def test_a_selector_orders_and_thins_what_the_rules_leave():
    attack = plan(Policy(profile=Profile.SIMULATE), selector=OnlyLast())
    assert attack.strategies == ("pyvrp", "savings")
    assert [(c.name, c.reason) for c in attack.backends] == [("qaoa", "rank 1")]
    assert reasons(attack)["anneal"] == Reason.CALIBRATION_STALE


class Broken:
    def order_strategies(self, kind, features, strategies, remaining_s):
        raise ZeroDivisionError("no order")

    def pick_backends(self, kind, features, eligible, policy, remaining_s):
        raise ArithmeticError("no race")


def test_a_selector_whose_numbers_fail_leaves_the_rules_in_force_and_says_so():
    policy = Policy(profile=Profile.SIMULATE)
    broken, ruled = plan(policy, selector=Broken()), plan(policy)
    assert broken.strategies == ruled.strategies
    assert names(broken) == names(ruled)
    assert "no race" in broken.backends[0].reason


def test_record_names_every_backend_once():
    record = plan(RICH).to_json()
    assert sorted([b["name"] for b in record["backends"]] + [s["backend"] for s in record["skipped"]]) == sorted(
        facts.name for facts in ALL
    )


facts_strategy = st.builds(
    BackendFacts,
    name=st.just("x"),
    technology=st.sampled_from(Technology),
    qubits=st.integers(0, 6000),
    coupling=st.sampled_from([None, ((0, 1),)]),
    calibration=st.just(()),
    calibration_id=st.just(""),
    queue_length=st.integers(0, 50),
    price=st.builds(Price, st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 10**7)),
    max_shots=st.integers(1, 10_000),
    is_local=st.booleans(),
    available=st.booleans(),
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(facts_strategy, max_size=6),
    st.sampled_from(Profile),
    st.integers(0, 10**8),
    st.integers(0, 10_000),
    st.sampled_from(Residency),
    st.floats(0, 100),
)
def test_no_plan_breaks_budget_shots_residency_or_time(facts, profile, budget, shots, residency, remaining_s):
    facts = [replace(f, name=f"b{i}") for i, f in enumerate(facts)]
    policy = Policy(profile=profile, budget_usd_micros=budget, max_shots=shots, residency=residency)
    attack = plan(policy, facts, remaining_s)
    by_name = {f.name: f for f in facts}
    assert sorted(names(attack) + list(reasons(attack))) == sorted(by_name)
    assert sum(c.expected_usd_micros for c in attack.backends) <= budget
    assert sum(c.shots for c in attack.backends) <= shots
    for choice in attack.backends:
        chosen = by_name[choice.name]
        assert chosen.available
        assert 1 <= choice.shots <= chosen.max_shots
        assert 2 <= choice.max_variables <= chosen.qubits
        assert chosen.is_local or residency is Residency.EXTERNAL_ALLOWED
        assert profile is not Profile.CLASSICAL
    for skipped in attack.skipped:
        assert not skipped.wanted or skipped.reason not in NOT_DEGRADED


def test_every_reason_has_a_meaning():
    assert all(len(reason.meaning) > 10 for reason in Reason)
    assert all(reason.value == reason.name for reason in Reason)


def test_of_interchangeable_backends_one_takes_part_and_nothing_is_missing_though_another_is_down():
    down = replace(QAOA, name="qaoa-2", available=False)
    spare = replace(QAOA, name="qaoa-3")
    seen = []

    def gives_way(names):
        seen.extend(names)
        return {"qaoa": "qaoa-3", "qaoa-2": "qaoa-3"}

    views = [BackendView(facts) for facts in (ANNEAL, QAOA, down, spare)]
    attack = plan_attack(
        "routing", FEATURES, ("savings",), views, Policy(profile=Profile.SIMULATE), 60.0, None, gives_way
    )
    assert sorted(seen) == ["anneal", "qaoa", "qaoa-3"]
    assert sorted(names(attack)) == ["anneal", "qaoa-3"]
    assert reasons(attack) == {"qaoa-2": Reason.BACKEND_UNAVAILABLE, "qaoa": Reason.INTERCHANGEABLE}
    assert service_level(attack, {name: Outcome("OK") for name in names(attack)}) == ("FULL", "")


def test_under_overload_what_runs_on_the_same_cores_is_left_out_and_that_is_a_degradation():
    views = [BackendView(ANNEAL, overloaded=True), BackendView(VENDOR, overloaded=True)]
    attack = plan_attack("routing", FEATURES, ("savings",), views, RICH, 60.0)
    assert names(attack) == ["vendor"]
    assert service_level(attack, {"vendor": Outcome("OK")}) == ("REDUCED", "OVERLOADED")
