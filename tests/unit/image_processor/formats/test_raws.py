"""Camera raws, and formats that cameras seldom write: typed by what they are, measured by the photo, or flagged."""

import struct

import pytest

from image_processor import BytesSource, extract
from image_processor.formats.walk import walk
from image_processor.reading.ranged import FIRST_READ
from infra.doubles.image_files import (
    EXIF_IFD,
    GPS_IFD,
    MAKE,
    RATIONAL,
    SUB_IFDS,
    ascii_value,
    chunk,
    exif_item,
    exif_segment,
    heif,
    jpeg,
    packet,
    png,
    psd,
    resource,
    riff_chunk,
    tiff,
    vp8x,
    webp,
    xmp_segment,
)
from infra.doubles.raw_files import (
    brob,
    cr3,
    filter_array,
    jxl,
    marked,
    mini,
    mrw,
    orf,
    preview,
    raf,
    rw2,
    short_value,
    x3f,
)
from tests.support.image_rows import cells
from tests.support.paths import FIELD_INPUTS

SOFTWARE, ISO, DATE, PIXEL_WIDTH, PIXEL_HEIGHT = 305, 0x8827, 0x9003, 0xA002, 0xA003
EXPOSURE = {ISO: short_value(400), DATE: ascii_value("2026:11:25 03:09:00")}
SOUTH = struct.pack("<6I", 33, 1, 51, 1, 2430, 100)
GPS = {1: ascii_value("S"), 2: (RATIONAL, 3, SOUTH), 3: ascii_value("W"), 4: (RATIONAL, 3, SOUTH)}
PHOTO = {MAKE: ascii_value("DJI"), SOFTWARE: ascii_value("Ver.1.0"), EXIF_IFD: EXPOSURE, GPS_IFD: GPS}
EXIF = tiff(PHOTO)
SIZE = {256: short_value(6000), 257: short_value(4000)}
RAW_SIZE, CROPPED = (0x100, struct.pack(">HH", 4032, 6160)), (0x111, struct.pack(">HH", 4000, 6000))
NOTE = tiff({6: ascii_value("Canon EOS M50")})
PREVIEW = preview(exif_segment(EXIF))


def canon(**options) -> bytes:
    """A CR3 as the cameras write it."""
    blocks = {b"CMT1": {**SIZE, MAKE: ascii_value("Canon")}, b"CMT2": EXPOSURE, b"CMT4": GPS}
    structures = [(name, tiff(tags)) for name, tags in blocks.items()]
    rated = packet('xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="3"')
    return cr3(*structures[:2], (b"CMT3", NOTE), structures[2], xmp=rated, **options)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        ("NIKON CORPORATION", "image/x-nikon-nef"),
        ("SONY", "image/x-sony-arw"),
        ("PENTAX Corporation", "image/x-pentax-pef"),
        ("RICOH IMAGING COMPANY, LTD.", "image/x-pentax-pef"),
        ("SAMSUNG", "image/x-samsung-srw"),
        ("Hasselblad", "image/x-hasselblad-3fr"),
        ("Imacon", "image/x-hasselblad-fff"),
        ("Leaf", "image/x-leaf-mos"),
        ("Mamiya", "image/x-mamiya-mef"),
        ("SEIKO EPSON CORP.", "image/x-epson-erf"),
        ("Kodak", "image/x-kodak-dcr"),
        ("EASTMAN KODAK COMPANY", "image/x-kodak-kdc"),
        ("MicaSense", "image/tiff"),
    ],
)
def test_a_raw_of_the_tiff_family_is_typed_by_its_maker_and_measured_by_its_raw_picture(make, expected):
    """The first directory is a preview of 160 x 120; makers put no signature into their files."""
    for photometric in (32803, 34892):
        row = cells(filter_array(ascii_value(make), photometric))
        assert (row["width_px"], row["height_px"], row["make"]) == ("4000", "3000", make)
        assert walk(BytesSource(filter_array(ascii_value(make), photometric))).content_type == expected


@pytest.mark.parametrize(
    ("compression", "expected"),
    [
        (32767, "image/x-sony-arw"),
        (32770, "image/x-samsung-srw"),
        (32867, "image/x-kodak-kdc"),
        (34713, "image/x-nikon-nef"),
        (65000, "image/x-kodak-dcr"),
        (65535, "image/x-pentax-pef"),
        (5, "image/tiff"),
    ],
)
def test_a_compression_that_one_maker_has_tells_its_raw(compression, expected):
    """Small raws are no filter array, and the GX of Samsung is a PEF."""
    assert walk(BytesSource(filter_array(ascii_value("x"), 6, compression))).content_type == expected


