"""XMP: all packets of an image as one document (XMP specification parts 1 and 3; ISO 16684-1).

The document is the union of the packets. Where two say different things about a property, the first in file order
wins, which is a warning. Its JSON form:

- a property is `prefix:Name`, the prefix being that of `namespaces`, never the packet's own;
- a simple value, and a URI in `rdf:resource`, is a text;
- `rdf:Bag`, `rdf:Seq` and `rdf:Alt` are arrays, but alternatives by language are an object by language;
- a structure is an object of its fields, in whichever of RDF's forms it was written;
- a value with qualifiers is an object with `rdf:value` beside them.
"""

from dataclasses import dataclass, field

from image_processor.budget import Budget
from image_processor.errors import NotWellFormed, XmlRefused
from image_processor.tags.namespaces import RDF, XML, XMP_META, prefix_of
from image_processor.tags.xml_builder import Element
from image_processor.tags.xml_salvage import salvage
from image_processor.tags.xml_tree import parse

Value = str | list["Value"] | dict[str, "Value"]

MAX_PACKETS = 50
"""Packets of one image; editors leave two or three."""

MAX_WARNINGS = 50
"""Conflicts between packets that are named: a row has room for no more."""

_RDF = f"{RDF}}}"
_LANG = f"{XML}}}lang"
_TOOLKITS = (f"{XMP_META}}}xmptk", f"{XMP_META}}}xaptk")
_ARRAYS = (f"{_RDF}Bag", f"{_RDF}Seq", f"{_RDF}Alt")
_NODE = f"{_RDF}Description"
_SYNTAX = frozenset(f"{_RDF}{name}" for name in ("ID", "nodeID", "datatype", "parseType", "resource", "about"))

_LONG = 200  # characters of a name with its URI: strangers' are not kept for the next image
_MOST_KEYS = 4096

_OF_THE_PACKET = ("rdf:about", "x:xmptk", "xmpNote:HasExtendedXMP")
"""Properties of a packet rather than of the image: that two packets differ in them is no conflict."""


@dataclass(slots=True)
class Document:
    """The XMP of one image.

    Attributes:
        properties: top-level properties by `prefix:Name`.
        packets: packets that could be read.
        warnings: packets that could not, and conflicts between those that could.
    """

    properties: dict[str, Value] = field(default_factory=dict)
    packets: int = 0
    warnings: list[str] = field(default_factory=list)

    def texts(self, name: str) -> list[str]:
        """Return the texts of an array, or of a simple value the one text."""
        value = self.properties.get(name)
        items = value if isinstance(value, list) else (value,)
        return [text for item in items if (text := text_of(item))]


def text_of(value: Value | None) -> str | None:
    """Return the one text that stands for a value: `x-default` of alternatives, the first item of an array.

    None for a structure, and for what is blank.
    """
    if isinstance(value, list):
        return next((text for item in value if (text := text_of(item)) is not None), None)
    if isinstance(value, dict):
        if "rdf:value" in value:
            return text_of(value["rdf:value"])
        if "x-default" in value:
            return text_of(value["x-default"])
        if value and not any(":" in key for key in value):  # alternatives by language without a default
            return text_of(next(iter(value.values())))
        return None
    return value if value and value.strip() else None


def read(packets: list[bytes], budget: Budget) -> Document:
    """Read the packets of an image in file order; one that cannot be read costs itself only.

    What is salvaged of packets that are not well-formed comes after what the sound ones say.
    """
    document = Document()
    if len(packets) > MAX_PACKETS:
        document.warnings.append(f"xmp: {len(packets)} packets, {MAX_PACKETS} read")
    flawed: list[tuple[bytes, NotWellFormed]] = []
    for packet in packets[:MAX_PACKETS]:
        try:
            root, undeclared = parse(packet, budget)
            _add_packet(document, _properties(root), undeclared)
        except NotWellFormed as error:
            flawed.append((packet, error))
        except XmlRefused as error:
            document.warnings.append(f"xmp: {error}")
    for packet, flaw in flawed:
        _salvage(document, packet, flaw, budget)
    return document


def _salvage(document: Document, packet: bytes, flaw: NotWellFormed, budget: Budget) -> None:
    try:
        root, undeclared = salvage(packet, budget)
    except NotWellFormed:
        document.warnings.append(f"xmp: {flaw}")
    except XmlRefused as error:
        document.warnings.append(f"xmp: {error}")
    else:
        properties = _properties(root)
        document.warnings.append(f"xmp: salvaged: {flaw}" if properties else f"xmp: {flaw}")
        if properties:
            _add_packet(document, properties, undeclared)


def _add_packet(document: Document, properties: list[tuple[str, Value]], undeclared: list[str]) -> None:
    document.packets += 1
    if undeclared:
        document.warnings.append(f"xmp: prefixes not declared: {', '.join(undeclared)[:200]}")
    for name, value in properties:
        _add(document, name, value)


