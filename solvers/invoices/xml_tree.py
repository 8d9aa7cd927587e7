"""XML from outside, read without trusting it: no document types, so no entities, and limits on size and depth."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from solvers.errors import FieldViolation, InvalidProblem

MAX_BYTES = 20_000_000
MAX_DEPTH = 64
MAX_ELEMENTS = 500_000


class _Refused(Exception):
    """What the document does that is not allowed: (problem, allowed)."""


def parse_xml(data: bytes, name: str) -> Element:
    """The root of a document; tags are ``{namespace}name``.

    Parameters
    ----------
    data
        At most `MAX_BYTES`.
    name
        What faults are reported under.

    Raises
    ------
    solvers.errors.InvalidProblem
        When it is no XML, has a document type (entities could be declared there) or exceeds a limit.
    """
    if len(data) > MAX_BYTES:
        raise InvalidProblem([FieldViolation(name, f"has {len(data):,} bytes", f"at most {MAX_BYTES:,}")])
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    depth = elements = 0

    def qualified(tag: str) -> str:
        return "{" + tag if "}" in tag else tag

    def begin(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MAX_DEPTH:
            raise _Refused("is nested too deeply", f"at most {MAX_DEPTH} levels")
        if elements > MAX_ELEMENTS:
            raise _Refused("has too many elements", f"at most {MAX_ELEMENTS:,}")
        builder.start(qualified(tag), {qualified(key): value for key, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(qualified(tag))

    def doctype(*_: object) -> None:
        raise _Refused("has a document type", "XML without <!DOCTYPE>")

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = doctype
    parser.EntityDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except _Refused as refused:
        raise InvalidProblem([FieldViolation(name, *refused.args)]) from None
    except expat.ExpatError as error:
        place = f"{name}, line {error.lineno}, column {error.offset + 1}"
        raise InvalidProblem([FieldViolation(place, f"is no XML: {expat.ErrorString(error.code)}", "XML")]) from error
    except ValueError as error:  # an encoding that nobody knows
        raise InvalidProblem([FieldViolation(name, f"cannot be read: {error}", "XML in UTF-8")]) from error
    return builder.close()
