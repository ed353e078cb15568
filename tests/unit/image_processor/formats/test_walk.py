"""What is an image and what is not, the smaller formats, and all files of the photo collection."""

import struct
import tracemalloc
from pathlib import Path

import pytest

from image_processor.budget import LIMITS, REQUESTS
from image_processor.errors import ObjectGone
from image_processor.formats.walk import walk
from image_processor.reading.ranged import FIRST_READ, BytesSource, FileSource
from infra.doubles.image_files import (
    MAKE,
    ascii_value,
    box,
    exif_segment,
    heif,
    iptc_record,
    jpeg,
    packet,
    png,
    psd,
    resource,
    riff_chunk,
    segment,
    tiff,
    vp8x,
    webp,
)
from tests.support.containers import container_of
from tests.support.cpu_time import in_time
from tests.support.paths import PHOTOS

DJI = tiff({MAKE: ascii_value("DJI")})
HEAD = b"GIF89a" + struct.pack("<HHBBB", 8, 6, 0x80, 0, 0) + bytes(6)
GIF_IMAGE = b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 6, 0) + b"\x02\x02\x4c\x01\x00"
MAGIC_TRAILER = bytes([1, *range(255, -1, -1), 0])

needs_photos = pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"the photo collection is not at {PHOTOS}")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"%PDF-1.7\n",
        b"just a text, named .jpg",
        b"PK\3\4" + bytes(60),
        b"BM, said the reviewer, is two letters and no proof of anything at all",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"II",
        b"\xff\xd8\x00",
    ],
)
def test_what_is_no_image_by_its_content_is_none(data):
    """S4, S10: an empty object, HTML, PDF or text is no image, whatever its name."""
    assert walk(BytesSource(data)) is None


@pytest.mark.parametrize("data", [jpeg(), png(), tiff({}), heif(), webp(vp8x()), HEAD + b";"])
def test_an_image_cut_after_its_signature_is_an_image(data):
    """A damaged image gets a row with what could be read."""
    for cut in range(14, len(data)):
        assert container_of(data[:cut]).content_type.startswith("image/")


def test_a_reached_limit_of_the_source_is_a_warning_and_keeps_what_was_read(monkeypatch):
    """A bound is never an exception."""
    monkeypatch.setitem(LIMITS, REQUESTS, 1)
    container = container_of(
        webp(vp8x(), riff_chunk(b"EXIF", DJI), riff_chunk(b"VP8 ", bytes(5_000_000)), riff_chunk(b"XMP ", b"x"))
    )
    assert container.exif[0].data == DJI
    assert container.budget.warnings() == ["limit: 1 GETs: what is beyond was left out"]


def test_errors_of_the_source_pass_through():
    """That an object is gone is no property of the image."""

    class Gone(BytesSource):
        def _fetch(self, offset: int, length: int) -> bytes:
            raise ObjectGone("NoSuchKey")

    with pytest.raises(ObjectGone):
        walk(Gone(b"x"))


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_the_chunks_of_a_webp_are_found_behind_the_image(prefix):
    """RFC 9649 puts EXIF and XMP last; some programs keep JPEG's prefix."""
    data = webp(
        vp8x(640, 512), riff_chunk(b"VP8 ", bytes(33)), riff_chunk(b"EXIF", prefix + DJI), riff_chunk(b"XMP ", packet())
    )
    container = container_of(data)
    assert (container.content_type, container.width, container.height) == ("image/webp", 640, 512)
    assert [(block.data, block.where) for block in container.exif] == [(DJI, "EXIF")]
    assert [(block.data, block.where) for block in container.xmp] == [(packet(), "XMP")]
    assert container.warnings == []


def test_the_metadata_of_a_large_webp_costs_one_more_get():
    """Image data is stepped over."""
    source = BytesSource(webp(vp8x(), riff_chunk(b"VP8 ", bytes(9_000_000)), riff_chunk(b"XMP ", packet())))
    assert walk(source).xmp[0].data == packet()
    assert source.requests == 2
    assert source.bytes_read < FIRST_READ + 100_000


def test_an_animation_that_promises_no_metadata_is_not_downloaded():
    """The header's flags say whether EXIF or XMP follow."""
    frames = [riff_chunk(b"ANMF", bytes(100_000)) for _ in range(100)]
    source = BytesSource(webp(vp8x(flags=0x02), *frames))
    assert walk(source).warnings == []
    assert source.bytes_read < 2_500_000


