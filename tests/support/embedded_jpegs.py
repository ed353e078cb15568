"""Photos with JPEGs embedded in them, of every kind of which the page reads them."""

import struct
from collections.abc import Callable
from typing import Any

from infra.doubles.image_files import Raw, jpeg, resource, tiff
from infra.doubles.raw_files import short_value

THUMBNAIL = jpeg(width=160, height=120)
LARGER = jpeg(width=1024, height=768, scan=bytes(5000))


def with_jpegs(*embedded: bytes, order: str = "<", more: Callable[[int], dict[int, Any]] | None = None) -> bytes:
    """Make a TIFF whose directories behind the first one each say where one of these JPEGs stands, behind them all.

    Args:
        embedded: the JPEGs.
        order: byte order.
        more: tags of the first directory, given where the JPEGs begin.
    """
    start = 0
    for _ in range(2):  # the second time it is known where the directories end
        offsets = [start + sum(map(len, embedded[:number])) for number in range(len(embedded))]
        below = [
            {513: Raw(4, 1, offset), 514: Raw(4, 1, len(one))} for offset, one in zip(offsets, embedded, strict=True)
        ]
        structure = tiff({271: (2, 4, b"DJI\0")} | (more(start) if more else {}), *below, order=order)
        start = len(structure)
    return structure + b"".join(embedded)


def in_strip(kind: int, picture: bytes, gap: int = 0) -> bytes:
    """Make a TIFF with a directory below the first one, whose one strip is this picture, as DNG has its previews."""

    def below(start: int) -> dict[int, Any]:
        offset = start + gap
        return {330: {259: short_value(kind), 273: Raw(4, 1, offset), 279: Raw(4, 1, len(picture))}}

    return with_jpegs(more=below) + bytes(gap) + picture


def psd_thumbnail(picture: bytes, number: int = 1036, kind: int = 1) -> bytes:
    """Make the image resource of a thumbnail."""
    return resource(number, struct.pack(">IIIIIIHH", kind, 160, 120, 480, 57600, len(picture), 24, 1) + picture)
