"""Exif: the tags of an image's TIFF blocks, by directory and name.

`tiff` finds the directories and bounds them; a tag is read only if the block really has all of its value, so that a
bad offset or a count that lies costs that tag alone. exifread names the tags (`exif_names`) and decodes the maker
note (`maker_notes`), from the TIFF block alone. Its own reader of directories is not used for the tags: it takes a
value beyond the block for zeros, drops arrays of 1,000 elements and more (long Windows texts among them), knows
neither BigTIFF nor Exif 3.0's UTF-8 type, and stops at the first value that it cannot unpack.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from image_processor.budget import NUMBERS, TEXT, Budget
from image_processor.errors import ReadLimitReached
from image_processor.formats.blocks import MAKER_NOTE, Block
from image_processor.reading import tiff
from image_processor.reading.tiff import SIZES, Ifd, RawTag
from image_processor.tags import text
from image_processor.tags.exif_names import names_of, places_of
from image_processor.tags.maker_notes import maker_note
from image_processor.tags.numbers import Raw, for_json, shortest_float32

MAX_TEXT = 64 * 1024
"""Bytes of one text: all that a JPEG segment can hold."""

MAX_ITEMS = 64
"""Elements of an array that are written out; longer ones are tables (strip offsets, colour maps)."""

MAX_BINARY = 16
"""Bytes of an untyped value that are written out as numbers; more is a blob."""

MAX_DAMAGED = 8
"""Damaged tags of one block that are named in warnings."""

TEXT_TYPES = (2, 129)
BYTE_TYPES = (1, 6, 7)
_FLOAT32 = 11
_PLAIN = frozenset({1, 3, 4, 6, 8, 9, 13})  # integers that stand in their entry
_UTF16_TAGS = range(0x9C9B, 0x9CA0)  # XPTitle to XPSubject: bytes that are UTF-16LE
_CODED_TAGS = {0x9286: ("ExifIFD", "IFD0"), 0x1B: ("GPS",), 0x1C: ("GPS",)}
_CODES = frozenset({*_UTF16_TAGS, *_CODED_TAGS})
_POINTERS = frozenset({tiff.EXIF_IFD, tiff.GPS_IFD, tiff.INTEROP_IFD, tiff.SUB_IFDS})
_MAKER_NOTE = 0x927C
KINDS = {1: "BYTE", 2: "ASCII", 3: "SHORT", 4: "LONG", 5: "RATIONAL", 6: "SBYTE", 7: "UNDEFINED", 8: "SSHORT"}
KINDS |= {9: "SLONG", 10: "SRATIONAL", 11: "FLOAT", 12: "DOUBLE", 13: "IFD", 16: "LONG8", 17: "SLONG8", 18: "IFD8"}
KINDS |= {129: "UTF-8"}
"""Names of the field types."""


@dataclass(slots=True)
class Tag:
    """One tag with its name and the place it stands in.

    Attributes:
        directory: `IFD0`, `ExifIFD`, `GPS`, ...
        name: name in the standard.
        raw: number, type, count and access to the value.
        block: number of the TIFF block of the image.
        budget: of the image; what it does not pay for is empty.
    """

    directory: str
    name: str
    raw: RawTag
    block: int
    budget: Budget = field(repr=False)
    _text: tuple[str, bool] | None = field(default=None, repr=False)
    _numbers: tuple[Raw, ...] | None = field(default=None, repr=False)
    _is_left_out: bool = field(default=False, repr=False)

    @property
    def is_coded(self) -> bool:
        """Whether its bytes are a text whatever their type: one that begins with its code, or a Windows text."""
        if self.raw.tag in _UTF16_TAGS:
            return self.directory != "GPS"
        return self.raw.tag in _CODED_TAGS and self.directory in _CODED_TAGS[self.raw.tag]

    def text(self) -> tuple[str, bool]:
        """Return the value as text (numbers in decimal) and whether its encoding was guessed."""
        if self._text is None:
            self._text = self._decoded()
        return self._text

    def _decoded(self) -> tuple[str, bool]:
        raw = self.raw
        if self.is_coded:
            if raw.tag in _UTF16_TAGS:
                return text.decode_utf16(self._characters()), False
            return text.decode_comment(self._characters(), raw.order)
        if raw.type in TEXT_TYPES or (raw.type in BYTE_TYPES and raw.count > 1):
            return text.decode(self._characters())
        return " ".join(_in_decimal(value) for value in self.numbers()), False

    def _characters(self) -> bytes:
        """Return the bytes of a text if the budget pays for them: a thousand tags may point at the same ones."""
        if not self.budget.take(TEXT, min(self.raw.length, MAX_TEXT)):
            self._is_left_out = True
            return b""
        return self.raw.data(MAX_TEXT)

    def numbers(self) -> tuple[Raw, ...]:
        """Return the elements as numbers, (numerator, denominator) pairs, or the one text."""
        if self._numbers is None:
            self._numbers = self._unpacked()
        return self._numbers

    def _unpacked(self) -> tuple[Raw, ...]:
        raw = self.raw
        if raw.type in TEXT_TYPES:
            content = self.text()[0]
            return (content,) if content else ()
        # One number costs no more than its tag, which is paid for.
        if raw.count > 1 and not self.budget.take(NUMBERS, min(raw.count, MAX_ITEMS)):
            return ()
        if raw.type == 7:
            return tuple(raw.data(MAX_ITEMS))
        numbers = raw.values(MAX_ITEMS)
        if raw.type == _FLOAT32:
            return tuple(shortest_float32(value) for value in numbers if isinstance(value, float))
        return numbers

    def json(self) -> Any:
        """Return the value for the JSON document; what is binary or long as its type and size only."""
        raw = self.raw
        if raw.type in TEXT_TYPES or (raw.tag in _CODES and self.is_coded):
            content = text.clean(self.text()[0])
            return self._blob() if self._is_left_out else content
        if raw.type == 7 or (raw.type == 1 and raw.count > MAX_ITEMS):
            return self._json_of_bytes()
        if raw.count == 1 and raw.type in _PLAIN:  # as half of all tags
            return raw.values()[0]
        if raw.count > MAX_ITEMS:
            return {"type": KINDS[raw.type], "count": raw.count}
        numbers = self.numbers()
        if len(numbers) == 1:
            return for_json(numbers[0])
        return [for_json(value) for value in numbers] or self._blob()

    def _blob(self) -> dict[str, Any]:
        return {"type": KINDS[self.raw.type], "bytes": self.raw.length}

    def _json_of_bytes(self) -> Any:
        if self.raw.tag == _MAKER_NOTE or self.raw.count > 1000:
            return self._blob()
        data = self._characters()
        printable = data.rstrip(b"\0")
        if len(printable) > 2 and printable.isascii() and printable.decode().isprintable():
            return printable.decode()
        if len(data) > MAX_BINARY or not data:
            return self._blob()
        return data[0] if len(data) == 1 else list(data)


_NO_TAGS: dict[str, Tag] = {}


@dataclass(slots=True)
class Exif:
    """The Exif of one image.

    Attributes:
        directories: tags by directory, then name; of several blocks the first that has a tag counts.
        maker_note: decoded maker note by name, values ready for JSON.
        document: all tags for the `exif` column: an object by directory of objects by tag name.
        warnings: tags that could not be read, and why.
    """

    directories: dict[str, dict[str, Tag]] = field(default_factory=dict)
    maker_note: dict[str, Any] = field(default_factory=dict)
    document: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def names(self) -> Iterator[str]:
        """Yield the names under which `find` gives tags, and some others; some twice."""
        return chain.from_iterable([self.directories.get(directory, ()) for directory in ("IFD0", "ExifIFD", "GPS")])

    def find(self, name: str) -> list[Tag]:
        """Return the main image's tags of that name, that of the right directory first."""
        directories = self.directories
        return [tag for place in places_of(name) if (tag := directories.get(place, _NO_TAGS).get(name)) is not None]

    def beside(self, tag: Tag, name: str) -> Tag | None:
        """Return the tag of that name that stands in the same directory of the same block."""
        other = self.directories[tag.directory].get(name)
        return other if other is not None and other.block == tag.block else None


