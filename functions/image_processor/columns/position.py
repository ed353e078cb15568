"""Positions, altitudes and speeds: pure functions (Exif 2.32, section 4.6.6; XMP specification part 2, GPSCoordinate).

The rule for hemisphere references, since a wrong sign is worse than no position: the first letter of the reference
decides, whatever its case (`S`, `s`, `South`). Anything else (absent, NUL, `X`, an `E` on a latitude) makes the
coordinate unusable, unless another source, XMP or the aircraft's maker, states it with its sign. The standard's numbers
have none; one that is negative says its hemisphere itself if there is no reference at all, and with `N` or `E` says
two things at once, which is unusable.
"""

import re
from decimal import Decimal
from typing import Literal

from image_processor.errors import Unusable
from image_processor.tags.numbers import MAX_TEXT, Rational, Raw, exact, number, rounded

Axis = Literal["latitude", "longitude"]

_LETTERS: dict[Axis, tuple[str, str]] = {"latitude": ("N", "S"), "longitude": ("E", "W")}
_LIMITS: dict[Axis, int] = {"latitude": 90, "longitude": 180}
_PART = r"(\d++(?:\.\d++)?+)"
_XMP_COORDINATE = re.compile(rf"\s*+([+-]?+){_PART}(?:,{_PART}(?:,{_PART})?+)?+\s*+([NSEWnsew])\s*+", re.ASCII)

_METRES_PER_SECOND = {"K": (1000, 3600), "M": (1609344, 3600000), "N": (1852, 3600)}
"""GPSSpeedRef: kilometres per hour, miles per hour, knots."""

_BELOW = frozenset({"1", "3", "49", "51", "\1", "\3"})  # as number, as the digit's byte, as several bytes
"""GPSAltitudeRef: 1 and 3 are below the ellipsoid or sea level (Exif 3.0: 0/1 ellipsoid, 2/3 sea level)."""


def coordinate(axis: Axis, parts: tuple[Raw, ...], reference: str | None) -> Decimal:
    """Return signed degrees from Exif's degrees, minutes and seconds.

    Args:
        axis: which coordinate it is.
        parts: one to three numbers; a zero denominator in any of them spoils the whole.
        reference: GPSLatitudeRef or GPSLongitudeRef.

    Raises:
        Unusable: a number or the reference is, or the place is not on Earth.
    """
    return _signed(axis, degrees(parts), reference)


def signed_coordinate(axis: Axis, parts: tuple[Raw, ...]) -> Decimal:
    """Return signed degrees from degrees, minutes and seconds whose sign is their hemisphere; raise as `coordinate`."""
    return _on_earth(axis, degrees(parts))


def degrees(parts: tuple[Raw, ...]) -> Rational:
    """Return degrees, minutes and seconds in degrees.

    A sign before the first number that is not zero is that of them all, whether the others repeat it or not.

    Raises:
        Unusable: a number is, or their signs differ in another way.
    """
    if not 1 <= len(parts) <= 3:
        raise Unusable("not degrees, minutes and seconds")
    numbers = [exact(part) for part in parts]
    signs = [over > 0 for over, _ in numbers if over]
    if len(set(signs[1:])) > 1 or (len(signs) > 1 and signs[0] and not signs[1]):
        raise Unusable("degrees, minutes and seconds of different signs")
    numerator, denominator = 0, 1
    for power, (over, under) in enumerate(numbers):
        under *= 60**power
        numerator, denominator = numerator * under + abs(over) * denominator, denominator * under
    return -numerator if signs and not signs[0] else numerator, denominator


def xmp_coordinate(axis: Axis, text: str) -> Decimal:
    """Return signed degrees from XMP: `33,51.4050S`, `33,51,24.3S`, programs' `33.85675S`, makers' `-33.85675`.

    Raises:
        Unusable: none of them, not on Earth, or a sign that contradicts the letter.
    """
    match = _XMP_COORDINATE.fullmatch(text[: MAX_TEXT + 1])  # its digits would be expanded
    if match is None:
        return _on_earth(axis, exact(text))
    sign, *parts, letter = match.groups()
    if sign and (sign == "-") != (letter.upper() in "SW"):
        raise Unusable("sign and hemisphere contradict each other")
    return _signed(axis, degrees(tuple(part or 0 for part in parts)), letter)


def altitude(value: Raw, reference: str | None) -> Decimal:
    """Return an altitude in m, negative if its reference says "below"; no reference means above (Exif's default).

    Args:
        value: metres.
        reference: GPSAltitudeRef as text; a byte 0x31 is the digit that a program wrote instead of the number.

    Raises:
        Unusable: not a number.
    """
    metres = number(value)
    return -abs(metres) if reference in _BELOW else metres


def speed(value: Raw, reference: str | None) -> Decimal:
    """Return a speed in m/s from GPSSpeed and GPSSpeedRef (km/h if there is none, which is Exif's default).

    Raises:
        Unusable: not a number, or a unit that nobody knows.
    """
    unit = (reference or "K").strip().upper()
    factor = _METRES_PER_SECOND.get("N" if unit.startswith("KN") else unit[:1])
    if factor is None:
        raise Unusable(f"unknown unit {reference!r}")
    numerator, denominator = exact(value)
    return rounded(numerator * factor[0], denominator * factor[1])


def direction(value: Raw) -> Decimal:
    """Return a direction of 0 to 360 degrees (Exif 2.32, GPSTrack: to 359.99; some write 360 for north).

    Raises:
        Unusable: not a number, or no direction.
    """
    angle = number(value)
    if not 0 <= angle <= 360:
        raise Unusable("not within 0 to 360")
    return angle


def is_nowhere(latitude: Decimal | None, longitude: Decimal | None) -> bool:
    """Tell the position 0, 0, which receivers write when they have no fix; 0 in one coordinate alone is a place."""
    return latitude is not None and longitude is not None and latitude == 0 and longitude == 0


def _signed(axis: Axis, angle: Rational, reference: str | None) -> Decimal:
    letter = (reference or "").strip(" \0").upper()[:1]
    positive, negative = _LETTERS[axis]
    if letter not in (positive, negative):
        raise Unusable("no usable hemisphere reference")
    numerator, denominator = angle
    if letter == positive and numerator < 0:
        raise Unusable(f"negative, and its hemisphere reference is {positive}")
    return _on_earth(axis, (-abs(numerator) if letter == negative else numerator, denominator))


def _on_earth(axis: Axis, angle: Rational) -> Decimal:
    numerator, denominator = angle
    if abs(numerator) > _LIMITS[axis] * denominator:
        raise Unusable("out of range")
    return rounded(numerator, denominator)
