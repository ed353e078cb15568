"""XML from strangers, as a small tree: parsed by defusedxml, bounded in depth and by the image's budget.

No DTD, no entity and nothing external is accepted; what follows the document element is never looked at, so that the
padding of a packet, or bytes that a shorter rewrite left behind, cost nothing.

What cannot be bounded from inside of the parser is looked for before: it repeats a namespace's URI in each name, and
gathers a whole tag before it says anything.
"""

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ErrorString

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from image_processor.budget import LIMITS, NAMES, NODES, PIECES, TEXT, VALUE, Budget
from image_processor.errors import NotWellFormed, XmlRefused
from image_processor.tags.namespaces import MAX_URI, uri_of
from image_processor.tags.xml_encoding import is_utf8, utf8

MAX_DEPTH = 60
"""Nested elements: the deepest real documents (nested history of layered pictures) have about 20."""

MAX_TAG = 1024 * 1024
"""Characters of one tag with its attributes, which the parser has to hold at once, or of a run of comments."""

MAX_UNDECLARED = 100
"""Prefixes that a packet may have forgotten to declare; cameras have forgotten one or two."""

_STEP = 64 * 1024  # bytes that the parser is fed at a time
_SCANNED = 256 * 1024  # bytes that are searched for prefixes that were not declared
_TOO_LONG = LIMITS[VALUE] + 1  # characters of a value
_PADDING = 1000  # blanks in a row that are no part of a value

_UNBOUND_PREFIX = 27  # expat: XML_ERROR_UNBOUND_PREFIX
_PREFIX = re.compile(rb"[<\s/]([A-Za-z_][\w.-]{0,99}+):[A-Za-z_]")
_DECLARED = re.compile(rb"xmlns:([\w.-]{1,100}+)")
_LONG_URI = re.compile(
    rb"""(xmlns(?::[^\s:=<>"']{1,999}+)?\s*+=\s*+)(?:"([^"<]{%d})[^"<]++"|'([^'<]{%d})[^'<]++')""" % (MAX_URI, MAX_URI)
)
_LONG_VALUE = re.compile(rb"""(=\s*+)(?:"([^"<]{%d})[^"<]++"|'([^'<]{%d})[^'<]++')""" % (LIMITS[VALUE], LIMITS[VALUE]))
_UNHEARD = re.compile(rb"<(?:!--|\?)")
_DOCTYPE = re.compile(rb"(?:\s++|<!--.*?-->|<\?.*?\?>)*+<!DOCTYPE", re.DOTALL)


@dataclass(slots=True)
class Element:
    """One element; names are as expat gives them: `uri}local`, or `local` without a namespace."""

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    text: str = ""


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
    except ParseError as error:
        raise NotWellFormed(_flaw(error) if is_utf8(data) else "invalid UTF-8") from error
    prefixes = _prefixes(data)
    declared = {name.decode() for name in _DECLARED.findall(data, 0, _SCANNED)}
    try:
        root = _parse(_without_declaration(data), {prefix: uri_of(prefix) for prefix in prefixes}, budget)
    except ParseError as error:
        raise NotWellFormed(_flaw(error) if is_utf8(data) else "invalid UTF-8") from error
    except _Undeclared as error:
        raise NotWellFormed("prefixes not declared") from error
    return root.children[0], [prefix for prefix in prefixes if prefix not in declared]


def _flaw(error: ParseError) -> str:
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
    steps = range(start, end, _STEP)
    if not all(data[at : min(at + _STEP, end)].isascii() for at in steps):
        return False
    return not all(data[at : min(at + _STEP, end)].isspace() for at in steps)


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
        ParseError: not well-formed before the document element's end.
        XmlRefused: a bound is reached, or a DTD.
    """
    builder = Builder(budget, top=1 if namespaces else 0)
    parser = DefusedXMLParser(target=builder, encoding="utf-8", forbid_dtd=True)
    _call_directly(parser.parser, builder)
    try:
        if namespaces:
            declarations = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
            parser.feed(f"<wrapper{declarations}>".encode())
        _feed(parser, data, budget)
        parser.close()
    except Complete:
        pass
    except DefusedXmlException as error:
        raise XmlRefused("a DTD or an entity") from error
    if builder.root is None or (namespaces and not builder.root.children):
        raise XmlRefused("nothing of it within the limits" if budget.exhausted else "not well-formed")
    builder.finish()
    return builder.root


def _call_directly(expat: Any, builder: "Builder") -> None:
    """Let expat call the builder itself: ElementTree's layer between them takes as long as the builder."""
    expat.ordered_attributes = False
    expat.StartElementHandler, expat.EndElementHandler = builder.start, builder.end


