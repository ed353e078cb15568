"""What went wrong for people who do this job: each case of metadata (M1 to M24), from the bytes to the row.

M15, M17, M19, M20, M23 and M24 are tested where containers and blocks are; here is what their values become.
"""

import struct

import pytest

from infra.doubles.image_files import MAKE, ascii_value, exif_segment, jpeg, tiff, xmp_segment
from tests.support.image_rows import (
    ALTITUDE,
    ALTITUDE_REF,
    BASE_GPS,
    DATE,
    LATITUDE,
    LATITUDE_REF,
    LONGITUDE,
    LONGITUDE_REF,
    ascii_bytes,
    byte,
    cells,
    comment_value,
    packet,
    photo,
    ratio,
    short,
)

POSITION = ("gps_latitude_deg", "gps_longitude_deg", "gps_altitude_m")
HALF = "left out, the other half of the position is missing or unusable"
NONE3 = ratio((0, 0), (0, 0), (0, 0))


def position(gps: dict, xmp: bytes = b"") -> tuple[tuple[str | None, ...], list[str]]:
    row = cells(photo(gps=gps, xmp=xmp))
    assert row["make"] == "DJI"
    return tuple(row.get(name) for name in POSITION), row.get("warnings", [])


def test_the_base_position_is_right_and_needs_no_warning():
    """The public landmark of the field cases."""
    assert position(BASE_GPS) == (("-33.85675", "151.215", "120.4"), [])


@pytest.mark.parametrize(
    ("changed", "expected", "warned"),
    [
        ({LATITUDE: NONE3, LONGITUDE: NONE3, ALTITUDE: ratio((0, 0))}, (None, None, None), POSITION),
        ({LATITUDE: ratio((33, 1), (51, 1), (0, 0))}, (None, None, "120.4"), POSITION[:1]),
        ({ALTITUDE: ratio((0, 0))}, ("-33.85675", "151.215", None), POSITION[2:]),
        ({ALTITUDE: ratio((0, 1))}, ("-33.85675", "151.215", "0"), ()),
    ],
)
def test_m1_a_zero_denominator_costs_only_its_field(changed, expected, warned):
    """0/0 is unknown and flagged, 0/1 is zero; degrees without their seconds are an arc minute wrong.

    M6: half a position is none.
    """
    found, warnings = position(BASE_GPS | changed)
    assert found == expected
    halves = [warning for warning in warnings if warning == f"gps_longitude_deg: {HALF}"]
    assert len(halves) == (warned == POSITION[:1])
    assert sorted(set(warnings) - set(halves)) == sorted(f"{name}: zero denominator" for name in warned)


def test_m1_directions_and_zoom_without_value_are_empty():
    """GPSImgDirection 0/0; DigitalZoomRatio 0/0, whose numerator 0 says that it was not used."""
    row = cells(photo(exif={0xA404: ratio((0, 0))}, gps=BASE_GPS | {0x11: ratio((0, 0))}))
    assert "gps_image_direction_deg" not in row
    assert "digital_zoom_ratio" not in row
    assert row["warnings"] == ["gps_image_direction_deg: zero denominator"]


@pytest.mark.parametrize(
    ("south", "west"),
    [
        (ascii_value("s"), ascii_value("w")),
        (ascii_value("South"), ascii_value("West")),
        (ascii_bytes(b"S"), ascii_bytes(b"W")),
    ],
)
def test_m2_a_reference_is_understood_in_any_spelling(south, west):
    """South and west are negative, however they are written."""
    found, warnings = position(BASE_GPS | {LATITUDE_REF: south, LONGITUDE_REF: west})
    assert found == ("-33.85675", "-151.215", "120.4")
    assert warnings == []


@pytest.mark.parametrize("reference", [None, ascii_bytes(b"\0\0"), ascii_value("X"), ascii_bytes(b"\0\1")])
def test_m2_without_a_usable_reference_there_is_no_position(reference):
    """Never a confident sign: empty and flagged."""
    gps = BASE_GPS | {LATITUDE_REF: reference, LONGITUDE_REF: reference}
    found, warnings = position({tag: value for tag, value in gps.items() if value})
    assert found == (None, None, "120.4")
    assert warnings == [f"{name}: no usable hemisphere reference" for name in POSITION[:2]]


