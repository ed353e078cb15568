"""TIFF, BigTIFF and DNG: directories read with bounds, and files that are never downloaded."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_processor.formats.walk import walk
from image_processor.reading import ranged as source_module
from image_processor.reading import tiff as tiff_module
from image_processor.reading.file import View
from image_processor.reading.ranged import BytesSource, FileSource
from image_processor.reading.tiff import read_ifds
from tests.support.image_files import (
    ASCII,
    EXIF_IFD,
    GPS_IFD,
    IPTC,
    LONG,
    MAKE,
    RATIONAL,
    SHORT,
    SUB_IFDS,
    UNDEFINED,
    XMP,
    Raw,
    ascii_value,
    bytes_value,
    iptc_record,
    long_value,
    packet,
    resource,
    tiff,
)

SIZE = {256: long_value(4000), 257: long_value(3000)}
SMALL = {254: long_value(1), 256: long_value(160), 257: long_value(120)}


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
    ("structure", "names"),
    [
        (tiff({MAKE: ascii_value("DJI")}, last_next=8), ["IFD0"]),
        (tiff({MAKE: ascii_value("DJI"), EXIF_IFD: Raw(LONG, 1, 8)}), ["IFD0"]),
        (tiff({MAKE: ascii_value("DJI"), SUB_IFDS: Raw(LONG, 0xFFFFFFFF, 8)}), ["IFD0"]),
        (tiff({MAKE: ascii_value("DJI")}, last_next=0xFFFFFFF0), ["IFD0"]),
        (tiff({MAKE: ascii_value("DJI")}, {MAKE: ascii_value("2")}, last_next=8), ["IFD0", "IFD1"]),
    ],
)
def test_loops_and_pointers_to_nowhere_end_with_a_warning(structure, names):
    """M20: a directory that leads to itself, to its parent, or out of the file."""
    warnings: list[str] = []
    ifds = read_ifds(structure, warnings)
    assert [ifd.name for ifd in ifds][: len(names)] == names
    assert ifds[0].tags[MAKE].data() == b"DJI\0"
    assert len(ifds) < 40
    assert warnings


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
    for data in (structure, View(BytesSource(structure))):
        for ifd in read_ifds(data):
            for raw in ifd.tags.values():
                assert len(raw.data()) <= len(structure)
                assert raw.whole or raw.integer() is None
                raw.values()


def test_a_small_file_is_its_own_exif_block_in_memory():
    """What the first GET has whole needs no lazily reading view."""
    data = tiff({MAKE: ascii_value("DJI"), **SIZE})
    container = walk(BytesSource(data))
    assert container.content_type == "image/tiff"
    assert (container.width, container.height) == (4000, 3000)
    assert [(block.data, block.where) for block in container.exif] == [(data, "TIFF")]


def test_packets_and_iptc_in_tags_are_found():
    """Tag 700 has the packet, 33723 the IPTC record, 34377 the Photoshop resources with another."""
    data = tiff(
        {
            **SIZE,
            XMP: bytes_value(packet()),
            IPTC: bytes_value(iptc_record()),
            34377: bytes_value(resource(0x0404, iptc_record())),
        }
    )
    container = walk(BytesSource(data))
    assert [(block.data, block.where) for block in container.xmp] == [(packet(), "IFD0 tag 700")]
    assert [block.data for block in container.iptc] == [iptc_record()] * 2
    assert {block.where for block in container.iptc} == {"IFD0 tag 33723", "IFD0 tag 34377"}


def test_an_iptc_record_stored_as_words_of_the_other_byte_order_is_turned_round():
    """Programs that typed the record LONG have swapped its bytes with it."""
    record = iptc_record() + bytes(-len(iptc_record()) % 4)
    swapped = b"".join(record[at : at + 4][::-1] for at in range(0, len(record), 4))
    container = walk(BytesSource(tiff({IPTC: (LONG, len(record) // 4, swapped)})))
    assert container.iptc[0].data == record


def test_the_metadata_of_the_next_page_is_not_the_photos():
    """The second directory of the chain is a thumbnail or another page."""
    data = tiff({**SIZE}, {XMP: bytes_value(packet()), IPTC: bytes_value(iptc_record())})
    container = walk(BytesSource(data))
    assert container.xmp == container.iptc == []


def test_the_iptc_of_a_preview_is_not_the_photos():
    """A directory below the first may be any version of the picture; IPTC belongs to the first."""
    container = walk(BytesSource(tiff({**SIZE, SUB_IFDS: {IPTC: bytes_value(iptc_record())}})))
    assert container.iptc == []


def test_the_size_of_a_dng_is_that_of_its_raw_image_and_not_of_its_preview():
    """NewSubfileType 0 marks the full-resolution image, which DNG keeps below the preview (DNG specification)."""
    data = tiff({**SMALL, 50706: (1, 4, b"\1\4\0\0"), SUB_IFDS: [SMALL | {256: long_value(320)}, SIZE]})
    container = walk(BytesSource(data))
    assert container.content_type == "image/x-adobe-dng"
    assert (container.width, container.height) == (4000, 3000)


def test_the_size_is_looked_for_behind_a_thumbnail_and_no_further():
    """A file that leads with its thumbnail has the photo in a later directory."""
    container = walk(BytesSource(tiff(SMALL, SIZE, SIZE | {256: long_value(9)})))
    assert container.width == 4000


def test_a_bigtiff_is_told_by_its_type():
    """ExifTool's name for it: readers of classic TIFF cannot read it."""
    container = walk(BytesSource(tiff(SIZE, big=True)))
    assert (container.content_type, container.width) == ("image/x-tiff-big", 4000)


