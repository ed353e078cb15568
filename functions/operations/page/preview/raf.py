"""Fujifilm's raw, RAF: its header says where a JPEG stands, which has a thumbnail of its own.

All numbers are big-endian (libopenraw, "RAF"; ExifTool's tag names, "FujiFilm RAF"). The JPEG is as large as the photo
in newer cameras, and then its thumbnail is the preview.
"""

import struct
from collections.abc import Iterator

from operations.page.preview import jpeg
from operations.page.preview.claims import Claim, Read

_JPEG = 84  # where in the header its offset and its length stand


def claims(read: Read) -> Iterator[Claim]:
    """List the JPEG and its thumbnail."""
    places = read(_JPEG, 8)
    if len(places) == 8:
        offset, length = struct.unpack(">II", places)
        yield Claim(offset, length)
        yield from jpeg.claims(read, offset)
