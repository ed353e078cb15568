"""Fujifilm's raw, RAF: a header with offsets, a JPEG whose Exif is the photo's, and a directory with the raw's size.

All numbers are big-endian (libopenraw, "RAF"; ExifTool's tag names, "FujiFilm RAF").
"""

import struct

from image_processor.budget import STEPS
from image_processor.formats import jpeg
from image_processor.formats.blocks import Container
from image_processor.reading.ranged import Source

SIGNATURE = b"FUJIFILMCCD-RAW "

MAX_DIRECTORY = 64 * 1024
"""Bytes of the directory: a camera writes some hundreds, then one table of 10 KB or so."""

MAX_ENTRIES = 256

_OFFSETS = 84  # where in the header the offset of the JPEG stands, its length, and both of the directory
_RAW_SIZE, _CROPPED_SIZE = 0x100, 0x111  # of the whole sensor, and of what the camera means to be the photo


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a RAF to `container`."""
    if len(head) < _OFFSETS + 16:
        container.warn("raf: the file ends in its header")
        return
    preview, _length, directory, length = struct.unpack_from(">4I", head, _OFFSETS)
    # Stands in the first GET; the directory, behind the JPEG, costs another.
    if preview:
        jpeg.embedded(source, preview, container)
    else:
        container.warn("raf: no embedded JPEG, which has the metadata")
    container.width, container.height = _size(source, directory, length, container)
    if not container.width:
        container.warn("raf: the size of the raw image was not found")


def _size(source: Source, start: int, length: int, container: Container) -> tuple[int | None, int | None]:
    """Return width and height from the directory: entries of number, length and value, one after the other."""
    data = source.read(start, min(length, MAX_DIRECTORY)) if start else b""
    sizes: dict[int, tuple[int, int]] = {}
    offset = 4
    for _ in range(min(int.from_bytes(data[:4], "big"), MAX_ENTRIES)):
        if offset + 4 > len(data) or not container.budget.take(STEPS):
            break
        tag, width = struct.unpack_from(">HH", data, offset)
        if tag in (_RAW_SIZE, _CROPPED_SIZE) and width >= 4 and offset + 8 <= len(data):
            sizes.setdefault(tag, struct.unpack_from(">HH", data, offset + 4))
        offset += 4 + width
    height, width = sizes.get(_CROPPED_SIZE) or sizes.get(_RAW_SIZE) or (0, 0)
    return width or None, height or None