@pytest.mark.parametrize("big", [False, True])
def test_a_2_gb_file_with_its_directory_at_the_end_costs_less_than_1_mb(tmp_path, big):
    """The image data lies between the header and the directory, and is never read."""
    path, place = tmp_path / "large.tif", 2_000_000_000
    at_zero = tiff({MAKE: ascii_value("Parrot Sequoia"), **SIZE, XMP: bytes_value(packet()), EXIF_IFD: {}}, big=big)
    width = 16 if big else 8
    pad = place - width
    with open(path, "wb") as file:
        file.write(at_zero[:4] + (struct.pack("<HHQ", 8, 0, place) if big else struct.pack("<I", place)))
        file.seek(place)
        file.write(_moved(at_zero[width:], pad, big))
    source = FileSource(path)
    container = walk(source)
    assert (container.width, container.height) == (4000, 3000)
    assert [block.data for block in container.xmp] == [packet()]
    view = container.exif[0].data
    assert isinstance(view, View)
    ifds = read_ifds(view)
    assert ifds[0].tags[MAKE].data() == b"Parrot Sequoia\0"
    assert source.bytes_read < 1_000_000
    assert source.requests == 2


def _moved(directories: bytes, by: int, big: bool) -> bytes:
    """Return a single directory and what it points to as they have to stand `by` bytes further on."""
    count, entry, pointer, sizes = ("Q", "HHQ", "Q", 20) if big else ("H", "HHI", "I", 12)
    out = bytearray(directories)
    start, width = struct.calcsize("<" + count), struct.calcsize("<" + pointer)
    for number in range(struct.unpack_from("<" + count, out)[0]):
        at = start + number * sizes
        tag, kind, elements = struct.unpack_from("<" + entry, out, at)
        size = elements * {ASCII: 1, UNDEFINED: 1, LONG: 4, 18: 8}[kind]
        if size > width or tag == EXIF_IFD:
            value = at + struct.calcsize("<" + entry)
            struct.pack_into("<" + pointer, out, value, struct.unpack_from("<" + pointer, out, value)[0] + by)
    return bytes(out)


def scan(pages: int) -> BytesSource:
    """A file of pages, each followed by its image data."""
    image = bytes(400_000)
    out = bytearray(b"II*\0\x08\0\0\0")
    for _ in range(pages):
        page = tiff({**SIZE})[8:-4]
        out += page + struct.pack("<I", len(out) + len(page) + 4 + len(image)) + image
    return BytesSource(bytes(out))


def test_a_scan_of_many_pages_costs_its_first_few():
    """Pages lie scattered over the file; none but the first describes it."""
    source = scan(pages=60)
    assert walk(source).width == 4000
    assert source.requests <= tiff_module.MAX_CHAIN + 1
    assert source.bytes_read < 1_000_000


def test_directories_beyond_the_sources_limit_cost_only_themselves(monkeypatch):
    """What was read before the limit stays, and the row says so."""
    monkeypatch.setattr(source_module, "MAX_REQUESTS", 3)
    container = walk(scan(pages=6))
    assert container.width == 4000
    assert container.warnings[0].startswith("tiff: read limit reached")
