"""Values as files in the field have them: one tag in two places, of another type, with another sign."""

import struct

import pytest

from infra.doubles.image_files import EXIF_IFD, MAKE, ascii_value, exif_segment, jpeg, tiff
from tests.support.image_rows import (
    BASE_GPS,
    DATE,
    LATITUDE,
    LATITUDE_REF,
    LONGITUDE,
    LONGITUDE_REF,
    SRATIONAL,
    ascii_bytes,
    byte,
    cells,
    comment_value,
    photo,
    ratio,
    short,
)
from tests.support.paths import FIELD_INPUTS

COMMENT, SUBSEC, OFFSET, ORIENTATION, BIAS, ISO = 0x9286, 0x9291, 0x9011, 274, 0x9204, 0x8827
BIAS_IS, NULS = "exif: ExifIFD ExposureBiasValue: ", bytes(3)
HALF = "left out, the other half of the position is missing or unusable"


@pytest.mark.skipif(not FIELD_INPUTS.is_dir(), reason=f"the field inputs are not at {FIELD_INPUTS}")
@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("N5a-DateTimeOriginal-IFD0-stale.jpg", "captured_at", "2023-08-01T08:00:00"),
        ("N5c-UserComment-IFD0.jpg", "comment", "t"),
        ("N5d-offset-of-ExifIFD-with-IFD0-date.jpg", "captured_at", "2023-08-01T08:00:00.500+02:00"),
        ("N10a-usercomment-utf16-no-code.jpg", "comment", "GoodFon.ru"),
        ("N10b-usercomment-utf16-nul-code.jpg", "comment", "Bridge 4"),
        ("N10d-usercomment-unicode-bom.jpg", "comment", "橋梁検査報告"),
        ("N11a-bias-as-short4.jpg", "exposure_bias_ev", "2"),
        ("N11c-iso-as-long.jpg", "iso", "25600"),
        ("N11d-iso-ascii.jpg", "iso", "400"),
        ("N11e-iso-65535-rei.jpg", "iso", "102400"),
        ("N11f-iso-array-0-400.jpg", "iso", "400"),
        ("N17-subsec-only-in-xmp.jpg", "captured_at", "2024-07-01T12:00:00"),
        ("N18-degrees-negative-only.jpg", "gps_latitude_deg", "-33.85675"),
    ],
)
def test_the_files_from_the_field_have_their_right_values(name: str, column: str, value: str) -> None:
    """Made by others, each for one report."""
    assert cells((FIELD_INPUTS / name).read_bytes())[column] == value


NEW, OLD = "2023:08:01 08:00:00", "2019:02:25 06:14:16"
ZONED = {DATE: ascii_value(NEW), SUBSEC: ascii_value("500"), OFFSET: ascii_value("+02:00")}


@pytest.mark.parametrize(
    ("ifd0", "exif", "captured"),
    [
        ({DATE: ascii_value(OLD)}, {DATE: ascii_value(NEW)}, "2023-08-01T08:00:00"),
        ({DATE: ascii_value(OLD)}, ZONED, "2023-08-01T08:00:00.500+02:00"),
        (ZONED, {DATE: ascii_value(OLD)}, "2019-02-25T06:14:16"),
        (ZONED, {}, "2023-08-01T08:00:00.500+02:00"),
        (ZONED, {DATE: ascii_value("0000:00:00 00:00:00"), OFFSET: ascii_value("Z")}, "2023-08-01T08:00:00.500+02:00"),
        ({DATE: ascii_value(OLD)}, {SUBSEC: ascii_value("5"), OFFSET: ascii_value("Z")}, "2019-02-25T06:14:16"),
    ],
)
def test_date_fraction_and_zone_are_of_one_directory_exifs_own_first(ifd0, exif, captured):
    """N5: an editor changed the one that it knows of; the other's zone is not its zone."""
    assert cells(photo(exif=exif, ifd0=ifd0))["captured_at"] == captured


def test_date_and_zone_are_of_one_block():
    """Two blocks are two programs' as well, though they have directories of one name."""
    first = tiff({MAKE: ascii_value("DJI"), EXIF_IFD: {DATE: ascii_value(OLD)}})
    second = tiff({MAKE: ascii_value("DJI"), EXIF_IFD: ZONED})
    assert cells(jpeg(exif_segment(first), exif_segment(second)))["captured_at"] == "2019-02-25T06:14:16"