@pytest.mark.parametrize(
    "attributes",
    [
        'exif:GPSLatitude="33,51.4050S" exif:GPSLongitude="151,12.9E"',
        'drone-dji:GpsLatitude="-33.85675" drone-dji:GpsLongitude="+151.215"',
    ],
)
def test_m2_xmp_supplies_the_position_that_exif_has_no_sign_for(attributes):
    """A second source that knows its hemisphere; the warning stays."""
    gps = {tag: value for tag, value in BASE_GPS.items() if tag not in (LATITUDE_REF, LONGITUDE_REF)}
    found, warnings = position(gps, packet(attributes))
    assert found == ("-33.85675", "151.215", "120.4")
    assert len(warnings) == 2


@pytest.mark.parametrize(
    ("reference", "metres", "raw"),
    [
        (byte(1), "-120.4", "1"),
        (ascii_value("1"), "-120.4", "1"),
        (byte(2), "120.4", "2"),
        (byte(3), "-120.4", "3"),
        (None, "120.4", None),
        (byte(0x31), "-120.4", "49"),
    ],
)
def test_m4_the_altitude_has_its_sign_and_the_raw_reference_its_column(reference, metres, raw):
    """Exif 3.0: 0/1 ellipsoid, 2/3 sea level; a wrong 1 is not repaired, so the reader has to see it."""
    gps = {tag: value for tag, value in (BASE_GPS | {ALTITUDE_REF: reference}).items() if value}
    row = cells(photo(gps=gps))
    assert (row["gps_altitude_m"], row.get("gps_altitude_ref")) == (metres, raw)


def test_m5_null_island_is_no_position_and_no_negative_zero():
    """Receivers write 0, 0 when they have no fix."""
    zero = ratio((0, 1), (0, 1), (0, 1))
    found, warnings = position(BASE_GPS | {LATITUDE: zero, LONGITUDE: zero, ALTITUDE: ratio((0, 1))})
    assert found == (None, None, "0")
    assert warnings == ["gps_latitude_deg: the position 0, 0 means no fix"]


@pytest.mark.parametrize(
    ("latitude", "longitude", "expected"),
    [
        (ratio((0, 1), (0, 1), (0, 1)), ratio((151, 1), (12, 1), (0, 1)), ("0", "151.2")),
        (ratio((0, 1), (0, 1), (1, 100)), ratio((0, 1), (0, 1), (0, 1)), ("-0.0000027778", "0")),
    ],
)
def test_m5_the_equator_and_the_meridian_are_places(latitude, longitude, expected):
    """Zero in one coordinate is kept."""
    found, _ = position(BASE_GPS | {LATITUDE: latitude, LONGITUDE: longitude})
    assert found[:2] == expected


def test_m5_a_void_receiver_status_flags_the_position():
    """GPSStatus V: kept, and doubtful."""
    found, warnings = position(BASE_GPS | {9: ascii_value("V")})
    assert found[:2] == ("-33.85675", "151.215")
    assert warnings == ["gps_status: void: the receiver calls its position invalid"]


@pytest.mark.parametrize(
    ("date", "captured", "warned"),
    [
        (b"0000:00:00 00:00:00\0", None, False),
        (b"    :  :     :  :  \0", None, False),
        (b"\0", None, False),
        (b"2007:03:08 15:57: 7\0", "2007-03-08T15:57:07", False),
        (b"2021:08:06 16:10:41", "2021-08-06T16:10:41", False),
        (b"2021:08:06 16:10:41\0\0\0\xffABC", "2021-08-06T16:10:41", False),
        (b"2019:01:05 24:00:00\0", None, True),
        (b"2024:02:30 10:00:00\0", None, True),
        (b"2024:05:06 07:08:09.996\0", "2024-05-06T07:08:09.996", False),
        (b"2024-05-06T07:08:09Z\0", "2024-05-06T07:08:09Z", False),
        (b"2050:12:31 10:00:00\0", "2050-12-31T10:00:00", False),
    ],
)
def test_m7_a_date_is_what_the_photo_says_or_nothing(date, captured, warned):
    """Never today, never 1970, never shifted, never clamped."""
    row = cells(photo(exif={DATE: ascii_bytes(date)}))
    assert row.get("captured_at") == captured
    assert any(text.startswith("captured_at") for text in row.get("warnings", [])) is warned