def test_a_filter_array_is_the_photo_also_where_its_preview_does_not_say_that_it_is_one():
    """NewSubfileType may be missing."""
    raw = {256: short_value(4000), 257: short_value(3000), 262: short_value(32803)}
    data = tiff({256: short_value(160), 257: short_value(120), MAKE: ascii_value("SONY"), SUB_IFDS: raw})
    container = walk(BytesSource(data))
    assert (container.width, container.height) == (4000, 3000)


def test_a_developed_tiff_of_a_camera_is_no_raw():
    """What Lightroom exports keeps the make."""
    data = tiff({**SIZE, 262: short_value(2), MAKE: ascii_value("NIKON CORPORATION")})
    assert walk(BytesSource(data)).content_type == "image/tiff"


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        (b"CR\2\0", "image/x-canon-cr2"),
        (b"IIIITwaR", "image/x-phaseone-iiq"),
    ],
)
def test_the_size_of_cr2_and_iiq_is_what_the_camera_says_of_the_photo(mark, expected):
    """Their first directory is a preview, or one pixel, and their raw picture has no size of its own."""
    exif = {PIXEL_WIDTH: short_value(5184), PIXEL_HEIGHT: short_value(3456)}
    small = {256: short_value(1536), 257: short_value(1024)}
    for below, size in ((exif, (5184, 3456)), ({}, (None, None))):
        container = walk(BytesSource(marked(mark, {**small, EXIF_IFD: below})))
        assert (container.content_type, container.width, container.height) == (expected, *size)


@pytest.mark.parametrize("magic", [b"IIRO", b"IIRS", b"MMOR"])
def test_an_orf_is_a_tiff_with_another_number(magic):
    """Olympus has three of them, and they alone say whose it is."""
    order = "<" if magic[:2] == b"II" else ">"
    numbers = {256: 4640, 257: 3472, 259: 34713}
    data = orf({tag: short_value(number, order=order) for tag, number in numbers.items()}, magic)
    container = walk(BytesSource(data))
    assert (container.content_type, container.width, container.height) == ("image/x-olympus-orf", 4640, 3472)


def test_the_columns_of_a_cr3_come_from_canons_boxes():
    """Size and make from CMT1, exposure from CMT2, the maker note from CMT3, the position from CMT4; XMP beside."""
    row = cells(canon())
    assert (row["width_px"], row["height_px"], row["make"]) == ("6000", "4000", "Canon")
    assert (row["iso"], row["captured_at"]) == ("400", "2026-11-25T03:09:00")
    assert (row["gps_latitude_deg"], row["gps_longitude_deg"]) == ("-33.85675", "-33.85675")
    assert (row["rating"], row["exif"]["MakerNotes"]) == ("3", {"ImageType": "Canon EOS M50"})
    assert [*row["exif"]] == ["IFD0", "ExifIFD", "GPS", "MakerNotes"]
    assert "warnings" not in row


def test_a_cr3_costs_one_get_and_a_film_of_its_brand_is_none():
    """The movie box and XMP stand in front of the image data."""
    source = BytesSource(canon(image=25_000_000))
    assert walk(source).content_type == "image/x-canon-cr3"
    assert (source.requests, source.bytes_read) == (1, FIRST_READ)
    assert walk(BytesSource(canon(film=True))) is None


def test_a_cr3_without_canons_boxes_says_so():
    """It would read as a photo without metadata."""
    row = cells(cr3())
    assert row["warnings"] == ["cr3: no box with Exif"]


@pytest.mark.parametrize(
    ("entries", "size"),
    [
        ([RAW_SIZE, CROPPED], (6000, 4000)),
        ([(0xC000, bytes(9_000)), CROPPED, RAW_SIZE], (6000, 4000)),
        ([RAW_SIZE], (6160, 4032)),
        ([(0x111, b"\0\1")], (None, None)),
        ([], (None, None)),
    ],
)
def test_a_raf_has_the_metadata_of_its_jpeg_and_the_size_of_its_directory(entries, size):
    """Never the size of the JPEG; two GETs, since the directory stands behind the JPEG."""
    source = BytesSource(raf(preview(exif_segment(EXIF), xmp_segment(packet())), *entries, gap=5_000_000))
    container = walk(source)
    assert (container.content_type, container.width, container.height) == ("image/x-fujifilm-raf", *size)
    assert ([block.data for block in container.exif], len(container.xmp)) == ([EXIF], 1)
    assert container.warnings == ([] if size[0] else ["raf: the size of the raw image was not found"])
    assert source.requests == 2


