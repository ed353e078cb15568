"""The picture that a camera embeds in a photo, which a browser shows in no time: found by a few small reads. Pure.

In a JPEG it is the thumbnail of its Exif block, in the second directory (Exif 3.0, 4.5.1 "Structure of Exif-specific
metadata": IFD1 with JPEGInterchangeFormat and JPEGInterchangeFormatLength); in DNG and other raws of the TIFF family a
reduced JPEG in a directory of the chain, or below it (DNG 1.7, "Preview Images"; TIFF 6.0, section 22, and its
Technical Note 2 for JPEG in strips). A small JPEG without one is shown itself. In HEIC and AVIF the thumbnail is
coded as the image is, which most browsers do not show: none is given.

A photo is a stranger's file: whatever it claims, so many bytes are read in so many pieces, every directory once, and
what is given is by its own frame a JPEG that browsers show, and not one that unfolds into a picture of a gigabyte.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HEAD_BYTES = 1 << 17  # an Exif block has up to 64 KB, and stands in front
MOST_BYTES = 1 << 20  # of a preview
_MOST_PIXELS = 1 << 24
_MOST_DIRECTORIES = 12
_MOST_ENTRIES = 512
_MOST_SEGMENTS = 64

_SOI = b"\xff\xd8"
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive; a raw's own data are lossless, 0xC3
_ALONE = (0x01, *range(0xD0, 0xD9))
_SOS, _EOI, _APP1 = 0xDA, 0xD9, 0xE1

_COMPRESSION, _STRIP_OFFSETS, _STRIP_BYTES, _SUB_IFDS, _JPEG_OFFSET, _JPEG_BYTES = 259, 273, 279, 330, 513, 514
_JPEG_IN_STRIPS = (6, 7)
_SHORT, _LONG, _IFD = 3, 4, 13

Read = Callable[[int, int], bytes]
"""Reads so many bytes from an offset on; fewer where the file ends."""


def find_preview(read: Read, size: int) -> bytes | None:
    """Give the embedded JPEG of a photo; None if it has none that a browser shows.

    Args:
        read: reads the photo.
        size: bytes of the photo.
    """
    head = read(0, HEAD_BYTES)
    if head[:4] in (b"II*\0", b"MM\0*"):
        return _largest(read, 0)
    if head[:2] != _SOI:
        return None
    exif = next((start + 10 for marker, start, _ in _segments(head) if _is_exif(head, marker, start)), None)
    embedded = None if exif is None else _largest(read, exif)
    if embedded is None and size == len(head) and _is_shown(head):
        return head
    return embedded


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """List marker, offset and end of the segments before the scan, as far as they are there."""
    offset = len(_SOI)
    for _ in range(_MOST_SEGMENTS):
        if offset + 4 > len(jpeg) or jpeg[offset] != 0xFF or jpeg[offset + 1] in (_SOS, _EOI):
            return
        marker = jpeg[offset + 1]
        if marker == 0xFF:  # fill
            offset += 1
            continue
        end = offset + 2 if marker in _ALONE else offset + 2 + int.from_bytes(jpeg[offset + 2 : offset + 4], "big")
        yield marker, offset, end
        offset = end


def _is_exif(jpeg: bytes, marker: int, start: int) -> bool:
    return marker == _APP1 and jpeg[start + 4 : start + 9].lower() == b"exif\0"


def _is_shown(jpeg: bytes) -> bool:
    """Say whether these bytes are a JPEG that browsers show, of bounded size."""
    if jpeg[:2] != _SOI:
        return False
    for marker, start, _ in _segments(jpeg):
        if marker in _FRAMES and start + 9 <= len(jpeg):
            height, width = struct.unpack_from(">HH", jpeg, start + 5)
            return 0 < int(width) * int(height) <= _MOST_PIXELS
    return False


def _largest(read: Read, base: int) -> bytes | None:
    """Give the largest embedded JPEG that is not too large, of a TIFF structure that begins at `base`."""
    found = {(offset, length) for offset, length in _claims(read, base) if offset and 4 <= length <= MOST_BYTES}
    for offset, length in sorted(found, key=lambda claim: -claim[1])[:_MOST_DIRECTORIES]:
        jpeg = read(base + offset, length)
        if len(jpeg) == length and _is_shown(jpeg):
            return jpeg
    return None


def _claims(read: Read, base: int) -> Iterator[tuple[int, int]]:
    """List offset and length of what the directories say is a JPEG."""
    head = read(base, 8)
    if len(head) < 8 or head[:4] not in (b"II*\0", b"MM\0*"):
        return
    order = "<" if head[:2] == b"II" else ">"
    todo, seen = list(struct.unpack_from(f"{order}I", head, 4)), set[int]()
    while todo and len(seen) < _MOST_DIRECTORIES:
        offset = todo.pop(0)
        if not offset or offset in seen:
            continue
        seen.add(offset)
        directory = _directory(read, base, offset, order)
        if directory is None:
            continue
        todo += [directory.following, *directory.values(_SUB_IFDS)]
        yield from zip(directory.values(_JPEG_OFFSET), directory.values(_JPEG_BYTES), strict=False)
        if directory.values(_COMPRESSION) and directory.values(_COMPRESSION)[0] in _JPEG_IN_STRIPS:
            offsets, lengths = directory.values(_STRIP_OFFSETS), directory.values(_STRIP_BYTES)
            if len(offsets) == len(lengths) == 1:
                yield offsets[0], lengths[0]


@dataclass(frozen=True, slots=True)
class _Directory:
    """One directory: type, count and four bytes by tag, and where the next one of the chain stands."""

    read: Read
    base: int
    order: str
    entries: dict[int, tuple[int, int, bytes]]
    following: int

    def values(self, tag: int) -> tuple[int, ...]:
        """Give the numbers of a tag, the first ones of many; none if it is not there or holds no offsets."""
        kind, count, value = self.entries.get(tag, (0, 0, b""))
        code = {_SHORT: "H", _LONG: "I", _IFD: "I"}.get(kind)
        if code is None:
            return ()
        layout = struct.Struct(f"{self.order}{min(count, _MOST_DIRECTORIES)}{code}")
        if layout.size > len(value):
            value = self.read(self.base + struct.unpack(f"{self.order}I", value)[0], layout.size)
        return layout.unpack_from(value) if len(value) >= layout.size else ()


def _directory(read: Read, base: int, offset: int, order: str) -> _Directory | None:
    counted = read(base + offset, 2)
    if len(counted) < 2:
        return None
    count = min(struct.unpack(f"{order}H", counted)[0], _MOST_ENTRIES)
    table = read(base + offset + 2, count * 12 + 4)
    entries: dict[int, tuple[int, int, bytes]] = {}
    for tag, kind, number, value in struct.iter_unpack(f"{order}HHI4s", table[: len(table) // 12 * 12][: count * 12]):
        entries.setdefault(tag, (kind, number, value))
    tail = table[count * 12 :]
    return _Directory(read, base, order, entries, struct.unpack(f"{order}I", tail)[0] if len(tail) == 4 else 0)
