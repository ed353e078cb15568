"""XML from strangers, as a small tree: parsed by defusedxml, bounded in depth and number of nodes.

No DTD, no entity and nothing external is accepted; what follows the document element is never looked at, so that the
padding of a packet, or bytes that a shorter rewrite left behind, cost nothing.
"""

import codecs
import re
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from image_processor.errors import XmlRefused
from image_processor.tags.namespaces import uri_of

MAX_DEPTH = 60
"""Nested elements: the deepest real documents (nested history of layered pictures) have about 20."""

MAX_NODES = 60_000
"""Elements and attributes of all documents of one image: a third of a second; a packet of 900 keywords has 2,000."""

MAX_TEXT = 2 * 1024 * 1024
"""Characters between the tags of all documents of one image: a table item holds 400 KB, some phones store pictures."""

MAX_TAG = 1024 * 1024
"""Characters of one tag with its attributes, which the parser has to hold at once, or of a run of comments."""

_STEP = 64 * 1024  # characters that the parser is fed at a time
_PADDING = 1000  # blanks in a row that are no part of a value

_UNBOUND_PREFIX = 27  # expat: XML_ERROR_UNBOUND_PREFIX
_PREFIX = re.compile(r"[<\s/]([A-Za-z_][\w.-]*):[A-Za-z_]")
_DECLARATION = re.compile(r"<\?xml\s[^>]*\?>")
_CLOSING = re.compile(r"</[\w.-]*:?(?:xmpmeta|xapmeta|RDF)\s*>|<\?xpacket\s+end")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(slots=True)
class Budget:
    """What the documents of one image may still cost.

    Attributes:
        nodes: elements and attributes; what is beyond is left out.
        text: characters between tags; what is beyond is left out.
        is_cut: whether text was left out.
        is_spent: whether elements were left out.
    """

    nodes: int = MAX_NODES
    text: int = MAX_TEXT
    is_cut: bool = False
    is_spent: bool = False


@dataclass(slots=True)
class Element:
    """One element; names are `{uri}local`, or `local` without a namespace."""

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    text: str = ""


def parse(data: bytes, budget: Budget | None = None) -> tuple[Element, list[str]]:
    """Parse a document in UTF-8, UTF-16 or UTF-32, whatever stands before and behind it.

    Args:
        data: the document.
        budget: shared by the documents of one image; reduced by what this one costs.

    Returns:
        The document element, and the prefixes that the document used but did not declare (they stand for what they
        usually stand for).

    Raises:
        XmlRefused: not well-formed, not in a Unicode encoding, a DTD, or too deep.
    """
    text, budget = _decode(data), budget or Budget()
    try:
        return _parse(text, {}, budget), []
    except ParseError as error:
        if error.code != _UNBOUND_PREFIX:
            raise XmlRefused("not well-formed") from error
    text = _DECLARATION.sub("", text, count=1)
    prefixes = sorted(set(_PREFIX.findall(text)) - {"xml", "xmlns"})
    declared = set(re.findall(r"xmlns:([\w.-]+)", text))
    try:
        root = _parse(text, {prefix: uri_of(prefix) for prefix in prefixes}, budget)
    except ParseError as error:
        raise XmlRefused("not well-formed") from error
    return root.children[0], [prefix for prefix in prefixes if prefix not in declared]


def _parse(text: str, namespaces: dict[str, str], budget: Budget) -> Element:
    """Parse one element, inside a wrapper that declares `namespaces` if there are any.

    Raises:
        ParseError: not well-formed before the document element's end.
        XmlRefused: a bound is reached, or a DTD.
    """
    builder = _Builder(budget, top=1 if namespaces else 0)
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    try:
        if namespaces:
            declarations = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
            parser.feed(f"<wrapper{declarations}>")
        _feed(parser, text, builder)
        parser.close()
    except _Complete:
        pass
    except DefusedXmlException as error:
        raise XmlRefused("a DTD or an entity") from error
    if builder.root is None or (namespaces and not builder.root.children):
        raise XmlRefused(f"beyond {MAX_NODES} elements and attributes" if budget.is_spent else "not well-formed")
    return builder.root


def _feed(parser: Any, text: str, builder: "_Builder") -> None:
    """Feed the parser step by step, and end it where it only gathers one endless tag."""
    silent = 0  # characters since the parser last called the builder
    for start in range(0, len(text), _STEP):
        calls = builder.calls
        parser.feed(text[start : start + _STEP])
        silent = silent + _STEP if builder.calls == calls else 0
        if silent > MAX_TAG:
            raise XmlRefused(f"a tag or comment of more than {MAX_TAG} characters")


def _decode(data: bytes) -> str:
    """Return the text from its first `<` on, without NULs at its ends.

    Bytes that are not text are tolerated behind the document only.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _guess(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data[: error.start].decode(encoding)
        if not _CLOSING.search(text):
            raise XmlRefused(f"invalid {encoding[:6].upper()}") from error
    start = text.find("<")
    if start < 0:
        raise XmlRefused("empty")
    return text[start:]


def _guess(data: bytes) -> str:
    """Return the encoding of a document without a byte-order mark: where the first `<` stands, and what follows it."""
    start = data.find(b"<")
    if start < 0:
        return "utf-8"
    if data[start + 1 : start + 4] == b"\0\0\0":
        return "utf-32-be" if start % 4 == 3 else "utf-32-le"
    if data[start + 1 : start + 2] == b"\0":
        return "utf-16-be" if start % 2 else "utf-16-le"
    return "utf-8"


class _Complete(Exception):
    """The document element has ended: nothing behind it counts."""


class _Builder:
    """Target of the parser: builds the tree and ends the parse when it is complete or too large."""

    def __init__(self, budget: Budget, top: int) -> None:
        self.root: Element | None = None
        self.calls = 0  # of the parser
        self._budget = budget
        self._top = top  # open elements left when the document element ends
        self._open: list[Element] = []
        self._texts: list[str] = []  # pieces of the text that is being read

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._end_text()
        self._budget.nodes -= 1 + len(attributes)
        if self._budget.nodes < 0:
            # What came before is good: editors have left lists of 100,000 ancestors behind the photo's own properties.
            self._budget.is_spent = True
            raise _Complete
        if len(self._open) >= MAX_DEPTH:
            raise XmlRefused(f"nested more than {MAX_DEPTH} deep")
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._end_text()
        self._open.pop()
        if len(self._open) == self._top:
            raise _Complete

    def data(self, text: str) -> None:
        self.calls += 1
        if len(text) >= _PADDING and text.isspace():
            return
        if len(text) > self._budget.text:
            self._budget.is_cut = True
        elif self._open:
            self._budget.text -= len(text)
            self._texts.append(text)

    def _end_text(self) -> None:
        self.calls += 1
        if self._texts:
            self._open[-1].text += "".join(self._texts)
            self._texts.clear()

    def close(self) -> None:
        """Do nothing at the end of the input: that the document element never ended expat reports itself."""
