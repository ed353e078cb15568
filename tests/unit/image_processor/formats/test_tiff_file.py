"""TIFF, BigTIFF and DNG: what their tags hold, and files that are never downloaded."""

import struct

import pytest

from image_processor.budget import LIMITS, REQUESTS, Budget
from image_processor.formats.walk import walk
from image_processor.reading import tiff as tiff_module
from image_processor.reading.file import MemoryFile, SourceFile
from image_processor.reading.ranged import BytesSource, FileSource
from image_processor.reading.tiff import walk_ifds
from infra.doubles.image_files import (
    ASCII,
    EXIF_IFD,
    IPTC,
    LONG,
    MAKE,
    SUB_IFDS,
    UNDEFINED,
    XMP,
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


def test_a_small_file_is_its_own_exif_block_in_memory():
    """What the first GET has whole needs no file that reads lazily."""
    data = tiff({MAKE: ascii_value("DJI"), **SIZE})
    container = walk(BytesSource(data))
    assert container.content_type == "image/tiff"
    assert (container.width, container.height) == (4000, 3000)
    assert [(block.data, block.where) for block in container.exif] == [(data, "TIFF")]
    assert isinstance(container.exif[0].file, MemoryFile)


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
    file = container.exif[0].file
    assert isinstance(file, SourceFile)
    ifds = list(walk_ifds(file, [], Budget()))
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
    monkeypatch.setitem(LIMITS, REQUESTS, 3)
    container = walk(scan(pages=6))
    assert container.width == 4000
    assert container.budget.exhausted == [REQUESTS]
