"""What can be taken of an XML document that is not well-formed, when `xml_tree` has refused it.

Cameras and editors write packets with one flaw: a namespace or an attribute twice, a bare `&`, a byte of another
encoding, a name that XML does not have, an end that is missing. A flaw costs what it touches, and not the packet:

- of an attribute that is there twice the first counts; a prefix that is declared twice, or not at all, stands for what
  it usually stands for;
- an end tag closes the innermost open element of its name, and what is open inside of it; without one it means nothing;
- what does not look like a tag is text, and what does not look like an attribute is left out;
- an attribute whose quote does not close it, and a text that the end of the packet cut off, are no values;
- what is not UTF-8 is read as Windows-1252, a control character as a blank (as Adobe's XMP Toolkit does,
  XMPMeta-Parse.cpp).

There are no entities but the five of XML and characters by number: what else looks like one is text. A DTD refuses the
document, wherever it stands. Elements, depth and texts are bounded by the builder of `xml_tree`, tags as there, and no
byte is looked at more than a few times.
"""

import re

from image_processor.budget import LIMITS, NODES, PIECES, VALUE, Budget
from image_processor.errors import NotWellFormed, XmlRefused
from image_processor.tags.namespaces import MAX_URI, XML, is_known, uri_of
from image_processor.tags.text import windows_1252
from image_processor.tags.xml_builder import Builder, Complete, Element
from image_processor.tags.xml_encoding import utf8
from image_processor.tags.xml_tree import MAX_TAG, MAX_UNDECLARED, bounded

_NAME = rb"[A-Za-z_\x80-\xff](?:[\w.:\x80-\xff-]|/(?!>))*+"  # XML has no slash in it, and Exiv2 writes one
_START = re.compile(rb"<(" + _NAME + rb")(?=[\s/>]|\Z)")
_END = re.compile(rb"</(" + _NAME + rb")?+[^<>]*+>?+")
_TAG_END = re.compile(rb"\s*+(/?+)>")
_ATTRIBUTE = re.compile(
    rb"\s*+(" + _NAME + rb""")\s*+=\s*+(?:"([^"]*+)"|'([^']*+)')(?=[\s/>]|""" + _NAME + rb"""\s*+=\s*+["'])"""
)
_JUNK = re.compile(rb"\s*+(?:(?:[^\s<>/]|/(?!>))++|<(?=" + _NAME + rb"\s*+=))")
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:(lt|gt|amp|quot|apos)|#(\d{1,7}+)|#x([0-9A-Fa-f]{1,6}+));", re.ASCII)
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_LINE_END = re.compile("\r\n?+")
_BLANK = re.compile("\r\n|[\t\n\r]")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_SURROGATES = range(0xD800, 0xE000)


def salvage(data: bytes, budget: Budget) -> tuple[Element, list[str]]:
    """Read a document that need not be well-formed.

    Args:
        data: the document.
        budget: of the image; what is beyond it is left out.

    Returns:
        The document element, and the prefixes that the document used but did not declare.

    Raises:
        NotWellFormed: there is no element at all.
        XmlRefused: what the strict reader refuses on purpose.
    """
    reader = _Reader(bounded(utf8(data, salvage=True), budget), budget)
    reader.read()
    if reader.builder.root is None:
        raise NotWellFormed("no element")
    return reader.builder.root, sorted(reader.undeclared)


