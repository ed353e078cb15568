"""PNG: chunks before and behind the image data, compressed or not, and the ends of very large files."""

import struct
import zlib

import pytest

from image_processor.budget import INFLATED, LIMITS
from image_processor.formats import blocks
from image_processor.formats.png import MAX_INFLATED
from image_processor.formats.walk import walk
from image_processor.reading.ranged import FIRST_READ, BytesSource
from infra.doubles.image_files import (
    MAKE,
    ascii_value,
    chunk,
    iptc_record,
    itxt,
    packet,
    png,
    raw_profile,
    resource,
    tiff,
)
from tests.support.containers import container_of

DJI = tiff({MAKE: ascii_value("DJI")})
IMAGE = chunk(b"IDAT", b"x" * 50)
XMP_KEYWORD = b"XML:com.adobe.xmp"


def test_the_size_is_that_of_the_header():
    """IHDR has width and height as stored."""
    container = container_of(png(IMAGE, width=640, height=512))
    assert (container.content_type, container.width, container.height) == ("image/png", 640, 512)
    assert container.warnings == []


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("behind", [False, True])
def test_a_packet_is_found_compressed_or_not_before_or_behind_the_image(compress, behind):
    """M19: iTXt with keyword XML:com.adobe.xmp, compression flag 0 or 1."""
    text = itxt(XMP_KEYWORD, packet(), compress)
    data = png(IMAGE, text) if behind else png(text, IMAGE)
    (block,) = container_of(data).xmp
    assert (block.data, block.where) == (packet(), "iTXt")
    assert data[block.offset - 4 : block.offset] == b"iTXt"


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"])
def test_exif_behind_the_image_is_found_with_or_without_a_prefix(prefix):
    """M19: eXIf after IDAT; some programs put JPEG's prefix before it."""
    data = png(IMAGE, chunk(b"eXIf", prefix + DJI))
    (block,) = container_of(data).exif
    assert (block.data, block.where) == (DJI, "eXIf")
    assert data[block.offset : block.offset + len(DJI)] == DJI


@pytest.mark.parametrize("kind", ["exif", "APP1"])
def test_exif_in_a_raw_profile_is_found(kind):
    """M19: zTXt "Raw profile type exif", in hexadecimal."""
    (block,) = container_of(png(raw_profile(kind, b"Exif\0\0" + DJI), IMAGE)).exif
    assert (block.data, block.where) == (DJI, f"zTXt raw profile {kind}")


def test_packets_and_iptc_in_raw_profiles_are_found():
    """ImageMagick keeps every profile of the file that it converted."""
    container = container_of(
        png(
            raw_profile("xmp", packet()),
            raw_profile("APP1", b"http://ns.adobe.com/xap/1.0/\0" + packet('dc:format="2"')),
            raw_profile("iptc", resource(0x0404, iptc_record())),
            raw_profile("8bim", iptc_record()),
        )
    )
    assert [block.data for block in container.xmp] == [packet(), packet('dc:format="2"')]
    assert [block.data for block in container.iptc] == [iptc_record()] * 2


@pytest.mark.parametrize(
    ("declared", "digits", "warned"),
    [
        (3, "616263", []),
        (3, "61 62\n63\n", []),
        (3, "616263 (junk)", ["png: tEXt raw profile exif has 6 bytes and says 3"]),
        (3, "6162636465", ["png: tEXt raw profile exif has 5 bytes and says 3"]),
        (9, "616263", ["png: tEXt raw profile exif has 3 bytes and says 9"]),
        ("x", "616263", []),
        ("9" * 5_000, "616263", []),
    ],
)
def test_a_raw_profile_goes_as_far_as_it_says(declared, digits, warned):
    """What stands behind its length is not its own, and does not cost it."""
    text = f"Raw profile type exif\0\nexif\n{declared:>8}\n{digits}"
    container = container_of(png(chunk(b"tEXt", text.encode())))
    assert [block.data for block in container.exif] == [b"abc"]
    assert [warning for warning in container.warnings if warning.startswith("png")] == warned


