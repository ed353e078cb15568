"""One photo in every container: the same columns, whatever carries the metadata and wherever in the file it stands."""

import struct

import pytest

from image_processor import BytesSource, extract
from infra.doubles.image_files import (
    EXIF_IFD,
    GPS_IFD,
    MAKE,
    RATIONAL,
    XMP,
    Item,
    ascii_value,
    box,
    bytes_value,
    chunk,
    exif_item,
    exif_segment,
    heif,
    itxt,
    jpeg,
    packet,
    png,
    psd,
    raw_profile,
    resource,
    riff_chunk,
    segment,
    tiff,
    vp8x,
    webp,
    xmp_segment,
)

OF_THE_FILE = {"width_px", "height_px", "exif"}


def tags(order: str = "<") -> dict:
    """Make, exposure and a position in the south and west."""

    def rationals(*numbers: int) -> tuple[int, int, bytes]:
        return RATIONAL, len(numbers) // 2, struct.pack(f"{order}{len(numbers)}I", *numbers)

    return {
        MAKE: ascii_value("DJI"),
        EXIF_IFD: {0x829A: rationals(1, 500), 0x9003: ascii_value("2026:11:25 03:09:00")},
        GPS_IFD: {
            1: ascii_value("S"),
            2: rationals(33, 1, 51, 1, 2430, 100),
            3: ascii_value("W"),
            4: rationals(70, 1, 12, 1, 5400, 100),
        },
    }


EXIF = tiff(tags())
DRONE = packet('drone-dji:RelativeAltitude="+10.50" drone-dji:GimbalYawDegree="-90.0"')
IMAGE = chunk(b"IDAT", b"x" * 50)
RESOURCES = resource(0x0422, EXIF) + resource(0x0424, DRONE)
JXL = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg(segment(0xE2, bytes(60_000)), xmp_segment(DRONE), exif_segment(EXIF)), id="JPEG, XMP first"),
        pytest.param(jpeg(exif_segment(tiff(tags(">"), order=">")), xmp_segment(DRONE)), id="JPEG, big-endian"),
        pytest.param(jpeg(exif_segment(tiff({**tags(), XMP: bytes_value(DRONE)}))), id="JPEG, XMP in tag 700"),
        pytest.param(tiff({**tags(), XMP: bytes_value(DRONE)}), id="TIFF"),
        pytest.param(tiff({**tags(), XMP: bytes_value(DRONE)}) + bytes(500_000), id="TIFF beyond the first GET"),
        pytest.param(tiff({**tags(">"), XMP: bytes_value(DRONE)}, order=">", big=True), id="BigTIFF"),
        pytest.param(png(chunk(b"eXIf", EXIF), itxt(b"XML:com.adobe.xmp", DRONE, compress=True), IMAGE), id="PNG"),
        pytest.param(png(IMAGE, itxt(b"XML:com.adobe.xmp", DRONE), chunk(b"eXIf", EXIF)), id="PNG, behind the image"),
        pytest.param(png(raw_profile("exif", b"Exif\0\0" + EXIF), raw_profile("xmp", DRONE)), id="PNG, raw profiles"),
        pytest.param(webp(vp8x(), riff_chunk(b"EXIF", EXIF), riff_chunk(b"XMP ", DRONE)), id="WebP"),
        pytest.param(heif(exif_item(EXIF), Item(b"mime", DRONE)), id="HEIC"),
        pytest.param(heif(exif_item(EXIF, in_idat=True), Item(b"mime", DRONE, in_idat=True)), id="HEIC, in idat"),
        pytest.param(heif(exif_item(EXIF), Item(b"mime", DRONE), brand=b"avif", gap=400_000), id="AVIF, far items"),
        pytest.param(JXL + box(b"Exif", bytes(4) + EXIF) + box(b"xml ", DRONE), id="JPEG XL"),
        pytest.param(psd(RESOURCES), id="PSD"),
    ],
)
def test_every_container_gives_the_columns_that_jpeg_gives(data):
    """M19: the container is packaging."""
    expected = extract(BytesSource(jpeg(exif_segment(EXIF), xmp_segment(DRONE)))).attributes
    found = extract(BytesSource(data)).attributes
    assert {name: value for name, value in found.items() if name not in OF_THE_FILE} == {
        name: value for name, value in expected.items() if name not in OF_THE_FILE
    }
    assert found["gps_longitude_deg"] == {"N": "-70.215"}
    assert found["relative_altitude_m"] == {"N": "10.5"}
