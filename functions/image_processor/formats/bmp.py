"""BMP: has no metadata, so it is only recognised and measured.

The header has many versions, which its own length tells: Windows' from BITMAPINFOHEADER on, OS/2's first, which has
shorter numbers, and OS/2's second, of which a file may have the first 16 bytes or any more. OS/2 also puts several
pictures into one file, each led by its own header (Microsoft "Bitmap Header Types"; "OS/2 BMP" in the Just Solve wiki).
"""

import struct

from image_processor.formats.blocks import Container
from image_processor.reading.ranged import Source

_ARRAY, _ARRAY_HEADER = b"BA", 14
_OS2_FIRST, _OS2_SECOND = 12, range(16, 65)  # bytes of a header
_WINDOWS = (40, 52, 56, 64, 108, 124)
_LENGTHS = {_OS2_FIRST, *_OS2_SECOND, *_WINDOWS}
_DEPTHS = (0, 1, 2, 4, 8, 16, 24, 32, 64)


def is_bmp(head: bytes) -> bool:
    """Tell whether an object that starts with `head` is a BMP; two letters alone would not be proof enough."""
    return _header(head) is not None


def walk(_source: Source, head: bytes, container: Container) -> None:
    """Add the size; a negative height only says that the rows run from the top down."""
    width, height = _header(head) or (0, 0)
    container.width, container.height = abs(width) or None, abs(height) or None
    container.warn("bmp: this format has no metadata")


def _header(head: bytes) -> tuple[int, int] | None:
    """Return width and height as they stand in the header of the (first) picture, None if there is no such header."""
    if head.startswith(_ARRAY):
        head = head[_ARRAY_HEADER:]
    if not head.startswith(b"BM") or len(head) < 26:
        return None
    reserved = head[6:10]
    head = head.ljust(30, b"\0")
    length: int = struct.unpack_from("<I", head, 14)[0]
    width, height, planes, depth = struct.unpack_from("<HHHH" if length == _OS2_FIRST else "<iiHH", head, 18)
    is_sound = reserved == bytes(4) or (planes == 1 and depth in _DEPTHS)
    return (width, height) if length in _LENGTHS and is_sound else None
