"""Maker notes, decoded by exifread: of DJI (speeds and angles), Apple, Canon, Casio, Fujifilm, Nikon, Olympus, Sony.

A maker note is a directory in a maker's own format, read by guess. exifread knows the formats but believes every
count and offset, so its reader of directories is replaced here by one that looks first and leaves out what is not
inside the block, too long, or makes exifread fail.
"""

import logging
import struct
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from exifread.core.exif_header import ExifHeader
from exifread.core.ifd_tag import IfdTag
from exifread.tags.exif import EXIF_TAGS
from exifread.tags.fields import FLOAT_FIELD_TYPES, RATIO_FIELD_TYPES, FieldType
from exifread.tags.makernote.canon import OFFSET_TAGS
from exifread.utils import Ratio

from image_processor.budget import NUMBERS, TAGS, Budget
from image_processor.errors import ReadLimitReached
from image_processor.reading.file import File
from image_processor.reading.tiff import RawTag
from image_processor.tags.numbers import for_json, shortest_float32
from image_processor.tags.text import clean

MAX_ENTRIES = 300
"""Entries of one maker note directory; Canon and Nikon write about 60."""

MAX_COUNT = 800
"""Elements of one tag: exifread reads them one by one, and longer ones are tables that it does not know."""

MAX_LIST = 16
"""Elements of an array that are kept."""

logging.getLogger("exifread").setLevel(logging.CRITICAL)  # it reports every oddity of a guess as a warning

_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I"}
_HEAD = 64  # bytes by which exifread tells the formats


class _Text(Protocol):
    def text(self) -> tuple[str, bool]: ...


def maker_note(file: File, note: RawTag, find: Callable[[str], Sequence[_Text]], budget: Budget) -> dict[str, Any]:
    """Return a maker note by tag name, values ready for JSON; empty if its maker's format is not known.

    Args:
        file: the TIFF structure that holds the note, since its offsets may point anywhere in it.
        note: the MakerNote tag.
        find: gives the tags Make and Model, which decide the format.
        budget: of the image; pays for the entries and the numbers.
    """
    make, model = find("Make"), find("Model")
    if not make or not note.whole or note.length < 12:
        return {}
    reader = _Reader(file, note.order, budget)
    reader.tags = {
        "Image Make": _tag(make[0].text()[0], [], 0, 0),
        "Image Model": _tag(model[0].text()[0] if model else "", [], 0, 0),
        "EXIF MakerNote": _tag("", list(note.data(_HEAD)), note.offset, note.length),
    }
    try:
        reader.decode_maker_note()
    except ReadLimitReached:
        raise
    except Exception:  # a guess that failed; the tags decoded before it are good
        pass
    decoded: dict[str, Any] = {}
    for key, tag in reader.tags.items():
        directory, _, name = key.partition(" ")
        if directory == "MakerNote" and isinstance(tag, IfdTag) and not name.startswith("Tag 0x"):
            value = _for_json(tag)
            if value not in (None, "", []):
                decoded[name] = value
    return decoded


class _Reader(ExifHeader):
    """exifread's decoder, with bounds."""

    def __init__(self, file: File, order: str, budget: Budget) -> None:
        super().__init__(file.open(), "I" if order == "<" else "M", 0, 0, strict=False, detailed=True)
        self._size = file.size
        self._budget = budget
        self._seen: set[int] = set()

    def s2n(self, offset: int, length: int, signed: bool = False) -> int:
        """Return an integer, as exifread does it, but without a format that is made anew for each."""
        self.file_handle.seek(self.offset + offset)
        data = self.file_handle.read(length)
        if len(data) != length:
            return 0
        return int.from_bytes(data, "little" if self.endian == "I" else "big", signed=signed)

    def dump_ifd(
        self, ifd: int, ifd_name: str, tag_dict: Any = None, relative: int = 0, stop_tag: str = "UNDEF"
    ) -> None:
        """Read one directory, entry by entry, if it can be one at all."""
        start = self.offset + ifd
        if start in self._seen or not 0 <= start <= self._size - 2:
            return
        self._seen.add(start)
        entries = self.s2n(ifd, 2)
        if not 0 < entries <= MAX_ENTRIES or start + 2 + 12 * entries > self._size:
            return
        if not self._budget.take(TAGS, entries):  # fifty blocks may have a note each
            return
        names: Any = EXIF_TAGS if tag_dict is None else tag_dict
        base = start - 8 if relative else self.offset
        order = "<" if self.endian == "I" else ">"
        for number, kind, count, value in struct.iter_unpack(order + "HHI4s", self._bytes(start + 2, 12 * entries)):
            known = names.get(number)
            if known is None and number not in OFFSET_TAGS:
                continue
            key = f"{ifd_name} {known[0] if known else f'Tag 0x{number:04X}'}"
            try:
                if (data := self._data(order, kind, count, value, base)) is not None:
                    values = self._values(order, kind, count, data)
                    printable, preferred = self._get_printable_for_field(count, values, kind, known, stop_tag)
                    self.tags[key] = IfdTag(printable, number, kind, values, start, len(data), preferred)
            except ReadLimitReached:
                raise
            except Exception:
                self.tags.pop(key, None)

    def _data(self, order: str, kind: int, count: int, value: bytes, base: int) -> bytes | None:
        """Return the bytes of a value; None unless its type is known and it is short and inside the block."""
        if kind not in _CODES or not 0 < count <= MAX_COUNT:
            return None
        if kind != FieldType.ASCII and not self._budget.take(NUMBERS, count):
            return None
        size = struct.calcsize(_CODES[kind]) * count
        if size <= len(value):
            return value[:size]
        start = base + int.from_bytes(value, "little" if order == "<" else "big")
        return self._bytes(start, size) if 0 <= start <= self._size - size else None

    def _bytes(self, start: int, size: int) -> bytes:
        self.file_handle.seek(start)
        return self.file_handle.read(size)

    @staticmethod
    def _values(order: str, kind: int, count: int, data: bytes) -> Any:
        """Return a value as exifread has it: a text up to its first NUL (bytes if it is not UTF-8), or a list."""
        if kind == FieldType.ASCII:
            content = data.partition(b"\0")[0]
            try:
                return content.decode()
            except UnicodeDecodeError:
                return content
        if kind in RATIO_FIELD_TYPES:
            return [Ratio(*pair) for pair in struct.iter_unpack(order + _CODES[kind], data)]
        if kind in FLOAT_FIELD_TYPES:
            return list(struct.iter_unpack(order + _CODES[kind], data))
        return list(struct.unpack(f"{order}{count}{_CODES[kind]}", data))


def _tag(printable: str, values: list[int], offset: int, length: int) -> IfdTag:
    return IfdTag(printable, 0, FieldType.UNDEFINED, values, offset, length)


def _for_json(tag: IfdTag) -> Any:
    values = tag.values
    if tag.prefer_printable or isinstance(values, (str, bytes)):
        content = tag.printable if tag.prefer_printable else values
        content = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
        return clean(content.partition("\0")[0])[:1000]
    if not isinstance(values, list) or len(values) > MAX_LIST:
        return None
    numbers = [_number(value, tag.field_type) for value in values]
    return numbers[0] if len(numbers) == 1 else numbers


def _number(value: Any, kind: FieldType) -> Any:
    if isinstance(value, tuple):  # exifread leaves floats in struct's tuples
        value = value[0]
    if isinstance(value, float) and kind == FieldType.FLOAT_32:
        value = shortest_float32(value)
    return for_json(value if isinstance(value, (int, float)) else (value.num, value.den))
