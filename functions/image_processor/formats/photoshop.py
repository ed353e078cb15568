"""Photoshop image resources: the blocks in a JPEG's APP13, TIFF tag 34377 and PSD files that carry IPTC, XMP or Exif.

(Adobe Photoshop File Formats Specification, "Image Resource Blocks".)
"""

import struct
from collections.abc import Iterator

from image_processor.formats.blocks import Container

IPTC, EXIF, XMP = 0x0404, 0x0422, 0x0424

MAX_RESOURCES = 500
"""Resources of one file: real files have under 100."""

MAX_BYTES = 4 * 1024 * 1024
"""Bytes of resources that are read: they also hold thumbnails and paths, IPTC itself is a few KB."""

_SIGNATURES = (b"8BIM", b"PHUT", b"AgHg", b"DCSR", b"MeSa")


def resources(data: bytes, container: Container) -> Iterator[tuple[int, int, bytes]]:
    """Yield (id, offset, content) of each resource; stops where the blocks stop making sense.

    Content is cut where `data` ends, so a resource whose length lies yields what is there.
    """
    offset = 0
    for _ in range(MAX_RESOURCES):
        if data[offset : offset + 4] not in _SIGNATURES or offset + 12 > len(data):
            return
        number = struct.unpack_from(">H", data, offset + 4)[0]
        name_end = offset + 6 + (data[offset + 6] + 2 & ~1)  # Pascal string, padded to even
        if name_end + 4 > len(data):
            return
        length = struct.unpack_from(">I", data, name_end)[0]
        start = name_end + 4
        yield number, start, data[start : start + length]
        offset = start + (length + 1 & ~1)
    container.warn(f"photoshop: only the first {MAX_RESOURCES} resources read")


def add_iptc(data: bytes, offset: int, where: str, container: Container) -> None:
    """Add the IPTC record among resources, or the record itself where a program stored it without them."""
    if data[:1] == b"\x1c":
        container.add_iptc(data, offset, where)
    for number, start, content in resources(data, container):
        if number == IPTC:
            container.add_iptc(content, offset + start, where)
