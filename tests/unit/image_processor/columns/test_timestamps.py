"""Dates and times: what the photo says, never more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_processor.columns.timestamps import (
    ImpossibleZone,
    fraction_digits,
    in_utc,
    iptc_stamp,
    stamp,
    utc_stamp,
    zone,
)
from image_processor.errors import Unusable


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2021:08:06 16:10:41", "2021-08-06T16:10:41"),
        ("2007:03:08 15:57: 7", "2007-03-08T15:57:07"),
        ("2024:05:06 07:08:09.996", "2024-05-06T07:08:09.996"),
        ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"),
        ("2024-05-06T07:08:09.123456789+02:00", "2024-05-06T07:08:09.123456+02:00"),
        ("2021-05-28 10:33:46", "2021-05-28T10:33:46"),
        ("2050:12:31 23:59:59", "2050-12-31T23:59:59"),
        ("2216:11:15 11:46:51", "2216-11-15T11:46:51"),
        ("2024-02-29T10:00", "2024-02-29T10:00:00"),
        ("2010-01-01T10:10-0500", "2010-01-01T10:10:00-05:00"),
        ("0000:00:00 00:00:00", None),
        ("    :  :     :  :  ", None),
        ("", None),
        ("0000-00-00T00:00:00", None),
    ],
)
def test_a_date_is_taken_as_written_and_a_blank_one_is_unknown(text, iso):
    """M7: ISO is accepted, fractions are kept, the future is not clamped."""
    assert stamp(text) == iso


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2019:01:05 24:00:00", "no such date"),
        ("2024:02:30 10:00:00", "no such date"),
        ("2023:02:29 10:00:00", "no such date"),
        ("2024:13:01 10:00:00", "no such date"),
        ("0000:01:01 10:00:00", "not a date"),
        ("-0001-11-30 00:00:00", "not a date"),
        ("yesterday", "not a date"),
        ("2024-05-06", "a date without a time"),
        ("2024:05:06 07:08:09 PM", "a date without a time"),
        ("2024:05:06 07:08:09+25:00", "is no zone"),
    ],
)
def test_a_date_that_no_calendar_has_is_unusable_and_never_shifted(text, reason):
    """M7: 24:00:00 and 30 February cost the field, not the truth."""
    with pytest.raises(Unusable, match=reason):
        stamp(text)


@pytest.mark.parametrize(("text", "digits"), [("067", "067"), ("7", "7"), ("70", "70"), ("0670  ", "0670"), ("", "")])
def test_subseconds_are_the_digits_after_the_point(text, digits):
    """M8: "067" is 0.067 and "7" is 0.7."""
    assert fraction_digits(text) == digits
    expected = f"2024-07-01T12:00:00.{digits}" if digits else "2024-07-01T12:00:00"
    assert stamp("2024:07:01 12:00:00", text) == expected


def test_a_fraction_in_the_date_itself_wins_over_subsectime():
    """One second has one fraction."""
    assert stamp("2024:05:06 07:08:09.996", "123") == "2024-05-06T07:08:09.996"


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("+02:00", "+02:00"),
        ("-5:00", "-05:00"),
        ("+0530", "+05:30"),
        ("-12:00", "-12:00"),
        ("+14:00", "+14:00"),
        ("Z", "Z"),
        ("   :  ", ""),
        ("", ""),
    ],
)
def test_an_offset_is_normalised_and_a_blank_one_is_none(text, offset):
    """M8: no zone known means a text without a zone."""
    assert zone(text) == offset


@pytest.mark.parametrize("text", ["CEST", "+15:00", "+14:01", "-12:01", "-15:28", "+25:00", "+02:75", "2"])
def test_what_is_no_offset_is_unusable(text):
    """A wrong zone would shift the picture's time. Zones are -12:00 to +14:00."""
    with pytest.raises(Unusable):
        zone(text)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("2021-10-19T13:11:58-15:28", "2021-10-19T13:11:58"),
        ("2021:10:19 13:11:58.25+14:30", "2021-10-19T13:11:58.25"),
    ],
)
def test_a_time_in_a_zone_that_is_none_says_what_it_is_without_it(text, local):
    """N6b, GIMP: the zone is wrong, and the clock's time is there all the same."""
    with pytest.raises(ImpossibleZone, match="is no zone") as caught:
        stamp(text)
    assert caught.value.local == local