def _add(document: Document, name: str, value: Value) -> None:
    known = document.properties.setdefault(name, value)
    if known != value and name not in _OF_THE_PACKET:
        if known in ("", [], {}):
            document.properties[name] = value
        elif value not in ("", [], {}) and len(document.warnings) < MAX_WARNINGS:
            document.warnings.append(f"xmp: {name[:100]} is there twice; the first is kept")


def _properties(root: Element) -> list[tuple[str, Value]]:
    """Return the properties of one packet; those without any rdf:RDF it has none."""
    toolkits = (root.attributes.get(name) for name in _TOOLKITS)
    properties: list[tuple[str, Value]] = [("x:xmptk", toolkit) for toolkit in toolkits if toolkit]
    for rdf in _find_rdf(root):
        for node in rdf.children:
            if node.name == _NODE or not _is_property(node):
                properties.extend(_of_node(node))
            elif node.name not in _ARRAYS:
                properties.append((_KEYS[node.name], _value(node)))
    return properties


def _find_rdf(root: Element) -> list[Element]:
    """Return the rdf:RDF elements; none lies within another."""
    elements, todo = [], [root]
    while todo:
        element = todo.pop()
        if element.name == f"{_RDF}RDF":
            elements.append(element)
        else:
            todo.extend(reversed(element.children))
    return elements


def _is_property(node: Element) -> bool:
    """Tell a property where only nodes belong: early Yuneec cameras, and a node that a flaw has closed too early."""
    if not node.children or f"{_RDF}parseType" in node.attributes or node.name in _ARRAYS:
        return True
    return len(node.children) == 1 and node.children[0].name in (*_ARRAYS, _NODE)


def _of_node(node: Element) -> list[tuple[str, Value]]:
    """Return the properties of an rdf:Description: its attributes and its elements, and those of one that it holds."""
    properties: list[tuple[str, Value]] = []
    about = node.attributes.get(f"{_RDF}about") or node.attributes.get("about")
    if about:
        properties.append(("rdf:about", about))
    properties.extend(_attributes(node))
    for child in node.children:
        if child.name == _NODE:  # one before it has no end
            properties.extend(_of_node(child))
        elif child.name not in _ARRAYS:
            properties.append((_KEYS[child.name], _value(child)))
    return properties


def _attributes(element: Element) -> list[tuple[str, Value]]:
    return [
        (_KEYS[name], value)
        for name, value in element.attributes.items()
        if name not in _SYNTAX and name != _LANG and "}" in name
    ]


def _value(element: Element) -> Value:
    """Return the value of a property element, or of an item of an array."""
    if not element.attributes and not element.children:  # as nearly all of a long list
        return element.text
    value = _unqualified(element)
    if language := element.attributes.get(_LANG):
        if isinstance(value, dict) and "rdf:value" in value:
            return value | {"xml:lang": language}
        return {"rdf:value": value, "xml:lang": language}
    return value


def _unqualified(element: Element) -> Value:
    attributes = element.attributes
    parse_type = attributes.get(f"{_RDF}parseType")
    if parse_type == "Literal":
        return _all_text(element)
    if parse_type == "Resource":
        return _structure(element)
    if (uri := attributes.get(f"{_RDF}resource")) is not None and not element.children:
        qualifiers = dict(_attributes(element))
        return {"rdf:value": uri, **qualifiers} if qualifiers else uri
    if element.children:
        only = element.children[0]
        if len(element.children) == 1 and only.name in _ARRAYS:
            return _array(only)
        if len(element.children) == 1 and only.name == _NODE:
            return _structure(only)
        return _structure(element)
    if fields := dict(_attributes(element)):
        if element.text.strip():
            return {"rdf:value": element.text, **fields}
        return fields
    return element.text


def _structure(element: Element) -> Value:
    """Return the fields of a structure; the first of a repeated field counts."""
    fields: dict[str, Value] = dict(_attributes(element))
    for child in element.children:
        fields.setdefault(_KEYS[child.name], _value(child))
    return fields


def _array(element: Element) -> Value:
    items = [_value(item) for item in element.children]
    if element.name != f"{_RDF}Alt" or not items:
        return items
    by_language: dict[str, Value] = {}
    for item in items:
        if not isinstance(item, dict) or set(item) != {"rdf:value", "xml:lang"}:
            return items
        by_language.setdefault(str(item["xml:lang"]), item["rdf:value"])
    return by_language


def _all_text(element: Element) -> str:
    return element.text + "".join(_all_text(child) for child in element.children)


class _Keys(dict[str, str]):
    """The names of properties by those of elements: what one photo has the next one has, too."""

    def __missing__(self, name: str) -> str:
        uri, _, local = name.rpartition("}")
        key = f"{prefix_of(uri)}:{local}" if uri else local
        if len(name) < _LONG:
            if len(self) >= _MOST_KEYS:
                self.clear()
            self[name] = key
        return key


_KEYS = _Keys()
