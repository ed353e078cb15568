"""XML from strangers, as a small tree: parsed by defusedxml, bounded in depth and by the image's budget.

No DTD, no entity and nothing external is accepted; what follows the document element is never looked at, so that the
padding of a packet, or bytes that a shorter rewrite left behind, cost nothing.

What cannot be bounded from inside of the parser is looked for before: it repeats a namespace's URI in each name, and
gathers a whole tag before it says anything.
"""

import re
from itertools import islice
from typing import Any
from xml.parsers.expat import ErrorString, ExpatError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from image_processor.budget import LIMITS, NODES, PIECES, VALUE, Budget
from image_processor.errors import NotWellFormed, XmlRefused
from image_processor.tags.namespaces import MAX_URI, uri_of
from image_processor.tags.xml_builder import Builder, Complete, Element
from image_processor.tags.xml_encoding import is_utf8, utf8

MAX_TAG = 1024 * 1024
"""Characters of one tag with its attributes, which the parser has to hold at once, or of a run of comments."""

MAX_UNDECLARED = 100
"""Prefixes that a packet may have forgotten to declare; cameras have forgotten one or two."""

_STEP = 64 * 1024  # bytes that the parser is fed at a time
_SCANNED = 256 * 1024  # bytes that are searched for prefixes that were not declared
_TOO_LONG = LIMITS[VALUE] + 1  # characters of a value

_UNBOUND_PREFIX = 27  # expat: XML_ERROR_UNBOUND_PREFIX
_PREFIX = re.compile(rb"[<\s/]([A-Za-z_][\w.-]{0,99}+):[A-Za-z_]")
_DECLARED = re.compile(rb"xmlns:([\w.-]{1,100}+)")
_LONG_URI = re.compile(
    rb"""(xmlns(?::[^\s:=<>"']{1,999}+)?\s*+=\s*+)(?:"([^"<]{%d})[^"<]++"|'([^'<]{%d})[^'<]++')""" % (MAX_URI, MAX_URI)
)
_LONG_VALUE = re.compile(rb"""(=\s*+)(?:"([^"<]{%d})[^"<]++"|'([^'<]{%d})[^'<]++')""" % (LIMITS[VALUE], LIMITS[VALUE]))
_UNHEARD = re.compile(rb"<(?:!--|\?)")
_DOCTYPE = re.compile(rb"(?:\s++|<!--.*?-->|<\?.*?\?>)*+<!DOCTYPE", re.DOTALL)


def parse(data: bytes, budget: Budget | None = None) -> tuple[Element, list[str]]:
    """Parse a document in UTF-8, UTF-16 or UTF-32, whatever stands before and behind it.

    Args:
        data: the document.
        budget: of the image; what is beyond it is left out.

    Returns:
        The document element, and the prefixes that the document used but did not declare (they stand for what they
        usually stand for).

    Raises:
        NotWellFormed: not well-formed, or not in a Unicode encoding.
        XmlRefused: a DTD, or too deep.
    """
    budget = budget or Budget()
    data = bounded(utf8(data), budget)
    try:
        return _parse(data, {}, budget), []
    except _Undeclared:
        pass
    except ExpatError as error:
        raise NotWellFormed(_flaw(error) if is_utf8(data) else "invalid UTF-8") from error
    prefixes = _prefixes(data)
    declared = {name.decode() for name in _DECLARED.findall(data, 0, _SCANNED)}
    try:
        root = _parse(_without_declaration(data), {prefix: uri_of(prefix) for prefix in prefixes}, budget)
    except ExpatError as error:
        raise NotWellFormed(_flaw(error) if is_utf8(data) else "invalid UTF-8") from error
    except _Undeclared as error:
        raise NotWellFormed("prefixes not declared") from error
    return root.children[0], [prefix for prefix in prefixes if prefix not in declared]


def _flaw(error: ExpatError) -> str:
    """Return what the parser calls the flaw, which has no part of the document in it."""
    words = ErrorString(error.code)
    return words if words.startswith("not well-formed") else f"not well-formed ({words})"


def bounded(data: bytes, budget: Budget) -> bytes:
    """Return a document without what the parser itself would pay dearly for.

    Raises:
        XmlRefused: a DTD (its entities would be expanded before anybody is asked), or namespaces or
            comments beyond the budget.
    """
    if _DOCTYPE.match(data, 0, 2 * MAX_TAG):
        raise XmlRefused("a DTD or an entity")
    data = _cut_texts(data)
    if not budget.take(NODES, data.count(b"xmlns")):
        raise XmlRefused("too many namespaces")
    # The builder never hears of these, and a large packet of them keeps the parser busy.
    if len(data) > _STEP:
        unheard = sum(1 for _ in islice(_UNHEARD.finditer(data), budget.left(PIECES) + 1))
        if not budget.take(PIECES, unheard):
            raise XmlRefused("too many comments or instructions")
    data = _LONG_URI.sub(_shortened, data)
    if len(data) <= LIMITS[VALUE]:
        return data
    data, number = _LONG_VALUE.subn(_cut, data)
    if number:
        budget.want_more(VALUE)
    return data


def _shortened(declaration: re.Match[bytes]) -> bytes:
    if not declaration.string[declaration.start() - 1 : declaration.start()].isspace():
        return declaration[0]  # the end of another word
    start = declaration[2] or declaration[3]
    return declaration[1] + b'"' + start.decode(errors="ignore").replace("&", "").replace('"', "").encode() + b'"'


