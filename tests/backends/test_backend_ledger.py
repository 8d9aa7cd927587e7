from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.ledger import Entry, FileLedger, MemoryLedger
from backends.submissions import Submissions
from solvers.errors import BackendUnavailable, SubmissionUnknown

KEYS = st.sampled_from(["a", "b", "c"])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(KEYS, st.sampled_from(["intent", "id", "forget"]), st.integers(1, 9)), max_size=20))
def test_a_reopened_ledger_knows_what_the_closed_one_knew(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("ledger") / "jobs.jsonl"
    memory, file = MemoryLedger(), FileLedger(path)
    for key, what, shots in steps:
        for ledger in (memory, file):
            if what == "forget":
                ledger.forget(key)
            else:
                ledger.put(Entry(key, "j" if what == "id" else "", shots, 1.5))
    again = FileLedger(path)
    assert [again.get(key) for key in "abc"] == [memory.get(key) for key in "abc"]


def test_a_line_torn_by_a_crash_is_left_out(tmp_path):
    path = tmp_path / "jobs.jsonl"
    FileLedger(path).put(Entry("a", "j1", 5, 2.0))
    with path.open("a") as file:
        file.write('{"key": "b", "job_')
    again = FileLedger(path)
    assert again.get("a") == Entry("a", "j1", 5, 2.0)
    assert again.get("b") is None
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["a"]


def test_the_intent_is_on_the_disk_before_anything_is_sent(tmp_path):
    path = tmp_path / "jobs.jsonl"
    submissions = Submissions("b", 5.0, 0.0)
    submissions.ledger = FileLedger(path)
    seen = []

    def send(tag):
        seen.append(FileLedger(path).get("k"))
        return "j1"

    assert submissions.once("k", 7, lambda tag: None, send) == "j1"
    assert (seen[0].job_id, seen[0].shots) == ("", 7)
    assert FileLedger(path).get("k").job_id == "j1"


class Refused(Exception):
    status_code = 429


@pytest.mark.parametrize(
    ("error", "kind", "kept"),
    [(Refused("busy"), BackendUnavailable, False), (OSError("gone"), SubmissionUnknown, True)],
)
def test_only_what_may_have_been_accepted_is_kept(error, kind, kept):
    submissions = Submissions("b", 5.0, 0.0)

    def send(tag):
        raise error

    with pytest.raises(kind):
        submissions.once("k", 7, lambda tag: None, send)
    assert (submissions.ledger.get("k") is not None) is kept


def test_tags_differ_by_backend_and_key_and_fit_what_vendors_allow():
    tags = {Submissions(name, 1.0, 0.0).tag(key) for name in ("a", "b") for key in ("k", "l")}
    assert len(tags) == 4
    assert all(len(tag) == 50 and tag.isascii() for tag in tags)
