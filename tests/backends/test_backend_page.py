"""docs/backends.md: its code runs and passes the conformance suite, its tables name what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from backends.config import TYPES, _options, backends_from_tables
from tests.backends.conformance import BackendConformance

PAGE = (Path(__file__).parents[2] / "docs" / "backends.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


class TestBackendOfThePage(BackendConformance):
    def make(self):
        scope = {}
        exec(compile(blocks("python")[0], "docs/backends.md", "exec"), scope)
        return scope["Dice"]("dice")


def test_backend_of_the_page_has_under_a_hundred_lines():
    assert sum(block.count("\n") for block in blocks("python")) < 100


def test_configuration_of_the_page_is_accepted():
    (text,) = blocks("toml")
    assert len(backends_from_tables(tomllib.loads(text)["backends"]).backends) == 5


def test_page_names_every_type_and_every_option():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*?\|(.*)\|$", PAGE, flags=re.MULTILINE))
    assert set(rows) == set(TYPES)
    for name, row in rows.items():
        assert set(re.findall(r"`(\w+)`", row)) == set(_options(name)), name
