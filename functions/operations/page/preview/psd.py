"""Photoshop documents, PSD and PSB: the image resources before the layers (Photoshop File Formats Specification)."""

import struct
from collections.abc import Iterator

from operations.page.preview import tiff
from operations.page.preview.claims import Claim, Read

_HEADER = 26  # bytes, followed by colour mode data and image resources, each led by its length
_MOST_RESOURCES = 200
_MOST_NAME = 256
_THUMBNAIL, _EXIF = 1036, 1058
_IS_JPEG = 1  # the format of a thumbnail
_BEFORE_JPEG = 28  # format, sizes and depth ("Thumbnail resource format")


def claims(read: Read) -> Iterator[Claim]:
    """List the thumbnail, and what the Exif block says is one."""
    section = _HEADER + 4 + _number(read, _HEADER)
    offset, end = section + 4, section + 4 + _number(read, section)
    for _ in range(_MOST_RESOURCES):
        head = read(offset, 6 + _MOST_NAME + 4)
        name_end = 6 + (head[6] + 2 & ~1) if len(head) > 6 else 0  # its length, and the name, padded to even
        if offset >= end or head[:4] != b"8BIM" or len(head) < name_end + 4:
            return
        number, length = struct.unpack_from(">H", head, 4)[0], struct.unpack_from(">I", head, name_end)[0]
        start = offset + name_end + 4
        if number == _THUMBNAIL and _number(read, start) == _IS_JPEG:
            yield Claim(start + _BEFORE_JPEG, length - _BEFORE_JPEG)
        elif number == _EXIF:
            yield from tiff.claims(read, start)
        offset = start + (length + 1 & ~1)


def _number(read: Read, offset: int) -> int:
    return int.from_bytes(read(offset, 4), "big")
