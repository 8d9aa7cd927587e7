"""Files of problems: VRPLIB, Solomon, the contract's and VROOM's JSON, invoices, binary models, integer programs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.cli.answer import CustomerOf
from services.cli.tables import CsvOptions, read_table
from solvers.errors import FieldViolation, InvalidProblem

KINDS = ("routing", "invoices", "binary")
MODELS = (".sparse", ".mc", ".lp", ".mps")
"""Files that `solvers.binary.readers` reads, and ``.txt`` with ``--kind binary``; ``.gz`` may follow."""


@dataclass(frozen=True)
class Question:
    """A request read from a file.

    Parameters
    ----------
    kind
        ``"routing"``, ``"invoices"`` or ``"binary"``.
    request
        An OptimizeToursRequest, PrioritizeInvoicesRequest or SampleRequest.
    customer_of
        Name of a stop in ``routes``, from its id.
    vehicle_types
        Of routes from VRPLIB: index of the type of each vehicle in its order there; otherwise empty.

    """

    kind: str
    request: Any
    customer_of: CustomerOf = str
    vehicle_types: tuple[int, ...] = ()


def request_type(kind: str) -> Any:
    """Class of the request message of ``kind``."""
    if kind == "routing":
        from protos.routing_pb2 import OptimizeToursRequest

        return OptimizeToursRequest
    if kind == "invoices":
        from protos.invoices_pb2 import PrioritizeInvoicesRequest

        return PrioritizeInvoicesRequest
    from protos.sampling_pb2 import SampleRequest

    return SampleRequest


def read_file(path: Path, kind: str | None, csv: CsvOptions) -> Question:
    """The problem in ``path``, by its suffix.

    Raises
    ------
    InvalidProblem
        Naming each place at fault.

    """
    suffix = path.suffix.lower()
    if suffix == ".vrp" and kind in (None, "routing"):
        from services.cli.route_files import read_vrp

        return read_vrp(_text(path, "VRPLIB text"))
    if suffix == ".txt" and kind in (None, "routing"):
        from services.cli.route_files import looks_like_solomon, read_solomon_text

        text = _text(path, "Solomon text")
        if kind == "routing" or looks_like_solomon(text):
            return read_solomon_text(text)
    if suffix == ".csv" and kind in (None, "invoices"):
        from protos.invoices_pb2 import PrioritizeInvoicesRequest

        return Question("invoices", PrioritizeInvoicesRequest(problem=read_table(path, csv)))
    if suffix in (".xml", ".zip") and kind in (None, "invoices"):
        from protos.invoices_pb2 import PrioritizeInvoicesRequest
        from services.cli.einvoices import read_einvoices

        return Question("invoices", PrioritizeInvoicesRequest(problem=read_einvoices(path, csv)))
    if suffix == ".json":
        return read_json(path.read_bytes(), kind)
    models = (*MODELS, ".txt") if kind == "binary" else MODELS
    if kind in (None, "binary") and path.name.lower().removesuffix(".gz").endswith(models):
        from protos.sampling_pb2 import SampleRequest
        from services.convert.binary import problem_to_message
        from solvers.binary.readers import read

        return Question("binary", SampleRequest(problem=problem_to_message(read(path))))
    files = {
        "binary": ".json, .sparse, .txt, .mc, .lp, .mps",
        "invoices": ".json, .csv, .xml, .zip",
        "routing": ".json, .vrp, .txt",
    }
    every = ".vrp, .json, .csv, .xml, .zip, .sparse, .mc, .lp, .mps; .txt (Solomon; others with --kind binary)"
    raise _fault(str(path), f"has the suffix {suffix!r}", files.get(kind or "", every))


def _text(path: Path, wanted: str) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError as error:
        raise _fault(f"byte {error.start}", "is not UTF-8", wanted) from error


def read_json(text: bytes, kind: str | None = None) -> Question:
    """A request, a bare problem or a SubmitJobRequest in the contract's JSON, or VROOM's input.

    ``kind`` is detected from the fields when ``None``.

    Raises
    ------
    InvalidProblem
        Naming the place in the file.

    """
    from google.protobuf.json_format import ParseDict, ParseError

    data = _object(text)
    if len(data) == 1 and isinstance(inner := next(iter(data.values())), dict) and next(iter(data)) in KINDS:
        named = next(iter(data))
        if kind not in (None, named):
            raise _fault("$", f"is a {named} request", f"a {kind} problem, as --kind says")
        kind, data = named, inner
    if kind in (None, "routing"):
        from services.cli.route_files import looks_like_vroom, read_vroom_json

        if looks_like_vroom(data):
            return read_vroom_json(data)
    is_request = isinstance(data.get("problem"), dict)
    kind = kind or _detect(data["problem"] if is_request else data)
    request = request_type(kind)()
    try:
        ParseDict(data if is_request else {"problem": data}, request)
    except ParseError as error:
        raise _parse_fault(str(error), kind) from error
    return Question(kind, request)


def _object(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise _fault(
            f"line {error.lineno}, column {error.colno}", f"is no JSON: {error.msg}", "a JSON object"
        ) from error
    except UnicodeDecodeError as error:
        raise _fault(f"byte {error.start}", "is not UTF-8", "a JSON object in UTF-8") from error
    except ValueError as error:
        raise _fault("$", f"cannot be read: {error}", "a JSON object") from error
    except RecursionError as error:
        raise _fault("$", "is nested too deeply", "the contract's JSON") from error
    if not isinstance(data, dict):
        raise _fault("$", f"is a {type(data).__name__}", "a JSON object")
    return data


def _detect(problem: dict[str, Any]) -> str:
    """The kind whose problem message has most of the fields; ties and no match at all are refused."""
    known = {}
    for kind in KINDS:
        fields = request_type(kind).DESCRIPTOR.fields_by_name["problem"].message_type.fields
        names = {name for f in fields for name in (f.name, f.json_name)}
        known[kind] = sum(key in names for key in problem)
    best = max(known.values())
    kinds = [kind for kind in KINDS if known[kind] == best]
    if best == 0 or len(kinds) > 1:
        raise _fault(
            "$", f"has the fields {', '.join(sorted(problem)[:8]) or '(none)'}", "fields of one kind; or --kind"
        )
    return kinds[0]


_AT = re.compile(r"""\s+at\s+(?:"(?P<quoted>[^"]*)"|(?P<plain>\w+Request\.\S*))""")
_AVAILABLE = re.compile(r"\s*Available Fields.*", re.DOTALL)
_LEADING = re.compile(r"^(Failed to parse \w+ field: |isinglass\.v1\.)+")


def _parse_fault(message: str, kind: str) -> InvalidProblem:
    """The place that protobuf's parser names, as a field violation."""
    found = list(_AT.finditer(message))
    place = (found[-1]["quoted"] or found[-1]["plain"] or "") if found else ""
    path = re.sub(r"^\w+Request\.?", "", place) or "$"
    said = _AVAILABLE.sub("", _AT.sub("", _LEADING.sub("", message))).replace("isinglass.v1.", "").rstrip(".: ")
    return _fault(path, f"does not fit: {said}", f"the fields of a {kind} request in protos/")


def _fault(path: str, problem: str, allowed: str) -> InvalidProblem:
    return InvalidProblem([FieldViolation(path, problem, allowed)])
