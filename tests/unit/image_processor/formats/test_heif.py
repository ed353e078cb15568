"""HEIF, AVIF and JPEG XL: items and boxes wherever they stand, and boxes that lie."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_processor.formats.walk import walk
from image_processor.reading.ranged import FIRST_READ, BytesSource
from infra.doubles.image_files import (
    MAKE,
    Item,
    ascii_value,
    box,
    exif_item,
    full_box,
    heif,
    iptc_record,
    packet,
    tiff,
)
from tests.support.containers import container_of

DJI = tiff({MAKE: ascii_value("DJI")})
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
JP2 = b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@pytest.mark.parametrize("in_idat", [False, True])
def test_exif_and_xmp_items_are_found_in_the_file_and_in_the_idat_box(in_idat):
    """Iloc construction methods 0 and 1 (ISO 14496-12, 8.11.3)."""
    data = heif(exif_item(DJI, in_idat=in_idat), Item(b"mime", packet(), in_idat=in_idat))
    container = container_of(data)
    assert (container.content_type, container.width, container.height) == ("image/heic", 8, 6)
    assert [(block.data, block.where) for block in container.exif] == [(DJI, "item 2")]
    assert [(block.data, block.where) for block in container.xmp] == [(packet(), "item 3")]
    for block in (*container.exif, *container.xmp):
        assert data[block.offset : block.offset + len(block.data)] == block.data
    assert container.warnings == []


def test_items_behind_the_image_data_cost_one_more_get():
    """An Exif item may stand at the end of a 30 MB file."""
    source = BytesSource(heif(exif_item(DJI), Item(b"mime", packet()), gap=30_000_000))
    container = walk(source)
    assert container.exif[0].data == DJI
    assert container.xmp[0].data == packet()
    assert source.requests == 2
    assert source.bytes_read < FIRST_READ + 100_000


@pytest.mark.parametrize(
    ("brand", "content_type"),
    [(b"heic", "image/heic"), (b"heix", "image/heic"), (b"mif1", "image/heif"), (b"avif", "image/avif")],
)
def test_the_type_follows_the_brand_and_not_the_name(brand, content_type):
    """M19: a HEIC is one under the key a.jpg too."""
    assert container_of(heif(brand=brand)).content_type == content_type


@pytest.mark.parametrize("brand", [b"isom", b"qt  ", b"mp42"])
def test_a_film_is_no_image(brand):
    """Films share the box format, not the brands."""
    assert walk(BytesSource(box(b"ftyp", brand + bytes(4) + b"isomiso2") + box(b"mdat", bytes(100)))) is None


@pytest.mark.parametrize("structure", [DJI, b"Exif\0\0" + DJI])
@pytest.mark.parametrize("offset", [0, 6, 99])
def test_the_tiff_structure_is_found_whatever_the_items_offset_says(structure, offset):
    """Programs disagree about whether the offset counts the prefix."""
    container = container_of(heif(Item(b"Exif", struct.pack(">I", offset) + structure)))
    assert container.exif[0].data == DJI


def test_the_main_images_metadata_comes_before_that_of_thumbnails_and_maps():
    """Cdsc references say which image an item describes; the first Exif block is the main image's."""
    other = tiff({MAKE: ascii_value("OTHER")})
    container = container_of(
        heif(exif_item(other, describes=9), Item(b"mime", packet('dc:format="map"'), describes=9), exif_item(DJI))
    )
    assert [block.data for block in container.exif] == [DJI, other]


def test_a_file_of_ftyp_only_has_no_metadata():
    """M19: no exception, no metadata, a row."""
    container = container_of(box(b"ftyp", b"heic\0\0\0\0heic"))
    assert container.exif == container.xmp == []
    assert container.warnings == ["heif: no metadata box"]


def test_a_meta_box_of_size_0_goes_on_to_the_end_of_the_file():
    """M19: size 0 means "all the rest" (ISO 14496-12, 4.2)."""
    container = container_of(heif(exif_item(DJI, in_idat=True), meta_size=0))
    assert container.exif[0].data == DJI


def test_a_file_without_an_exif_item_has_none():
    """M19: a HEIC without metadata items is a photo like any other."""
    container = container_of(heif())
    assert (container.width, container.exif, container.xmp, container.warnings) == (8, [], [], [])


@pytest.mark.parametrize("size", [2, 7, 60, 0x7FFFFFFF])
def test_a_meta_box_whose_size_lies_ends_the_walk(size):
    """Too short for itself, cut inside its items, longer than the file."""
    container = container_of(heif(exif_item(DJI), meta_size=size))
    assert container.content_type == "image/heic"


