"""Files of binary models on the command line become requests of the sampling service."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.read import read_file
from services.cli.tables import CsvOptions
from services.convert.binary import problem_from_message
from solvers.binary import readers
from solvers.errors import InvalidProblem

FILES = {
    "m.sparse": "2 3\n1 1 5\n2 2 -1\n1 2 -3\n",
    "graph.txt": "3 2\n1 2 1\n2 3 -1\n",
    "graph.mc": "2 1\n1 2 4\n",
    "p.lp": "Minimize\n obj: x + 2 y\nSubject To\n c: x + y >= 1\nBinary\n x y\nEnd\n",
    "p.mps": "NAME\nROWS\n N o\nCOLUMNS\n M 'MARKER' 'INTORG'\n a o 1\n N 'MARKER' 'INTEND'\n"
    "BOUNDS\n UP B a 1\nENDATA\n",
}


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_is_the_request_that_its_reader_reads(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name])
    question = read_file(path, "binary" if name.endswith(".txt") else None, CsvOptions())
    assert question.kind == "binary"
    assert problem_from_message(question.request.problem) == readers.read(path)


def test_a_file_at_fault_and_a_file_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.sparse"
    path.write_text("2 1\n1 5 1\n")
    with pytest.raises(InvalidProblem, match="line 2"):
        read_file(path, "binary", CsvOptions())
    with pytest.raises(InvalidProblem, match="has the suffix"):
        read_file(path, "routing", CsvOptions())
