"""How somebody else's table of invoices is laid out: a mapping file (TOML or JSON) from its header to ours.

``docs/invoices.md`` documents the entries. Every bad one is named by its line and column, all of them at once.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.calendars import EPOCH
from solvers.invoices.csv_amounts import LAST_DAY, Unreadable, parse_day

DELIMITERS = {",": ",", ";": ";", "|": "|", "\t": "\t", "tab": "\t"}
MARKS = (".", ",")
_TOKENS = {"YYYY": r"(?P<year>\d{4})", "YY": r"(?P<year>\d\d)", "MM": r"(?P<month>\d\d)", "M": r"(?P<month>\d\d?)",
           "DD": r"(?P<day>\d\d)", "D": r"(?P<day>\d\d?)"}  # fmt: skip
_TOKEN = re.compile("YYYY|YY|MM|M|DD|D")
_FORMATS = "YYYY or YY, MM or M, and DD or D, each once, such as MM/DD/YYYY"


@dataclass(frozen=True)
class Layout:
    """Of a table.

    Parameters
    ----------
    columns
        From a name in the file's header to a documented column.
    ignored
        Names in the header that are not read.
    constants
        Cells that the file lacks, the same in every row, by documented column.
    values
        By documented column, from a cell's text to what it means: ``{"disputed": {"Ja": "yes"}}``.
    delimiter, decimal_mark, date_format
        ``""``: found out from the file; any documented date.
    settings
        Pairs of a setting and its value, as the ``# key: value`` lines above a table.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    delimiter: str = ""
    decimal_mark: str = ""
    date_format: str = ""
    settings: tuple[tuple[str, str], ...] = ()

    def day(self, cell: str) -> int:
        """Day number of a cell, in the layout's date format where it has one. Raises `Unreadable`."""
        if not self.date_format:
            return parse_day(cell)
        found = re.fullmatch(_pattern(self.date_format), cell.strip())
        allowed = f"a date as {self.date_format}"
        if found is None:
            raise Unreadable(allowed)
        year = int(found["year"]) + (2000 if len(found["year"]) == 2 else 0)
        try:
            day = (date(year, int(found["month"]), int(found["day"])) - EPOCH).days
        except ValueError:
            raise Unreadable(allowed) from None
        if not 0 <= day <= LAST_DAY:
            raise Unreadable("a date from 1970 to 2199")
        return day


def _pattern(date_format: str) -> str:
    found, at = "", 0
    for token in _TOKEN.finditer(date_format):
        found += re.escape(date_format[at : token.start()]) + _TOKENS[token[0]]
        at = token.end()
    return found + re.escape(date_format[at:])