def test_an_item_that_reaches_beyond_the_file_is_cut_and_named():
    """Lengths of items are not trusted."""
    whole = heif(exif_item(DJI + bytes(500)))
    container = container_of(whole[:-400])
    assert container.exif[0].data.startswith(DJI)
    assert "heif: item 2 is cut" in container.warnings


@pytest.mark.parametrize(
    ("sizes", "items", "extents"),
    [(0x0000, 0xFFFFFFFF, 1), (0x0000, 1_000, 0xFFFF), (0x0000, 1_000, 10_000), (0x4400, 1_000, 0xFFFF)],
)
def test_an_item_table_without_an_end_is_given_up(sizes, items, extents):
    """Entries of zero width could be listed by the million in a few bytes."""
    entry = struct.pack(">IHHH", 2, 0, 0, extents)
    iloc = full_box(b"iloc", struct.pack(">HI", sizes, items) + entry * 1_000, version=2)
    data = box(b"ftyp", b"heic\0\0\0\0heic") + full_box(b"meta", iloc)
    container = container_of(data)
    assert container.warnings == ["heif: iloc ends early or has no end"]


@settings(max_examples=200)
@given(at=st.integers(0, 500), value=st.binary(min_size=1, max_size=4))
def test_no_damage_of_the_boxes_ends_in_an_exception(at, value):
    """Any byte of the item tables may be wrong."""
    data = bytearray(heif(exif_item(DJI), Item(b"mime", packet(), in_idat=True)))
    data[at : at + len(value)] = value
    walk(BytesSource(bytes(data)))


def test_a_packet_in_a_uuid_box_is_found():
    """XMP part 3 gives other files of this kind a box of their own."""
    data = heif()
    container = container_of(data[:24] + box(b"uuid", XMP_UUID + packet()) + data[24:])
    assert [block.where for block in container.xmp] == ["uuid"]


def test_boxes_of_jpeg_xl_are_found_behind_the_codestream():
    """Exif and xml boxes may stand anywhere in the container (ISO 18181-2)."""
    data = (
        JXL
        + box(b"jxlc", b"\xff\x0a" + bytes.fromhex("0fe0fd"))
        + box(b"Exif", bytes(4) + DJI)
        + box(b"xml ", packet())
    )
    container = container_of(data)
    assert container.content_type == "image/jxl"
    assert [(block.data, block.where) for block in container.exif] == [(DJI, "Exif")]
    assert [(block.data, block.where) for block in container.xmp] == [(packet(), "xml")]


def _bits(*fields: tuple[int, int]) -> bytes:
    value = place = 0
    for number, width in fields:
        value |= number << place
        place += width
    return b"\xff\x0a" + value.to_bytes(10, "little")


@pytest.mark.parametrize(
    ("codestream", "size"),
    [
        (_bits((1, 1), (4, 5), (0, 3), (9, 5)), (80, 40)),
        (_bits((1, 1), (4, 5), (1, 3)), (40, 40)),
        (_bits((0, 1), (1, 2), (2999, 13), (3, 3)), (4000, 3000)),
        (_bits((0, 1), (0, 2), (299, 9), (0, 3), (2, 2), (99_999, 18)), (100_000, 300)),
    ],
)
def test_the_size_of_a_jpeg_xl_is_read_from_its_codestream(codestream, size):
    """SizeHeader: small or not, by ratio or not (ISO 18181-1)."""
    bare = container_of(codestream)
    assert (bare.content_type, bare.width, bare.height) == ("image/jxl", *size)
    part = container_of(JXL + box(b"jxlp", bytes(4) + codestream))
    assert (part.width, part.height) == size


def test_jpeg_2000_has_its_size_and_its_uuid_boxes():
    """XMP, Exif and IPTC are uuid boxes; the size stands in the image header."""
    header = box(b"jp2h", box(b"ihdr", struct.pack(">IIHBBBB", 6, 8, 3, 7, 7, 0, 0)))
    iptc = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
    container = container_of(
        JP2
        + header
        + box(b"uuid", XMP_UUID + packet())
        + box(b"uuid", b"JpgTiffExif->JP2" + DJI)
        + box(b"uuid", iptc + iptc_record())
        + box(b"uuid", bytes(16))
    )
    assert (container.content_type, container.width, container.height) == ("image/jp2", 8, 6)
    assert [block.data for block in container.exif] == [DJI]
    assert [block.data for block in container.xmp] == [packet()]
    assert [block.data for block in container.iptc] == [iptc_record()]


def test_a_bare_jpeg_2000_codestream_has_its_size():
    """SIZ: the image area is the grid less its offset."""
    container = container_of(b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 41, 0, 90, 80, 10, 20) + bytes(50))
    assert (container.content_type, container.width, container.height) == ("image/x-j2c", 80, 60)