BORDERS = {4: short_value(6), 5: short_value(8), 6: short_value(2742), 7: short_value(3656), 2: short_value(3700)}


@pytest.mark.parametrize(("make", "expected"), [("Panasonic", "image/x-panasonic-rw2"), ("LEICA", "image/x-leica-rwl")])
def test_an_rw2_has_tags_of_its_own_and_a_jpeg_with_the_rest(make, expected):
    """The size is that between the borders; ISO has another number; software stands in the JPEG alone."""
    data = rw2(
        {**BORDERS, 0x17: short_value(80), 0x0B: short_value(34316), 0x118: short_value(9)},
        PREVIEW,
        make=ascii_value(make),
    )
    row = cells(data)
    assert walk(BytesSource(data)).content_type == expected
    assert (row["width_px"], row["height_px"], row["make"]) == ("3648", "2736", make)
    assert row["software"] == "Ver.1.0"
    assert row["exif"]["PanasonicRaw"]["SensorWidth"] == 3700
    assert row["exif"]["PanasonicRaw"]["Compression"] == 34316
    assert row["exif"]["PanasonicRaw"]["RawDataOffset"] == 9
    assert not {"ProcessingSoftware", "MinSampleValue"} & row["exif"]["IFD0"].keys()
    assert "warnings" not in row


@pytest.mark.parametrize("tag", [0x17, 0x37])
def test_the_iso_of_an_rw2_without_a_jpeg_is_panasonics(tag):
    """Older ones have no JPEG, which the row says; speeds above 65535 have another tag."""
    row = cells(rw2({**BORDERS, tag: short_value(80)}, make=ascii_value("Panasonic")))
    assert (row["iso"], row["width_px"]) == ("80", "3648")
    assert row["warnings"] == ["rw2: no embedded JPEG, which has software and maker note"]


def test_a_raw_never_has_the_size_of_its_jpeg():
    """A size that is not known is none."""
    container = walk(BytesSource(rw2({0x17: short_value(80)}, PREVIEW)))
    assert (container.width, container.height) == (None, None)


def test_the_packet_of_a_raw_is_read_once():
    """The directories of an RW2 are looked into before those of its JPEG are."""
    data = rw2({**BORDERS, 700: (7, len(packet()), packet())}, PREVIEW, make=ascii_value("Panasonic"))
    assert [block.data for block in walk(BytesSource(data)).xmp] == [packet()]


def test_the_columns_of_an_mrw_come_from_its_exif_block():
    """The block of dimensions has the size of the photo behind that of the sensor."""
    row = cells(mrw(EXIF))
    assert (row["width_px"], row["height_px"], row["make"], row["iso"]) == ("3264", "2448", "DJI", "400")
    assert "warnings" not in row


@pytest.mark.parametrize("version", [0x20003, 0x40000])
def test_the_columns_of_an_x3f_come_from_the_jpeg_that_has_exif(version):
    """There may be a smaller one without; the size is the header's."""
    data = x3f(preview(), PREVIEW, version=version)
    row = cells(data)
    assert (row["width_px"], row["height_px"], row["make"], row["iso"]) == ("2640", "1760", "DJI", "400")
    assert "warnings" not in row
    assert cells(x3f())["warnings"] == ["x3f: no embedded JPEG with Exif; other metadata of this format is not read"]


def test_a_raw_whose_jpeg_is_none_says_so():
    """An offset that leads to something else."""
    assert cells(raf(b"\xff\xd9", CROPPED))["warnings"] == ["jpeg: the file has none where it should have one embedded"]


def test_metadata_in_brotli_are_read():
    """What cjxl writes by default for a JPEG that has some."""
    row = cells(jxl(brob(b"Exif", bytes(4) + EXIF), brob(b"xml ", packet('drone-dji:RelativeAltitude="+10.5"'))))
    assert (row["make"], row["relative_altitude_m"], row["width_px"]) == ("DJI", "10.5", "8")
    assert "warnings" not in row