@pytest.mark.parametrize(
    ("chunk", "size"),
    [
        (riff_chunk(b"VP8 ", bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", 0x4000 | 640, 512)), (640, 512)),
        (riff_chunk(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 511 << 14)), (640, 512)),
        (riff_chunk(b"VP8 ", b"junk"), (None, None)),
    ],
)
def test_the_size_of_a_simple_webp_is_that_of_its_frame(chunk, size):
    """Lossy and lossless files without an extended header."""
    container = container_of(webp(chunk))
    assert (container.width, container.height) == size


def test_a_webp_whose_lengths_lie_is_read_as_far_as_it_goes():
    """Both the file's and a chunk's length may point beyond the end."""
    data = bytearray(webp(vp8x(), riff_chunk(b"EXIF", DJI)))
    data[4:8] = data[34:38] = b"\xf0\xff\xff\xff"
    container = container_of(bytes(data))
    assert container.exif[0].data.startswith(DJI)
    assert len(container.warnings) == 2


def test_the_packet_of_a_gif_ends_before_its_magic_trailer():
    """XMP part 3, 1.1.2: the packet stands there as it is, and the trailer leads other readers over it."""
    extension = b"\x21\xff\x0bXMP DataXMP" + packet() + MAGIC_TRAILER
    for data in (HEAD + extension + GIF_IMAGE + b";", HEAD + GIF_IMAGE + extension + b";"):
        container = container_of(data)
        assert (container.content_type, container.width, container.height) == ("image/gif", 8, 6)
        assert [block.data for block in container.xmp] == [packet()]
        assert container.warnings == []


def test_the_comment_of_a_gif_is_joined_from_its_blocks():
    """A comment extension is cut into blocks of at most 255 bytes."""
    data = HEAD + b"\x21\xfe\x05first\x07 second\0" + GIF_IMAGE + b";"
    assert [block.data for block in container_of(data).comments] == [b"first second"]


def test_a_large_gif_is_walked_only_so_far():
    """Image data of a GIF cannot be stepped over without reading it."""
    source = BytesSource(
        HEAD + b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 6, 0) + b"\x02" + (b"\xff" + bytes(255)) * 50_000
    )
    assert walk(source).warnings == ["gif: only the first 1048576 bytes read"]
    assert source.bytes_read < 3_000_000


@pytest.mark.parametrize("tail", [b"", b"\x21", b"\x21\xff\x0bXMP Data", b"\x2c\0", b"\x99"])
def test_a_damaged_gif_ends_with_a_warning(tail):
    """Cut inside any block, or a block of no kind."""
    assert container_of(HEAD + tail).warnings


def test_a_photoshop_document_has_size_packet_exif_and_iptc():
    """Image resources 0x0424, 0x0422 and 0x0404 stand before the layers."""
    resources = resource(0x0404, iptc_record()), resource(0x0422, DJI), resource(0x0424, packet(), b"name")
    container = container_of(psd(*resources, mode=bytes(5)) + bytes(1000))
    assert (container.content_type, container.width, container.height) == ("image/vnd.adobe.photoshop", 8, 6)
    assert [block.data for block in container.exif] == [DJI]
    assert [block.data for block in container.xmp] == [packet()]
    assert [block.data for block in container.iptc] == [iptc_record()]


def test_a_bmp_has_a_size_and_nothing_else():
    """A negative height means rows from the top down."""
    data = b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + struct.pack("<Iii", 40, 8, -6) + bytes(30)
    container = container_of(data)
    assert (container.content_type, container.width, container.height) == ("image/bmp", 8, 6)
    assert container.warnings == ["bmp: this format has no metadata"]


def _collection(folder: str) -> list[Path]:
    return sorted(path for path in (PHOTOS / folder).glob("*.*") if path.suffix not in (".md", ".json"))


@needs_photos
def test_every_bad_file_gives_a_result_within_a_second_and_100_mb():
    """A reader must end quickly and use little memory, whatever is wrong with the file."""
    for path in _collection("bad"):
        tracemalloc.start()
        container = in_time(1, lambda path=path: walk(FileSource(path)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100_000_000, path.name
        assert (container is None) == (path.name in ("html-named.png", "text-named.jpg", "zero-byte.jpg")), path.name


@needs_photos
def test_every_good_file_is_an_image_read_without_a_warning_but_the_known_ones():
    """Types and sizes of the collection."""
    warnings = {}
    for path in [*_collection("."), *_collection("made")]:
        container = walk(FileSource(path))
        assert container is not None, path.name
        if container.warnings:
            warnings[path.name] = container.warnings
    assert set(warnings) <= {"jxl-small.jxl"}


@needs_photos
def test_at_least_95_percent_of_the_jpegs_cost_one_get_of_at_most_128_kb():
    """The promise about cost, on the collection."""
    sources = [FileSource(path) for path in [*_collection("."), *_collection("made")] if path.suffix == ".jpg"]
    for source in sources:
        walk(source)
    cheap = [source for source in sources if source.requests == 1 and source.bytes_read <= 128_000]
    assert len(cheap) >= 0.95 * len(sources)


@pytest.mark.parametrize(
    "head", [b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x0cjP  \r\n\x87\n", box(b"ftyp", b"heic\0\0\0\0mif1heic")]
)
def test_boxes_beyond_the_limit_are_not_dropped_in_silence(head):
    """A packet behind them would be missing from a row that says nothing."""
    assert "more than 1000 boxes" in container_of(head + box(b"free", b"") * 1_001).warnings


def test_photoshop_resources_beyond_the_limit_are_not_dropped_in_silence():
    """The record of a file with more of them than any real one has."""
    resources = resource(0x0400, b"x") * 500 + resource(0x0404, iptc_record())
    container = container_of(jpeg(segment(0xED, b"Photoshop 3.0\0" + resources)))
    assert container.warnings == ["photoshop: only the first 500 resources read"]


def test_a_crowd_of_warnings_of_a_file_says_that_there_were_more():
    """A limit that is reached last would else be hidden by twenty damaged directories."""
    damaged = [exif_segment(struct.pack("<2sHIH", b"II", 42, 8, 100 + number)) for number in range(25)]
    warnings = container_of(jpeg(*damaged)).warnings
    assert len(warnings) == 20
    assert warnings[-1] == "more warnings of the file were left out"
