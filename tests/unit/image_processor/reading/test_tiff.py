"""TIFF, BigTIFF and DNG: directories read with bounds."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_processor.budget import Budget
from image_processor.reading import tiff as tiff_module
from image_processor.reading.file import MemoryFile, SourceFile
from image_processor.reading.ranged import BytesSource
from image_processor.reading.tiff import Ifd, walk_ifds
from infra.doubles.image_files import (
    EXIF_IFD,
    GPS_IFD,
    LONG,
    MAKE,
    RATIONAL,
    SHORT,
    SUB_IFDS,
    Raw,
    ascii_value,
    long_value,
    tiff,
)


def read_ifds(structure: bytes, warnings: list[str] | None = None) -> list[Ifd]:
    return list(walk_ifds(MemoryFile(structure), [] if warnings is None else warnings, Budget()))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_directories_are_read_in_both_byte_orders_and_both_formats(order, big):
    """TIFF 6.0 and BigTIFF differ in the width of counts, offsets and entries only."""
    gps = {2: (RATIONAL, 3, struct.pack(order + "6I", 33, 1, 51, 1, 0, 0))}
    structure = tiff(
        {MAKE: ascii_value("Parrot"), EXIF_IFD: {0xA002: (SHORT, 1, struct.pack(order + "H", 7))}, GPS_IFD: gps},
        {256: long_value(160, order=order)},
        order=order,
        big=big,
    )
    ifds = {ifd.name: ifd for ifd in read_ifds(structure)}
    assert list(ifds) == ["IFD0", "ExifIFD", "GPS", "IFD1"]
    assert ifds["IFD0"].tags[MAKE].data() == b"Parrot\0"
    assert ifds["ExifIFD"].integer(0xA002) == 7
    assert ifds["GPS"].tags[2].values() == ((33, 1), (51, 1), (0, 0))
    assert ifds["IFD1"].integer(256) == 160


def test_a_value_knows_where_it_stands():
    """The offset is that of the bytes, inside the entry for short values and elsewhere for long ones."""
    structure = tiff({MAKE: ascii_value("DJI"), 272: ascii_value("FC6310")})
    tags = read_ifds(structure)[0].tags
    for tag, text in ((MAKE, b"DJI\0"), (272, b"FC6310\0")):
        assert structure[tags[tag].offset : tags[tag].offset + tags[tag].length] == text


def test_the_first_of_two_equal_tags_counts():
    """A repeated tag is a fault of the file; the first one is what readers show."""
    structure = bytearray(tiff({MAKE: ascii_value("AAA"), 272: ascii_value("BBB")}))
    structure[22:24] = struct.pack("<H", MAKE)
    assert read_ifds(bytes(structure))[0].tags[MAKE].data() == b"AAA\0"


@pytest.mark.parametrize(
    ("structure", "names", "warning"),
    [
        (tiff({MAKE: ascii_value("DJI")}, last_next=8), ["IFD0"], "IFD leads back to a directory"),
        (tiff({MAKE: ascii_value("DJI"), EXIF_IFD: Raw(LONG, 1, 8)}), ["IFD0"], "ExifIFD leads back to a directory"),
        (tiff({MAKE: ascii_value("DJI"), SUB_IFDS: Raw(LONG, 0xFFFFFFFF, 8)}), ["IFD0"], ""),
        (tiff({MAKE: ascii_value("DJI")}, last_next=0xFFFFFFF0), ["IFD0"], ""),
        (tiff({MAKE: ascii_value("DJI")}, {MAKE: ascii_value("2")}, last_next=8), ["IFD0", "IFD1"], "IFD leads back"),
    ],
)
def test_loops_and_pointers_to_nowhere_end_with_a_warning(structure, names, warning):
    """M20: a directory that leads to itself, to its parent, or out of the file. The loop itself ends, not its limit."""
    warnings: list[str] = []
    ifds = read_ifds(structure, warnings)
    assert [ifd.name for ifd in ifds][: len(names)] == names
    assert ifds[0].tags[MAKE].data() == b"DJI\0"
    assert len(ifds) < 40
    assert any(warning in said for said in warnings)


def test_a_chain_of_very_many_directories_is_read_up_to_the_limit():
    """Each further directory may cost a GET."""
    warnings: list[str] = []
    ifds = read_ifds(tiff(*[{MAKE: ascii_value("DJI")}] * 100), warnings)
    assert len(ifds) == tiff_module.MAX_CHAIN
    assert warnings == ["tiff: more than 8 directories in the chain"]


def test_a_tree_of_very_many_directories_is_read_up_to_the_limit():
    """Directories below directories are bounded in all."""
    below = [{SUB_IFDS: [{MAKE: ascii_value("DJI")}] * 20}] * 20
    warnings: list[str] = []
    ifds = read_ifds(tiff({SUB_IFDS: below}), warnings)
    assert len(ifds) == tiff_module.MAX_IFDS
    assert warnings == ["tiff: more than 64 directories"]


def test_an_entry_count_beyond_the_file_gives_the_entries_that_are_there():
    """M20: 65,535 entries in a file of 300 bytes."""
    structure = bytearray(tiff({MAKE: ascii_value("DJI")}) + bytes(250))
    structure[8:10] = b"\xff\xff"
    warnings: list[str] = []
    (ifd,) = read_ifds(bytes(structure), warnings)
    assert ifd.tags[MAKE].data() == b"DJI\0"
    assert warnings[0].startswith("tiff: IFD0 says 65535 entries")


def test_a_file_with_very_many_entries_is_read_up_to_the_limit():
    """A directory of 65,535 real entries is no photo's."""
    tags = dict.fromkeys(range(50_000, 55_000), (SHORT, 1, b"\x01\x00"))
    (ifd,) = read_ifds(tiff(tags))
    assert len(ifd.tags) == tiff_module.MAX_ENTRIES


@pytest.mark.parametrize("data", [b"", b"II", b"II*\0", b"II*\0\0\0\0", b"GIF89a..", b"II+\0\x04\0\0\0" + bytes(20)])
def test_what_is_no_tiff_structure_has_no_directories(data):
    """A block that announces itself as Exif need not be."""
    warnings: list[str] = []
    assert read_ifds(data, warnings) == []
    assert warnings == ["tiff: no header"]


@settings(max_examples=300)
@given(st.binary(max_size=300), st.booleans(), st.sampled_from("<>"))
def test_any_bytes_behind_a_header_end_quickly_and_without_an_exception(junk, big, order):
    """Values read from a hostile structure stay inside of it."""
    structure = tiff({}, order=order, big=big)[: 16 if big else 8] + junk
    for file in (MemoryFile(structure), SourceFile(BytesSource(structure))):
        for ifd in walk_ifds(file, [], Budget()):
            for raw in ifd.tags.values():
                assert len(raw.data()) <= len(structure)
                assert raw.whole or raw.integer() is None
                raw.values()
