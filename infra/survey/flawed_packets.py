"""XMP packets with flaws that never were: sound ones of every form, mutated in one place, each out of a seed.

A packet is made of parts: the wrapper's, and one for each property. A mutation changes bytes of one part alone, or cuts
the packet off, so that what it may change is known: the property of that part, and what its new bytes name; of what was
cut, parts of lists and structures are left, and no part of a text. `wrong` says what else it changed.
"""

import random
from dataclasses import dataclass

import orjson

from image_processor.budget import Budget
from image_processor.tags import xmp
from image_processor.tags.text import windows_1252

_NAMESPACES = {
    "drone-dji": "http://www.dji.com/drone-dji/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "acme": "http://ns.example.com/acme/1.0/",
}
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
_NUMBERS = ("AbsoluteAltitude", "RelativeAltitude", "GimbalYawDegree", "FlightYawDegree", "RtkStdLat", "GpsLatitude")
_WORDS = ("source", "format", "identifier", "relation", "coverage", "type")
_TEXTS = ("Brücke", "a &amp; b", "&#x20AC; 5", "Smith's", "x=1 y=2", "測量 😀", "-12.5", "", "QUJD==")
_TOKENS = (
    *(b"<", b">", b"&", b'"', b"'", b"=", b"/", b"!", b"-", b"?", b"[", b":", b" ", b"\n", b"\0", b"\x01", b"\x1b"),
    *(b"\x80", b"\xc3", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"7", b"x", b"</", b"/>", b"<a>", b"<!--"),
    *(b"-->", b"<![CDATA[", b"]]>", b"<?", b"?>", b"&#0;", b"&#1114112;", b"&#xD800;", b"&e;", b"&lt", b"<!DOCTYPE x>"),
    *(b"</rdf:Description>", b"<rdf:Description>", b"</rdf:li>", b"<rdf:li>", b"</rdf:Bag>", b' xmlns:dc="u"', b"{u}"),
)