def read(blocks: list[Block], budget: Budget) -> Exif:
    """Read the TIFF blocks of an image; an earlier one wins where two have the same tag."""
    exif = Exif()
    with suppress(ReadLimitReached):  # the budget says which limit it was
        for number, block in enumerate(blocks):
            _read_block(exif, number, block, budget)
    exif.document = _document(exif)
    return exif


def _read_block(exif: Exif, number: int, block: Block, budget: Budget) -> None:
    if block.root == MAKER_NOTE:
        note = tiff.behind_header(_MAKER_NOTE, block.file)
        exif.maker_note = exif.maker_note or maker_note(block.file, note, exif.find, budget)
        return
    damaged = 0
    for ifd in block.ifds:
        damaged += _add_directory(exif, number, ifd, budget, MAX_DAMAGED - damaged)
        if ifd.name == "ExifIFD" and not exif.maker_note and _MAKER_NOTE in ifd.tags:
            exif.maker_note = maker_note(block.file, ifd.tags[_MAKER_NOTE], exif.find, budget)


def _add_directory(exif: Exif, block: int, ifd: Ifd, budget: Budget, warnings_left: int) -> int:
    """Add the sound tags of a directory; return how many were not."""
    tags, names = exif.directories.setdefault(ifd.name, {}), names_of(ifd.name)
    damaged = 0
    for number, raw in ifd.tags.items():
        name = names[number]
        if not raw.whole:
            damaged += 1
            if damaged <= warnings_left:
                reason = "the value is not inside the file" if raw.type in SIZES else f"unknown type {raw.type}"
                exif.warnings.append(f"exif: {ifd.name} {name}: {reason}")
        elif raw.length:
            if raw.type in TEXT_TYPES and raw.length > MAX_TEXT and len(exif.warnings) < MAX_DAMAGED:
                exif.warnings.append(f"exif: {ifd.name} {name}: only {MAX_TEXT} of {raw.length} bytes read")
            tags.setdefault(name, Tag(ifd.name, name, raw, block, budget))
    return damaged


def _document(exif: Exif) -> dict[str, dict[str, Any]]:
    document = {
        directory: {name: tag.json() for name, tag in tags.items() if tag.raw.tag not in _POINTERS}
        for directory, tags in exif.directories.items()
    }
    if exif.maker_note:
        document["MakerNotes"] = exif.maker_note
    return {directory: tags for directory, tags in document.items() if tags}


def _in_decimal(value: Raw) -> str:
    return f"{value[0]}/{value[1]}" if isinstance(value, tuple) else str(value)