@pytest.mark.parametrize(
    "xmp", ['xmp:CreateDate="2021-10-19T13:11:58-15:28"', 'photoshop:DateCreated="2021-10-19T13:11:58+14:01"']
)
def test_n6b_an_impossible_zone_costs_the_zone_alone(xmp):
    """GIMP wrote -15:28: the time stays, without a zone, and the row says so."""
    row = cells(photo(xmp=packet(xmp)))
    assert row["captured_at"] == "2021-10-19T13:11:58"
    assert row["warnings"] == [f"captured_at: {xmp[-7:-1]} is no zone"]


def test_n16_a_letter_behind_decimal_degrees_is_their_hemisphere():
    """In lower case, too: "s" is no second."""
    row = cells(photo(xmp=packet('exif:GPSLatitude="33.85675s" exif:GPSLongitude="151.215e"')))
    assert [row[name] for name in POSITION[:2]] == ["-33.85675", "151.215"]
    assert "warnings" not in row


OFFSET, OFFSET_ORIGINAL, SUBSEC_ORIGINAL = 0x9010, 0x9011, 0x9291


@pytest.mark.parametrize(
    ("tags", "captured"),
    [
        ({OFFSET_ORIGINAL: "+02:00", OFFSET: "+01:00", SUBSEC_ORIGINAL: "067"}, "2024-07-01T12:00:00.067+02:00"),
        ({OFFSET: "+01:00"}, "2024-07-01T12:00:00"),
        ({OFFSET_ORIGINAL: "-5:00"}, "2024-07-01T12:00:00-05:00"),
        ({OFFSET_ORIGINAL: "   :  "}, "2024-07-01T12:00:00"),
        ({OFFSET_ORIGINAL: "Z"}, "2024-07-01T12:00:00Z"),
        ({OFFSET_ORIGINAL: "CEST"}, "2024-07-01T12:00:00"),
        ({SUBSEC_ORIGINAL: "7"}, "2024-07-01T12:00:00.7"),
        ({SUBSEC_ORIGINAL: "70"}, "2024-07-01T12:00:00.70"),
        ({SUBSEC_ORIGINAL: "0670  "}, "2024-07-01T12:00:00.0670"),
        ({SUBSEC_ORIGINAL: ""}, "2024-07-01T12:00:00"),
    ],
)
def test_m8_zone_and_fraction_are_the_original_ones_or_none(tags, captured):
    """The modification's zone is not borrowed, and the function's own is never used."""
    exif = {DATE: ascii_value("2024:07:01 12:00:00")} | {tag: ascii_value(text) for tag, text in tags.items()}
    assert cells(photo(exif=exif))["captured_at"] == captured


M9 = "Mängel – 測量 😀"  # noqa: RUF001


@pytest.mark.parametrize(
    "data",
    [
        M9.encode("utf-16-le") + b"\0\0",
        M9.encode("utf-16-le"),
        M9.encode("utf-16-le") + b"\0\0\0",
        M9.encode("utf-16-le") + b"\x41",
        M9.encode() + b"\0",
    ],
)
def test_m9_windows_texts_are_whole_and_exact(data):
    """XPComment: UTF-16LE with or without its end, with an odd byte, or UTF-8 by mistake."""
    assert cells(photo(ifd0={0x9C9C: byte(*data)}))["comment"] == M9


