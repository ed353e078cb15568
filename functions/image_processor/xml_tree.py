"""XML from strangers, as a small tree: parsed by defusedxml, bounded in depth and number of nodes.

No DTD, no entity and nothing external is accepted; what follows the document element is never looked at, so that the
padding of a packet, or bytes that a shorter rewrite left behind, cost nothing.
"""

import codecs
import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from image_processor.namespaces import uri_of

MAX_DEPTH = 60
"""Nested elements: the deepest real documents (nested history of layered pictures) have about 20."""

MAX_NODES = 60_000
"""Elements and attributes of one document: about a second of parsing; a packet of 900 keywords has 2,000."""

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
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


class Refused(ValueError):
    """The document cannot be had; the text says why."""


@dataclass(slots=True)
class Element:
    """One element; names are `{uri}local`, or `local` without a namespace."""

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    text: str = ""


def parse(data: bytes) -> tuple[Element, list[str]]:
    """Parse a document in UTF-8, UTF-16 or UTF-32, whatever stands before and behind it.

    Returns:
        The document element, and the prefixes that the document used but did not declare (they stand for what they
        usually stand for).

    Raises:
        Refused: not well-formed, not in a Unicode encoding, a DTD, too deep or too large.
    """
    text = _decode(data)
    try:
        return _parse(text, {}), []
    except ParseError as error:
        if error.code != _UNBOUND_PREFIX:
            raise Refused("not well-formed") from error
    text = _DECLARATION.sub("", text, count=1)
    prefixes = sorted(set(_PREFIX.findall(text)) - {"xml", "xmlns"})
    declared = set(re.findall(r"xmlns:([\w.-]+)", text))
    try:
        root = _parse(text, {prefix: uri_of(prefix) for prefix in prefixes})
    except ParseError as error:
        raise Refused("not well-formed") from error
    return root.children[0], [prefix for prefix in prefixes if prefix not in declared]


def _parse(text: str, namespaces: dict[str, str]) -> Element:
    """Parse one element, inside a wrapper that declares `namespaces` if there are any.

    Raises:
        ParseError: not well-formed before the document element's end.
        Refused: a bound is reached, or a DTD.
    """
    builder = _Builder(top=1 if namespaces else 0)
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    try:
        if namespaces:
            declarations = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in namespaces.items())
            parser.feed(f"<wrapper{declarations}>")
        parser.feed(text)
        parser.close()
    except _Complete:
        pass
    except DefusedXmlException as error:
        raise Refused("a DTD or an entity") from error
    if builder.root is None:
        raise Refused("not well-formed")
    return builder.root


def _decode(data: bytes) -> str:
    """Return the text from its first `<` on, without NULs at its ends.

    Bytes that are not text are tolerated behind the document only.
    """
    data = data.lstrip(b" \t\r\n") if data[:1] != b"\0" else data
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None:
        data = data.lstrip(b"\0 \t\r\n")
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = data[: error.start].decode(encoding)
        if not _CLOSING.search(text):
            raise Refused(f"invalid {encoding[:6].upper()}") from error
    start = text.find("<")
    if start < 0:
        raise Refused("empty")
    return text[start:]


class _Complete(Exception):
    """The document element has ended: nothing behind it counts."""


class _Builder:
    """Target of the parser: builds the tree and ends the parse when it is complete or too large."""

    def __init__(self, top: int) -> None:
        self.root: Element | None = None
        self._top = top  # open elements left when the document element ends
        self._open: list[Element] = []
        self._nodes = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1 + len(attributes)
        if self._nodes > MAX_NODES:
            raise Refused(f"more than {MAX_NODES} nodes")
        if len(self._open) >= MAX_DEPTH:
            raise Refused(f"nested more than {MAX_DEPTH} deep")
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()
        if len(self._open) == self._top:
            raise _Complete

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text

    def close(self) -> None:
        """Be told that there is no more input: the document element never ended, which expat reports itself."""