@pytest.mark.parametrize("change", [lambda box: box[:-9] + bytes(9), lambda box: box[:12] + b"\xff" * len(box[12:])])
def test_brotli_that_is_broken_costs_its_box(change):
    """The other box is read."""
    row = cells(jxl(change(brob(b"Exif", bytes(4) + EXIF)), brob(b"xml ", packet('drone-dji:RelativeAltitude="1"'))))
    assert row["warnings"] == ["jxl: box Exif, compressed with Brotli, not readable"]
    assert row["relative_altitude_m"] == "1"


def test_brotli_that_inflates_without_end_costs_its_box():
    """8 MB from some bytes, twice: the row names the limit."""
    row = cells(jxl(*[brob(b"xml ", packet() + b" " * 8_000_000)] * 2, brob(b"Exif", bytes(4) + EXIF)))
    assert row["warnings"][0].endswith("bytes inflated: what is beyond was left out")
    assert "jxl: box xml, compressed with Brotli, not readable" in row["warnings"]


GAIN_MAP = "1" + f"{99:015b}{49:015b}" + "0" * 9 + "01" + "00" + "0" + "0" + "0" + "0"
LIGHT = "111111" + "0" * 32 + "0" * 192 + "00" + "1111" + "00" + "0" * 288 + "0" * 64 + "0" * 128 + "0" * 32


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("types", [b"", b"av01av1C"])
@pytest.mark.parametrize("light", ["", "0" + LIGHT, GAIN_MAP + LIGHT * 2])
def test_an_image_of_brand_mif3_has_size_and_metadata(alpha, types, light):
    """One box says all, its codec's types too if need be; Exif and XMP are its end."""
    data = mini(EXIF, packet('drone-dji:RelativeAltitude="1"'), light, alpha, types=types)
    row = cells(data)
    assert (row["width_px"], row["height_px"]) == ("200", "100")
    assert (row["make"], row["relative_altitude_m"]) == ("DJI", "1")
    assert "warnings" not in row


def test_an_image_of_brand_mif3_is_typed_by_its_codec_and_says_what_is_not_read():
    """The codec stands in the minor version; metadata may be compressed, or cut off."""
    for codec, expected in ((b"avif", "image/avif"), (b"heic", "image/heic"), (b"\0\0\0\0", "image/heif")):
        assert walk(BytesSource(mini(codec=codec))).content_type == expected
    assert cells(mini(EXIF, deflated=1))["warnings"] == ["heif: metadata in box mini is compressed and was not read"]
    assert cells(mini(EXIF)[:-1])["warnings"] == ["heif: box mini is cut, its metadata not read"]
    assert cells(mini(EXIF)[:25])["warnings"] == ["heif: box mini ends early"]


FIRST, SECOND = struct.pack("<IHHHH", 12, 8, 6, 1, 24), struct.pack("<IIIHH", 40, 8, 6, 1, 24)


@pytest.mark.parametrize(
    "data",
    [
        b"BM" + struct.pack("<IHHI", 100, 0, 0, 26) + FIRST,
        b"BM" + struct.pack("<IHHI", 100, 0, 0, 30) + struct.pack("<I", 16) + SECOND[4:],
        b"BM" + struct.pack("<IHHI", 100, 0, 0, 78) + struct.pack("<I", 64) + SECOND[4:] + bytes(48),
        b"BM" + struct.pack("<IHHI", 100, 7, 9, 54) + SECOND + bytes(24),
        b"BA" + struct.pack("<IIHH", 40, 0, 640, 480) + b"BM" + struct.pack("<IHHI", 100, 0, 0, 26) + FIRST,
    ],
)
def test_a_bmp_of_os2_has_a_size(data):
    """Both its headers, the second one cut as short as it may be, a hot spot, and an array of pictures."""
    container = walk(BytesSource(data))
    assert (container.content_type, container.width, container.height) == ("image/bmp", 8, 6)


