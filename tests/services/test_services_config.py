"""Configuration: file, environment, command line; each fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.config import ServiceConfig
from services.daemon import load_config
from solvers.errors import InvalidProblem


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISINGLASS_STATE", str(tmp_path))
    for name in ("GRPC_PORT", "WORKERS", "DATABASE_URL"):
        monkeypatch.delenv(f"ISINGLASS_{name}", raising=False)


def test_the_last_source_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text("grpc_port = 1111\nhttp_port = 1112\nworkers = 3\n")
    monkeypatch.setenv("ISINGLASS_HTTP_PORT", "2222")
    config = ServiceConfig.load(file, workers=5, log_level=None)
    assert (config.grpc_port, config.http_port, config.workers, config.log_level) == (1111, 2222, 5, "info")


def test_the_state_folder_holds_the_default_file_and_database(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("coordinators = 1\n")
    config = ServiceConfig.load()
    assert config.state_dir == tmp_path
    assert config.coordinators == 1
    assert config.settings().database_url == f"sqlite:///{tmp_path.resolve()}/isinglass.sqlite"


def test_every_wrong_setting_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('grpc_prt = 1\ncolour = "red"\nworkers = "many"\n')
    with pytest.raises(InvalidProblem) as caught:
        ServiceConfig.load(file)
    assert {v.path for v in caught.value.violations} == {"grpc_prt", "colour", "workers"}


@pytest.mark.parametrize(("name", "value"), [("grpc_port", 70000), ("workers", -1), ("log_level", "loud")])
def test_ranges_are_checked(name: str, value: object) -> None:
    with pytest.raises(InvalidProblem) as caught:
        ServiceConfig.load(**{name: value})
    assert [v.path for v in caught.value.violations] == [name]


def test_backends_come_from_tables_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('[[backends]]\nname = "a"\ntype = "annealer"\n')
    assert ServiceConfig.load(file).settings().backends == ({"name": "a", "type": "annealer"},)


def test_the_daemon_reads_back_what_the_host_wrote(tmp_path: Path) -> None:
    import json
    from dataclasses import asdict

    config = ServiceConfig.load(grpc_port=4321)
    passed = json.loads(json.dumps({**asdict(config), "state_dir": str(config.state_dir)}))
    assert load_config(passed) == config
