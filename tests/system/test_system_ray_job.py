"""A batch as a Ray job on a cluster that asks for a token, beside another cluster's node on the same machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Service, free_port
from google.protobuf.json_format import MessageToDict

from benchmarks.service import invoice_request
from services import host
from services.config import ServiceConfig

pytestmark = [pytest.mark.system, pytest.mark.long]


def batch(folder: Path, state_dir: Path, *options: str) -> Any:
    command = [sys.executable, "-m", "services.cli.main", "--state-dir", str(state_dir), "batch", "in.jsonl"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [*command, "out.jsonl", "--ray-job", *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_a_batch_runs_as_a_ray_job_and_is_resumed_by_another(service: Service, tmp_path: Path) -> None:
    """Its log tells progress, its exit code is the batch's, and a second job keeps what the first one answered."""
    config = ServiceConfig(
        state_dir=tmp_path / "state",
        grpc_port=free_port(),
        http_port=free_port(),
        dashboard_port=free_port(),
        workers=2,
    )
    problems = [MessageToDict(invoice_request(seed).problem, preserving_proto_field_name=True) for seed in range(3)]
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(problem) + "\n" for problem in problems[:2]))
    with host.temporary(config):
        first = batch(tmp_path, config.state_dir)
        assert first.returncode == 0, first.stderr
        assert "2 of 2 answered" in first.stdout
        assert "2 solved, 0 of them without a plan, 0 kept" in first.stdout
        again = batch(tmp_path, config.state_dir)
        assert again.returncode == 1, "what is there is not overwritten"
        source.write_text("".join(json.dumps(problem) + "\n" for problem in problems))
        resumed = batch(tmp_path, config.state_dir, "--resume")
        assert resumed.returncode == 0, resumed.stderr
        assert "1 solved, 0 of them without a plan, 2 kept" in resumed.stdout
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sorted(line["input"] for line in lines) == ["line 1", "line 2", "line 3"]
    assert all(line["feasible"] for line in lines)