JPEG = jpeg(exif_segment(EXIF))
READ = {
    "JPEG": JPEG,
    "PNG": png(chunk(b"eXIf", EXIF)),
    "TIFF": tiff(PHOTO),
    "BigTIFF": tiff({MAKE: ascii_value("DJI")}, big=True),
    "DNG": tiff({**PHOTO, 50706: (1, 4, b"\1\4\0\0")}),
    "WebP": webp(vp8x(), riff_chunk(b"EXIF", EXIF)),
    "HEIC": heif(exif_item(EXIF)),
    "AVIF": heif(exif_item(EXIF), brand=b"avif"),
    "AVIF, mif3": mini(EXIF),
    "JPEG XL": jxl(brob(b"Exif", bytes(4) + EXIF)),
    "PSD": psd(resource(0x0422, EXIF)),
    "CR2": marked(b"CR\2\0", PHOTO),
    "CR3": canon(),
    "NEF": filter_array(ascii_value("NIKON CORPORATION")),
    "ARW": filter_array(ascii_value("SONY")),
    "PEF": filter_array(ascii_value("PENTAX")),
    "SRW": filter_array(ascii_value("SAMSUNG")),
    "3FR": filter_array(ascii_value("Hasselblad")),
    "IIQ": marked(b"IIIITwaR", PHOTO),
    "RAF": raf(PREVIEW, CROPPED),
    "RW2": rw2(BORDERS, PREVIEW),
    "ORF": orf(PHOTO),
    "MRW": mrw(EXIF),
    "X3F": x3f(PREVIEW),
}
UNREAD = {
    "image/bmp": b"BM" + struct.pack("<IHHI", 100, 0, 0, 26) + FIRST,
    "image/x-canon-crw": b"II\x1a\0\0\0HEAPCCDR\2\0\1\0",
    "image/x-raw": b"\0" * 25 + b"ARECOYK\0",
    "image/x-flir-fff": b"FFF\0ThermaCAM\0",
    "image/jxr": b"II\xbc\1\x20\0\0\0",
    "image/x-exr": b"\x76\x2f\x31\1\2\0\0\0",
    "image/vnd.radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n",
    "image/flif": b"FLIF\x33\x31\0",
    "image/bpg": b"BPG\xfb\0\0",
}
FILMS = {
    "MP4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "MOV": b"\0\0\0\x14ftypqt  \0\0\2\0qt  ",
    "CRM": canon(film=True),
    "AVI": b"RIFF\x24\0\0\0AVI LIST",
}


@pytest.mark.parametrize("name", READ)
def test_a_format_of_photographers_fills_its_columns(name):
    """What Lightroom and OpenDroneMap take."""
    row = cells(READ[name])
    assert row["make"]
    assert "warnings" not in row or name == "RW2"


@pytest.mark.parametrize("content_type", UNREAD)
def test_an_image_that_is_not_read_says_so(content_type):
    """A row without a word would read as a photo without metadata."""
    record = extract(BytesSource(UNREAD[content_type]))
    assert record.content_type == content_type
    assert "metadata" in cells(UNREAD[content_type])["warnings"][0]


@pytest.mark.parametrize("name", FILMS)
def test_a_film_is_no_image(name):
    """It gets no row."""
    assert extract(BytesSource(FILMS[name])) is None


@pytest.mark.skipif(not FIELD_INPUTS.is_dir(), reason=f"the field's inputs are not at {FIELD_INPUTS}")
@pytest.mark.parametrize(
    ("name", "warnings"),
    [
        ("N12a-png-rawprofile-ok.png", None),
        ("N12b-png-rawprofile-junk-behind.png", ["png: zTXt raw profile exif has 93 bytes and says 90"]),
        ("N13a-jxl-plain.jxl", None),
        ("N13b-jxl-brob.jxl", None),
        ("N21-5000-fill-bytes.jpg", None),
    ],
)
def test_the_fields_files_are_read(name, warnings):
    """Made after reports of what other readers lost."""
    row = cells((FIELD_INPUTS / name).read_bytes())
    assert (row["make"], row["captured_at"], row["width_px"]) == ("Example", "2024-07-01T12:00:00", "1")
    assert row.get("warnings") == warnings


NEW = ("AVIF, mif3", "JPEG XL", "CR3", "RAF", "RW2", "MRW", "X3F", "IIQ")
NUMBERS = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x10")


@pytest.mark.parametrize("name", NEW)
def test_a_raw_cut_anywhere_is_a_row(name):
    """Never an exception, and never another type of image."""
    whole = extract(BytesSource(READ[name])).content_type
    for cut in range(40, len(READ[name]), 7):
        record = extract(BytesSource(READ[name][:cut]))
        assert record is None or record.content_type in (whole, "image/tiff")


@pytest.mark.parametrize("name", NEW)
def test_a_raw_whose_numbers_lie_is_no_exception(name):
    """Each four bytes in turn: zero, as large as can be, or back into the header."""
    data = READ[name]
    for at in range(0, min(len(data), 400) - 4, 4):
        for number in NUMBERS:
            extract(BytesSource(data[:at] + number + data[at + 4 :]))
