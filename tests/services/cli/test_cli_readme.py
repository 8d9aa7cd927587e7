"""What `README.md` says works."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from cli_fake_service import FakeService

from backends.config import backends_from_tables
from protos.common_pb2 import SolveReport
from protos.routing_pb2 import OptimizeToursResponse, PlannedRoute, PlannedStop, RoutingPlan
from services.cli.main import cli
from services.config import ServiceConfig

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in blocks("sh")
    for line in block.splitlines()
    if line.startswith("isinglass")
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_each_command_is_one_that_the_program_takes(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    context = cli.make_context("isinglass", list(arguments))
    command: click.Command = cli
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, name
        command, context = found, found.make_context(name, rest, parent=context)
        if isinstance(command, click.Group) and not [*context._protected_args, *context.args]:
            break


def test_the_settings_are_ones_that_the_service_takes(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    path = tmp_path / "config.toml"
    path.write_text(block)
    config = ServiceConfig.load(path, state_dir=tmp_path)
    assert config.grpc_port == tomllib.loads(block)["grpc_port"]
    assert [c.name for c in backends_from_tables(config.backends).backends] == ["local-annealer"]


def test_the_program_runs(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(tmp_path))
    plan = RoutingPlan(routes=[PlannedRoute(stops=[PlannedStop(id="stop-001")])])
    service.answers["OptimizeTours"] = OptimizeToursResponse(plan=plan, report=SolveReport(objective=7.5))
    (block,) = blocks("python")
    assert "127.0.0.1:9000" in block
    exec(compile(block.replace("127.0.0.1:9000", service.address), "README.md", "exec"), {})
    assert capsys.readouterr().out == "7.5 [['stop-001']]\n"
    assert service.requests("OptimizeTours")[0].policy.deadline.seconds == 5


def test_each_file_that_is_linked_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
