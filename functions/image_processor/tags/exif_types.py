"""What the tags that feed columns are by the standard, and what is taken of one that is something else.

Cameras differ from the standard: a sensitivity is LONG or a text, an exposure bias unsigned. A number is a number in
whatever type it is written; but a value of more elements than its tag has is another thing than its first element.

    36, 0, 18, 0    ExposureBiasValue as four SHORTs: the eight bytes of one SRATIONAL, 36/18
    400, 0          ISOSpeedRatings: the standard lets it have any count
    7, 9, 4         Orientation: nobody knows which of them it is
"""

from dataclasses import replace

from image_processor.errors import Unusable
from image_processor.reading.tiff import SIZES
from image_processor.tags.exif import BYTE_TYPES, KINDS, TEXT_TYPES, Tag
from image_processor.tags.numbers import Raw

_BYTE, _SHORT, _LONG, _RATIONAL, _SRATIONAL = 1, 3, 4, 5, 10
_ANY = 0
_CHARACTERS = (*TEXT_TYPES, *BYTE_TYPES)
_NOTHING = frozenset({0, (0, 0), (0, 1)})  # elements that fill up

_NUMBERS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("Orientation", "Rating"), (_SHORT, 1)),
    **dict.fromkeys(("ExposureTime", "FNumber", "FocalLength", "DigitalZoomRatio", "SubjectDistance"), (_RATIONAL, 1)),
    "ExposureBiasValue": (_SRATIONAL, 1),
    "ISOSpeedRatings": (_SHORT, _ANY),
    **dict.fromkeys(("RecommendedExposureIndex", "ISOSpeed", "StandardOutputSensitivity"), (_LONG, 1)),
    **dict.fromkeys(("ColorSpace", "ExposureProgram", "Flash", "FocalLengthIn35mmFilm"), (_SHORT, 1)),
    **dict.fromkeys(("MeteringMode", "WhiteBalance"), (_SHORT, 1)),
    **dict.fromkeys(("GPSLatitude", "GPSLongitude", "GPSTimeStamp"), (_RATIONAL, 3)),
    **dict.fromkeys(("GPSAltitude", "GPSSpeed", "GPSTrack", "GPSImgDirection"), (_RATIONAL, 1)),
    **dict.fromkeys(("GPSDOP", "GPSHPositioningError"), (_RATIONAL, 1)),
    "GPSAltitudeRef": (_BYTE, 1),
}
"""Type and count of the numbers (Exif 2.32, tables 4, 7, 8 and 15; TIFF 6.0, section 8; Microsoft's Rating)."""

_UNSIGNED = {_SRATIONAL: _RATIONAL}  # in which a negative number is a very large one


def numbers_of(tag: Tag) -> tuple[tuple[Raw, ...], str]:
    """Return a tag's elements, and what is to be said of its type; nothing, nearly always.

    Raises:
        Unusable: it has elements that its tag has not.
    """
    kind, count = _NUMBERS.get(tag.name, (tag.raw.type, _ANY))
    raw = tag.raw
    if _UNSIGNED.get(kind) == raw.type:
        tag = _as(tag, kind, raw.count)
    if raw.type in TEXT_TYPES or count == _ANY or raw.count <= count:
        return tag.numbers(), ""
    if raw.type != kind and raw.length == count * SIZES[kind]:
        said = f"exif: {tag.directory} {tag.name}: {written(tag)}, read as {KINDS[kind]}"
        return _as(tag, kind, count).numbers(), said
    numbers = tag.numbers()
    if len(numbers) < raw.count or not _NOTHING.issuperset(numbers[count:]):
        raise Unusable(f"{written(tag)}, not {count} {KINDS[kind]}")
    return numbers[:count], ""


def is_text(tag: Tag) -> bool:
    """Tell whether a tag's value can be a text: characters, or one number (of a serial number, the satellites)."""
    raw = tag.raw
    return raw.type in _CHARACTERS or tag.is_coded or (raw.count == 1 and SIZES[raw.type] <= 4)


def _as(tag: Tag, kind: int, count: int) -> Tag:
    return Tag(tag.directory, tag.name, replace(tag.raw, type=kind, count=count), tag.block, tag.budget)


def written(tag: Tag) -> str:
    """Say of what type and count a tag is: `4 SHORT`."""
    return f"{tag.raw.count} {KINDS[tag.raw.type]}"
