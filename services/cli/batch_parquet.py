"""Parquet for batches: requests in rows, answers in flat columns. Needs pyarrow, the extra ``isinglass[parquet]``."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from services.cli.batch_inputs import Input
from services.cli.policy import PROFILES, PolicyOptions
from services.cli.read import KINDS
from solvers.errors import FieldViolation, InvalidProblem, PolicyUnmet

ROWS_A_GROUP = 1000
"""Rows that are in memory at once, read or written."""

_NUMBERS = ("deadline_s", "budget_usd", "target_gap")
_INTEGERS = ("max_shots", "seed", "priority")
POLICY_COLUMNS = (*_NUMBERS, *_INTEGERS, "profile", "project", "replayable", "external_allowed", "backends", "labels")
"""Named and meant as the options of ``isinglass solve``; null: not given."""
COLUMNS = ("id", "kind", "request", *POLICY_COLUMNS)

FLAT = ("job_id", "decision_id", "kind", "feasible", "objective", "bound", "gap", "service_level", "cost_usd")
PLANS = ("routes", "payments", "samples")
"""One of them is in each answer, by its kind."""


def arrow() -> Any:
    """The library.

    Raises
    ------
    PolicyUnmet
        When it is not installed, with what to do.

    """
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError as error:
        raise PolicyUnmet(
            "Parquet needs pyarrow, which is not installed: pip install 'isinglass[parquet]', or use a .jsonl file"
        ) from error


def count_rows(source: Path) -> int:
    """Rows of a Parquet file of requests, whose columns are checked first.

    Raises
    ------
    InvalidProblem
        When it is no Parquet file, or naming each column at fault.
    PolicyUnmet
        When pyarrow is not installed.

    """
    file = _open(source)
    _check_columns(file.schema_arrow)
    rows: int = file.metadata.num_rows
    return rows


def read_rows(source: Path, kind: str | None) -> Iterator[Input]:
    """The requests in order. One whose columns are at fault raises when it is read, not here."""
    number, seen = 0, set[str]()
    for batch in _open(source).iter_batches(batch_size=ROWS_A_GROUP):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            number += 1
            name = f"row {number}" if row.get("id") is None else str(row["id"])
            if name in seen:
                raise InvalidProblem([FieldViolation(f"row {number}, id", f"is {name!r} again", "each id once")])
            seen.add(name)
            yield _input(name, row, kind)


def _input(name: str, row: Mapping[str, Any], kind: str | None) -> Input:
    text = row.get("request")
    content = text.encode() if isinstance(text, str) else text or b""
    known = row.get("kind") or kind
    faults = [] if known in (None, *KINDS) else [FieldViolation("kind", f"is {known!r}", ", ".join(KINDS))]
    if row.get("profile") not in (None, "", *PROFILES):
        faults.append(FieldViolation("profile", f"is {row['profile']!r}", ", ".join(PROFILES)))
    for column in (*_NUMBERS, *_INTEGERS):
        value = row.get(column)
        if value is not None and not (math.isfinite(value) and value >= 0):
            faults.append(FieldViolation(column, f"is {value}", "a finite number >= 0"))
    if faults:
        return Input(name, content, faults=tuple(faults))
    given = {column: row[column] for column in POLICY_COLUMNS if row.get(column) not in (None, "")}
    given["backends"] = tuple(given.get("backends", ()))
    given["labels"] = tuple(given.get("labels", {}).items())
    names = {field.name for field in fields(PolicyOptions)}
    return Input(name, content, known, PolicyOptions(**{key: value for key, value in given.items() if key in names}))


def _open(source: Path) -> Any:
    library = arrow()
    try:
        return library.parquet.ParquetFile(source)
    except (library.ArrowInvalid, OSError) as error:
        raise InvalidProblem([FieldViolation(str(source), f"cannot be read: {error}", "a Parquet file")]) from error


def _check_columns(schema: Any) -> None:
    types = arrow().types

    def is_text(column: Any) -> bool:
        return bool(types.is_string(column) or types.is_large_string(column))

    def is_map(column: Any) -> bool:
        return bool(types.is_map(column) and is_text(column.key_type) and is_text(column.item_type))

    def is_list(column: Any) -> bool:
        return bool((types.is_list(column) or types.is_large_list(column)) and is_text(column.value_type))

    wanted: dict[str, tuple[Callable[[Any], Any], str]] = {
        "id": (lambda column: is_text(column) or types.is_integer(column), "string or integer"),
        "request": (lambda column: is_text(column) or types.is_binary(column), "string or binary, of JSON"),
        **dict.fromkeys(("kind", "profile", "project"), (is_text, "string")),
        **dict.fromkeys(_NUMBERS, (lambda c: types.is_floating(c) or types.is_integer(c), "double")),
        **dict.fromkeys(_INTEGERS, (types.is_integer, "integer")),
        **dict.fromkeys(("replayable", "external_allowed"), (types.is_boolean, "bool")),
        "backends": (is_list, "list of string"),
        "labels": (is_map, "map of string to string"),
    }
    faults = []
    if "request" not in schema.names:
        faults.append(FieldViolation("request", "is no column", f"columns {', '.join(COLUMNS)}; request is required"))
    for field in schema:
        if field.name not in wanted:
            faults.append(FieldViolation(field.name, "is not a column of a batch", ", ".join(COLUMNS)))
        elif not (wanted[field.name][0](field.type) or types.is_null(field.type)):
            faults.append(FieldViolation(field.name, f"is of type {field.type}", wanted[field.name][1]))
    if faults:
        raise InvalidProblem(faults)


def answer_schema() -> Any:
    """Columns of answers: ``input``, the flat ones, and JSON for what has no flat form."""
    library = arrow()
    text, number = library.string(), library.float64()
    kinds = dict.fromkeys(("job_id", "decision_id", "kind", "service_level"), text)
    kinds |= dict.fromkeys(("objective", "bound", "gap", "cost_usd", "elapsed_s"), number)
    kinds["feasible"] = library.bool_()
    flat = [(name, kinds[name]) for name in (*FLAT, "elapsed_s")]
    return library.schema([("input", text), *flat, ("plan", text), ("contributions", text), ("error", text)])


def write_answers(lines: Iterable[Mapping[str, Any]], target: Path) -> None:
    """Write answers, as `batch` writes them to lines of JSON, to a Parquet file that appears whole or not at all."""
    library = arrow()
    schema = answer_schema()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    rows = iter(lines)
    try:
        with library.parquet.ParquetWriter(beside, schema, compression="zstd") as writer:
            while group := list(islice(rows, ROWS_A_GROUP)):
                writer.write_table(library.Table.from_pylist([_row(line) for line in group], schema=schema))
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def read_answers(target: Path) -> Iterator[dict[str, Any]]:
    """What `write_answers` wrote, as it was."""
    for batch in _open(target).iter_batches(batch_size=ROWS_A_GROUP):
        for row in batch.to_pylist():
            if row["error"] is not None:
                yield {"input": row["input"], "error": json.loads(row["error"])}
                continue
            *front, elapsed = (*FLAT, "elapsed_s")
            line = {"input": row["input"], **{name: row[name] for name in front if name != "cost_usd"}}
            line |= json.loads(row["plan"])
            yield {
                **line,
                "contributions": json.loads(row["contributions"]),
                "cost_usd": row["cost_usd"],
                elapsed: row[elapsed],
            }


def _row(line: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in line:
        return {"input": line["input"], "error": _text(line["error"])}
    plan = {name: line[name] for name in PLANS if name in line}
    flat = {name: line[name] for name in (*FLAT, "elapsed_s")}
    return {"input": line["input"], **flat, "plan": _text(plan), "contributions": _text(line["contributions"])}


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