@pytest.mark.parametrize("text", [b"\nexif\n 4\n00zz", b"\nexif", b"", b"\nexif\n 4\n\xff\xff"])
def test_a_raw_profile_that_is_none_is_a_warning(text):
    """A profile that is not hexadecimal costs itself only."""
    data = chunk(b"tEXt", b"Raw profile type exif\0" + text)
    container = container_of(png(data, chunk(b"eXIf", DJI)))
    assert len(container.exif) == 1
    assert container.warnings == ["png: tEXt raw profile exif is not hexadecimal"]


def test_texts_are_kept_with_their_keywords_in_their_encodings():
    """TEXt and zTXt are Latin-1, iTXt is UTF-8."""
    container = container_of(
        png(
            chunk(b"tEXt", b"Author\0J\xfcrgen"),
            chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"caf\xe9")),
            itxt(b"Title", "Brücke 測量".encode(), compress=True),
        )
    )
    found = [(text.keyword, text.text, text.where) for text in container.texts]
    assert found == [("Author", "Jürgen", "tEXt"), ("Comment", "café", "zTXt"), ("Title", "Brücke 測量", "iTXt")]


@pytest.mark.parametrize(
    "data",
    [
        chunk(b"zTXt", b"Comment\0\1" + zlib.compress(b"x")),
        chunk(b"zTXt", b"Comment\0\0not deflated"),
        chunk(b"iTXt", XMP_KEYWORD + b"\0\1\7\0\0" + zlib.compress(packet())),
        chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0only two"),
        chunk(b"tEXt", b"no separator"),
    ],
)
def test_a_text_that_cannot_be_read_costs_itself_only(data):
    """Cut or unknown compression, missing fields."""
    container = container_of(png(data, chunk(b"eXIf", DJI)))
    assert len(container.exif) == 1
    assert len(container.warnings) == 1
    assert "not readable" in container.warnings[0]
    assert container.xmp == container.texts == []


def test_a_text_that_is_cut_gives_what_there_is():
    """A few words are better than none, and the row says that there were more."""
    words = b"".join(b"%d " % number for number in range(1000))
    container = container_of(png(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(words)[:-300])))
    assert words.decode().startswith(container.texts[0].text)
    assert container.texts[0].text
    assert container.warnings == ["png: zTXt 'Comment' is cut"]


def test_a_text_that_inflates_without_end_is_stopped():
    """A few KB of zlib data can become gigabytes; no more than 4 MiB of a packet are ever inflated."""
    bomb = zlib.compress(bytes(9_000_000))
    container = container_of(png(chunk(b"iTXt", XMP_KEYWORD + b"\0\1\0\0\0" + bomb), chunk(b"eXIf", DJI)))
    assert container.xmp == []
    assert len(container.exif) == 1
    assert container.warnings == ["png: iTXt 'XML:com.adobe.xmp' not readable"]
    assert LIMITS[INFLATED] - container.budget.left(INFLATED) < 4_300_000


@pytest.mark.parametrize("end", [None, -4])
def test_many_texts_that_inflate_without_end_cost_no_more_than_a_few(end):
    """The bytes that may be inflated are counted for the whole file, those of a stream that breaks too."""
    bomb = itxt(XMP_KEYWORD, b"")[:8] + XMP_KEYWORD + b"\0\1\0\0\0" + zlib.compress(bytes(5_000_000))[:end] + bytes(4)
    bomb = (len(bomb) - 12).to_bytes(4, "big") + bomb[4:]
    container = container_of(png(*[bomb] * 100))
    assert container.budget.exhausted == [INFLATED]
    assert sum(len(block.data) for block in container.xmp) <= LIMITS[INFLATED]


@pytest.mark.parametrize("padding", [b" " * 8_000_000, b"\n" * 8_000_000 + b"<?xpacket end='w'?>"], ids=["", "marked"])
def test_8_mb_of_padding_cost_no_packet(padding):
    """M17: editors pad packets so that they can be rewritten in place; compressed, the end of it is not inflated."""
    plain, compressed = container_of(
        png(itxt(XMP_KEYWORD, packet() + padding), itxt(XMP_KEYWORD, packet() + padding, compress=True))
    ).xmp
    assert plain.data == packet() + padding
    assert compressed.data == packet().rstrip()


