"""WebP: RIFF chunks (RFC 9649)."""

import struct

from image_processor.formats.blocks import MAX_PACKET, Container
from image_processor.reading.ranged import Source

MAX_CHUNKS = 2000
"""Chunks of a file whose header promises Exif or XMP; an animation has one for each frame."""

MAX_UNPROMISED = 16
"""Chunks of a file that promises none: some programs forget to, but animations are not downloaded to find out."""

_PROMISES = 0x08 | 0x04  # flags of VP8X: Exif, XMP

_FIRST = 30  # bytes of the file up to the end of what a first chunk says about the size


def is_webp(head: bytes) -> bool:
    """Tell whether an object that starts with `head` is a WebP file."""
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a WebP file to `container`; Exif and XMP stand behind the image data."""
    container.width, container.height = _size(head[:_FIRST])
    declared = int.from_bytes(head[4:8], "little") + 8
    end = declared if 12 < declared <= source.size else source.size
    if declared > source.size:
        container.warn(f"webp: the file ends {declared - source.size} bytes early")
    promises = head[12:16] == b"VP8X" and int.from_bytes(head[20:21]) & _PROMISES
    _chunks(source, end, MAX_CHUNKS if promises else MAX_UNPROMISED, container)


def _chunks(source: Source, end: int, limit: int, container: Container) -> None:
    offset = 12
    for _ in range(limit):
        if offset + 8 > end:
            return
        header = source.read(offset, 8)
        length = int.from_bytes(header[4:], "little")
        kind, start = header[:4], offset + 8
        if kind in (b"EXIF", b"XMP "):
            data = source.read(start, min(length, end - start, MAX_PACKET))
            if len(data) < length:
                container.warn(f"webp: only {len(data)} of {length} bytes of {kind.decode().strip()} read")
            add = container.add_exif if kind == b"EXIF" else container.add_xmp
            add(data, start, kind.decode().strip())
        elif length > end - start:
            container.warn("webp: the file ends inside a chunk")
        offset = start + length + (length & 1)
    if limit == MAX_CHUNKS:
        container.warn(f"webp: more than {MAX_CHUNKS} chunks")


def _size(head: bytes) -> tuple[int | None, int | None]:
    """Return width and height from the first chunk: canvas (VP8X), key frame (VP8) or lossless header (VP8L)."""
    kind, data = head[12:16], head[20:]
    if kind == b"VP8X" and len(data) >= 10:
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a" and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and data[:1] == b"\x2f" and len(data) >= 5:
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None, None
