"""`docs/cli.md` and the program name the same commands and options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from services.cli.main import cli

DOCS = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield prefix + name, command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")


ALL = [("", cli), *commands(cli)]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name or "isinglass" for name, _ in ALL])
def test_each_command_and_option_is_documented(name: str, command: click.Command) -> None:
    assert name in DOCS
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert f"`{option}" in DOCS, f"{name} {option}"


def test_each_documented_option_exists() -> None:
    known = {option for _, command in ALL for parameter in command.params for option in parameter.opts}
    known |= {"--help", "--version"}
    assert set(re.findall(r"`(--[a-z-]+)", DOCS)) <= known


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name or "isinglass" for name, _ in ALL])
def test_each_command_says_what_it_does(name: str, command: click.Command) -> None:
    assert command.help, name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"