def test_a_tag_is_read_where_the_standard_has_it_and_else_where_it_stands():
    """N5: exposure in ExifIFD, orientation and make in IFD0; misplaced ones count if there is no other."""
    ifd0 = {COMMENT: ascii_value("stale"), ORIENTATION: short(6), 0x829D: ratio((8, 1)), 0xA434: ascii_value("L")}
    exif = {
        COMMENT: comment_value(b"ASCII\0\0\0new"),
        ORIENTATION: short(1),
        0x829D: ratio((4, 1)),
        MAKE: ascii_value("X"),
    }
    row = cells(photo(exif=exif, ifd0=ifd0))
    names = ("comment", "orientation", "f_number", "lens_model", "make")
    assert [row[name] for name in names] == ["new", "6", "4", "L", "DJI"]


@pytest.mark.parametrize(
    ("tag", "value", "column", "read", "warning"),
    [
        (BIAS, short(36, 0, 18, 0), "exposure_bias_ev", "2", BIAS_IS + "4 SHORT, read as SRATIONAL"),
        (BIAS, byte(36, *NULS, 18, *NULS), "exposure_bias_ev", "2", BIAS_IS + "8 BYTE, read as SRATIONAL"),
        (BIAS, ratio((2**32 - 1, 3)), "exposure_bias_ev", "-0.3333333333", None),
        (BIAS, (SRATIONAL, 1, struct.pack("<2i", -2, 3)), "exposure_bias_ev", "-0.6666666667", None),
        (BIAS, short(1), "exposure_bias_ev", "1", None),
        (BIAS, short(1, 2), "exposure_bias_ev", None, "exposure_bias_ev: 2 SHORT, not 1 SRATIONAL"),
        (0x829D, ratio((28, 10), (4, 1)), "f_number", None, "f_number: 2 RATIONAL, not 1 RATIONAL"),
        (0x829D, ratio((28, 10), (0, 0)), "f_number", "2.8", None),
        (0x829D, (12, 1, struct.pack("<d", 2.8)), "f_number", "2.8", None),
        (0x829D, ascii_value("28/10"), "f_number", "2.8", None),
        (ORIENTATION, short(6, 1), "orientation", None, "orientation: 2 SHORT, not 1 SHORT"),
        (ORIENTATION, short(6, 0, 0), "orientation", "6", None),
        (ORIENTATION, (7, 2, b"\6\0"), "orientation", "6", "exif: ExifIFD Orientation: 2 UNDEFINED, read as SHORT"),
        (ISO, short(100, 200), "iso", "100", None),
        (ISO, (4, 1, struct.pack("<I", 25600)), "iso", "25600", None),
        (ISO, ascii_value("400"), "iso", "400", None),
        (0x9207, short(*range(65)), "metering_mode", None, "metering_mode: 65 SHORT, not 1 SHORT"),
        (0x9207, short(5, *bytes(70)), "metering_mode", None, "metering_mode: 71 SHORT, not 1 SHORT"),
        (0xA431, (4, 1, struct.pack("<I", 12345)), "serial_number", "12345", None),
        (0xA431, byte(*b"SN-7"), "serial_number", "SN-7", None),
        (0xA431, short(1, 2), "serial_number", None, "exif: ExifIFD BodySerialNumber: 2 SHORT, no text"),
        (0xA434, ratio((24, 1)), "lens_model", None, "exif: ExifIFD LensModel: 1 RATIONAL, no text"),
        (DATE, ratio((2023, 8)), "captured_at", None, "exif: ExifIFD DateTimeOriginal: 1 RATIONAL, no text"),
        (COMMENT, ascii_bytes(b"ASCII\0\0\0bay 4\0"), "comment", "bay 4", None),
        (COMMENT, ascii_bytes(b"UNICODE\0" + "bay 4".encode("utf-16-le")), "comment", "bay 4", None),
    ],
)  # fmt: skip
def test_a_value_of_another_type_or_count_is_not_taken_at_its_face(tag, value, column, read, warning):
    """N11: what its bytes are by the standard, or a number if it is one; else empty, and flagged."""
    row = cells(photo(exif={tag: value}))
    assert row.get(column) == read
    assert row.get("warnings", []) == ([warning] if warning else [])


def test_a_tag_of_the_right_type_elsewhere_stands_in_for_one_of_a_wrong_type():
    """The misplaced one is a value still."""
    row = cells(photo(exif={0x829D: ratio((28, 10), (4, 1))}, ifd0={0x829D: ratio((5, 1))}))
    assert row["f_number"] == "5"


