"""BMP: has no metadata, so it is only recognised and measured (Microsoft BITMAPINFOHEADER)."""

import struct

from image_processor.formats.blocks import Container
from image_processor.reading.ranged import Source

_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # lengths of the header's versions


def is_bmp(head: bytes) -> bool:
    """Tell whether an object that starts with `head` is a BMP; two letters alone would not be proof enough."""
    return (
        head[:2] == b"BM"
        and head[6:10] == bytes(4)
        and len(head) >= 26
        and struct.unpack_from("<I", head, 14)[0] in _HEADERS
    )


def walk(_source: Source, head: bytes, container: Container) -> None:
    """Add the size; a negative height only says that the rows run from the top down."""
    code = "<HH" if head[14] == 12 else "<ii"
    width, height = struct.unpack_from(code, head, 18)
    container.width, container.height = abs(width) or None, abs(height) or None
    container.warn("bmp: this format has no metadata")