def _cut_texts(data: bytes) -> bytes:
    """Return a document whose long texts are one character longer than a value may be: the builder then says so.

    Left whole are padding and texts whose bytes are not their characters, or that may be more than a text.
    """
    kept, done = [], 0
    for inside in range(_TOO_LONG, len(data), _TOO_LONG):  # what is longer has one of these places in it
        start, end = data.rfind(b">", done, inside) + 1, data.find(b"<", inside)
        if 0 < start < end - _TOO_LONG and _is_plain(data, start, end):
            kept.append(data[done : start + _TOO_LONG])
            done = end
    return b"".join((*kept, data[done:])) if kept else data


def _is_plain(data: bytes, start: int, end: int) -> bool:
    """Tell a text that is its bytes, and not padding; step by step, since a copy of megabytes is dearer than a look."""
    if any(data.find(mark, start, end) >= 0 for mark in (b"&", b"<", b">", b"\r")):
        return False
    is_blank = True
    for at in range(start, end, _STEP):
        step = data[at : min(at + _STEP, end)]
        if not step.isascii():
            return False
        is_blank = is_blank and step.isspace()
    return not is_blank


def _cut(value: re.Match[bytes]) -> bytes:
    """Return the start of an attribute's value, without the part of a character or of a reference at its end."""
    start = value[2] or value[3]
    whole, mark, reference = start.rpartition(b"&")
    start = whole if mark and b";" not in reference else start
    quote = b'"' if value[2] else b"'"
    return value[1] + quote + start.decode(errors="ignore").encode() + quote


def _prefixes(data: bytes) -> list[str]:
    """Return the prefixes that a document uses at its start.

    Raises:
        XmlRefused: more than any camera can have forgotten to declare.
    """
    prefixes = {match.decode() for match in _PREFIX.findall(data, 0, _SCANNED)} - {"xml", "xmlns"}
    if len(prefixes) > MAX_UNDECLARED:
        raise XmlRefused(f"more than {MAX_UNDECLARED} prefixes, some of them not declared")
    return sorted(prefixes)


def _without_declaration(data: bytes) -> bytes:
    """Return a document that can stand inside of an element."""
    return data[data.find(b"?>") + 2 :] if data.startswith(b"<?xml") and data[5:6].isspace() else data


def _parse(data: bytes, namespaces: dict[str, str], budget: Budget) -> Element:
    """Parse one element, inside a wrapper that declares `namespaces` if there are any.

    Raises:
        ExpatError: not well-formed before the document element's end.
        XmlRefused: a bound is reached, or a DTD.
    """
    builder = Builder(budget, top=1 if namespaces else 0)
    # Only while it is there do the handlers of defusedxml exist, which expat calls.
    parser = DefusedXMLParser(target=builder, encoding="utf-8", forbid_dtd=True)
    expat = _directly(parser.parser, builder)
    try:
        if namespaces:
            declarations = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
            expat.Parse(f"<wrapper{declarations}>".encode(), False)
        _feed(expat, data, budget)
    except Complete:
        pass
    except DefusedXmlException as error:
        raise XmlRefused("a DTD or an entity") from error
    if builder.root is None or (namespaces and not builder.root.children):
        raise XmlRefused("nothing of it within the limits" if budget.exhausted else "not well-formed")
    builder.finish()
    return builder.root


def _directly(expat: Any, builder: Builder) -> Any:
    """Let expat call the builder itself: ElementTree's layer between them takes as long as the builder.

    Its handler for all else is for entities, of which there are none without a DTD.
    """
    expat.ordered_attributes, expat.DefaultHandlerExpand = False, None
    expat.StartElementHandler, expat.EndElementHandler = builder.start, builder.end
    return expat


def _feed(expat: Any, data: bytes, budget: Budget) -> None:
    """Feed the parser step by step, and end it where it only gathers one endless tag."""
    if len(data) <= _STEP or (len(data) <= MAX_TAG and data.count(b"=") <= budget.left(NODES)):
        _parse_step(expat, data, 0, len(data))  # no tag of it can be too dear
        return
    silent = attributes = 0  # bytes, and about as many attributes, since the builder last heard of anything
    for start in range(0, len(data), _STEP):
        attributes += data.count(b"=", start, start + _STEP)
        if silent and attributes > budget.left(NODES):
            budget.take(NODES, attributes)
            raise Complete
        left = budget.left(NODES), budget.left(PIECES)
        _parse_step(expat, data, start, start + _STEP)
        if left == (budget.left(NODES), budget.left(PIECES)):
            silent += _STEP
        else:
            silent = attributes = 0
        if silent > MAX_TAG:
            raise XmlRefused(f"a tag or comment of more than {MAX_TAG} bytes")


def _parse_step(expat: Any, data: bytes, start: int, end: int) -> None:
    try:
        expat.Parse(data[start:end], end >= len(data))
    except ExpatError as error:
        # A prefix that is first used further on would not be found: the same is not read again.
        if error.code == _UNBOUND_PREFIX and expat.ErrorByteIndex < _SCANNED:
            raise _Undeclared from error
        raise


class _Undeclared(Exception):
    """The start of the document uses a prefix that it did not declare."""
