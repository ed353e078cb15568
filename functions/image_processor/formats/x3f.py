"""Sigma's raw, X3F: its size, and the Exif of the JPEG in it (ExifTool's tag names, "SigmaRaw").

A directory at the end of the file lists sections. Cameras since the SD14 keep a JPEG with Exif in one of them; those
before have a table of their own, which is not read.
"""

import struct

from image_processor.formats import jpeg
from image_processor.formats.blocks import Container
from image_processor.reading.ranged import Source

SIGNATURE = b"FOVb"

MAX_SECTIONS = 50
"""Sections of one file: cameras write five to ten."""

MAX_PICTURES = 4
"""Pictures of one file that are looked into: one has the Exif, another is smaller."""

_VERSION_4 = 4 << 16
_IMAGES = (b"IMA2", b"IMAG")
_IMAGE_HEADER = 28  # bytes in front of a section's picture
_JPEG = 18  # data format


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of an X3F to `container`."""
    if len(head) < 48:
        container.warn("x3f: the file ends in its header")
        return
    version = struct.unpack_from("<I", head, 4)[0]
    width, height = struct.unpack_from("<II", head, 40 if version >= _VERSION_4 else 28)
    for offset in _pictures(source):
        jpeg.embedded(source, offset, container)
        if container.exif:
            break
    else:
        container.warn("x3f: no embedded JPEG with Exif; other metadata of this format is not read")
    container.width, container.height = width or None, height or None


def _pictures(source: Source) -> list[int]:
    """Return where the JPEGs of the file start."""
    directory = int.from_bytes(source.read(source.size - 4, 4), "little")
    data = source.read(directory, 12 + 12 * MAX_SECTIONS)
    if data[:4] != b"SECd" or len(data) < 12:
        return []
    entries = min(struct.unpack_from("<I", data, 8)[0], MAX_SECTIONS, (len(data) - 12) // 12)
    sections = [struct.unpack_from("<II4s", data, 12 + 12 * number) for number in range(entries)]
    found = []
    for offset, _length, kind in sorted(sections, key=lambda section: section[2] != _IMAGES[0]):
        header = source.read(offset, _IMAGE_HEADER) if kind in _IMAGES else b""
        if len(header) == _IMAGE_HEADER and header[12:16] == struct.pack("<I", _JPEG):
            found.append(offset + _IMAGE_HEADER)
    return found[:MAX_PICTURES]