def test_m9_a_long_windows_text_is_not_shortened_and_keywords_are_split():
    """The library prints 60 bytes and reads fewer than 1,000."""
    long = "Fuge 7; " * 500
    row = cells(photo(ifd0={0x9C9C: byte(*long.encode("utf-16-le")), 0x9C9E: byte(*"a; b;;c".encode("utf-16-le"))}))
    assert row["comment"] == long.strip()
    assert row["keywords"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("tag", "column", "data", "text", "warned"),
    [
        (0x010E, "description", "Grüne Brücke".encode("latin-1"), "Grüne Brücke", True),
        (0x010E, "description", "Grüne Brücke".encode(), "Grüne Brücke", False),
        (0x013B, "author", "測量写真".encode("shift_jis"), "‘ª—ÊŽÊ\x90^", True),  # noqa: RUF001
        (0x0131, "software", "测量".encode("gbk"), "²âÁ¿", True),
        (0x8298, "copyright", "© Müller".encode(), "© Müller", False),
        (0x010E, "description", b"\xff", "ÿ", True),
        (0x010E, "description", b"bay 4\0hidden\0", "bay 4", False),
    ],
)
def test_m11_text_is_utf8_or_a_flagged_guess_and_never_a_bytes_literal(tag, column, data, text, warned):
    """UTF-8 as such, else Windows-1252 and a warning; what stands behind the NUL is gone."""
    row = cells(photo(ifd0={tag: ascii_bytes(data + b"\0")}))
    assert row[column] == text
    assert (f"{column}: not UTF-8, read as Windows-1252" in row.get("warnings", [])) is warned
    assert "b'" not in str(row["exif"])


def test_m12_numbers_that_are_text_stay_the_same_characters():
    """Serial numbers keep their zeros, versions their last digit."""
    row = cells(
        photo(
            exif={0xA431: ascii_value("00271029"), 0xA434: ascii_value("1e5")},
            ifd0={0x010E: ascii_value("1.10"), 0x0131: ascii_value("true")},
            xmp=packet(body="<dc:subject><rdf:Bag><rdf:li>2020</rdf:li></rdf:Bag></dc:subject>"),
        )
    )
    assert (row["serial_number"], row["lens_model"], row["description"], row["software"], row["keywords"]) == (
        "00271029",
        "1e5",
        "1.10",
        "true",
        ["2020"],
    )
    assert row["exif"]["ExifIFD"]["BodySerialNumber"] == "00271029"


DJI = {
    "AbsoluteAltitude": "+317.547",
    "RelativeAltitude": "-3.20",
    "GpsLatitude": "+40.69",
    "GpsLongtitude": "-74.04",
    "FlightXSpeed": "+0.0",
    "FlightYawDegree": "-97.0",
    "GimbalYawDegree": "+12.50",
    "RtkFlag": "50",
    "SelfData": "",
}


@pytest.mark.parametrize("form", ["attributes", "elements", "prefix", "spelling"])
def test_m13_every_shape_of_dji_xmp_gives_the_same_columns(form):
    """Attributes or elements, any prefix, both spellings of the longitude; an empty element is empty."""
    values = {
        ("GpsLongitude" if form == "spelling" and name == "GpsLongtitude" else name): v for name, v in DJI.items()
    }
    if form in ("elements", "prefix"):
        xmp = packet(body="".join(f"<drone-dji:{name}>{value}</drone-dji:{name}>" for name, value in values.items()))
    else:
        xmp = packet(" ".join(f'drone-dji:{name}="{value}"' for name, value in values.items()))
    if form == "prefix":
        xmp = xmp.replace(b"drone-dji:", b"d:").replace(b"xmlns:drone-dji", b"xmlns:d")
    row = cells(photo(xmp=xmp))
    found = {name: row[name] for name in row if name.endswith(("_m", "_deg", "_mps", "_flag"))}
    assert found == {
        "absolute_altitude_m": "317.547",
        "relative_altitude_m": "-3.2",
        "gps_latitude_deg": "40.69",
        "gps_longitude_deg": "-74.04",
        "flight_x_speed_mps": "0",
        "flight_yaw_deg": "-97",
        "gimbal_yaw_deg": "12.5",
        "rtk_flag": "50",
    }


def test_m14_every_altitude_has_its_column_and_none_is_converted():
    """Four columns, three decimals, and what the maker says they refer to."""
    xmp = packet(
        'drone-dji:AbsoluteAltitude="+317.547" drone-dji:RelativeAltitude="+109.400" drone-dji:AltitudeType="RtkAlt"'
        ' drone-dji:RtkFlag="50"'
    )
    row = cells(photo(gps=BASE_GPS | {ALTITUDE: ratio((96, 1))}, xmp=xmp))
    names = ("gps_altitude_m", "absolute_altitude_m", "relative_altitude_m", "altitude_type", "rtk_flag")
    assert [row[name] for name in names] == ["96", "317.547", "109.4", "RtkAlt", "50"]


