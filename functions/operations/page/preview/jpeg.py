"""A JPEG: the thumbnail of its Exif block, and whether browsers show it.

The thumbnail stands in the block's second directory (Exif 3.0, 4.5.1 "Structure of Exif-specific metadata": IFD1 with
JPEGInterchangeFormat and JPEGInterchangeFormatLength).
"""

import struct
from collections.abc import Iterator

from operations.page.preview import tiff
from operations.page.preview.claims import Claim, Read

_MOST_PIXELS = 1 << 24
_MOST_SEGMENTS = 64

_SOI = b"\xff\xd8"
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive; a raw's own data are lossless, 0xC3
_ALONE = (0x01, *range(0xD0, 0xD9))
_SOS, _EOI, _APP1 = 0xDA, 0xD9, 0xE1


def claims(read: Read, base: int = 0) -> Iterator[Claim]:
    """List what the first Exif block of the JPEG at `base` says is a JPEG."""
    for marker, start in _segments(read, base):
        if marker == _APP1 and read(start + 4, 5).lower() == b"exif\0":
            yield from tiff.claims(read, start + 10)
            return


def is_shown(jpeg: bytes) -> bool:
    """Say whether these bytes are a JPEG that browsers show, and not one that unfolds into a picture of a gigabyte."""
    for marker, start in _segments(lambda offset, count: jpeg[offset : offset + count], 0):
        if marker in _FRAMES and start + 9 <= len(jpeg):
            height, width = struct.unpack_from(">HH", jpeg, start + 5)
            return 0 < int(width) * int(height) <= _MOST_PIXELS
    return False


def _segments(read: Read, base: int) -> Iterator[tuple[int, int]]:
    """List marker and offset of the segments before the scan, as far as they are there."""
    if read(base, len(_SOI)) != _SOI:
        return
    offset = base + len(_SOI)
    for _ in range(_MOST_SEGMENTS):
        head = read(offset, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (_SOS, _EOI):
            return
        marker = head[1]
        if marker == 0xFF:  # fill
            offset += 1
            continue
        yield marker, offset
        offset += 2 if marker in _ALONE else 2 + int.from_bytes(head[2:], "big")
