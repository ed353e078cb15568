"""Positions, altitudes and speeds: the right hemisphere, or none."""

from decimal import Decimal

import pytest

from image_processor.columns.position import (
    altitude,
    coordinate,
    degrees,
    direction,
    is_nowhere,
    signed_coordinate,
    speed,
    xmp_coordinate,
)
from image_processor.errors import Unusable
from image_processor.tags.numbers import plain

LATITUDE = ((33, 1), (51, 1), (2430, 100))
LONGITUDE = ((151, 1), (12, 1), (5400, 100))


def test_degrees_minutes_and_seconds_become_decimal_degrees():
    """The base of the field cases, a public landmark."""
    assert plain(coordinate("latitude", LATITUDE, "S")) == "-33.85675"
    assert plain(coordinate("longitude", LONGITUDE, "E")) == "151.215"


@pytest.mark.parametrize("reference", ["S", "s", "South", "SOUTH", "S\0", " s"])
def test_the_first_letter_of_a_reference_decides_whatever_its_case(reference):
    """M2 a, b, e."""
    assert plain(coordinate("latitude", LATITUDE, reference)) == "-33.85675"


@pytest.mark.parametrize("reference", [None, "", "\0\0", "X", "E", "1"])
def test_an_unusable_reference_is_never_a_confident_sign(reference):
    """M2 c, d, f: no hemisphere, no coordinate."""
    with pytest.raises(Unusable, match="hemisphere"):
        coordinate("latitude", LATITUDE, reference)


@pytest.mark.parametrize(
    ("parts", "angle"),
    [
        ((-33, 51, (243, 10)), "-33.85675"),
        ((-33, -51, (-243, 10)), "-33.85675"),
        ((0, -51, (243, 10)), "-0.85675"),
        ((0, 0, (-243, 10)), "-0.00675"),
        ((33, 0, (243, 10)), "33.00675"),
        ((33, -51, (243, 10)), None),
        ((33, 51, (-243, 10)), None),
        ((-33, -51, (243, 10)), None),
        ((0, 51, (-243, 10)), None),
    ],
)
def test_one_sign_is_that_of_degrees_minutes_and_seconds(parts, angle):
    """N18: -33 degrees and 51 minutes are south of -33; any other mixture says nothing."""
    if angle is None:
        with pytest.raises(Unusable, match="different signs"):
            degrees(parts)
    else:
        assert plain(signed_coordinate("latitude", parts)) == angle
        if angle.startswith("-"):
            assert plain(coordinate("latitude", parts, "S")) == angle
            with pytest.raises(Unusable, match="negative, and its hemisphere reference is N"):
                coordinate("latitude", parts, "North")


@pytest.mark.parametrize(("value", "angle"), [((0, 1), "0"), ((3605, 10), None), (360, "360"), ((-1, 10), None)])
def test_a_direction_is_one_of_the_compass(value, angle):
    """M6: 0 to 360."""
    if angle is None:
        with pytest.raises(Unusable, match="0 to 360"):
            direction(value)
    else:
        assert plain(direction(value)) == angle


def test_places_beyond_the_earth_and_broken_parts_are_unusable():
    """A latitude of 4294967295 degrees, a zero denominator in the seconds."""
    with pytest.raises(Unusable, match="out of range"):
        coordinate("latitude", ((4294967295, 1), (0, 1), (0, 1)), "N")
    with pytest.raises(Unusable, match="zero denominator"):
        coordinate("latitude", (*LATITUDE[:2], (0, 0)), "S")
    with pytest.raises(Unusable, match="degrees"):
        coordinate("latitude", (), "S")


def test_decimal_degrees_in_one_part_and_nine_places_are_kept():
    """A senseFly writes 40.0594223/1; survey receivers give millimetres."""
    assert plain(coordinate("latitude", ((400594223, 10000000), (0, 1), (0, 1)), "N")) == "40.0594223"
    assert plain(coordinate("latitude", ((33, 1), (51, 1), (24300036, 1000000)), "S")) == "-33.85675001"


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("33,51.4050S", "-33.85675"),
        ("33,51,24.3S", "-33.85675"),
        ("33,51,24s", "-33.8566666667"),
        ("19,30.672N", "19.5112"),
        ("33.85675S", "-33.85675"),
        ("33.85675s", "-33.85675"),
        ("-33.85675S", "-33.85675"),
        ("33.85675 n", "33.85675"),
        ("33.85675m", "33.85675"),
        ("+40.5637811", "40.5637811"),
        ("-33.85675", "-33.85675"),
        ("0.0", "0"),
    ],
)
def test_xmp_coordinates_are_read_in_every_form(text, degrees):
    """XMP's own form carries its hemisphere, a maker's decimal its sign."""
    assert plain(xmp_coordinate("latitude", text)) == degrees


@pytest.mark.parametrize(
    "text", ["33,51.4050", "33,51.4050E", "55/1 54/1 4074/100", "here", "91", "1/0", "-33.8N", "+33,51S", "33e"]
)
def test_xmp_coordinates_without_hemisphere_or_place_are_unusable(text):
    """Degrees alone are half of the truth, and two hemispheres are none."""
    with pytest.raises(Unusable):
        xmp_coordinate("latitude", text)


@pytest.mark.parametrize(
    ("reference", "metres"),
    [
        ("1", "-120.4"),
        ("49", "-120.4"),
        ("2", "120.4"),
        ("3", "-120.4"),
        ("51", "-120.4"),
        (None, "120.4"),
        ("m", "120.4"),
    ],
)
def test_the_sign_of_an_altitude_is_that_of_its_reference(reference, metres):
    """M4: byte 1, text 1 and byte 0x31 are below, 2 is above, 3 below sea level (Exif 3.0)."""
    assert plain(altitude((1204, 10), reference)) == metres


def test_zero_metres_are_a_height_and_a_zero_denominator_is_none():
    """M1 c, d; below zero there is no negative zero."""
    assert plain(altitude((0, 1), "1")) == "0"
    with pytest.raises(Unusable, match="zero denominator"):
        altitude((0, 0), "0")


@pytest.mark.parametrize(
    ("reference", "mps"),
    [("K", "10"), (None, "10"), ("M", "16.09344"), ("N", "18.52"), ("k", "10"), ("knots", "18.52")],
)
def test_speeds_are_metres_per_second(reference, mps):
    """36 of whatever the reference says; km/h is Exif's default."""
    assert plain(speed((36, 1), reference)) == mps


def test_a_speed_in_an_unknown_unit_is_unusable():
    """A number without its unit is no speed."""
    with pytest.raises(Unusable, match="unit"):
        speed((36, 1), "furlongs")


def test_only_zero_in_both_coordinates_is_no_fix():
    """M5: the equator and the prime meridian are places."""
    assert is_nowhere(Decimal(0), Decimal("-0.0"))
    assert not is_nowhere(Decimal(0), Decimal("151.2"))
    assert not is_nowhere(Decimal("0.0000027778"), Decimal(0))
    assert not is_nowhere(None, Decimal(0))
