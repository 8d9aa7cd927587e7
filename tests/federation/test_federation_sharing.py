"""Operators set how tenants share workers and a full queue; what they set wrong is named."""

import tomllib

import pytest

from federation.admission import admit_tenant
from federation.settings import settings_from_table
from federation.sharing import FairnessSettings
from federation.tickets import Ticket
from solvers.errors import InvalidProblem, TooBusy


def even(_tenant: str) -> float:
    return 1.0


def test_weights_that_an_operator_sets_divide_the_workers():
    text = "[fairness]\nquantum_s = 0.25\n[fairness.weights]\nacme = 3.0\n"
    fairness = settings_from_table(tomllib.loads(text), ()).fairness
    assert (fairness.weight("acme"), fairness.weight("other"), fairness.quantum_s) == (3.0, 1.0, 0.25)
    queue, served = fairness.queue(), {"acme": 0, "other": 0}
    for tenant in served:
        for number in range(100):
            queue.enqueue(Ticket(f"{tenant}-{number}", tenant, 5, 1, 1e9, 0.0))
    for turn in range(80):
        (grant,) = queue.grant(["worker"], float(turn))
        served[grant.tenant] += 1
        queue.remove(grant.job_id)
        queue.release("worker", turn + 1.0)
    assert served["acme"] == pytest.approx(60, abs=2)


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("fairness = 3", "federation.fairness", "a table"),
        ("[fairness]\nspeed = 1", "federation.fairness.speed", "weights, quantum_s"),
        ("[fairness]\nquantum_s = 0", "federation.fairness.quantum_s", "0.05 - 60"),
        ("[fairness]\npatience = 2", "federation.fairness.patience", "0 - 1"),
        ("[fairness]\naging_s = true", "federation.fairness.aging_s", "0 - 3600"),
        ("[fairness]\nweights = 1", "federation.fairness.weights", "tenant = weight"),
        ("[fairness.weights]\nacme = 0", "federation.fairness.weights.acme", "> 0"),
        ("[fairness.weights]\nacme = inf", "federation.fairness.weights.acme", "> 0"),
        ('[fairness.weights]\nacme = "much"', "federation.fairness.weights.acme", "> 0"),
    ],
)
def test_a_setting_out_of_range_is_named(text, path, allowed):
    with pytest.raises(InvalidProblem) as refused:
        settings_from_table(tomllib.loads(text), ())
    (violation,) = refused.value.violations
    assert violation.path == path
    assert allowed in violation.allowed


def test_a_tenant_that_fills_the_queue_is_refused_with_when_to_come_back():
    with pytest.raises(TooBusy, match="10 jobs wait, 10 of them yours; allowed: 10") as refused:
        admit_tenant("flood", {"flood": 10}, even, workers=2, service_s=0.5, max_queue=10)
    assert refused.value.retry_after_s == pytest.approx(0.25)


def test_a_queue_that_one_tenant_fills_has_room_for_another_up_to_its_share():
    for own in range(5):
        admit_tenant("other", {"flood": 10, "other": own}, even, workers=2, service_s=0.5, max_queue=10)
    with pytest.raises(TooBusy):
        admit_tenant("other", {"flood": 10, "other": 5}, even, workers=2, service_s=0.5, max_queue=10)


def test_a_heavier_tenant_has_a_larger_share_of_a_full_queue():
    weight = FairnessSettings({"acme": 3.0}).weight
    admit_tenant("acme", {"flood": 12, "acme": 7}, weight, workers=1, service_s=0.5, max_queue=12)
    with pytest.raises(TooBusy):
        admit_tenant("small", {"flood": 12, "acme": 0, "small": 6}, weight, workers=1, service_s=0.5, max_queue=12)


def test_many_tenants_together_never_wait_with_more_than_twice_the_queue():
    waiting: dict[str, int] = {}
    for number in range(1000):
        tenant = f"tenant-{number}"
        try:
            admit_tenant(tenant, waiting, even, workers=1, service_s=0.5, max_queue=20)
        except TooBusy:
            continue
        waiting[tenant] = 1
    assert sum(waiting.values()) <= 40


def test_without_workers_one_is_told_to_come_back_much_later():
    with pytest.raises(TooBusy) as refused:
        admit_tenant("flood", {"flood": 10}, even, workers=0, service_s=0.5, max_queue=10)
    assert refused.value.retry_after_s == 600.0
