"""Minimal image files, built by hand: each function returns bytes that a test can bend."""

import binascii
import struct
import zlib
from dataclasses import dataclass
from typing import Any

MAKE, ORIENTATION, EXIF_IFD, GPS_IFD, SUB_IFDS, XMP, IPTC = 271, 274, 34665, 34853, 330, 700, 33723
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, DOUBLE = 2, 3, 4, 5, 7, 12


@dataclass(frozen=True)
class Raw:
    """A directory entry that says whatever the test wants; `value` fills the value field."""

    type: int
    count: int
    value: int


def ascii_value(text: str) -> tuple[int, int, bytes]:
    """Make an ASCII value with its NUL."""
    data = text.encode() + b"\0"
    return ASCII, len(data), data


def long_value(*numbers: int, order: str = "<") -> tuple[int, int, bytes]:
    """Make LONG values."""
    return LONG, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers)


def bytes_value(data: bytes) -> tuple[int, int, bytes]:
    """Make UNDEFINED bytes."""
    return UNDEFINED, len(data), data


def tiff(*chain: dict[int, Any], order: str = "<", big: bool = False, last_next: int = 0) -> bytes:
    """Make a TIFF: each dict is a directory, tag to (type, count, bytes), `Raw`, or the directories below it."""
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, 16) if big else (42, 8)))
    out = bytearray(head)
    for number, tags in enumerate(chain):
        is_last = number == len(chain) - 1
        out += directory(tags, len(out), order, big, last_next if is_last else None)
    return bytes(out)


def directory(tags: dict[int, Any], offset: int, order: str, big: bool, following: int | None) -> bytes:
    """Make a directory that stands at an offset, with what its entries point to behind it."""
    count, entry, pointer = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    width = struct.calcsize("<" + pointer)
    size = struct.calcsize("<" + count) + len(tags) * struct.calcsize("<" + entry) + width
    table, values = bytearray(struct.pack(order + count, len(tags))), bytearray()
    for tag in sorted(tags):
        value = tags[tag]
        if isinstance(value, Raw):
            kind, number, data = value.type, value.count, struct.pack(order + pointer, value.value)
        elif isinstance(value, dict | list):
            offsets = []
            for below in value if isinstance(value, list) else [value]:
                offsets.append(offset + size + len(values))
                values += directory(below, offsets[-1], order, big, 0)
            kind, number = (18 if big else LONG), len(offsets)
            data = struct.pack(f"{order}{number}{pointer}", *offsets)
        else:
            kind, number, data = value
        if len(data) > width:
            data, place = struct.pack(order + pointer, offset + size + len(values)), data
            values += place
        table += struct.pack(order + entry, tag, kind, number, data)
    end = offset + size + len(values)
    return bytes(table + struct.pack(order + pointer, end if following is None else following) + values)


def segment(marker: int, data: bytes) -> bytes:
    """Make one JPEG marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def exif_segment(structure: bytes) -> bytes:
    """Make APP1 with Exif."""
    return segment(0xE1, b"Exif\0\0" + structure)


def xmp_segment(packet: bytes) -> bytes:
    """Make APP1 with an XMP packet."""
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet)


def extended_segment(guid: bytes, full_length: int, offset: int, part: bytes) -> bytes:
    """Make APP1 with a part of an Extended XMP document."""
    return segment(
        0xE1, b"http://ns.adobe.com/xmp/extension/\0" + guid + struct.pack(">II", full_length, offset) + part
    )


SCAN = segment(0xDA, bytes.fromhex("01010000 3f00".replace(" ", ""))) + b"\x7f\xff\xd9"


def jpeg(*segments: bytes, width: int = 8, height: int = 6, scan: bytes = SCAN) -> bytes:
    """Make a JPEG with these segments before its frame header, and an image that decodes to nothing."""
    frame = segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    return b"\xff\xd8" + b"".join(segments) + frame + scan


def packet(properties: str = 'dc:format="image/jpeg"', body: str = "") -> bytes:
    """Make an XMP packet with attributes, and elements if asked for."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"'
        f" {properties}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def iptc_record() -> bytes:
    """Make an IPTC-IIM record with one keyword (2:25)."""
    return b"\x1c\x02\x19\x00\x06bridge"


def resource(number: int, content: bytes, name: bytes = b"") -> bytes:
    """Make one Photoshop image resource."""
    label = bytes([len(name)]) + name
    return (
        b"8BIM"
        + struct.pack(">H", number)
        + label
        + bytes(len(label) & 1)
        + struct.pack(">I", len(content))
        + content
        + bytes(len(content) & 1)
    )


def psd(*resources: bytes, mode: bytes = b"") -> bytes:
    """Make a Photoshop document of 8 x 6 pixels with these image resources, and without layers."""
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 6, 8, 8, 3)
    section = b"".join(resources)
    return head + struct.pack(">I", len(mode)) + mode + struct.pack(">I", len(section)) + section


