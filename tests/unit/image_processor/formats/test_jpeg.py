"""JPEG: every segment that can hold metadata, wherever it stands, and nothing behind the image."""

import struct

import pytest

from image_processor.budget import Budget
from image_processor.formats import jpeg as jpeg_module
from image_processor.formats.walk import walk
from image_processor.reading.file import MemoryFile
from image_processor.reading.ranged import FIRST_READ, BytesSource
from image_processor.reading.tiff import walk_ifds
from infra.doubles.image_files import (
    ASCII,
    DOUBLE,
    EXIF_IFD,
    LONG,
    MAKE,
    UNDEFINED,
    XMP,
    Raw,
    ascii_value,
    bytes_value,
    exif_segment,
    extended_segment,
    iptc_record,
    jpeg,
    packet,
    resource,
    segment,
    tiff,
    xmp_segment,
)
from tests.support.containers import container_of

DJI = tiff({MAKE: ascii_value("DJI")})
GUID = b"0123456789ABCDEF0123456789ABCDEF"


def test_exif_is_found_with_its_place_and_without_its_prefix():
    """A block is a TIFF structure and says where in the object it starts."""
    data = jpeg(exif_segment(DJI))
    (block,) = container_of(data).exif
    assert (block.data, block.where) == (DJI, "APP1")
    assert data[block.offset : block.offset + len(DJI)] == DJI


def test_the_size_is_that_of_the_frame_header():
    """Exif's own idea of the size may be of the picture before it was cropped."""
    container = container_of(jpeg(exif_segment(tiff({256: (LONG, 1, struct.pack("<I", 99))})), width=4000, height=2250))
    assert (container.content_type, container.width, container.height) == ("image/jpeg", 4000, 2250)


@pytest.mark.parametrize("length", [1, 3_900, 3_960, 3_975, 3_990, 5_000, 65_533])
@pytest.mark.parametrize("marker", [0xE0, 0xE2, 0xED, 0xFE])
def test_exif_behind_another_segment_is_found_whatever_that_ones_length(marker, length):
    """M23: Exif behind a colour profile, a comment or anything else."""
    (block,) = container_of(jpeg(segment(marker, b"x" * length), exif_segment(DJI))).exif
    assert block.data == DJI


@pytest.mark.parametrize("length", [100, 3_970, 60_000])
def test_exif_behind_xmp_is_found(length):
    """M23: XMP first, whose size decided over the old extractor's fate."""
    container = container_of(jpeg(xmp_segment(packet() + b" " * length), exif_segment(DJI)))
    assert [block.data for block in container.exif] == [DJI]
    assert len(container.xmp) == 1


def test_a_jpeg_with_the_largest_exif_and_a_usual_packet_costs_one_get():
    """Exif of 64 KB, XMP and colour profile lie in the first GET."""
    source = BytesSource(
        jpeg(exif_segment(DJI + bytes(65_000)), xmp_segment(packet() + bytes(8_000)), segment(0xE2, bytes(3_000)))
        + bytes(10_000_000)
    )
    assert walk(source).width == 8
    assert (source.requests, source.bytes_read) == (1, FIRST_READ)


def test_700_kb_of_sensor_data_before_the_frame_cost_a_few_gets_and_no_download():
    """Radiometric files keep their raw data in APP segments before the scan."""
    raw = [segment(0xE3, bytes(65_533)) for _ in range(11)]
    source = BytesSource(jpeg(exif_segment(DJI), *raw) + bytes(5_000_000))
    assert walk(source).width == 8
    assert source.requests <= 3
    assert source.bytes_read < 1_500_000


def test_exif_above_64_kb_continues_in_the_next_segment():
    """A second Exif segment without a TIFF header goes on with the first; one with a header is another block."""
    long = tiff({MAKE: ascii_value("DJI " + "x" * 70_000)})
    container = container_of(jpeg(exif_segment(long[:60_000]), exif_segment(long[60_000:]), exif_segment(DJI)))
    assert [block.data for block in container.exif] == [long, DJI]


def test_an_exif_segment_without_a_header_elsewhere_continues_nothing():
    """Only the segment that directly follows can go on with a block."""
    container = container_of(jpeg(exif_segment(DJI), segment(0xE2, b"x"), exif_segment(b"no header at all")))
    assert [block.data for block in container.exif] == [DJI, b"no header at all"]
    assert container.warnings == ["tiff: no header"]