@dataclass(frozen=True, slots=True)
class Packet:
    """A sound packet.

    Attributes:
        parts: its bytes, cut into parts.
        names: of each part the property that it makes, or an empty text for a part of the wrapper.
        properties: what the strict reader makes of it.
    """

    parts: tuple[bytes, ...]
    names: tuple[str, ...]
    properties: dict[str, xmp.Value]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A packet with one part changed, or cut off.

    Attributes:
        packet: the sound one.
        part: which part was changed.
        content: what stands in its place.
        end: where the packet is cut off, if it is.
    """

    packet: Packet
    part: int
    content: bytes
    end: int | None = None

    @property
    def data(self) -> bytes:
        """The mutated packet."""
        parts = self.packet.parts
        return b"".join((*parts[: self.part], self.content, *parts[self.part + 1 :]))[: self.end]


def packets(count: int, seed: int) -> list[Packet]:
    """Make so many sound packets."""
    chance = random.Random(seed)
    return [_packet(chance) for _ in range(count)]


def mutation(packet: Packet, seed: int) -> Mutation:
    """Change one part of a packet in one to four places; every eighth is cut off instead."""
    chance = random.Random(seed)
    if seed % 8 == 0:
        return Mutation(packet, 0, packet.parts[0], end=chance.randrange(sum(map(len, packet.parts))))
    part = chance.randrange(len(packet.parts))
    content = packet.parts[part]
    for _ in range(chance.choice((1, 1, 2, 4))):
        content = _changed(chance, content, packet)
    return Mutation(packet, part, content)


def wrong(mutation: Mutation) -> str | None:
    """Tell what a reader makes of a mutated packet and may not; None if all is well.

    A property is as it was or absent, unless the changed part made it or has its name in it. One that was not there has
    a name that the sound packet did not have, or is an old one under a prefix whose declaration was changed or cut off.
    Every value can be written, and there are no more than the packet's bytes can have made.
    """
    data, sound = mutation.data, mutation.packet.properties
    document = xmp.read([data], Budget())
    if len(orjson.dumps(document.properties)) > 20 * len(data) + 1000:
        return "more than the packet can have made"
    if document.properties and document.packets != 1:
        return "properties of no packet"
    if mutation.end is not None:
        return _wrong_in_cut(document, sound)
    changed = mutation.packet.parts[mutation.part], mutation.content
    words = "".join(f"{part.decode(errors='replace')} {windows_1252(part)} " for part in changed)
    moved = {(name.partition(":")[2], _bare(value)) for name, value in sound.items()}
    locals_ = {local for local, _ in moved}
    whole = b"".join(mutation.packet.parts).decode()
    for name, value in document.properties.items():
        local = name.partition(":")[2]
        if name == mutation.packet.names[mutation.part] or local in words:
            continue
        if name not in sound and (local, _bare(value)) not in moved and (name in whole or local in locals_):
            return f"{name} was not there: {value!r}"
        if isinstance(value, dict) and b"xmlns:rdf=" in mutation.content:
            continue  # it says that what looks like RDF is none
        if name in sound and value not in ("", sound[name]):
            return f"{name} was {sound[name]!r}: {value!r}"
    return None


def _wrong_in_cut(document: xmp.Document, sound: dict[str, xmp.Value]) -> str | None:
    for name, value in document.properties.items():
        if name not in sound or not _is_part(value, sound[name]):
            return f"{name} was {sound.get(name)!r}, and of a packet that was cut off {value!r}"
    return None


def _is_part(value: xmp.Value, whole: xmp.Value) -> bool:
    """Tell whether a value is what is left of another: its first items, some of its fields, its text or nothing."""
    if isinstance(value, list) and isinstance(whole, list):
        return all(map(_is_part, value, whole)) and len(value) <= len(whole)
    if isinstance(value, dict) and isinstance(whole, dict):
        return all(name in whole and _is_part(item, whole[name]) for name, item in value.items())
    return value in ("", [], {}, whole)


def _bare(value: xmp.Value) -> str:
    """Give a value as a text without the prefixes in it."""
    if isinstance(value, dict):
        return repr([(name.rpartition(":")[2], _bare(item)) for name, item in value.items()])
    return repr([_bare(item) for item in value]) if isinstance(value, list) else value


def _packet(chance: random.Random) -> Packet:
    quote = chance.choice("\"'")
    blank = chance.choice((" ", "\n   "))
    attributes, elements = _properties(chance)
    parts = [("", _head(chance))]
    for name, text in attributes:
        text = text.replace("'", "&apos;")
        parts += [("", blank), (name, f"{name}={quote}{text}{quote}")]
    parts.append(("", ">"))
    for number, (name, body) in enumerate(elements):
        if number == len(elements) // 2 and chance.random() < 0.3:
            parts.append(("", f"</rdf:Description><!-- next -->\n<rdf:Description {_DECLARED}>"))
        parts += [(name, body), ("", chance.choice(("", "\n  ")))]
    parts.append(("", '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'))
    encoded = tuple(text.encode() for _, text in parts)
    document = xmp.read([b"".join(encoded)], Budget())
    assert document.warnings == []
    names = tuple(name.replace("acme:", "example.com-acme:") for name, _ in parts)
    assert {name for name in names if name} == document.properties.keys()
    return Packet(encoded, names, document.properties)


def _head(chance: random.Random) -> str:
    on_rdf = chance.random() < 0.5
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" {_DECLARED if on_rdf else ""}>'
        f'<rdf:Description rdf:about="" {"" if on_rdf else _DECLARED}'
    )


def _properties(chance: random.Random) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Draw properties as attributes, and as elements of every form."""
    numbers = [(f"drone-dji:{name}", f"{chance.uniform(-180, 180):+.2f}") for name in _NUMBERS]
    words = [(f"dc:{name}", chance.choice(_TEXTS)) for name in _WORDS]
    simple = numbers + words
    chance.shuffle(simple)
    cut = chance.randrange(len(simple) + 1)
    elements = [(name, f"<{name}>{text}</{name}>") for name, text in simple[cut:]]
    one, two = chance.choice(_TEXTS), chance.choice(_TEXTS)
    elements += [
        ("dc:subject", f"<dc:subject><rdf:Bag><rdf:li>{one}</rdf:li>\n<rdf:li>{two}</rdf:li></rdf:Bag></dc:subject>"),
        ("dc:title", f'<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{one}</rdf:li></rdf:Alt></dc:title>'),
        ("exif:Flash", '<exif:Flash rdf:parseType="Resource"><exif:Fired>True</exif:Fired></exif:Flash>'),
        ("acme:a", f"<acme:a><rdf:Description><acme:b>{one}</acme:b></rdf:Description></acme:a>"),
        ("acme:c", "<acme:c><![CDATA[<acme:d>1</acme:d>]]></acme:c>"),
        ("acme:e", '<acme:e acme:f="1" acme:g="2"/>'),
    ]
    chance.shuffle(elements)
    return simple[:cut], elements


def _changed(chance: random.Random, content: bytes, packet: Packet) -> bytes:
    at = chance.randrange(len(content) + 1)
    match chance.randrange(6):
        case 0:
            return content[:at] + chance.choice(_TOKENS) + content[at:]
        case 1:
            return content[:at] + chance.choice(_TOKENS) + content[at + 1 :]
        case 2:
            return content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :]
        case 3:
            return content[:at] + content[at + chance.randrange(1, 9) :]
        case 4:
            return content[:at] + content[max(0, at - chance.randrange(1, 40)) : at] + content[at:]
        case _:
            other = chance.choice(packet.parts)
            start = chance.randrange(len(other) + 1)
            return content[:at] + other[start : start + chance.randrange(1, 60)] + content[at:]
