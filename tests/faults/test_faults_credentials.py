"""Authentication failure in the middle: the vendor's token is rotated, and nobody restarts anything.

A real adapter speaks through the vendor's own client library to an emulated vendor, as a device actor would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.backend import Program
from backends.errand import run_errand
from federation.retry import Attempt, FailureClass, RetryBudget, classify, counts_against_health, next_attempt
from solvers.errors import BackendDenied
from tests.backends.conformance import model
from tests.emulators import dwave as vendor
from tests.emulators.backends import adapter, emulator, keys, missing

pytestmark = pytest.mark.skipif(bool(missing("dwave")), reason="the extra dwave is not installed")

PROGRAM = Program(model(4), layers=1)
ROTATED = "DEV-rotated-token"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The vendor; the key is in a mounted file, as a secret store would put it."""
    (tmp_path / "token").write_text(vendor.TOKEN)
    with keys(), emulator("dwave", hang_s=1.0) as found:
        monkeypatch.delenv("DWAVE_API_TOKEN")
        monkeypatch.setenv("DWAVE_API_TOKEN_FILE", str(tmp_path / "token"))
        yield found


def solve(backend: Any, key: str) -> Any:
    return asyncio.run(run_errand(backend, PROGRAM, 30, key, 20.0, lambda job, error: None))


def test_a_rotated_token_is_denied_and_read_again_from_its_file_without_a_restart(
    at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = adapter("dwave", at)
    assert len(solve(backend, "before"))
    monkeypatch.setattr(vendor, "TOKEN", ROTATED)
    with pytest.raises(BackendDenied) as denied:
        solve(backend, "after")
    assert "DEV-emulated-token" not in str(denied.value), "a key is in no message"
    assert classify(denied.value) is FailureClass.FALL_BACK
    assert counts_against_health(denied.value)
    decision = next_attempt(denied.value, Attempt(1, 30, 1, 1, 1.0), 60.0, RetryBudget())
    assert decision.attempt is None, "to ask again with the same key is no use"
    (tmp_path / "token").write_text(ROTATED)
    assert len(solve(backend, "after"))
    assert sorted(at.paid().values()) == [1, 1]


def test_a_token_rotated_while_a_paid_job_runs_loses_no_samples_and_pays_once(
    at: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = adapter("dwave", at)
    poll, denied = backend.poll, []

    def rotating(job: Any) -> Any:
        if vendor.TOKEN != ROTATED:
            monkeypatch.setattr(vendor, "TOKEN", ROTATED)
        try:
            return poll(job)
        except BackendDenied:
            denied.append(job.id)
            (tmp_path / "token").write_text(ROTATED)
            raise

    monkeypatch.setattr(backend, "poll", rotating)
    assert len(solve(backend, "k"))
    assert denied, "the old token was refused in the middle"
    assert list(at.paid().values()) == [1]
