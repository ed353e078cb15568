"""Boxes of the ISO base media file format, which HEIF, AVIF and CR3 share (ISO/IEC 14496-12, 4.2)."""

from collections.abc import Iterator
from typing import NamedTuple

from operations.page.preview.claims import Read

MOST_BOXES = 64  # side by side in a file, where each may cost a request


class Box(NamedTuple):
    """One box: its four-character type, and where its content begins and ends in the file."""

    kind: bytes
    start: int
    end: int


def boxes(read: Read, start: int, end: int, most: int = MOST_BOXES) -> Iterator[Box]:
    """List the boxes between two offsets; a size that makes no sense ends the list."""
    for _ in range(most):
        header = read(start, max(0, min(16, end - start)))
        if len(header) < 8:
            return
        size, header_bytes = int.from_bytes(header[:4], "big"), 8
        if size == 1:
            size, header_bytes = int.from_bytes(header[8:16], "big"), 16
        elif size == 0:  # all there is
            size = end - start
        if size < header_bytes:
            return
        yield Box(header[4:8], start + header_bytes, min(start + size, end))
        start += size