def test_a_compressed_packet_is_whole_or_refused():
    """What lies beyond the limit are values, if it is not padding; a packet as large as the limit is read."""
    filling = bytes(MAX_INFLATED - len(packet()))
    packets = [packet().replace(b"<rdf", filling + more + b"<rdf", 1) for more in (b"", b" ")]
    container = container_of(png(*[itxt(XMP_KEYWORD, one, compress=True) for one in packets]))
    assert [block.data for block in container.xmp] == packets[:1]
    assert container.warnings == ["png: iTXt 'XML:com.adobe.xmp' not readable"]


@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFF0])
def test_a_chunk_whose_length_lies_ends_the_walk(length):
    """A length beyond the file, and one beyond what the format allows."""
    data = png(chunk(b"eXIf", DJI))[:-12] + struct.pack(">I", length) + b"eXIf" + DJI
    container = container_of(data)
    assert container.exif[0].data == DJI
    assert container.warnings


def test_a_chunk_of_no_type_ends_the_walk():
    """Where a type should stand there are four letters, or the chain is lost."""
    container = container_of(png(chunk(b"\0\1\2\3", b"x" * 10), chunk(b"eXIf", DJI)))
    assert container.exif == []
    assert container.warnings == ["png: damaged chunk of length 10"]


def test_blocks_of_more_bytes_than_the_limit_are_not_kept():
    """What the parsers get is bounded for the whole file."""
    large = packet().replace(b"<rdf", b" " * 9_000_000 + b"<rdf", 1)
    container = container_of(png(*[itxt(XMP_KEYWORD, large)] * 2, chunk(b"eXIf", DJI)))
    assert [len(block.data) for block in container.xmp] == [len(large)]
    assert container.exif[0].data == DJI
    assert len(container.warnings) == 1


def test_padding_takes_no_room_from_other_blocks():
    """A second packet whose padding is beyond the limit is read, and so is the Exif behind it."""
    container = container_of(png(*[itxt(XMP_KEYWORD, packet() + b" " * 9_000_000)] * 2, chunk(b"eXIf", DJI)))
    assert container.xmp[1].data == packet().rstrip()
    assert container.exif[0].data == DJI
    assert container.warnings == []


def test_metadata_behind_one_large_chunk_of_image_data_costs_one_more_get():
    """Stepping over 20 MB in one chunk is cheap."""
    source = BytesSource(png(chunk(b"IDAT", bytes(20_000_000)), chunk(b"eXIf", DJI)))
    assert [block.data for block in walk(source).exif] == [DJI]
    assert source.requests == 2
    assert source.bytes_read < FIRST_READ + 100_000


@pytest.mark.parametrize("length", [8_192, 65_536, 100_000])
def test_metadata_behind_very_many_chunks_of_image_data_is_found_from_the_end(length):
    """Libpng writes 8 KB a chunk: stepping over each would download the file."""
    image = [chunk(b"IDAT", bytes([number % 251]) * length) for number in range(20_000_000 // length)]
    source = BytesSource(png(*image, chunk(b"eXIf", DJI), itxt(XMP_KEYWORD, packet())))
    container = walk(source)
    assert [block.data for block in container.exif] == [DJI]
    assert [block.data for block in container.xmp] == [packet()]
    assert container.warnings == []
    assert source.requests <= 3
    assert source.bytes_read < 1_400_000


def test_an_end_that_cannot_be_found_is_a_warning():
    """A large file that was cut inside its image data has no end to start from."""
    image = b"".join(chunk(b"IDAT", b"IDAT" * 2_000) for _ in range(500))
    source = BytesSource(png()[:-12] + image[:-5000])
    container = walk(source)
    assert container.warnings == ["png: the chunks behind the image data were not found"]
    assert source.bytes_read < 1_400_000


def test_a_hostile_end_is_searched_in_one_pass():
    """A megabyte of empty image data chunks without an end must not be followed from each of them."""
    data = png()[:-12] + chunk(b"IDAT", bytes(300_000)) * 9 + chunk(b"IDAT", b"") * 100_000
    container = walk(BytesSource(data))
    assert container.warnings == ["png: the chunks behind the image data were not found"]


def test_more_blocks_than_any_photo_has_are_not_kept():
    """Packets are parsed one by one, so their number is bounded."""
    container = container_of(png(*[itxt(XMP_KEYWORD, packet())] * (blocks.MAX_BLOCKS + 10)))
    assert len(container.xmp) == blocks.MAX_BLOCKS
    assert len(container.warnings) == 1
