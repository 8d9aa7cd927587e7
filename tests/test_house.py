"""The house stands as designed: imports run down the floors, stubs match the contract, names of machines stay out."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("services", "actors", "federation", "backends", "solvers")
GROUND = ("store", "protos")
OURS = (*FLOORS, *GROUND, "benchmarks", "examples", "tests")
# What a room may not know, whatever stands below it.
FORBIDDEN = {
    "solvers": {"ray", "grpc", "google", "sqlalchemy", "time", "requests", "socket", "protos"},
    "federation": {"ray", "grpc", "google", "sqlalchemy", "protos"},
    "backends": {"ray", "grpc", "google", "sqlalchemy", "protos"},
    "actors": {"grpc", "google", "protos"},
    "store": {"ray", "grpc", "google", "protos"},
}


def _modules(room: str) -> list[Path]:
    return [path for path in sorted((ROOT / room).rglob("*.py")) if "_pb2" not in path.name]


def _imports(path: Path) -> set[str]:
    """Dotted names of every import in a module, also those inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


@pytest.mark.parametrize("room", FLOORS)
def test_imports_run_down_the_floors_only(room: str) -> None:
    allowed = {*FLOORS[FLOORS.index(room) :], *GROUND}
    if room == "solvers":
        allowed -= set(GROUND)
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _modules(room)
        for name in _imports(path)
        if name.split(".")[0] in OURS and name.split(".")[0] not in allowed
    ]
    assert wrong == []


def test_the_store_stands_on_the_ground() -> None:
    """Its one window upstairs is the error tree."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _modules("store")
        for name in _imports(path)
        if name.split(".")[0] in (*FLOORS, "protos") and name != "solvers.errors"
    ]
    assert wrong == []


@pytest.mark.parametrize("room", sorted(FORBIDDEN))
def test_each_room_knows_only_its_own_libraries(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in _modules(room)
        for name in _imports(path)
        if name.split(".")[0] in FORBIDDEN[room]
    ]
    assert wrong == []


def test_stubs_are_up_to_date_with_the_protos(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "protos.build", str(tmp_path)], check=True, cwd=ROOT)
    made = sorted((tmp_path / "protos").iterdir())
    assert made, "no stub was made"
    stale = [path.name for path in made if (ROOT / "protos" / path.name).read_bytes() != path.read_bytes()]
    assert stale == [], "run `make stubs`"


def test_the_lock_has_hashes_and_names_no_index() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = [line for line in lines if "==" in line and not line.lstrip().startswith("#")]
    assert len(pinned) > 50
    assert all(line.endswith("\\") for line in pinned), "a pin without a hash"
    assert not [line for line in lines if "://" in line or "index-url" in line]


def test_no_basename_of_a_test_file_is_used_twice() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