def test_m15_packets_are_united_the_first_wins_and_a_trailing_image_counts_for_nothing():
    """Two packets of the main image, and a second JPEG behind it with its own Make and XMP."""
    drone = xmp_segment(packet('drone-dji:RelativeAltitude="10" dc:format="a"'))
    words = xmp_segment(packet('dc:format="b"', "<dc:subject><rdf:Bag><rdf:li>bridge</rdf:li></rdf:Bag></dc:subject>"))
    other = photo(ifd0={MAKE: ascii_value("OTHER")}, xmp=packet('drone-dji:RelativeAltitude="99" xmp:Rating="5"'))
    row = cells(jpeg(exif_segment(tiff({MAKE: ascii_value("DJI")})), drone, words) + other)
    assert (row["make"], row["relative_altitude_m"], row["keywords"]) == ("DJI", "10", ["bridge"])
    assert (row["xmp_packets"], row["xmp"]["dc:format"]) == ("2", "a")
    assert "rating" not in row
    assert row["warnings"] == ["xmp: dc:format is there twice; the first is kept"]


def test_m18_lists_stay_lists_and_the_default_language_wins():
    """A semicolon inside a keyword separates nothing; ISO in a list is a number; both keyword sources count."""
    row = cells(
        photo(
            xmp=packet(
                body='<dc:description><rdf:Alt><rdf:li xml:lang="de">Riss</rdf:li><rdf:li xml:lang="x-default">Crack'
                "</rdf:li></rdf:Alt></dc:description><dc:subject><rdf:Bag><rdf:li>bridge; deck</rdf:li><rdf:li>2020"
                "</rdf:li></rdf:Bag></dc:subject><exif:ISOSpeedRatings><rdf:Seq><rdf:li>500</rdf:li></rdf:Seq>"
                "</exif:ISOSpeedRatings><lr:hierarchicalSubject><rdf:Bag><rdf:li>site|bridge</rdf:li></rdf:Bag>"
                "</lr:hierarchicalSubject>"
            )
        )
    )
    assert (row["description"], row["iso"]) == ("Crack", "500")
    assert row["keywords"] == ["bridge; deck", "2020", "site|bridge"]


def test_m22_numbers_are_rounded_and_what_is_none_is_empty():
    """1/3 to ten places; NaN, infinity and 39 digits cost their field."""
    row = cells(
        photo(
            exif={0x829A: ratio((1, 3)), 0x829D: ratio((1, 0))},
            xmp=packet(
                f'drone-dji:RelativeAltitude="NaN" drone-dji:AbsoluteAltitude="Infinity" drone-dji:RtkFlag="{"9" * 39}"'
                ' drone-dji:FlightXSpeed="1e100" drone-dji:FlightYSpeed="0.12345678905"'
            ),
        )
    )
    assert row["exposure_time_s"] == "0.3333333333"
    assert row["flight_y_speed_mps"] == "0.123456789"
    assert not {"f_number", "relative_altitude_m", "absolute_altitude_m", "rtk_flag", "flight_x_speed_mps"} & row.keys()
    assert row["warnings"] == [
        "f_number: zero denominator",
        "relative_altitude_m: not finite",
        "absolute_altitude_m: not finite",
        "flight_x_speed_mps: too large",
        "rtk_flag: too large",
    ]
    assert row["xmp"]["drone-dji:RtkFlag"] == "9" * 39


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_is_empty_and_flagged(orientation):
    """A viewer that turns by an unknown number turns wrongly."""
    row = cells(photo(ifd0={274: short(orientation)}))
    assert "orientation" not in row
    assert row["warnings"] == [f"orientation: {orientation} is no orientation"]


