"""Panasonic's and Leica's raws, RW2, RAW and RWL: TIFF files with tags of their own, and a JPEG that has the rest.

The first directory numbers its tags from 1 in Panasonic's way (ExifTool's tag names, "PanasonicRaw"). Software and
maker note stand in the Exif of the JPEG alone.
"""

from dataclasses import replace

from image_processor.formats import jpeg, raw_tiff, tiff_file
from image_processor.formats.blocks import Container
from image_processor.reading import tiff
from image_processor.reading.ranged import Source
from image_processor.reading.tiff import Ifd

DIRECTORY = "PanasonicRaw"
"""Name of the directory of Panasonic's own tags."""

NAMES = {
    0x01: "PanasonicRawVersion",
    0x02: "SensorWidth",
    0x03: "SensorHeight",
    0x04: "SensorTopBorder",
    0x05: "SensorLeftBorder",
    0x06: "SensorBottomBorder",
    0x07: "SensorRightBorder",
    0x08: "SamplesPerPixel",
    0x09: "CFAPattern",
    0x0A: "BitsPerSample",
    0x0B: "Compression",
    0x17: "ISO",
    0x2D: "RawFormat",
    0x2E: "JpgFromRaw",
    0x37: "ISO2",
    0x118: "RawDataOffset",
    0x119: "DistortionInfo",
    0x11C: "Gamma",
    0x120: "CameraIFD",
    0x121: "Multishot",
    0x127: "JpgFromRaw2",
}
"""Panasonic's names where they are known; all tags below 0x100 are its own."""


def is_panasonic(head: bytes) -> bool:
    """Tell whether an object that starts with `head` is such a raw."""
    return tiff.magic(head) == tiff.PANASONIC


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a raw to `container`."""
    tiff_file.walk(source, head, container)
    ifds = container.exif[0].ifds
    if not ifds:
        return
    own = Ifd(DIRECTORY, ifds[0].offset, {tag: raw for tag, raw in ifds[0].tags.items() if _is_own(tag)})
    standard = {tag: raw for tag, raw in ifds[0].tags.items() if not _is_own(tag)}
    if (speed := own.tags.get(0x17) or own.tags.get(0x37)) and tiff.ISO not in standard:
        standard[tiff.ISO] = replace(speed, tag=tiff.ISO)
    ifds[:1] = [replace(ifds[0], tags=standard), own]
    if raw_tiff.make_of(ifds[0]).startswith(b"leica"):
        container.content_type = "image/x-leica-rwl"
    container.width, container.height = _extent(own, 0x05, 0x07), _extent(own, 0x04, 0x06)
    preview = own.tags.get(0x2E) or own.tags.get(0x127)
    if preview is None or not preview.length:
        container.warn("rw2: no embedded JPEG, which has software and maker note")
        return
    jpeg.embedded(source, preview.offset, container)


def _is_own(tag: int) -> bool:
    return tag < 0x100 or tag in NAMES


def _extent(ifd: Ifd, first: int, end: int) -> int | None:
    """Return the pixels between two borders of the sensor's picture."""
    start, behind = ifd.integer(first), ifd.integer(end)
    return behind - start if start is not None and behind is not None and behind > start else None