def test_all_packets_are_kept_in_file_order():
    """M15: two XMP segments, in the order in which they stand."""
    first, second = packet('drone-dji:RelativeAltitude="+10.0"'), packet('dc:format="a"')
    container = container_of(jpeg(xmp_segment(first), segment(0xE2, b"x"), xmp_segment(second)))
    assert [block.data for block in container.xmp] == [first, second]
    assert container.warnings == []


def test_a_second_jpeg_behind_the_image_changes_nothing():
    """M15: the pictures that an MPF file carries behind its end have their own metadata, which is not the photo's."""
    main = jpeg(exif_segment(DJI), xmp_segment(packet()))
    other = jpeg(
        exif_segment(tiff({MAKE: ascii_value("OTHER")})), xmp_segment(packet('dc:format="other"')), width=99, height=99
    )
    assert container_of(main + other) == container_of(main)


@pytest.mark.parametrize("where", ["IFD0", "ExifIFD"])
def test_a_packet_in_a_tag_of_the_exif_block_is_found(where):
    """M19: XMP only in tag 700 of the Exif block's directories."""
    tags = {XMP: bytes_value(packet())}
    data = jpeg(exif_segment(tiff(tags if where == "IFD0" else {EXIF_IFD: tags})))
    (block,) = container_of(data).xmp
    assert (block.data, block.where) == (packet(), f"{where} tag 700")
    assert data[block.offset : block.offset + len(packet())] == packet()


def test_the_parts_of_extended_xmp_are_joined_by_their_offsets():
    """Parts may come in any order; the document follows the packet that names it."""
    main = packet(f'xmpNote:HasExtendedXMP="{GUID.decode()}"')
    extension = packet('dc:format="extended"')
    parts = [
        extended_segment(GUID, len(extension), at, extension[at : at + 100]) for at in range(0, len(extension), 100)
    ]
    container = container_of(jpeg(*reversed(parts), xmp_segment(main)))
    assert [block.data for block in container.xmp] == [main, extension]
    assert container.warnings == []


def test_extended_xmp_of_a_utf_16_packet_is_joined_too():
    """The packet's encoding does not hide the name of its extension."""
    main = packet(f'xmpNote:HasExtendedXMP="{GUID.decode()}"').decode().encode("utf-16")
    extension = packet('dc:format="extended"')
    container = container_of(jpeg(xmp_segment(main), extended_segment(GUID, len(extension), 0, extension)))
    assert [block.data for block in container.xmp] == [main, extension]


def test_extended_xmp_that_no_packet_names_is_left_out():
    """XMP part 3: an extension with another GUID is left over from before an edit."""
    extension = packet('dc:format="old"')
    container = container_of(jpeg(xmp_segment(packet()), extended_segment(GUID, len(extension), 0, extension)))
    assert [block.data for block in container.xmp] == [packet()]
    assert container.warnings == ["xmp: extended XMP that no packet names"]


@pytest.mark.parametrize(("full_length", "offset"), [(4_294_967_295, 0), (300, 0), (400, 4_294_967_000), (10, 0)])
def test_extended_xmp_whose_lengths_lie_is_a_warning_and_costs_no_memory(full_length, offset):
    """Declared lengths are never allocated."""
    main = packet(f'xmpNote:HasExtendedXMP="{GUID.decode()}"')
    container = container_of(jpeg(xmp_segment(main), extended_segment(GUID, full_length, offset, b"x" * 200)))
    assert container.xmp[0].data == main
    assert all(len(block.data) <= 200 for block in container.xmp[1:])
    assert len(container.warnings) == 1


def test_extended_xmp_with_a_gap_ends_before_it():
    """A lost part must not be bridged: what is behind it belongs elsewhere."""
    main = packet(f'xmpNote:HasExtendedXMP="{GUID.decode()}"')
    parts = [extended_segment(GUID, 300, 0, b"a" * 100), extended_segment(GUID, 300, 200, b"c" * 100)]
    container = container_of(jpeg(xmp_segment(main), *parts))
    assert container.xmp[1].data == b"a" * 100
    assert container.warnings == ["xmp: extended XMP has 100 of 300 bytes"]


def test_extended_xmp_beyond_the_limit_is_not_kept(monkeypatch):
    """Depth maps are stored as megabytes of text; a row could not hold them."""
    monkeypatch.setattr(jpeg_module, "MAX_PACKET", 100_000)
    main = packet(f'xmpNote:HasExtendedXMP="{GUID.decode()}"')
    parts = [extended_segment(GUID, 600_000, at, b"x" * 60_000) for at in range(0, 600_000, 60_000)]
    container = container_of(jpeg(xmp_segment(main), *parts))
    assert [len(block.data) for block in container.xmp] == [len(main), 60_000]
    assert "xmp: extended XMP beyond 100000 bytes not read" in container.warnings


