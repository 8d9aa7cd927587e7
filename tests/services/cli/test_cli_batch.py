"""A batch answers each of its inputs once, whatever ends it in the middle, in lines of JSON and in Parquet."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_fake_service import FakeService, Refusal, Run

from protos.common_pb2 import SolveReport
from protos.jobs_pb2 import SUCCEEDED, Job, JobEvent
from protos.routing_pb2 import OptimizeToursResponse, PlannedRoute, PlannedStop, RoutingPlan
from services.cli import batch as module
from services.cli.batch_parquet import read_answers, write_answers
from services.cli.batch_progress import Progress
from services.cli.batch_ray_job import entrypoint
from services.cli.session import Session


def problem(name: str) -> str:
    return json.dumps({"visits": [{"id": name}], "vehicles": [{"id": "van"}]})


class Jobs:
    """What a service does with submitted jobs: one key is one job, each is solved once."""

    def __init__(self, service: FakeService, report: SolveReport) -> None:
        self.by_key: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.report = report
        service.answers["SubmitJob"] = self.submit
        service.answers["WatchJob"] = self.watch

    def submit(self, request: Any) -> Any:
        key = request.routing.policy.idempotency_key
        self.asked[key] += 1
        name = self.by_key.setdefault(key, f"{len(self.by_key)}:{request.routing.problem.visits[0].id}")
        return Job(id=name)

    def watch(self, request: Any) -> Any:
        stop = PlannedStop(id=request.job_id.split(":")[1])
        report = SolveReport()
        report.CopyFrom(self.report)
        report.job_id = request.job_id
        plan = RoutingPlan(routes=[PlannedRoute(stops=[stop])])
        job = Job(id=request.job_id, kind="routing", state=SUCCEEDED)
        job.routing.CopyFrom(OptimizeToursResponse(plan=plan, report=report))
        return [JobEvent(sequence=1, state=SUCCEEDED, job=job)]


@pytest.fixture
def jobs(service: FakeService, report: SolveReport) -> Jobs:
    return Jobs(service, report)


def lines_of(target: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in target.read_text().splitlines()]


def test_rows_of_parquet_are_asked_with_their_policy_and_answered_in_flat_columns(
    run: Run, service: FakeService, jobs: Jobs, tmp_path: Path
) -> None:
    labels = pa.array([[("team", "north")], None, None], pa.map_(pa.string(), pa.string()))
    table = pa.table(
        {
            "id": ["a", "b", None],
            "kind": ["routing", None, None],
            "request": [problem("x"), problem("y"), problem("z")],
            "deadline_s": [1.5, None, 2.0],
            "priority": [9, None, None],
            "profile": ["hybrid", None, ""],
            "project": ["blue", None, None],
            "labels": labels,
        }
    )
    source, target = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(table, source)
    assert run("batch", source, target, "--seed", "7").code == 0
    asked = {request.routing.problem.visits[0].id: request.routing for request in service.requests("SubmitJob")}
    first = asked["x"].policy
    assert (first.deadline.ToMilliseconds(), first.priority, first.seed, dict(first.labels)) == (
        1500, 9, 7, {"team": "north"},
    )  # fmt: skip
    assert (asked["x"].project, asked["y"].project) == ("blue", "")
    assert not asked["y"].policy.HasField("priority")
    answers = pq.read_table(target)
    rows = {row["input"]: row for row in answers.to_pylist()}
    assert set(rows) == {"a", "b", "row 3"}
    assert (rows["b"]["objective"], rows["b"]["feasible"], rows["b"]["error"]) == (100.5, True, None)
    assert json.loads(rows["b"]["plan"]) == {"routes": [["y"]]}
    assert json.loads(rows["b"]["contributions"])[1]["backend"] == "metered"
    assert answers.schema.field("gap").type == pa.float64()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"], "nothing is left beside"


def test_answers_in_parquet_are_those_in_lines_of_json(run: Run, jobs: Jobs, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(problem("a") + "\n{}\n" + problem("b") + "\n")
    for target in (tmp_path / "out.jsonl", tmp_path / "out.parquet"):
        assert run("batch", source, target, "--parallel", "1").code == 1
    there = {line["input"]: line for line in read_answers(tmp_path / "out.parquet")}
    for line in lines_of(tmp_path / "out.jsonl"):
        same = {key: value for key, value in there[line["input"]].items() if key != "job_id"}
        assert same == {key: value for key, value in line.items() if key != "job_id"}
    write_answers(read_answers(tmp_path / "out.parquet"), tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet").equals(pq.read_table(tmp_path / "out.parquet"))


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"id": ["a"]}, ("request: is no column",)),
        ({"request": [1], "id": ["a"]}, ("request: is of type int64", "string or binary, of JSON")),
        ({"request": ["{}"], "colour": ["red"]}, ("colour: is not a column of a batch", "deadline_s")),
        ({"request": ["{}"], "priority": ["high"]}, ("priority: is of type string", "integer")),
        ({"request": ["{}"], "labels": ["x"]}, ("labels: is of type string", "map of string to string")),
    ],
)
def test_columns_that_a_batch_does_not_know_are_refused_before_anything_is_asked(
    run: Run, service: FakeService, tmp_path: Path, columns: dict[str, list[Any]], named: tuple[str, ...]
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    outcome = run("batch", tmp_path / "in.parquet", tmp_path / "out.jsonl")
    assert outcome.code == 1
    for text in named:
        assert text in outcome.err
    assert service.asked == []
    assert not (tmp_path / "out.jsonl").exists()


def test_a_bad_row_is_answered_by_its_error_and_the_others_by_plans(run: Run, jobs: Jobs, tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["good", "kind", "profile", "deadline", "json"],
            "request": [problem("a"), problem("b"), problem("c"), problem("d"), "nonsense"],
            "kind": [None, "knapsack", None, None, None],
            "profile": [None, None, "fast", None, None],
            "deadline_s": [None, None, None, -1.0, None],
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    assert run("batch", tmp_path / "in.parquet", tmp_path / "out.jsonl").code == 1
    by_input = {line["input"]: line for line in lines_of(tmp_path / "out.jsonl")}
    assert by_input["good"]["feasible"]
    for name, field in (("kind", "kind"), ("profile", "profile"), ("deadline", "deadline_s")):
        (violation,) = by_input[name]["error"]["field_violations"]
        assert violation["field"] == field
        assert "allowed" in violation["description"]
    assert by_input["json"]["error"]["code"] == "INVALID_ARGUMENT"


def test_a_file_that_is_no_parquet_and_an_id_twice_are_refused(run: Run, jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_text("no parquet")
    outcome = run("batch", tmp_path / "in.parquet", tmp_path / "out.jsonl")
    assert (outcome.code, "allowed: a Parquet file" in outcome.err) == (1, True)
    pq.write_table(pa.table({"id": ["a", "a"], "request": [problem("x")] * 2}), tmp_path / "twice.parquet")
    outcome = run("batch", tmp_path / "twice.parquet", tmp_path / "out.jsonl")
    assert outcome.code == 1
    assert "row 2, id: is 'a' again" in outcome.err


def test_without_pyarrow_a_parquet_batch_says_what_to_install(
    run: Run, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    source = tmp_path / "in.jsonl"
    source.write_text(problem("a"))
    outcome = run("batch", source, tmp_path / "out.parquet")
    assert outcome.code == 1
    assert "pip install 'isinglass[parquet]'" in outcome.err
    assert not jobs.asked, "said before anything is solved"
    assert run("batch", source, tmp_path / "out.jsonl").code == 0, "lines of JSON need it not"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_batch_that_is_killed_goes_on_without_a_second_job_or_answer(
    run: Run, service: FakeService, jobs: Jobs, tmp_path: Path, suffix: str
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    source.write_text("".join(problem(f"p{number}") + "\n" for number in range(8)))
    held = Counter[str]()
    watch = jobs.watch

    def slow(request: Any) -> Any:  # the fourth is accepted, and its answer never comes while the first program lives
        held[request.job_id] += 1
        if len(held) > 3:
            time.sleep(1.0)
        return watch(request)

    service.answers["WatchJob"] = slow
    program = subprocess.Popen(
        [sys.executable, "-m", "services.cli.main", "batch", str(source), str(target), "--parallel", "2"],
        env=os.environ,
        stderr=subprocess.DEVNULL,
    )
    part = target if suffix == ".jsonl" else tmp_path / "out.parquet.part"
    give_up_s = time.monotonic() + 60
    while len(held) < 5 or not part.exists() or part.read_text().count("\n") < 2:
        assert time.monotonic() < give_up_s, "the batch did not begin"
        time.sleep(0.01)
    program.send_signal(signal.SIGKILL)
    program.wait()
    with part.open("a") as torn:
        torn.write('{"input": "line 8", "job')
    service.answers["WatchJob"] = watch
    assert run("batch", source, target).code == 2, "what is there is not overwritten"
    assert run("batch", source, target, "--resume").code == 0
    answers = lines_of(target) if suffix == ".jsonl" else list(read_answers(target))
    assert Counter(line["input"] for line in answers) == Counter(f"line {number}" for number in range(1, 9))
    assert {line["input"]: line["routes"] for line in answers} == {f"line {n + 1}": [[f"p{n}"]] for n in range(8)}
    assert len(jobs.by_key) == 8, "a job that was accepted before the kill was found again"
    assert not (tmp_path / f"{target.name}.batch").exists()


def test_an_input_whose_answer_was_an_error_is_asked_under_a_new_key(
    run: Run, service: FakeService, jobs: Jobs, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(problem("a") + "\n" + problem("b") + "\n")
    submit = jobs.submit

    def refuses(request: Any) -> Any:
        known = submit(request)
        return Refusal("FAILED_PRECONDITION", "not now") if known.id.endswith(":b") else known

    service.answers["SubmitJob"] = refuses
    assert run("batch", source, target).code == 1
    keys = set(jobs.by_key)
    service.answers["SubmitJob"] = submit
    assert run("batch", source, target, "--resume").code == 0
    assert len(set(jobs.by_key) - keys) == 1
    assert sorted(line["input"] for line in lines_of(target)) == ["line 1", "line 2"], "the error is gone"


def test_a_service_that_goes_away_stops_the_batch_with_nothing_written_as_an_error(
    run: Run, service: FakeService, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AWAY_S", 0.0)
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(problem("a") + "\n" + problem("b") + "\n")
    submit = jobs.submit
    service.answers["SubmitJob"] = lambda request: (
        Refusal("UNAVAILABLE", "gone") if request.routing.problem.visits[0].id == "b" else submit(request)
    )
    outcome = run("batch", source, target, "--parallel", "1")
    assert outcome.code == 3
    assert "go on with --resume" in outcome.err
    assert all("error" not in line for line in lines_of(target))
    service.answers["SubmitJob"] = submit
    assert run("batch", source, target, "--resume").code == 0
    assert len(lines_of(target)) == 2


def test_two_batches_do_not_write_one_file(run: Run, jobs: Jobs, tmp_path: Path) -> None:
    from services.cli.batch_answers import Answers

    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(problem("a"))
    with Answers(target, resume=True):
        outcome = run("batch", source, target, "--resume")
    assert outcome.code == 2
    assert "another batch is writing" in outcome.err


@pytest.mark.parametrize("content", ["not json\n", '{"objective": 1}\n', "[]\n"])
def test_a_file_that_no_batch_wrote_is_not_gone_on_with(run: Run, jobs: Jobs, tmp_path: Path, content: str) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(problem("a"))
    target.write_text(content)
    outcome = run("batch", source, target, "--resume")
    assert (outcome.code, "line 1: is no answer of a batch" in outcome.err) == (1, True)
    assert target.read_text() == content


def test_progress_in_a_log_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("services.cli.batch_progress.time.monotonic", lambda: clock[0])
    progress = Progress(total=40, kept=10)
    for _ in range(20):
        clock[0] += 1.0
        progress.add({"feasible": clock[0] != 3.0})
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "isinglass: 20 of 40 answered (50 %), 1 without a plan, 1.0 a second, about 20 s left",
        "isinglass: 30 of 40 answered (75 %), 1 without a plan, 1.0 a second, about 10 s left",
    ]


def test_a_ray_job_runs_the_same_batch_here_and_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISINGLASS_KEY", "secret")
    line = entrypoint(Session(), tmp_path, ("in.jsonl", "o ut.jsonl", "--ray-job", "--label", "a=b c"))
    assert line.startswith(f"cd {tmp_path} && exec {sys.executable} -m services.cli.main --state-dir {tmp_path} batch ")
    assert line.endswith("in.jsonl 'o ut.jsonl' --label 'a=b c'")
    assert "secret" not in line


def test_a_ray_job_without_a_service_says_what_to_start(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(problem("a"))
    outcome = run("batch", tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--ray-job")
    assert outcome.code == 1
    assert "no service runs" in outcome.err
    assert "isinglass up" in outcome.err
