"""Boxes of the ISO base media file format, which HEIF, AVIF, JPEG XL and JPEG 2000 share (ISO/IEC 14496-12, 4.2)."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from image_processor.budget import STEPS, Budget
from image_processor.formats.blocks import EXIF_PREFIX, MAX_PACKET, Container
from image_processor.reading import tiff
from image_processor.reading.file import MemoryFile
from image_processor.reading.ranged import Source

MAX_BOXES = 1000
"""Boxes of a file that are looked at; a far one may cost a read."""

XMP_UUID = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
"""User type of a `uuid` box with an XMP packet (XMP specification part 3, 1.2.7)."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box.

    Attributes:
        kind: four-character type.
        start: where its content starts, in bytes from the start of what was walked.
        end: where it ends, never beyond the end of what was walked.
        whole: whether all that its size promises is there.
    """

    kind: bytes
    start: int
    end: int
    whole: bool

    @property
    def length(self) -> int:
        """Bytes of the content."""
        return self.end - self.start


def boxes(source: Source, container: Container) -> Iterator[Box]:
    """Yield the boxes of a file; a size that makes no sense ends the walk."""
    for number, box in enumerate(_walk(source.read, 0, source.size, source.budget)):
        if number == MAX_BOXES:
            container.warn(f"more than {MAX_BOXES} boxes")
            return
        yield box


def boxes_in(data: bytes, offset: int, end: int, budget: Budget) -> Iterator[Box]:
    """Yield the boxes from `offset` to `end` of a content that was read before."""
    return _walk(MemoryFile(data).read_at, offset, end, budget)


def _walk(read_at: Callable[[int, int], bytes], offset: int, end: int, budget: Budget) -> Iterator[Box]:
    while offset + 8 <= end and budget.take(STEPS):
        box = _box(read_at(offset, min(16, end - offset)), offset, end)
        if box is None:
            return
        yield box
        offset = box.end


def _box(header: bytes, offset: int, end: int) -> Box | None:
    """Read a header: size and type; size 1 means that eight more bytes have it, size 0 that the box fills the rest."""
    size, kind = int.from_bytes(header[:4], "big"), header[4:8]
    length = 8
    if size == 1 and len(header) >= 16:
        size, length = int.from_bytes(header[8:16], "big"), 16
    elif size == 0:
        size = end - offset
    if size < length or len(kind) < 4:
        return None
    return Box(kind, offset + length, min(end, offset + size), offset + size <= end)


def add_xmp(source: Source, box: Box, container: Container) -> bool:
    """Add the packet of a box of a file if it is a `uuid` box with XMP; tell whether it is one."""
    if box.kind != b"uuid" or source.read(box.start, 16) != XMP_UUID:
        return False
    data = source.read(box.start + 16, min(box.length - 16, MAX_PACKET))
    if not box.whole or len(data) < box.length - 16:
        container.warn("xmp: the file ends inside the packet")
    container.add_xmp(data, box.start + 16, "uuid")
    return True


def exif_start(data: bytes) -> int:
    """Return where the TIFF structure starts in an Exif item: four bytes say how far behind them (23008-12, A.2.1)."""
    start = 4 + int.from_bytes(data[:4], "big")
    candidates = [start, 4, 0]
    if (prefix := data.find(EXIF_PREFIX, 0, 64)) >= 0:
        candidates.append(prefix + len(EXIF_PREFIX))
    return next((at for at in candidates if tiff.magic(data[at : at + 8]) is not None), start)
