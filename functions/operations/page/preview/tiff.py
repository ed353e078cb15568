"""TIFF and its kin (DNG and other raws, the body of an Exif block): JPEGs that its directories point to.

They are in a directory of the chain, or below it (DNG 1.7, "Preview Images"; TIFF 6.0, section 22, and its Technical
Note 2 for JPEG in strips). Panasonic's raw has one as the value of a tag (ExifTool's tag names, "PanasonicRaw":
JpgFromRaw and JpgFromRaw2).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from operations.page.preview.claims import Claim, Read

MARKS = (b"II*\0", b"MM\0*", b"IIU\0")
"""How a structure begins; the last one is Panasonic's."""

_MOST_DIRECTORIES = 12
_MOST_ENTRIES = 512

_COMPRESSION, _STRIP_OFFSETS, _STRIP_BYTES, _SUB_IFDS, _JPEG_OFFSET, _JPEG_BYTES = 259, 273, 279, 330, 513, 514
_JPEG_IN_STRIPS = ((6,), (7,))
_PANASONIC_JPEGS = (0x2E, 0x127)
_SHORT, _LONG, _UNDEFINED, _IFD = 3, 4, 7, 13


def claims(read: Read, base: int = 0) -> Iterator[Claim]:
    """List what the directories of the structure at `base` say is a JPEG."""
    head = read(base, 8)
    if len(head) < 8 or head[:4] not in MARKS:
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
        yield from (Claim(base + offset, length) for offset, length in directory.jpegs())


@dataclass(frozen=True, slots=True)
class _Directory:
    """One directory: type, count and four bytes by tag, and where the next one of the chain stands."""

    read: Read
    base: int
    order: str
    entries: dict[int, tuple[int, int, bytes]]
    following: int

    def jpegs(self) -> Iterator[tuple[int, int]]:
        """List offset, from the start of the structure, and length of what is said to be a JPEG."""
        yield from zip(self.values(_JPEG_OFFSET), self.values(_JPEG_BYTES), strict=False)
        if self.values(_COMPRESSION)[:1] in _JPEG_IN_STRIPS:
            offsets, lengths = self.values(_STRIP_OFFSETS), self.values(_STRIP_BYTES)
            if len(offsets) == len(lengths) == 1:
                yield offsets[0], lengths[0]
        for kind, count, value in (self.entries[tag] for tag in _PANASONIC_JPEGS if tag in self.entries):
            if kind == _UNDEFINED:
                yield struct.unpack(f"{self.order}I", value)[0], count

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
