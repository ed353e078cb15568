"""TIFF and its kin (BigTIFF, DNG, camera raws, the body of every Exif block): a bounded reader of their directories.

It reads structure only: which tag stands where, with what type and count. Values are read when they are asked for,
and never further than the file goes, so that a count that lies costs nothing. (TIFF 6.0, section 2; BigTIFF as
specified by its designers: magic 43, eight-byte offsets, twenty-byte entries.)
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from image_processor.budget import TAGS, Budget
from image_processor.errors import ReadLimitReached
from image_processor.reading.file import File

MAX_IFDS = 64
"""Directories of one file: a raw file with its previews has about ten."""

MAX_CHAIN = 8
"""Directories in the chain: a scanned book has hundreds, each may cost a GET, and none but the first is the photo."""

MAX_ENTRIES = 2000
"""Entries of one directory: real ones stay under 300."""

MAX_VALUE = 1024 * 1024
"""Bytes of one value: far above any text or maker note that a row could hold."""

MAX_POINTERS = 32
"""Directories that one tag may point to (`SubIFDs`): raw files have up to five."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8, 129: 1}
"""Bytes of one element by field type; 16 to 18 are BigTIFF's, 129 is UTF-8 text (Exif 3.0)."""

_CODES = {1: "B", 3: "H", 4: "I", 5: "I", 6: "b", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}
_CODES[18] = "Q"
_INTEGERS = (1, 3, 4, 13, 16, 18)
_POINTERS = (*_INTEGERS, 9)  # some editors type offsets as signed
_RATIONALS = (5, 10)
_ELEMENTS = {
    order: {kind: struct.Struct(order + (code * 2 if kind in _RATIONALS else code)) for kind, code in _CODES.items()}
    for order in "<>"
}

NEW_SUBFILE_TYPE, IMAGE_WIDTH, IMAGE_LENGTH, SUB_IFDS = 254, 256, 257, 330
COMPRESSION, PHOTOMETRIC, MAKE = 259, 262, 271
XMP, IPTC, PHOTOSHOP = 700, 33723, 34377
EXIF_IFD, GPS_IFD, INTEROP_IFD, DNG_VERSION = 34665, 34853, 40965, 50706
ISO, PIXEL_WIDTH, PIXEL_HEIGHT = 34855, 40962, 40963

_CHILDREN = {SUB_IFDS: "SubIFD", EXIF_IFD: "ExifIFD", GPS_IFD: "GPS", INTEROP_IFD: "InteropIFD"}
PANASONIC = 0x55
_BIG = 43
CONTENT_TYPES = {42: "image/tiff", _BIG: "image/x-tiff-big", PANASONIC: "image/x-panasonic-rw2"}
CONTENT_TYPES |= dict.fromkeys((0x4F52, 0x5352), "image/x-olympus-orf")

Number = int | float | tuple[int, int]

_Read = Callable[[int, int], bytes]


@dataclass(slots=True)  # frozen ones take three times as long to make, and a photo has a hundred
class RawTag:
    """One entry of a directory, its value still unread.

    Attributes:
        tag: tag number.
        type: field type (TIFF 6.0, section 2), as written, which may be one that does not exist.
        count: number of elements, as written.
        offset: where the value starts, in bytes from the start of the TIFF structure.
        length: bytes of the value that the file really has.
        whole: whether these are all that type and count promise; False for a lying count, offset or unknown type.
        order: byte order of the structure, `<` or `>`.
    """

    tag: int
    type: int
    count: int
    offset: int
    length: int
    whole: bool
    order: str = field(repr=False)
    _read: _Read = field(repr=False, compare=False)
    _inline: bytes = field(default=b"", repr=False, compare=False)  # a value that stands in the entry itself

    def data(self, limit: int = MAX_VALUE) -> bytes:
        """Return the bytes of the value, at most `limit`; none if the file has cost all it may.

        The budget then says so: values are read late, where nobody expects a limit.
        """
        if self._inline:
            return self._inline[:limit]
        try:
            return self._read(self.offset, min(self.length, limit))
        except ReadLimitReached:
            return b""

    def values(self, limit: int = 1000) -> tuple[Number, ...]:
        """Return at most `limit` elements: numbers or (numerator, denominator) pairs; none if they are no numbers."""
        element = _ELEMENTS[self.order].get(self.type)
        if element is None:
            return ()
        size = element.size
        data = self._inline[: limit * size] or self.data(limit * size)
        if len(data) == size:  # as of nearly every tag
            one = element.unpack(data)
            return (one,) if self.type in _RATIONALS else one
        if self.type in _RATIONALS:
            return tuple(element.iter_unpack(data[: len(data) - len(data) % size]))
        return tuple(value for (value,) in element.iter_unpack(data[: len(data) - len(data) % size]))

    def integer(self) -> int | None:
        """Return the first element if it is an unsigned integer."""
        if self.type not in _INTEGERS or not self.whole:
            return None
        return next((value for value in self.values(1) if isinstance(value, int)), None)


@dataclass(frozen=True, slots=True)
class Ifd:
    """One image file directory.

    Attributes:
        name: `IFD0`, `IFD1` ... along the chain, `ExifIFD`, `GPS`, `InteropIFD`, `SubIFD`, `SubIFD1` ... below it.
        offset: where it starts, in bytes from the start of the TIFF structure.
        tags: entries by tag number; of a repeated tag the first.
    """

    name: str
    offset: int
    tags: dict[int, RawTag]

    def integer(self, tag: int) -> int | None:
        """Return a tag's first element if it is there and an unsigned integer."""
        raw = self.tags.get(tag)
        return raw.integer() if raw else None