def chunk(kind: bytes, data: bytes) -> bytes:
    """Make one PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", binascii.crc32(kind + data))


def png(*chunks: bytes, width: int = 8, height: int = 6) -> bytes:
    """Make a PNG of exactly these chunks between header and end."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def itxt(keyword: bytes, text: bytes, compress: bool = False) -> bytes:
    """Make an international text chunk."""
    return chunk(
        b"iTXt", keyword + b"\0" + bytes([compress, 0]) + b"\0\0" + (zlib.compress(text) if compress else text)
    )


def raw_profile(kind: str, data: bytes) -> bytes:
    """Make a zTXt chunk as ImageMagick writes profiles: hexadecimal, 36 bytes a line."""
    digits = data.hex()
    lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    text = f"\n{kind}\n{len(data):8}\n{lines}\n"
    return chunk(b"zTXt", f"Raw profile type {kind}".encode() + b"\0\0" + zlib.compress(text.encode()))


def riff_chunk(kind: bytes, data: bytes) -> bytes:
    """Make one RIFF chunk."""
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)


def webp(*chunks: bytes) -> bytes:
    """Make a WebP of these chunks."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def vp8x(width: int = 8, height: int = 6, flags: int = 0x0C) -> bytes:
    """Make the header chunk of an extended WebP."""
    return riff_chunk(
        b"VP8X", bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )


def box(kind: bytes, data: bytes) -> bytes:
    """Make one box."""
    return struct.pack(">I", len(data) + 8) + kind + data


def full_box(kind: bytes, data: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Make one box with version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags) + data)


@dataclass(frozen=True)
class Item:
    """An item of a HEIF file.

    Attributes:
        kind: item type, `Exif`, `mime` or `jpeg`.
        data: its bytes.
        describes: item that it is about.
        reference: in which way: `cdsc` describes it, `thmb` is a thumbnail of it.
        in_idat: whether it stands in the `idat` box (construction method 1).
    """

    kind: bytes
    data: bytes
    describes: int | None = 1
    in_idat: bool = False
    reference: bytes = b"cdsc"


def exif_item(structure: bytes, **options: Any) -> Item:
    """Make an Exif item: the offset of the TIFF structure, then the structure behind its prefix."""
    return Item(b"Exif", struct.pack(">I", 6) + b"Exif\0\0" + structure, **options)


def heif(*items: Item, brand: bytes = b"heic", gap: int = 0, meta_size: int | None = None) -> bytes:
    """Make a HEIF file whose item 1 is an (empty) image of 8 x 6 pixels; the others are these, `gap` bytes behind."""
    types = [(1, b"hvc1", b"")] + [
        (number, item.kind, b"application/rdf+xml\0" if item.kind == b"mime" else b"")
        for number, item in enumerate(items, 2)
    ]
    infos = b"".join(
        full_box(b"infe", struct.pack(">HH", number, 0) + kind + b"\0" + extra, version=2)
        for number, kind, extra in types
    )
    iinf = full_box(b"iinf", struct.pack(">H", len(types)) + infos)
    references = b"".join(
        box(item.reference, struct.pack(">HHH", number, 1, item.describes))
        for number, item in enumerate(items, 2)
        if item.describes is not None
    )
    ispe = full_box(b"ispe", struct.pack(">II", 8, 6))
    ipma = full_box(b"ipma", struct.pack(">IHBB", 1, 1, 1, 0x81))
    idat = b"".join(item.data for item in items if item.in_idat)
    parts = (
        full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + full_box(b"pitm", struct.pack(">H", 1))
        + iinf
        + full_box(b"iref", references)
        + box(b"iprp", box(b"ipco", ispe) + ipma)
        + (box(b"idat", idat) if idat else b"")
    )
    ftyp = box(b"ftyp", brand + bytes(4) + b"mif1" + brand)
    iloc_length = 8 + 4 + 4 + len(items) * 16
    start = len(ftyp) + 12 + len(parts) + iloc_length + 8 + gap
    entries, place, inside = b"", start, 0
    for number, item in enumerate(items, 2):
        offset = inside if item.in_idat else place
        entries += struct.pack(">HHHHII", number, item.in_idat, 0, 1, offset, len(item.data))
        inside += len(item.data) * item.in_idat
        place += len(item.data) * (not item.in_idat)
    iloc = full_box(b"iloc", struct.pack(">HH", 0x4400, len(items)) + entries, version=1)
    meta = bytearray(full_box(b"meta", parts + iloc))
    if meta_size is not None:
        meta[:4] = struct.pack(">I", meta_size)
    mdat = bytes(gap) + b"".join(item.data for item in items if not item.in_idat)
    return ftyp + bytes(meta) + box(b"mdat", mdat)
