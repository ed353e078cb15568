"""The `mini` box: one image in a few bytes, as HEIF and AVIF files of brand `mif3` have it in the place of `meta`.

A string of bits says what there is and how large it is (ISO/IEC 23008-12, MinimizedImageBox; libavif, `src/read.c`).
The contents follow in a fixed order with Exif and XMP last, so these are found from the end of the box.
"""

from image_processor.formats.blocks import Container
from image_processor.formats.boxes import Box, exif_start
from image_processor.reading.ranged import Source

_HEADER = 256  # bytes that hold the longest string of bits
_CLLI, _MDCV, _AMVE, _REVE, _NDWT = 32, 192, 64, 128, 32  # bits of what is said of the light
_PRIMARIES, _LUMINANCE = 192, 32


class _Bits:
    """Numbers of any width, one after the other, from the highest bit on; IndexError at the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError(count)
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def flags(self, count: int) -> list[int]:
        return [self.take(1) for _ in range(count)]


def add(source: Source, box: Box, container: Container) -> None:
    """Add size, Exif and XMP of a `mini` box to `container`."""
    bits = _Bits(source.read(box.start, min(box.length, _HEADER)))
    try:
        exif, xmp, is_compressed = _lengths(bits, container)
    except IndexError:
        container.warn("heif: box mini ends early")
        return
    if not exif and not xmp:
        return
    if not box.whole or exif + xmp > box.length:
        container.warn("heif: box mini is cut, its metadata not read")
    elif is_compressed:
        container.warn("heif: metadata in box mini is compressed and was not read")
    else:
        start = box.end - xmp - exif
        if exif:
            data = source.read(start, exif)
            skip = exif_start(data)
            container.add_exif(data[skip:], start + skip, "mini")
        if xmp:
            container.add_xmp(source.read(box.end - xmp, xmp), box.end - xmp, "mini")


def _lengths(bits: _Bits, container: Container) -> tuple[int, int, int]:
    """Set the size; return the bytes of Exif and XMP, and whether they are compressed."""
    bits.take(2)  # version
    has_codecs, is_float, _range, has_alpha, has_cicp, has_hdr, has_icc, has_exif, has_xmp = bits.flags(9)
    chroma, _orientation = bits.take(2), bits.take(3)
    dimension = 15 if bits.take(1) else 7
    container.width, container.height = bits.take(dimension) + 1, bits.take(dimension) + 1
    _skip_chroma(bits, chroma)
    _skip_depth(bits, is_float)
    bits.take(has_alpha)  # is premultiplied
    bits.take(has_cicp * (24 if chroma else 16))
    bits.take(has_codecs * 64)
    has_gain_map, has_its_icc = _skip_light(bits, dimension) if has_hdr else (0, 0)
    metadata = 20 if (has_icc or has_exif or has_xmp or has_gain_map) and bits.take(1) else 10
    configuration = 12 if bits.take(1) else 3
    item = 28 if bits.take(1) else 15
    bits.take(has_icc * metadata)
    bits.take(has_its_icc * metadata)
    if has_gain_map:
        bits.take(metadata)
        bits.take(configuration if bits.take(item) else 0)
    bits.take(configuration)
    bits.take(item)
    if has_alpha:
        bits.take(configuration if bits.take(item) else 0)
    is_compressed = bits.take(1) if has_exif or has_xmp else 0
    exif = bits.take(metadata) + 1 if has_exif else 0
    return exif, bits.take(metadata) + 1 if has_xmp else 0, is_compressed


def _skip_chroma(bits: _Bits, chroma: int) -> None:
    """Skip where the chroma samples stand: for 4:2:0 in both directions, for 4:2:2 in one."""
    bits.take({1: 2, 2: 1}.get(chroma, 0))


def _skip_depth(bits: _Bits, is_float: int) -> None:
    if is_float:
        bits.take(2)
    elif bits.take(1):
        bits.take(3)


def _skip_light(bits: _Bits, dimension: int) -> tuple[int, int]:
    """Skip the high dynamic range's properties; return whether there is a gain map, and a profile for its result."""
    has_gain_map, has_icc = bits.take(1), 0
    if has_gain_map:
        bits.take(2 * dimension + 8 + 1)  # width, height, matrix, range
        _skip_chroma(bits, bits.take(2))
        _skip_depth(bits, bits.take(1))
        has_icc = bits.take(1)
        bits.take(bits.take(1) * 25)
    for _ in range(1 + has_gain_map):
        _skip_volumes(bits)
    return has_gain_map, has_icc


def _skip_volumes(bits: _Bits) -> None:
    clli, mdcv, cclv, amve, reve, ndwt = bits.flags(6)
    bits.take(clli * _CLLI + mdcv * _MDCV)
    if cclv:
        _cancel, _persistence, primaries, *luminances = bits.flags(6)
        bits.take(2 + primaries * _PRIMARIES + sum(luminances) * _LUMINANCE)
    bits.take(amve * _AMVE + reve * _REVE + ndwt * _NDWT)
