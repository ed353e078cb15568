"""Numbers as photos write them, and numbers as the table keeps them: pure functions.

A number leaves here as plain decimal notation: no exponent, no float noise, no `+`, no negative zero. Quotients are
rounded (half to even) at `PLACES` decimal places, coordinates included: ten places of a degree are 0.01 mm.

On the way it is exact: a numerator and a denominator above zero, which may have common factors. (The library's
fractions are reduced at every step, which costs more than all the rest.)
"""

import math
import re
import struct
from decimal import ROUND_HALF_EVEN, Context, Decimal

from image_processor.errors import Unusable

PLACES = 10
"""Decimal places of every decimal column."""

MAX_DIGITS = 38
"""Significant digits a DynamoDB number can have (DynamoDB Developer Guide, "Number")."""

MAX_WHOLE_DIGITS = MAX_DIGITS - PLACES
"""Digits before the point, so that every number fits: nothing that a photo measures is larger."""

LARGEST_WHOLE = 2**63 - 1
"""Of an integer column: one larger value, and pandas, DuckDB and Polars read no row of the whole CSV as described."""

Rational = tuple[int, int]
Raw = int | float | Rational | str

_CONTEXT = Context(prec=60, rounding=ROUND_HALF_EVEN)
_TOO_LARGE = 10**MAX_WHOLE_DIGITS
_STEP = Decimal(1).scaleb(-PLACES)
MAX_TEXT = 100
"""Characters of a number with its unit, written as text."""

# Possessive throughout: nothing that was matched is tried again in another way, however a stranger wrote it.
_NUMBER = r"[+-]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?+\d{1,4}+)?+"
_TEXT = re.compile(rf"\s*+({_NUMBER})\s*+(?:/\s*+({_NUMBER})\s*+)?+(?:mm|m/s|m|s|deg|°|EV|%)?+\s*+", re.ASCII)
_BLANKS = " \t\n\r\f\v"
_NON_FINITE = re.compile(r"\s*+[+-]?+(?:nan|infinity|inf|undef|1\.#\w++)\s*+", re.IGNORECASE)


def number(raw: Raw) -> Decimal:
    """Return a number rounded to `PLACES`.

    Args:
        raw: integer, float, (numerator, denominator), or text such as `+317.547`, `4971569/65536`, `12.5 m`.

    Raises:
        Unusable: zero denominator, NaN or infinity, not a number, or more digits than the table can hold.
    """
    return rounded(*exact(raw))


def exact(raw: Raw) -> Rational:
    """Return a number as numerator and denominator.

    Raises:
        Unusable: as `number`.
    """
    if isinstance(raw, tuple):
        return _quotient(*raw)
    if isinstance(raw, float):
        return _finite(raw)
    if isinstance(raw, int):
        return raw, 1
    raw = raw.strip(_BLANKS)
    match = _TEXT.fullmatch(raw) if len(raw) <= MAX_TEXT else None
    if match is None:
        raise Unusable("not finite" if _NON_FINITE.fullmatch(raw[: MAX_TEXT + 1]) else "not a number")
    over, under = match.groups()
    numerator, denominator = _written(over)
    if under is None:
        return numerator, denominator
    divisor, factor = _written(under)
    return _quotient(numerator * factor, denominator * divisor)


def rounded(numerator: int, denominator: int) -> Decimal:
    """Return a quotient rounded to `PLACES`.

    Raises:
        Unusable: more digits before the point than the table can hold.
    """
    if abs(numerator) >= _TOO_LARGE * denominator:
        raise Unusable("too large")
    quotient = _CONTEXT.divide(Decimal(numerator), Decimal(denominator))
    return quotient.quantize(_STEP, context=_CONTEXT)


def whole(raw: Raw) -> int:
    """Return a number that must be an integer.

    Raises:
        Unusable: as `number`, or the number has a fraction.
    """
    numerator, denominator = exact(raw)
    value, rest = divmod(numerator, denominator)
    if rest:
        raise Unusable("not an integer")
    if abs(value) > LARGEST_WHOLE:
        raise Unusable("too large")
    return value


def plain(value: Decimal | int) -> str:
    """Return the digits of a number: no exponent, no trailing zeros, no `-0`."""
    if isinstance(value, int):
        return str(value)
    digits = f"{value:f}"
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits in ("-0", "") else digits


def for_json(value: Raw) -> int | float | str:
    """Return a number for a JSON document; one that JSON does not have (`1/0`, NaN, infinity) as text."""
    if isinstance(value, int):
        return value
    if isinstance(value, tuple):
        numerator, denominator = value
        return approximate(numerator, denominator) if denominator else f"{numerator}/{denominator}"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def approximate(numerator: int, denominator: int) -> float | int:
    """Return a quotient of two 32-bit integers: a whole one as such, else 12 significant digits."""
    whole, rest = divmod(numerator, denominator)
    return float(f"{numerator / denominator:.12g}") if rest else whole


def shortest_float32(value: float) -> float:
    """Return the shortest decimal that is this 32-bit float: 3.3 and not 3.299999952316284."""
    if not math.isfinite(value):
        return value
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.pack("<f", short) == struct.pack("<f", value):
                return short
        except OverflowError:  # rounded up beyond the largest 32-bit float
            break
    return float(f"{value:.9g}")


def _finite(value: float) -> Rational:
    if not math.isfinite(value):
        raise Unusable("not finite")
    return Decimal(repr(value)).as_integer_ratio()


def _written(digits: str) -> Rational:
    """Return a number written in at most `MAX_TEXT` characters; its exponent is bounded first, since it is expanded."""
    value = Decimal(digits)
    if value and not -400 < value.adjusted() < 400:
        if value.adjusted() > 0:
            raise Unusable("too large")
        return 0, 1
    return value.as_integer_ratio()


def _quotient(numerator: int, denominator: int) -> Rational:
    if denominator == 0:
        raise Unusable("zero denominator")
    return (numerator, denominator) if denominator > 0 else (-numerator, -denominator)
