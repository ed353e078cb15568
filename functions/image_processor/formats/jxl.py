"""JPEG XL: the bare codestream and the box container (ISO/IEC 18181-1 D.3, 18181-2).

A box of metadata may stand in a `brob` box, compressed with Brotli, behind its type: what cjxl does with a JPEG's.
"""

from image_processor.budget import BLOCKS
from image_processor.formats.blocks import MAX_PACKET, Container
from image_processor.formats.boxes import Box, boxes, exif_start
from image_processor.reading.inflate import unbrotli
from image_processor.reading.ranged import Source

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
CODESTREAM = b"\xff\x0a"

_METADATA = (b"Exif", b"xml ")

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZE_BITS = (9, 13, 18, 30)
_SIZE_HEADER = 12  # bytes that hold the longest size header


def walk(source: Source, head: bytes, container: Container) -> None:
    """Add the metadata of a JPEG XL file to `container`; only the container has any."""
    if head.startswith(CODESTREAM):
        container.width, container.height = _size(head)
        return
    for box in boxes(source, container):
        if box.kind in (b"jxlc", b"jxlp") and container.width is None:
            # A part of a codestream is led by its number.
            container.width, container.height = _size(
                source.read(box.start + 4 * (box.kind == b"jxlp"), min(box.length, _SIZE_HEADER))
            )
        elif box.kind in _METADATA:
            _add(box.kind, _content(source, box, container), box, container)
        elif box.kind == b"brob" and (kind := source.read(box.start, 4)) in _METADATA:
            compressed = _content(source, box, container)[4:]
            data, is_all = unbrotli(compressed, min(MAX_PACKET, container.budget.left(BLOCKS)), container.budget)
            if is_all:
                _add(kind, data, box, container)
            else:  # cut, broken, or without end
                container.warn(f"jxl: box {kind.decode().strip()}, compressed with Brotli, not readable")


def _content(source: Source, box: Box, container: Container) -> bytes:
    data = source.read(box.start, min(box.length, MAX_PACKET))
    if not box.whole or len(data) < box.length:
        container.warn(f"jxl: box {box.kind.decode().strip()} is cut")
    return data


def _add(kind: bytes, data: bytes, box: Box, container: Container) -> None:
    name = kind.decode().strip()
    if kind == b"Exif":
        skip = exif_start(data)
        container.add_exif(data[skip:], box.start + skip, name)
    else:
        container.add_xmp(data, box.start, name)


def _size(codestream: bytes) -> tuple[int | None, int | None]:
    """Return width and height from the size header, whose bits are packed from the lowest on."""
    if not codestream.startswith(CODESTREAM) or len(codestream) < 3:
        return None, None
    bits = _Bits(int.from_bytes(codestream[2:_SIZE_HEADER], "little"))
    small = bits.take(1)
    height = _length(bits, small)
    ratio = bits.take(3)
    if not ratio:
        return _length(bits, small), height
    numerator, denominator = _RATIOS[ratio - 1]
    return height * numerator // denominator, height


def _length(bits: "_Bits", small: int) -> int:
    return (bits.take(5) + 1) * 8 if small else bits.take(_SIZE_BITS[bits.take(2)]) + 1


class _Bits:
    def __init__(self, value: int) -> None:
        self._value = value

    def take(self, count: int) -> int:
        bits = self._value & (1 << count) - 1
        self._value >>= count
        return bits
