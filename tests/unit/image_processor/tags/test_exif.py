"""Exif tags: by name, each for itself, and never more than the block has."""

import struct

import pytest

from image_processor.budget import LIMITS, NUMBERS, TAGS
from image_processor.tags import exif
from infra.doubles.image_files import (
    ASCII,
    DOUBLE,
    EXIF_IFD,
    GPS_IFD,
    LONG,
    MAKE,
    ORIENTATION,
    RATIONAL,
    SHORT,
    SUB_IFDS,
    Raw,
    ascii_value,
    bytes_value,
    tiff,
)
from tests.support.containers import read_exif

BYTE, FLOAT, UTF8 = 1, 11, 129


def rational(*pairs: tuple[int, int], kind: int = RATIONAL) -> tuple[int, int, bytes]:
    code = "I" if kind == RATIONAL else "i"
    return kind, len(pairs), b"".join(struct.pack(f"<2{code}", *pair) for pair in pairs)


@pytest.mark.parametrize(
    ("tag", "value", "expected"),
    [
        (MAKE, ascii_value("DJI"), "DJI"),
        (MAKE, (UTF8, 5, "Ürü".encode()), "Ürü"),
        (MAKE, (ASCII, 6, b"DJI\0xx"), "DJI"),
        (ORIENTATION, (SHORT, 1, b"\6\0"), 6),
        (0x0102, (SHORT, 3, b"\10\0\10\0\10\0"), [8, 8, 8]),
        (0x011A, rational((72, 1)), 72),
        (0x011A, rational((1, 3)), 0.333333333333),
        (0x9215, rational((0, 0)), "0/0"),
        (0x9204, rational((-1, 3), kind=10), -0.333333333333),
        (0x9000, bytes_value(b"0232"), "0232"),
        (0xA300, bytes_value(b"\3"), 3),
        (0x9101, bytes_value(b"\1\2\3\0"), [1, 2, 3, 0]),
        (0x927C, bytes_value(bytes(5000)), {"type": "UNDEFINED", "bytes": 5000}),
        (0xC634, bytes_value(b"\1" * 100), {"type": "UNDEFINED", "bytes": 100}),
        (0x0111, (LONG, 500, bytes(2000)), {"type": "LONG", "count": 500}),
        (0x9C9C, (BYTE, 3000, ("ä" * 1500).encode("utf-16-le")), "ä" * 1500),
        (0xA500, (DOUBLE, 1, struct.pack("<d", 2.2)), 2.2),
        (0xA500, (DOUBLE, 1, struct.pack("<d", float("nan"))), "nan"),
        (0xA500, (FLOAT, 1, struct.pack("<f", 2.2)), 2.2),
        (0xA500, (8, 1, struct.pack("<h", -2)), -2),
    ],
)
def test_a_tag_has_one_json_form(tag, value, expected):
    """Numbers as numbers, texts whole, blobs as type and length only, quotients without value as they are written."""
    (document,) = read_exif(tiff({tag: value})).document.values()
    assert list(document.values()) == [expected]


