"""The result cache gives an answer again only to whom it belongs, for what it answered, and while it is fresh."""

from __future__ import annotations

from typing import Any

import pytest

from protos import common_pb2, jobs_pb2, routing_pb2
from services import result_cache
from services.convert.common import policy_from_message
from services.result_cache import ResultCache, refuse_max_age
from solvers.errors import InvalidProblem

RESPONSE = routing_pb2.OptimizeToursResponse


def request(max_age_s: int | None = 60, **policy: Any) -> routing_pb2.OptimizeToursRequest:
    made = routing_pb2.OptimizeToursRequest(policy=common_pb2.SolvePolicy(**policy))
    made.problem.locations.add(id="depot")
    if max_age_s is not None:
        made.policy.max_age.FromSeconds(max_age_s)
    return made


def answer(**report: Any) -> routing_pb2.OptimizeToursResponse:
    values = {"job_id": "job-1", "feasible": True, "service_level": common_pb2.FULL, "cost_usd": 0.5, "shots": 10}
    made = RESPONSE(report=common_pb2.SolveReport(**{**values, **report}))
    made.report.contributions.add(strategy="kernel", backend="b", cost_usd=0.5, shots=10)
    return made


def kept(cache: ResultCache, made: Any, message: Any = None) -> Any:
    key = cache.key("acme", "routing", made)
    assert key is not None
    cache.put(key, message or answer())
    return cache.get(key, 60.0, RESPONSE)


def test_an_answer_is_given_again_as_a_cached_one_that_cost_nothing() -> None:
    found = kept(ResultCache(), request())
    assert found.report.cached
    assert (found.report.job_id, found.report.cost_usd, found.report.shots) == ("job-1", 0, 0)
    assert found.report.contributions[0].cost_usd == 0


def test_without_opting_in_under_a_key_or_for_a_replay_there_is_no_cache() -> None:
    cache = ResultCache()
    for made in (request(None), request(idempotency_key="k"), request(replayable=True)):
        assert cache.key("acme", "routing", made) is None


def test_another_tenant_problem_project_option_or_solver_is_another_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ResultCache()
    other, project = request(), request()
    other.problem.locations.add(id="second")
    project.project = "east"
    keys = {
        cache.key("acme", "routing", request()),
        cache.key("rival", "routing", request()),
        cache.key("acme", "routing", other),
        cache.key("acme", "routing", project),
        cache.key("acme", "routing", request(seed=1)),
        cache.key("acme", "routing", request(profile=common_pb2.HYBRID)),
    }
    assert len(keys) == 6
    real = result_cache.problem_kind
    monkeypatch.setattr(result_cache, "problem_kind", lambda kind: real("invoices"))
    assert cache.key("acme", "routing", request()) not in keys


def test_deadline_priority_and_labels_do_not_change_what_a_good_answer_is() -> None:
    cache = ResultCache()
    assert cache.key("acme", "routing", request(priority=9, labels={"a": "b"})) == cache.key(
        "acme", "routing", request(30)
    )


def test_an_answer_that_is_too_old_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ResultCache()
    assert kept(cache, request()) is not None
    key = cache.key("acme", "routing", request())
    assert key is not None
    now_s = result_cache.time.monotonic()
    monkeypatch.setattr(result_cache.time, "monotonic", lambda: now_s + 61.0)
    assert cache.get(key, 60.0, RESPONSE) is None
    assert cache.get(key, 62.0, RESPONSE) is not None


@pytest.mark.parametrize(
    "report", [{"feasible": False}, {"service_level": common_pb2.LOCAL}, {"service_level": common_pb2.INSURANCE}]
)
def test_what_a_next_attempt_might_better_is_not_kept(report: dict[str, Any]) -> None:
    assert kept(ResultCache(), request(), answer(**report)) is None


def test_the_answer_not_asked_for_longest_goes_when_there_is_no_room() -> None:
    cache = ResultCache(2 * len(answer().SerializeToString()))
    keys = [cache.key("acme", "routing", request(seed=seed)) for seed in range(3)]
    for key in keys[:2]:
        assert key is not None
        cache.put(key, answer())
    assert keys[0] is not None
    cache.get(keys[0], 60.0, RESPONSE)
    assert keys[2] is not None
    cache.put(keys[2], answer())
    assert [cache.get(key, 60.0, RESPONSE) is not None for key in keys if key] == [True, False, True]


def test_an_age_out_of_range_is_refused_and_so_is_one_on_an_asynchronous_job() -> None:
    with pytest.raises(InvalidProblem):
        policy_from_message(request(86_401).policy, (), 1)
    policy_from_message(request(86_400).policy, (), 1)
    with pytest.raises(InvalidProblem) as refused:
        refuse_max_age(jobs_pb2.SubmitJobRequest(routing=request()))
    assert refused.value.violations[0].path == "routing.policy.max_age"
    refuse_max_age(jobs_pb2.SubmitJobRequest(routing=request(None)))
