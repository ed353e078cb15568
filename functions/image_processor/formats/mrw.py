"""Minolta's raw, MRW: blocks in front of the image data, one of which is the Exif (ExifTool's tag names, "MinoltaRaw").

Each block has a name of four characters and its length; the first one contains the others.
"""

import struct

from image_processor.formats.blocks import MAX_PACKET, Container
from image_processor.reading.ranged import Source

SIGNATURES = (b"\0MRM", b"\0MRI")  # big-endian, little-endian

MAX_BLOCKS = 50
"""Blocks of one file: cameras write four to seven."""

_HEADER = 8


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of an MRW to `container`."""
    order = ">" if head.startswith(SIGNATURES[0]) else "<"
    offset = _HEADER
    end = offset + struct.unpack_from(order + "I", head.ljust(_HEADER, b"\0"), 4)[0]
    for _ in range(MAX_BLOCKS):
        header = source.read(offset, _HEADER)
        if len(header) < _HEADER or offset + _HEADER > end:
            break
        kind, start = header[:4], offset + _HEADER
        length: int = struct.unpack_from(order + "I", header, 4)[0]
        if kind == b"\0PRD":
            sizes = source.read(start + 12, 4)
            if len(sizes) == 4:
                container.height, container.width = (value or None for value in struct.unpack(order + "HH", sizes))
        elif kind == b"\0TTW":
            data = source.read(start, min(length, MAX_PACKET))
            if len(data) < length:
                container.warn(f"mrw: only {len(data)} of {length} bytes of TTW read")
            container.add_exif(data, start, "TTW")
        offset = start + length
    if not container.exif:
        container.warn("mrw: no block with Exif")