class _Reader:
    """Reads the markup of a document from left to right, and tells a builder of it."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        self.builder = Builder(budget, top=0)
        self.undeclared: set[str] = set()
        self._data = data
        self._budget = budget
        self._open: list[tuple[bytes, list[str]]] = []  # names as written, each with the prefixes that it declares
        self._uris: dict[str, list[str]] = {"": [""], "xml": [XML]}  # of each prefix, the innermost last

    def read(self) -> None:
        """Read until the document element ends, the document does, or the budget."""
        data, at = self._data, 0
        try:
            while (start := data.find(b"<", at)) >= 0:
                self._text(at, start)
                at = self._markup(start)
            self.builder.abandon()
        except Complete:
            pass
        self.builder.finish()

    def _text(self, start: int, end: int) -> None:
        if start < end and self._open:
            text = _decoded(self._data, start, end, self._budget)
            self.builder.data(_resolved(_LINE_END.sub("\n", text), self._budget))

    def _markup(self, start: int) -> int:
        """Read what begins with the `<` at `start`; return where it ends."""
        data = self._data
        if found := _START.match(data, start):
            return self._tag(found)
        if found := _END.match(data, start):
            if found[1]:
                self._close(found[1])
            return found.end()
        if data.startswith(b"<?", start):
            return self._instruction(start)
        for mark, closing in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>")):
            if data.startswith(mark, start):
                end = data.find(closing, start + len(mark))
                if end >= 0 and mark == b"<![CDATA[" and self._open:
                    self.builder.data(_LINE_END.sub("\n", _decoded(data, start + len(mark), end, self._budget)))
                return end + len(closing) if end >= 0 else len(data)
        if _DECLARATION.match(data, start):
            raise XmlRefused("a DTD or an entity")
        if self._open:
            self.builder.data("<")
        return start + 1

    def _instruction(self, start: int) -> int:
        """Return the end of a processing instruction: where it should be, or the first `>` if that is missing."""
        following = self._data.find(b"<", start + 1)
        limit = following if following >= 0 else len(self._data)
        for closing in (b"?>", b">"):
            end = self._data.find(closing, start, limit)
            if end >= 0:
                return end + len(closing)
        return limit

    def _tag(self, found: re.Match[bytes]) -> int:
        attributes, at = self._attributes(found.end())
        declared = self._declare([(name, uri) for name, uri in attributes if _is_declaration(name)])
        self._open.append((found[1], declared))
        named: dict[str, str] = {}
        for name, value in attributes:
            if not _is_declaration(name) and (expanded := self._expanded(name, "")):
                named.setdefault(expanded, value)
        self.builder.start(self._expanded(_name(found[1]), self._uris[""][-1]), named)
        if end := _TAG_END.match(self._data, at):
            at = end.end()
            if end[1]:
                self._close(found[1])
        return at

    def _attributes(self, at: int) -> tuple[list[tuple[str, str]], int]:
        """Return the attributes of a tag, values decoded, and where its end should be: `>`, `/>`, or else nothing.

        Raises:
            XmlRefused: a tag that is too long.
            Complete: more attributes or references than the budget has left.
        """
        data, start = self._data, at
        attributes: list[tuple[str, str]] = []
        while not _TAG_END.match(data, at):
            if found := _ATTRIBUTE.match(data, at):
                number = 2 if found[2] is not None else 3
                value = _decoded(data, found.start(number), found.end(number), self._budget)
                attributes.append((_name(found[1]), _resolved(_BLANK.sub(" ", value), self._budget)))
                if len(attributes) > self._budget.left(NODES):
                    self._budget.take(NODES, len(attributes))
                    raise Complete
            elif not (found := _JUNK.match(data, at)):
                break
            at = found.end()
            if at - start > MAX_TAG:
                raise XmlRefused(f"a tag or comment of more than {MAX_TAG} bytes")
        return attributes, at

    def _declare(self, declarations: list[tuple[str, str]]) -> list[str]:
        """Declare the namespaces of a tag; return their prefixes."""
        uris: dict[str, str] = {}
        for name, uri in declarations:
            prefix, uri = name[6:], uri[:MAX_URI]
            if uris.setdefault(prefix, uri) != uri and is_known(prefix):
                uris[prefix] = uri_of(prefix)
        for prefix, uri in uris.items():
            self._uris.setdefault(prefix, []).append(uri)
        return [*uris]

    def _expanded(self, name: str, default: str) -> str:
        """Return a name with its namespace, `default` if it has no prefix."""
        prefix, colon, local = name.partition(":")
        if not colon:
            return f"{default}}}{name}" if default else name
        if not (uri := next(iter(self._uris.get(prefix, ())[-1:]), "")):
            uri = uri_of(prefix)
            self.undeclared.add(prefix)
            if len(self.undeclared) > MAX_UNDECLARED:
                raise XmlRefused(f"more than {MAX_UNDECLARED} prefixes not declared")
        return f"{uri}}}{local}"

    def _close(self, name: bytes) -> None:
        """Close the innermost open element of a name, and what is open inside of it."""
        if all(name != opened for opened, _ in self._open):
            if not self._budget.take(PIECES):  # what closes nothing costs something, too
                raise Complete
            return
        closed = b""
        while closed != name:
            closed, declared = self._open.pop()
            for prefix in declared:
                self._uris[prefix].pop()
            self.builder.end("")


def _is_declaration(name: str) -> bool:
    return name == "xmlns" or name.startswith("xmlns:")


def _name(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return windows_1252(raw)


def _decoded(data: bytes, start: int, end: int, budget: Budget) -> str:
    """Return the text between two places, cut to what a value may have."""
    if end - start > LIMITS[VALUE]:
        budget.want_more(VALUE)
        end = start + LIMITS[VALUE]
        while data[end] & 0xC0 == 0x80:  # the rest of a character
            end -= 1
    return _CONTROL.sub(" ", _name(data[start:end]))


def _resolved(text: str, budget: Budget) -> str:
    """Return a text with what its references stand for.

    Raises:
        Complete: more references than the budget has left.
    """
    references = text.count("&")
    if not references:
        return text
    if not budget.take(PIECES, references):
        raise Complete
    return _REFERENCE.sub(_character, text)


def _character(reference: re.Match[str]) -> str:
    """Return what a reference stands for; one that stands for nothing stays as it is written."""
    entity, decimal, hexadecimal = reference.groups()
    if entity:
        return _ENTITIES[entity]
    code = int(decimal) if decimal else int(hexadecimal, 16)
    if code > 0x10FFFF or code in _SURROGATES:
        return reference[0]
    return _CONTROL.sub(" ", chr(code))