def magic(head: bytes) -> int | None:
    """Return the magic number of a TIFF header (42, 43 for BigTIFF, those of raw formats), or None if it is none."""
    if head[:2] not in (b"II", b"MM") or len(head) < 8:
        return None
    number: int = struct.unpack_from("<H" if head[:2] == b"II" else ">H", head, 2)[0]
    return number if number in CONTENT_TYPES else None


def behind_header(tag: int, file: File) -> RawTag:
    """Give all that follows the header of a TIFF structure as the value of a tag."""
    order = ">" if file.read_at(0, 2) == b"MM" else "<"
    length = max(0, file.size - 8)
    return RawTag(tag, 7, length, 8, length, True, order, file.read_at)


def walk_ifds(file: File, warnings: list[str], budget: Budget, root: str = "IFD") -> Iterator[Ifd]:
    """Yield the directories one by one: each of the chain, followed by those that it points to.

    No directory is visited twice, so loops and self pointers end; all limits end in a warning.

    Args:
        file: a TIFF structure from its byte-order mark on.
        warnings: takes what was wrong with the structure.
        budget: of the image; pays for the entries.
        root: name of the first directory; one that is not `IFD` begins no chain.
    """
    structure = _Structure.of(file, budget)
    if structure is None:
        warnings.append("tiff: no header")
        return
    seen: set[int] = set()
    names: dict[str, int] = {}
    todo = [(root, structure.first)]
    while todo:
        name, offset = todo.pop()
        if offset in seen:
            warnings.append(f"tiff: {name} leads back to a directory that was read before")
            continue
        if len(seen) >= MAX_IFDS:
            warnings.append(f"tiff: more than {MAX_IFDS} directories")
            return
        seen.add(offset)
        number = names.get(name, 0)
        if name == "IFD" and number == MAX_CHAIN:
            warnings.append(f"tiff: more than {MAX_CHAIN} directories in the chain")
            return
        names[name] = number + 1
        label = f"{name}{number}" if number or name == "IFD" else name
        ifd, following = structure.directory(label, offset, warnings)
        if ifd is None:
            continue
        yield ifd
        if name == "IFD" and following:
            todo.append(("IFD", following))
        todo.extend(reversed(list(_pointers(ifd))))


def _pointers(ifd: Ifd) -> Iterator[tuple[str, int]]:
    for tag, name in _CHILDREN.items():
        raw = ifd.tags.get(tag)
        if raw is not None and raw.type in _POINTERS:
            for value in raw.values(MAX_POINTERS if tag == SUB_IFDS else 1):
                if isinstance(value, int) and value > 0:
                    yield name, value


@dataclass(frozen=True, slots=True)
class _Structure:
    """Header of a TIFF structure, and how its directories are laid out."""

    read: _Read
    size: int
    order: str
    big: bool
    first: int
    budget: Budget

    @classmethod
    def of(cls, file: File, budget: Budget) -> "_Structure | None":
        read, size = file.read_at, file.size
        head = read(0, 16)
        number = magic(head)
        if number is None:
            return None
        order = "<" if head[:2] == b"II" else ">"
        if number != _BIG:
            return cls(read, size, order, False, struct.unpack_from(order + "I", head, 4)[0], budget)
        if len(head) < 16 or struct.unpack_from(order + "HH", head, 4) != (8, 0):
            return None
        return cls(read, size, order, True, struct.unpack_from(order + "Q", head, 8)[0], budget)

    def directory(self, name: str, offset: int, warnings: list[str]) -> tuple[Ifd | None, int]:
        """Read one directory; return it and the offset of the next one in its chain (0: none)."""
        count_code, entry, pointer = ("Q", "HHQ8s", "Q") if self.big else ("H", "HHI4s", "I")
        count_size, entry_size, pointer_size = (8, 20, 8) if self.big else (2, 12, 4)
        if not offset or offset + count_size > self.size:
            warnings.append(f"tiff: {name} is not inside the file")
            return None, 0
        claimed = struct.unpack(self.order + count_code, self.read(offset, count_size))[0]
        start = offset + count_size
        count = min(claimed, MAX_ENTRIES, (self.size - start) // entry_size)
        if count < claimed:
            warnings.append(f"tiff: {name} says {claimed} entries, {count} read")
        if not self.budget.take(TAGS, count):
            count = self.budget.left(TAGS)
            self.budget.take(TAGS, count)
        table = self.read(start, count * entry_size + pointer_size)
        tags = self._tags(entry, table[: count * entry_size], start + entry_size - pointer_size)
        tail = table[count * entry_size :]
        following = (
            struct.unpack(self.order + pointer, tail)[0] if len(tail) == pointer_size and count == claimed else 0
        )
        return Ifd(name, offset, tags), following

    def _tags(self, entry: str, table: bytes, place: int) -> dict[int, RawTag]:
        """Return the entries of a table by tag number; `place` is that of the first value, or of the pointer to it."""
        tags: dict[int, RawTag] = {}
        order, read, size, room = self.order, self.read, self.size, 8 if self.big else 4
        layout = struct.Struct(order + entry)
        byte_order: Literal["little", "big"] = "little" if order == "<" else "big"
        for tag, kind, count, value in layout.iter_unpack(table):
            if tag not in tags:
                known = kind in SIZES
                length = count * SIZES[kind] if known else count
                if length <= room:
                    tags[tag] = RawTag(tag, kind, count, place, length, known, order, read, value[:length])
                else:
                    offset = int.from_bytes(value, byte_order)
                    whole = offset + length <= size
                    there = length if whole else max(0, size - offset)
                    tags[tag] = RawTag(tag, kind, count, offset, there, known and whole, order, read)
            place += layout.size
        return tags