def read_layout(data: bytes, known_columns: Collection[str], known_settings: Collection[str]) -> Layout:
    """The layout in a mapping file, TOML or, where it begins with ``{``, JSON.

    Raises
    ------
    solvers.errors.InvalidProblem
        Naming every bad entry by line, column and name.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidProblem([FieldViolation(f"byte {error.start}", "is not UTF-8", "TOML or JSON")]) from None
    return _Mapping(text, known_columns, known_settings).layout()


class _Mapping:
    """A mapping file being read."""

    def __init__(self, text: str, columns: Collection[str], settings: Collection[str]) -> None:
        self.text, self.known_columns, self.known_settings = text, columns, settings
        self.found: list[FieldViolation] = []
        self.data = self._parsed()

    def _parsed(self) -> dict[str, Any]:
        try:
            if self.text.lstrip().startswith("{"):
                data: dict[str, Any] = json.loads(self.text, object_pairs_hook=self._once)
            else:
                data = tomllib.loads(self.text)
        except json.JSONDecodeError as error:
            where, said, wanted = f"line {error.lineno}, column {error.colno}", f"is no JSON: {error.msg}", "JSON"
        except tomllib.TOMLDecodeError as error:
            place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
            where = f"line {place[1]}, column {place[2]}" if place else "end of the file"
            said, wanted = f"is no TOML: {re.sub(r' [(]at .*', '', str(error))}", "TOML, or a JSON object"
        else:
            return data
        raise InvalidProblem([FieldViolation(where, said, wanted)])

    def _once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for name in {name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1}:
            self.fault((name,), "stands twice", "each once")
        return dict(pairs)

    def fault(self, path: tuple[str, ...], problem: str, allowed: str) -> None:
        """Note that the entry at ``path`` is wrong."""
        self.found.append(FieldViolation(f"{self._place(path)} ({'.'.join(path)})", problem, allowed))

    def _place(self, path: tuple[str, ...]) -> str:
        """Line and column of an entry: neither parser tells, so its name is looked for below its table's."""
        start = 0
        for name in path:
            key = re.escape(name)
            spelt = re.compile(rf"""(?m)(?:^\s*\[[^\]\n]*|^\s*|[{{,]\s*)(["']?){key}\1\s*(?=[=:\].])""")
            hit = spelt.search(self.text, start) or spelt.search(self.text)
            if hit is None:
                break
            start = self.text.index(name, hit.start())
        line = self.text.count("\n", 0, start) + 1
        return f"line {line}, column {start - (self.text.rfind(chr(10), 0, start) + 1) + 1}"

    def layout(self) -> Layout:
        """Read everything, then judge everything."""
        known = ("columns", "ignored", "constants", "values", "delimiter", "decimal_mark", "date_format", "settings")
        for name in self.data:
            if name not in known:
                self.fault((name,), "is not an entry", ", ".join(known))
        columns = self._texts(("columns",), self._is_column)
        seen: dict[str, str] = {}
        for name, column in columns.items():
            if column in seen:
                self.fault(("columns", name), f"is {column!r}, as {seen[column]!r} is", "each column once")
            seen.setdefault(column, name)
        constants = self._texts(("constants",))
        for column in constants:
            self._is_column(("constants", column), column)
            if column in seen:
                self.fault(("constants", column), f"is also the column {seen[column]!r}", "one of both")
        values = {column: self._texts(("values", column)) for column in self._table(("values",))}
        for column in values:
            self._is_column(("values", column), column)
        layout = Layout(
            columns=columns,
            ignored=tuple(self._list(("ignored",), self.data.get("ignored", []))),
            constants=constants,
            values=values,
            delimiter=DELIMITERS.get(self._one("delimiter", tuple(DELIMITERS)), ""),
            decimal_mark=self._one("decimal_mark", MARKS),
            date_format=self._date_format(),
            settings=tuple(self._settings()),
        )
        if self.found:
            raise InvalidProblem(self.found)
        return layout

    def _is_column(self, path: tuple[str, ...], name: str) -> None:
        if name not in self.known_columns:
            self.fault(path, f"names the column {name!r}", ", ".join(sorted(self.known_columns)))

    def _table(self, path: tuple[str, ...]) -> dict[str, Any]:
        data: Any = self.data
        for name in path:
            data = data.get(name, {})
        if not isinstance(data, dict):
            self.fault(path, f"is {data!r}", "a table")
            return {}
        return data

    def _texts(
        self, path: tuple[str, ...], check: Callable[[tuple[str, ...], str], None] | None = None
    ) -> dict[str, str]:
        """A table of texts; numbers and truth values are taken as their text."""
        out: dict[str, str] = {}
        for name, value in self._table(path).items():
            if isinstance(value, bool):
                out[name] = "yes" if value else "no"
            elif isinstance(value, str | int | float):
                out[name] = str(value)
            else:
                self.fault((*path, name), f"is {value!r}", "a text")
                continue
            if check is not None:
                check((*path, name), out[name])
        return out

    def _list(self, path: tuple[str, ...], value: Any) -> list[str]:
        entries = value if isinstance(value, list) else [value]
        bad = [entry for entry in entries if not isinstance(entry, str)]
        if bad:
            self.fault(path, f"holds {bad[0]!r}", "texts")
        return [entry for entry in entries if isinstance(entry, str)]

    def _one(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self.data.get(name, "")
        if value != "" and value not in allowed:
            self.fault((name,), f"is {value!r}", ", ".join(repr(one) for one in allowed))
            return ""
        return str(value)

    def _date_format(self) -> str:
        value = self.data.get("date_format", "")
        if value == "":
            return ""
        tokens = sorted(token[0] for token in _TOKEN.findall(value)) if isinstance(value, str) else []
        if tokens != ["D", "M", "Y"]:
            self.fault(("date_format",), f"is {value!r}", _FORMATS)
            return ""
        return str(value)

    def _settings(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for name, value in self._table(("settings",)).items():
            if name not in self.known_settings:
                self.fault(("settings", name), "is not a setting", ", ".join(self.known_settings))
            plain = isinstance(value, int | float | date) and not isinstance(value, bool)
            entries = [str(value)] if plain else self._list(("settings", name), value)
            found += [(name, entry) for entry in entries]
        return found
