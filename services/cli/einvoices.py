"""Electronic invoices (``.xml``, or a ``.zip`` of them) as an invoice problem; ``--set`` says the rest."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvers.errors import FieldViolation, InvalidProblem
from solvers.invoices.xml_tree import MAX_BYTES

if TYPE_CHECKING:
    from services.cli.tables import CsvOptions

MAX_FILES = 20_000
MAX_TOTAL_BYTES = 500_000_000
"""Of a .zip when unpacked: a small file must not fill the memory."""


def read_einvoices(path: Path, options: CsvOptions) -> Any:
    """The InvoiceProblem message of the electronic invoices in ``path``, with the settings of ``--set``.

    Raises
    ------
    InvalidProblem
        Naming each fault of each file.
    """
    from google.protobuf.json_format import ParseDict

    from protos.invoices_pb2 import InvoiceProblem
    from solvers.invoices.canonical import problem_to_json
    from solvers.invoices.csv_settings import read_settings
    from solvers.invoices.einvoice import read_einvoice

    found: list[FieldViolation] = []
    if options.columns:
        found.append(FieldViolation("--column", "names columns of a table", "only with .csv"))
    if options.mapping is not None:
        found.append(FieldViolation("--mapping", "says how a table is laid out", "only with .csv"))
    invoices, places = [], []
    for name, data in _files(path):
        try:
            invoices.append(read_einvoice(data, name))
            places.append(name)
        except InvalidProblem as error:
            found += error.violations
    head = "".join(f"# {key}: {value}\n" for key, value in options.settings)
    try:
        problem = read_settings(head, invoices, places)
    except InvalidProblem as error:
        found += [
            FieldViolation(v.path.replace("line ", "--set number "), v.problem, v.allowed) for v in error.violations
        ]
    if found:
        raise InvalidProblem(found)
    return ParseDict(problem_to_json(problem), InvoiceProblem())


def _files(path: Path) -> list[tuple[str, bytes]]:
    """(name, content) of every document, in the order of names."""
    if path.suffix.lower() == ".xml":
        return [(path.name, path.read_bytes())]
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(
                (m for m in archive.infolist() if not m.is_dir()),
                key=lambda member: member.filename,
            )
            found = [
                FieldViolation(m.filename, "is no .xml", "electronic invoices in .xml alone")
                for m in members
                if not m.filename.lower().endswith(".xml")
            ]
            large = [m for m in members if m.file_size > MAX_BYTES]
            found += [FieldViolation(m.filename, f"has {m.file_size:,} bytes", f"at most {MAX_BYTES:,}") for m in large]
            if not members or len(members) > MAX_FILES:
                found.append(FieldViolation(path.name, f"holds {len(members):,} files", f"1 - {MAX_FILES:,}"))
            total = sum(m.file_size for m in members)
            if total > MAX_TOTAL_BYTES:
                found.append(FieldViolation(path.name, f"unpacks to {total:,} bytes", f"at most {MAX_TOTAL_BYTES:,}"))
            if found:
                raise InvalidProblem(found)
            # `read` itself stops at the size that the archive's directory states, and checks the sum.
            return [(m.filename, archive.read(m)) for m in members]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InvalidProblem([FieldViolation(path.name, f"cannot be unpacked: {error}", "a .zip of .xml")]) from error