def test_a_gps_time_is_utc_with_its_fraction():
    """GPSTimeStamp is three rationals; a time behind the date is ignored."""
    assert utc_stamp("2016:09:28", ((17, 1), (17, 1), (5865, 100))) == "2016-09-28T17:17:58.65Z"
    assert utc_stamp("2017:09:16 15:28:54", (15, 28, 54)) == "2017-09-16T15:28:54Z"
    assert utc_stamp("2024-02-29", "10:11:12") == "2024-02-29T10:11:12Z"
    assert utc_stamp("", (1, 2, 3)) is None
    assert utc_stamp("2016:09:28", ()) is None


@pytest.mark.parametrize(
    ("date", "time"),
    [
        ("2016:09:28", ((0, 0), (1, 1), (1, 1))),
        ("2016:09:28", (25, 0, 0)),
        ("2016:09:31", (1, 0, 0)),
        ("2016:09:28", (1, 0)),
        ("2016:09:28", ((3, 2), 0, 0)),
        ("today", (1, 0, 0)),
    ],
)
def test_a_gps_time_that_is_none_is_unusable(date, time):
    """A zero denominator or an hour 25 costs the field."""
    with pytest.raises(Unusable):
        utc_stamp(date, time)


def test_an_xmp_gps_time_is_brought_to_utc():
    """exif:GPSTimeStamp is a date with a zone; without one it is UTC."""
    assert in_utc("2017-09-03T05:53:57.5+02:00") == "2017-09-03T03:53:57.5Z"
    assert in_utc("2017-09-03T23:53:57-05:00") == "2017-09-04T04:53:57Z"
    assert in_utc("2017-09-03T05:53:57") == "2017-09-03T05:53:57Z"


def test_iptc_keeps_date_and_time_in_two_datasets():
    """IIM 2:55 and 2:60."""
    assert iptc_stamp("20061029", "062751-0500") == "2006-10-29T06:27:51-05:00"
    assert iptc_stamp("20061029", "062751") == "2006-10-29T06:27:51"
    assert iptc_stamp("", "") is None
    with pytest.raises(Unusable, match="without a time"):
        iptc_stamp("20061029", "")
    with pytest.raises(Unusable):
        iptc_stamp("20061329", "062751")


@given(st.text(max_size=30))
def test_no_text_makes_a_date_fail_otherwise(text):
    """Whatever a photo holds, it is a date, unknown or unusable."""
    for read in (stamp, in_utc, lambda value: utc_stamp(value, "1:2:3"), lambda value: iptc_stamp("20240101", value)):
        try:
            iso = read(text)
        except Unusable:
            continue
        assert iso is None or iso[4] == "-"


@pytest.mark.parametrize("year", [1, 1677, 2262, 9999])
def test_a_year_that_pandas_does_not_hold_is_unusable(year: int) -> None:
    """One such time, and a reader that wants nanoseconds reads no time of the column; a zone may shift into one."""
    for read in (
        lambda: stamp(f"{year:04}-06-01T00:00:00"),
        lambda: utc_stamp(f"{year:04}:06:01", "1:2:3"),
        lambda: in_utc("1678-01-01T00:00:00+14:00"),
        lambda: in_utc("2261-12-31T23:00:00-01:00"),
    ):
        with pytest.raises(Unusable, match="beyond what readers hold"):
            read()
    assert stamp("1678-01-01T00:00:00") == "1678-01-01T00:00:00"
    assert stamp("2261-12-31T23:59:59") == "2261-12-31T23:59:59"