def test_an_xmp_segment_with_a_misspelt_announcement_is_known_by_its_packet():
    """Some programs write another namespace before the packet."""
    data = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>' + packet()
    (block,) = container_of(jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0\0" + data))).xmp
    assert block.data == data


def test_the_comment_keeps_its_bytes():
    """JPEG does not say in which encoding a comment is."""
    (block,) = container_of(jpeg(segment(0xFE, b"caf\xe9"))).comments
    assert (block.data, block.where) == (b"caf\xe9", "COM")


def test_iptc_is_found_among_photoshop_resources_that_go_over_several_segments():
    """APP13 segments are one run of resources, cut anywhere."""
    resources = resource(0x03ED, bytes(17), b"odd") + resource(0x0404, iptc_record()) + resource(0x040C, b"x")
    cut = 30
    container = container_of(
        jpeg(segment(0xED, b"Photoshop 3.0\0" + resources[:cut]), segment(0xED, b"Photoshop 3.0\0" + resources[cut:]))
    )
    assert [(block.data, block.where) for block in container.iptc] == [(iptc_record(), "APP13")]


def test_fill_bytes_before_a_marker_are_no_damage():
    """ISO 10918-1, B.1.1.2: any marker may be preceded by fill bytes."""
    for number in (3, 5_000, 200_000):
        container = container_of(jpeg(b"\xff" * number + exif_segment(DJI), b"\xff" * 70_000 + segment(0xFE, b"x")))
        assert (len(container.exif), len(container.comments), container.width) == (1, 1, 8)
        assert container.warnings == []


def test_bytes_between_segments_are_stepped_over_and_named():
    """A few bytes too many do not cost the rest of the file."""
    container = container_of(jpeg(segment(0xE0, b"JFIF\0") + b"\0\1garbage" + exif_segment(DJI)))
    assert len(container.exif) == 1
    assert container.warnings == ["jpeg: bytes between the segments"]


@pytest.mark.parametrize("length", [0, 1])
def test_a_segment_shorter_than_its_own_length_ends_the_walk(length):
    """A length below 2 would lead backwards."""
    container = container_of(b"\xff\xd8" + exif_segment(DJI) + struct.pack(">BBH", 0xFF, 0xE1, length) + bytes(100))
    assert len(container.exif) == 1
    assert container.warnings == [f"jpeg: segment of length {length}"]


def test_more_segments_than_any_photo_has_end_the_walk(monkeypatch):
    """A file of segments only must not be walked for ever."""
    monkeypatch.setattr(jpeg_module, "MAX_SEGMENTS", 100)
    container = container_of(b"\xff\xd8" + segment(0xE5, b"") * 200)
    assert container.warnings == ["jpeg: more than 100 segments"]


def test_a_file_that_is_cut_anywhere_gives_what_was_before_the_cut():
    """M24: cut after the start marker, after `Exif`, and at every byte from there."""
    whole = jpeg(exif_segment(tiff({MAKE: ascii_value("DJI Phantom"), EXIF_IFD: {0x9286: bytes_value(b"x" * 40)}})))
    for cut in range(2, len(whole)):
        container = container_of(whole[:cut])
        assert container.content_type == "image/jpeg"
        assert container.exif == container_of(whole).exif or container.warnings


@pytest.mark.parametrize(
    "tags",
    [
        {MAKE: ascii_value("DJI"), 0x9C9C: Raw(DOUBLE, 1, 0x7FFFFF00)},
        {MAKE: ascii_value("DJI"), 0x927C: Raw(UNDEFINED, 1_006_641_184, 8)},
        {MAKE: ascii_value("DJI"), 0x010E: Raw(ASCII, 0xFFFFFFFF, 8), 0x0110: Raw(99, 5, 5)},
    ],
)
def test_entries_that_lie_are_told_apart_and_the_others_stay(tags):
    """M20, M24: a count or an offset beyond the file, an unknown type."""
    (ifd,) = walk_ifds(MemoryFile(tiff(tags)), [], Budget())
    assert ifd.tags[MAKE].whole
    assert ifd.tags[MAKE].data() == b"DJI\0"
    lies = [raw for tag, raw in ifd.tags.items() if tag != MAKE]
    assert lies
    assert not any(raw.whole for raw in lies)
    assert all(len(raw.data()) < 500 for raw in lies)