def signed(*numbers: int) -> tuple[int, int, bytes]:
    return SRATIONAL, len(numbers), b"".join(struct.pack("<2i", number, 1) for number in numbers)


SOUTH, NORTH, WEST, EAST = signed(-33, -51, -24), signed(33, 51, 24), signed(-70, -30, 0), signed(151, 12, 54)
MIXED = "degrees, minutes and seconds of different signs"
TAKEN = "no hemisphere reference, the sign is taken for it"
FOUR = ratio((33, 1), (51, 1), (24, 1), (1, 1))
NONE = "no usable hemisphere reference"
S, N, E = ascii_value("S"), ascii_value("N"), ascii_value("E")


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected", "warnings"),
    [
        ((SOUTH, None), (WEST, None), ("-33.8566666667", "-70.5"), ["lat " + TAKEN, "lon " + TAKEN]),
        ((SOUTH, None), (EAST, None), ("-33.8566666667", "151.215"), ["lat " + TAKEN, "lon " + TAKEN]),
        ((NORTH, None), (WEST, None), ("33.8566666667", "-70.5"), ["lat " + TAKEN, "lon " + TAKEN]),
        ((SOUTH, None), (EAST, E), ("-33.8566666667", "151.215"), ["lat " + TAKEN]),
        ((SOUTH, S), (EAST, None), None, ["lon " + NONE, "lat " + HALF]),
        ((NORTH, None), (EAST, None), None, ["lat " + NONE, "lon " + NONE]),
        ((NORTH, None), (EAST, E), None, ["lat " + NONE, "lon " + HALF]),
        ((SOUTH, N), (EAST, E), None, ["lat negative, and its hemisphere reference is N", "lon " + HALF]),
        ((SOUTH, S), (EAST, E), ("-33.8566666667", "151.215"), []),
        ((SOUTH, ascii_value("X")), (WEST, None), None, ["lat " + NONE, "lon " + TAKEN, "lon " + HALF]),
        ((signed(33, -51, 24), S), (EAST, E), None, ["lat " + MIXED, "lon " + HALF]),
        ((signed(91, 0, 0), N), (EAST, E), None, ["lat out of range", "lon " + HALF]),
        ((signed(33, 51, 24), N), None, None, ["lat " + HALF]),
        ((FOUR, N), (EAST, E), None, ["lat 4 RATIONAL, not 3 RATIONAL", "lon " + HALF]),
    ],
)  # fmt: skip
def test_a_position_is_whole_and_of_a_hemisphere_that_somebody_states(latitude, longitude, expected, warnings):
    """M6, N18: the reference states it, and without any the sign; two that differ are none, nor is a half."""
    tags = {LATITUDE: latitude[0], LATITUDE_REF: latitude[1]}
    if longitude:
        tags |= {LONGITUDE: longitude[0], LONGITUDE_REF: longitude[1]}
    row = cells(photo(gps={tag: value for tag, value in tags.items() if value}))
    found = row.get("gps_latitude_deg"), row.get("gps_longitude_deg")
    assert found == (expected or (None, None))
    long = {"lat": "gps_latitude_deg:", "lon": "gps_longitude_deg:"}
    assert row.get("warnings", []) == [f"{long[text[:3]]}{text[3:]}" for text in warnings]


@pytest.mark.parametrize(("tag", "column"), [(15, "gps_track_deg"), (17, "gps_image_direction_deg")])
@pytest.mark.parametrize(("value", "read"), [(ratio((3605, 10)), None), (signed(-10), None), (ratio((360, 1)), "360")])
def test_a_direction_outside_the_compass_is_empty_and_flagged(tag, column, value, read):
    """M6: and costs nothing else."""
    row = cells(photo(gps=BASE_GPS | {tag: value}))
    assert (row.get(column), row["gps_latitude_deg"]) == (read, "-33.85675")
    assert row.get("warnings", []) == ([] if read else [f"{column}: not within 0 to 360"])


@pytest.mark.parametrize("reference", [byte(1), byte(1, 0), (7, 1, b"\1")])
def test_an_altitude_is_below_in_whatever_type_its_reference_is_one(reference):
    """The sign and the raw reference say the same."""
    row = cells(photo(gps=BASE_GPS | {5: reference}))
    assert (row["gps_altitude_m"], row["gps_altitude_ref"]) == ("-120.4", "1")
