from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cli_fake_service
import pytest
from cli_fake_service import FakeService, Outcome, Run

from protos.common_pb2 import FEASIBLE, FULL, Contribution, QuantumLift, SolveReport, Timings
from services.cli.main import main


@pytest.fixture
def service() -> Iterator[FakeService]:
    with cli_fake_service.running() as fake:
        yield fake


@pytest.fixture
def run(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run ``isinglass`` against the fake service with the key ``k-1``."""
    monkeypatch.setenv("ISINGLASS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISINGLASS_KEY", "k-1")
    monkeypatch.setenv("ISINGLASS_ADDRESS", service.address)

    def run_once(*arguments: str | Path) -> Outcome:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run_once


@pytest.fixture
def report() -> SolveReport:
    """A report of a hybrid solve that found a plan with a bound."""
    return SolveReport(
        job_id="job-1",
        decision_id="decision-1",
        status=FEASIBLE,
        objective=100.5,
        bound=98.0,
        gap=0.0248756,
        feasible=True,
        service_level=FULL,
        cost_usd=0.31,
        shots=1000,
        seed=7,
        timings=Timings(total_s=1.25, solver_s=1.2),
        terms={"distance": 90.5, "fixed": 10.0},
        contributions=[
            Contribution(strategy="savings", strategy_version="1", improvement=20.0, seconds=0.01, outcome="OK"),
            Contribution(
                strategy="kernel",
                strategy_version="1",
                backend="metered",
                improvement=0.5,
                seconds=0.5,
                cost_usd=0.31,
                shots=1000,
                outcome="OK",
                quantum_lift=QuantumLift(
                    mean_difference=1.5,
                    mean_low=0.5,
                    mean_high=2.5,
                    best_difference=0.0,
                    samples=1000,
                    control_samples=1000,
                    kernel_variables=16,
                    kernel="set partitioning over 16 route bundles",
                ),
            ),
        ],
    )