def test_enumerations_have_their_exif_names_and_unknown_numbers_say_so():
    """Numbers stay in the `exif` document."""
    exif = {0x8822: short(2), 0x9207: short(5), 0xA403: short(1), 0xA001: short(65535), 0x9209: short(0x19)}
    row = cells(photo(exif=exif))
    names = ("exposure_program", "metering_mode", "white_balance", "color_space", "flash_fired")
    assert [row[name] for name in names] == ["Normal program", "Pattern", "Manual", "Uncalibrated", "1"]
    assert cells(photo(exif={0x8822: short(77)}))["exposure_program"] == "unknown (77)"
    assert row["exif"]["ExifIFD"]["ExposureProgram"] == 2


def test_sensitivities_beyond_the_tag_are_read_from_the_next_one():
    """Exif 2.32: 65535 in PhotographicSensitivity says that the value stands elsewhere."""
    assert cells(photo(exif={0x8827: short(65535), 0x8832: (4, 1, struct.pack("<I", 102400))}))["iso"] == "102400"
    assert cells(photo(exif={0x8827: short(65535)}))["iso"] == "65535"
    assert cells(photo(exif={0x8827: short(0, 200)}))["iso"] == "200"


def test_an_infinite_distance_is_empty():
    """The numerator 0xFFFFFFFF means infinity; senseFly writes it over 1000."""
    row = cells(photo(exif={0x9206: ratio((0xFFFFFFFF, 1000))}))
    assert "subject_distance_m" not in row
    assert row["warnings"] == ["subject_distance_m: infinity"]


def test_a_comment_is_read_by_its_code_and_the_files_own_comment_comes_last():
    """UserComment, then XMP's, then Windows', then the comment segment."""
    unicode = comment_value(b"UNICODE\0" + "Fuge ß".encode("utf-16-le"))
    blank = comment_value(b"ASCII\0\0\0" + b" " * 40)
    assert cells(photo(exif={0x9286: unicode}))["comment"] == "Fuge ß"
    assert cells(photo(exif={0x9286: blank}, ifd0={0x9C9C: byte(*b"x\0")}))["comment"] == "x"


def test_exif_comes_before_xmp_and_xmp_before_iptc():
    """One order for all columns, as the schema tells it."""
    xmp = packet(
        'tiff:Make="Other" tiff:Model="M" exif:FNumber="28/10" xmp:Rating="4" xmp:CreateDate="2024-01-01T00:00:00"'
    )
    row = cells(photo(exif={DATE: ascii_value("2023:01:01 00:00:00")}, xmp=xmp))
    names = ("make", "model", "f_number", "rating", "captured_at")
    assert [row[name] for name in names] == ["DJI", "M", "2.8", "4", "2023-01-01T00:00:00"]


def test_xmp_alone_fills_the_columns_as_exif_would():
    """PNG and WebP often have nothing else."""
    xmp = packet(
        'exif:ExposureTime="1/250" exif:FocalLength="88/10" exif:MeteringMode="3" exif:GPSLatitude="33,51.405S"'
        ' exif:GPSLongitude="151,12.9E" exif:GPSAltitude="1204/10" exif:GPSAltitudeRef="1" exif:GPSSpeed="36"'
        ' exif:GPSSpeedRef="K" exif:GPSTimeStamp="2024-05-06T07:08:09+02:00"'
        ' exif:DateTimeOriginal="2024-05-06T07:08:09.5+02:00"'
        ' tiff:Orientation="6" exifEX:LensModel="L"',
        '<exif:Flash rdf:parseType="Resource"><exif:Fired>True</exif:Fired></exif:Flash>'
        "<dc:creator><rdf:Seq><rdf:li>A</rdf:li><rdf:li>B</rdf:li></rdf:Seq></dc:creator>",
    )
    row = cells(jpeg(xmp_segment(xmp)))
    expected = {
        "exposure_time_s": "0.004",
        "focal_length_mm": "8.8",
        "metering_mode": "Spot",
        "gps_latitude_deg": "-33.85675",
        "gps_longitude_deg": "151.215",
        "gps_altitude_m": "-120.4",
        "gps_altitude_ref": "1",
        "gps_speed_mps": "10",
        "gps_datetime": "2024-05-06T05:08:09Z",
        "captured_at": "2024-05-06T07:08:09.5+02:00",
        "orientation": "6",
        "lens_model": "L",
        "flash_fired": "1",
        "author": "A; B",
    }
    assert {name: row.get(name) for name in expected} == expected
