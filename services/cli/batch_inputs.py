"""What a batch is made of: files of a folder, lines of JSON, or rows of Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.cli.policy import PolicyOptions
from services.cli.read import Question, read_file, read_json
from services.cli.tables import CsvOptions
from solvers.errors import FieldViolation, InvalidProblem

SUFFIXES = (".vrp", ".txt", ".json", ".csv")
JSON_LINES = ".jsonl"
PARQUET = ".parquet"


@dataclass(frozen=True)
class Input:
    """One problem, not read yet.

    Parameters
    ----------
    name
        Under which it is answered; no two of a batch have the same.
    content
        Path of a file, or the request's JSON.
    kind
        ``"routing"``, ``"invoices"``, ``"binary"``; ``None``: told by the fields.
    policy
        What the input says of its policy beside the request's own.
    faults
        What is wrong beside the request: it is refused when its turn comes.

    """

    name: str
    content: Path | bytes
    kind: str | None = None
    policy: PolicyOptions = field(default_factory=PolicyOptions)
    faults: tuple[FieldViolation, ...] = ()

    def read(self, csv: CsvOptions) -> Question:
        """The request, with the input's own policy in it.

        Raises
        ------
        InvalidProblem
            Naming each place at fault.

        """
        if self.faults:
            raise InvalidProblem(list(self.faults))
        if isinstance(self.content, bytes):
            question = read_json(self.content, self.kind)
        else:
            question = read_file(self.content, self.kind, csv)
        write_policy(question.request, self.policy)
        return question


def write_policy(request: Any, policy: PolicyOptions) -> None:
    """Write what ``policy`` says into ``request``; the rest stays.

    Raises
    ------
    InvalidProblem
        When a number does not fit its field at all.

    """
    try:
        policy.apply(request.policy)
    except (ValueError, OverflowError) as error:
        raise InvalidProblem([FieldViolation("policy", f"does not fit: {error}", "see SolvePolicy")]) from error
    if policy.project:
        request.project = policy.project


def count_inputs(source: Path) -> int:
    """How many problems ``source`` holds.

    Raises
    ------
    InvalidProblem
        When it is none of what a batch is made of, or empty.

    """
    if source.is_dir():
        found = len(_files(source))
        if not found:
            raise InvalidProblem([FieldViolation(str(source), "holds no problem", f"files in {', '.join(SUFFIXES)}")])
        return found
    if source.suffix == JSON_LINES:
        with source.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    if source.suffix == PARQUET:
        from services.cli.batch_parquet import count_rows

        return count_rows(source)
    allowed = f"a folder, a {JSON_LINES} or a {PARQUET} file"
    raise InvalidProblem([FieldViolation(str(source), "is a single file", allowed)])


def read_inputs(source: Path, kind: str | None) -> Iterator[Input]:
    """The problems of ``source`` in order, a few at a time in memory; ``kind`` where they say none."""
    if source.is_dir():
        yield from (Input(str(path.relative_to(source)), path, kind) for path in _files(source))
    elif source.suffix == JSON_LINES:
        with source.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield Input(f"line {number}", line, kind)
    else:
        from services.cli.batch_parquet import read_rows

        yield from read_rows(source, kind)


def _files(source: Path) -> list[Path]:
    return sorted(path for path in source.rglob("*") if path.suffix in SUFFIXES and path.is_file())