def _feed(parser: Any, data: bytes, budget: Budget) -> None:
    """Feed the parser step by step, and end it where it only gathers one endless tag."""
    silent = attributes = 0  # bytes, and about as many attributes, since the builder last heard of anything
    for start in range(0, len(data), _STEP):
        attributes += data.count(b"=", start, start + _STEP)
        if silent and attributes > budget.left(NODES):
            budget.take(NODES, attributes)
            raise Complete
        left = budget.left(NODES), budget.left(PIECES)
        try:
            parser.feed(data[start : start + _STEP])
        except ParseError as error:
            # A prefix that is first used further on would not be found: the same is not read again.
            if error.code == _UNBOUND_PREFIX and start < _SCANNED:
                raise _Undeclared from error
            raise
        if left == (budget.left(NODES), budget.left(PIECES)):
            silent += _STEP
        else:
            silent = attributes = 0
        if silent > MAX_TAG:
            raise XmlRefused(f"a tag or comment of more than {MAX_TAG} bytes")


class _Undeclared(Exception):
    """The start of the document uses a prefix that it did not declare."""


class Complete(Exception):
    """The document element has ended, or the budget: nothing behind it counts."""


class Builder:
    """Target of the parser: builds the tree and ends the parse when it is complete or too large."""

    def __init__(self, budget: Budget, top: int) -> None:
        self.root: Element | None = None
        self._budget = budget
        self._top = top  # open elements left when the document element ends
        self._open: list[tuple[Element, list[str]]] = []  # each with the pieces of its text
        self._room = LIMITS[VALUE]  # for the text of the innermost open element

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element, unless the budget ends here."""
        budget, opened = self._budget, self._open
        names = len(name) + sum(map(len, attributes)) if attributes else len(name)
        if not (budget.take(NODES, 1 + len(attributes)) and budget.take(NAMES, names)):
            # What came before is good: editors have left lists of 100,000 ancestors behind the photo's own properties.
            raise Complete
        if len(opened) >= MAX_DEPTH:
            raise XmlRefused(f"nested more than {MAX_DEPTH} deep")
        if attributes and not budget.take(TEXT, sum(map(len, attributes.values()))):
            attributes = {key: value for key, value in attributes.items() if budget.take(TEXT, len(value))}
        element = Element(name, attributes, [])
        if opened:
            opened[-1][0].children.append(element)
        else:
            self.root = element
        opened.append((element, []))
        self._room = LIMITS[VALUE]

    def end(self, _name: str) -> None:
        """End the innermost open element."""
        element, pieces = self._open.pop()
        if pieces:
            element.text = "".join(pieces)
        self._room = LIMITS[VALUE]
        if len(self._open) == self._top:
            raise Complete

    def data(self, text: str) -> None:
        """Add a piece of text to the innermost open element."""
        if not self._budget.take(PIECES):
            raise Complete
        if not self._open or (len(text) >= _PADDING and text.isspace()):
            return
        if len(text) > self._room:
            self._budget.want_more(VALUE)
            text = text[: self._room]
        if text and self._budget.take(TEXT, len(text)):
            self._room -= len(text)
            self._open[-1][1].append(text)

    def finish(self) -> None:
        """Give the elements that were still open when the parse ended their text."""
        for element, pieces in self._open:
            element.text = "".join(pieces)

    def abandon(self) -> None:
        """Drop the text that the end of the input cut off, and its element if there is nothing else of it."""
        if not self._open:
            return
        element, pieces = self._open[-1]
        pieces.clear()
        if len(self._open) > 1 and not element.children and not element.attributes:
            self._open[-2][0].children.pop()

    def close(self) -> None:
        """Do nothing at the end of the input: that the document element never ended expat reports itself."""