def test_tags_stand_under_their_directory_and_standard_name():
    """Names of Exif 3.0, DNG and TIFF; an unknown number is told as such; pointers are no tags."""
    found = read_exif(
        tiff(
            {
                MAKE: ascii_value("DJI"),
                0xC62F: ascii_value("7"),
                0xFE00: (SHORT, 1, b"\1\0"),
                EXIF_IFD: {0xA002: (SHORT, 1, b"\1\0"), 0xA460: (SHORT, 1, b"\2\0")},
                GPS_IFD: {0x1F: rational((5, 1)), 0x1D: ascii_value("2024:01:01")},
                SUB_IFDS: [{256: (SHORT, 1, b"\1\0")}, {256: (SHORT, 1, b"\2\0")}],
            },
            {0x0103: (SHORT, 1, b"\6\0")},
        )
    )
    assert found.document == {
        "IFD0": {"Make": "DJI", "CameraSerialNumber": "7", "Tag 0xFE00": 1},
        "SubIFD": {"ImageWidth": 1},
        "SubIFD1": {"ImageWidth": 2},
        "ExifIFD": {"PixelXDimension": 1, "CompositeImage": 2},
        "GPS": {"GPSDateStamp": "2024:01:01", "GPSHPositioningError": 5},
        "IFD1": {"Compression": 6},
    }


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Raw(DOUBLE, 1, 0x7FFFFF00), "the value is not inside the file"),
        (Raw(ASCII, 0xFFFFFFFF, 8), "the value is not inside the file"),
        (Raw(RATIONAL, 0x7FFFFFFF, 8), "the value is not inside the file"),
        (Raw(99, 1, 8), "unknown type 99"),
        (Raw(0, 0, 0), "unknown type 0"),
    ],
)
def test_a_value_that_the_block_does_not_have_costs_that_tag_only(bad, reason):
    """M20, M24: bad offsets and counts are told, the neighbours are kept."""
    found = read_exif(
        tiff({MAKE: ascii_value("DJI"), 0x0131: bad, EXIF_IFD: {0x9003: ascii_value("2024:01:01 00:00:00")}})
    )
    assert found.document == {"IFD0": {"Make": "DJI"}, "ExifIFD": {"DateTimeOriginal": "2024:01:01 00:00:00"}}
    assert found.warnings == [f"exif: IFD0 Software: {reason}"]


def test_a_crowd_of_damaged_tags_is_named_a_few_times_only():
    """A shifted directory makes garbage of every entry."""
    found = read_exif(tiff({0x8000 + number: Raw(99, 1, 8) for number in range(100)}))
    assert len(found.warnings) == exif.MAX_DAMAGED


def test_an_endless_number_of_tags_is_bounded():
    """Directories that overlap could repeat their tags for ever."""
    crowd = dict.fromkeys(range(0x1000, 0x1000 + 1500), (SHORT, 1, b"\1\0"))
    found = read_exif(tiff(crowd, crowd, crowd))
    assert sum(map(len, found.directories.values())) == LIMITS[TAGS]


def test_a_crowd_of_arrays_is_bounded_and_one_number_each_is_not():
    """A thousand tags may point at the same array; a single number stands in its tag, which is paid for."""
    array, single = (SHORT, exif.MAX_ITEMS, bytes(2 * exif.MAX_ITEMS)), (SHORT, 1, b"\1\0")
    arrays, singles = ({0xD000 + at: value for at in range(500)} for value in (array, single))
    many = read_exif(tiff(arrays)).document["IFD0"].values()
    assert sum(len(value) for value in many if isinstance(value, list)) <= LIMITS[NUMBERS] < 500 * exif.MAX_ITEMS
    assert [*read_exif(tiff(singles)).document["IFD0"].values()] == [1] * 500


def test_of_two_blocks_the_first_counts_and_the_second_adds():
    """The first is the main image's."""
    found = read_exif(
        tiff({MAKE: ascii_value("DJI")}),
        tiff({MAKE: ascii_value("OTHER"), 0x0131: ascii_value("1.0")}, order=">"),
    )
    assert found.document == {"IFD0": {"Make": "DJI", "Software": "1.0"}}


def test_big_tiff_and_big_endian_say_the_same_as_little_endian():
    """Byte order and offset size are layout only."""
    short = {"<": b"\6\0", ">": b"\0\6"}
    for order in "<>":
        for big in (False, True):
            found = read_exif(
                tiff({MAKE: ascii_value("DJI"), ORIENTATION: (SHORT, 1, short[order])}, order=order, big=big)
            )
            assert found.document == {"IFD0": {"Make": "DJI", "Orientation": 6}}


def test_a_text_that_is_cut_is_said():
    """Microscopes write XML of megabytes into ImageDescription: the row has its start only."""
    found = read_exif(tiff({0x010E: (2, 70_000, b"y" * 69_999 + b"\0")}))
    assert found.warnings == ["exif: IFD0 ImageDescription: only 65536 of 70000 bytes read"]
