"""What the command line prints: JSON on standard output or tables for people, and errors as readable lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from services.client import ServiceError
from solvers.errors import InvalidProblem, IsinglassError

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

MAX_ROWS = 40
"""Rows of a table for people; ``--json`` has them all."""

EXIT_OK = 0
EXIT_REFUSED = 1
"""The service or the verifier said no: bad request, no feasible plan, altered record."""
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(value, allow_nan=False, ensure_ascii=False))


def message_json(message: Message) -> dict[str, Any]:
    """``message`` as a JSON object with the contract's own field names; 64-bit integers are numbers."""
    from google.protobuf.json_format import MessageToDict

    value = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return _integers(message.DESCRIPTOR, value)


def _integers(descriptor: Any, value: dict[str, Any]) -> dict[str, Any]:
    """``value`` with integers where proto JSON writes 64-bit ones as text."""
    for name, content in value.items():
        field = descriptor.fields_by_name[name]
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            values = kind.fields_by_name["value"]
            value[name] = {key: _integer(values, entry) for key, entry in content.items()}
        elif isinstance(content, list):
            value[name] = [_integer(field, entry) for entry in content]
        else:
            value[name] = _integer(field, content)
    return value


def _integer(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        ours = not field.message_type.full_name.startswith("google.protobuf.")
        return _integers(field.message_type, value) if ours else value
    return int(value) if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) else value


def note(text: str) -> None:
    """One line for people, on standard error."""
    click.echo(text, err=True)


def print_table(
    title: str,
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Sequence[str] = (),
    wrap: Sequence[str] = ("detail", "reason"),
) -> None:
    """A table for people; columns in ``numeric`` are right-aligned, only those in ``wrap`` take several lines."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for header in headers:
        right = header in numeric
        table.add_column(header, justify="right" if right else "left", no_wrap=header not in wrap, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False).print(table)


def _plain(cell: str) -> str:
    from rich.markup import escape

    return escape(cell)


def time_text(timestamp: Timestamp) -> str:
    """``timestamp`` in UTC to the second, empty when unset."""
    return timestamp.ToDatetime().strftime("%Y-%m-%d %H:%M:%S") if timestamp.seconds else ""


def number_text(value: float, digits: int = 2) -> str:
    """``value`` with thousands separators, without trailing zeros."""
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exit_code(error: IsinglassError) -> int:
    """The exit code that ``error`` ends the program with."""
    return EXIT_UNREACHABLE if isinstance(error, ServiceError) and error.unreachable else EXIT_REFUSED


def error_json(error: IsinglassError) -> dict[str, Any]:
    """``error`` as the object that ``--json`` prints instead of an answer."""
    if isinstance(error, ServiceError):
        return _error_object(error.code, error.message, error.field_violations, error.retry_after_s)
    if isinstance(error, InvalidProblem):
        fields = [(v.path, f"{v.problem}; allowed: {v.allowed}") for v in error.violations]
        return _error_object("INVALID_ARGUMENT", _count(len(fields)), fields)
    return _error_object("FAILED_PRECONDITION", str(error))


def usage_error_json(error: click.ClickException) -> dict[str, Any]:
    """A usage error as the object that ``--json`` prints instead of an answer."""
    return _error_object("USAGE", error.format_message())


def _error_object(
    code: str, message: str, fields: Sequence[tuple[str, str]] = (), retry_after_s: float | None = None
) -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "field_violations": [{"field": field, "description": description} for field, description in fields],
        "retry_after_s": retry_after_s,
    }


def show_error(error: IsinglassError) -> None:
    """``error`` as readable lines on standard error."""
    content = error_json(error)
    fields = content["field_violations"]
    note(f"isinglass: {_count(len(fields)) if fields else content['message']} ({content['code']})")
    for violation in fields:
        note("  " + ": ".join(part for part in (violation["field"], violation["description"]) if part))
    if content["retry_after_s"] is not None:
        note(f"  come back in {content['retry_after_s']:.1f} s")
    if isinstance(error, ServiceError) and error.correlation_id and not error.field_violations:
        note(f"  correlation id {error.correlation_id}")


def _count(fields: int) -> str:
    return "1 field is at fault" if fields == 1 else f"{fields} fields are at fault"


def say_rest(count: int, what: str) -> None:
    """A line for the rows that a table of `MAX_ROWS` leaves out."""
    if count > MAX_ROWS:
        click.echo(f"... {count:,} {what} in all; --json has them")
