"""Numbers: read exactly, rounded at a stated precision, written plainly."""

import math
import struct
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_processor.errors import Unusable
from image_processor.tags.numbers import (
    MAX_DIGITS,
    PLACES,
    approximate,
    number,
    plain,
    shortest_float32,
    whole,
)


@pytest.mark.parametrize(
    ("raw", "digits"),
    [
        ((1, 3), "0.3333333333"),
        ((2, 3), "0.6666666667"),
        ((1, 8000), "0.000125"),
        ((0, 1), "0"),
        ((-1204, 10), "-120.4"),
        (96, "96"),
        (0.1, "0.1"),
        (3.3, "3.3"),
        ("+317.547", "317.547"),
        ("-3.20", "-3.2"),
        ("+0.00", "0"),
        ("-0.0", "0"),
        (" 12.5 m ", "12.5"),
        ("4971569/65536", "75.8601226807"),
        ("2.4/1", "2.4"),
        ("1.20722e-6", "0.0000012072"),
        ("1e3", "1000"),
        (".5", "0.5"),
        ("1e-300", "0"),
        ((4294967295, 1), "4294967295"),
    ],
)
def test_a_number_is_written_plainly_to_ten_places(raw, digits):
    """No exponent, no float noise, no plus sign, no trailing zeros, no negative zero."""
    assert plain(number(raw)) == digits


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ((0, 0), "zero denominator"),
        ((1, 0), "zero denominator"),
        ("1/0", "zero denominator"),
        (math.nan, "not finite"),
        (math.inf, "not finite"),
        ("NaN", "not finite"),
        ("-Infinity", "not finite"),
        ("undef", "not finite"),
        ("", "not a number"),
        ("default", "not a number"),
        ("1.2.3", "not a number"),
        ("٣", "not a number"),
        ("1e9999", "too large"),
        ("1e300", "too large"),
        (10**39, "too large"),
        ("9" * 90, "too large"),
        ("9" * 500, "not a number"),
    ],
)
def test_what_is_no_number_for_the_table_says_why(raw, reason):
    """M1, M22: nothing becomes zero, NaN or infinity."""
    with pytest.raises(Unusable, match=reason):
        number(raw)


def test_an_integer_column_takes_integers_only():
    """`50` and `50.0` are one integer, `0.5` is none."""
    assert [whole(raw) for raw in (50, "50", "50.0", (100, 2))] == [50, 50, 50, 50]
    for raw in ("0.5", (1, 3), 0.5):
        with pytest.raises(Unusable, match="not an integer"):
            whole(raw)


@given(st.fractions() | st.floats() | st.integers() | st.text(max_size=20))
def test_whatever_comes_in_is_a_number_that_the_table_takes_or_unusable(raw):
    """DynamoDB holds 38 digits and knows neither NaN nor infinity."""
    value = (raw.numerator, raw.denominator) if isinstance(raw, Fraction) else raw
    try:
        digits = plain(number(value))
    except Unusable:
        return
    decimal = Decimal(digits)
    assert decimal.is_finite()
    assert len(digits.strip("-").replace(".", "")) <= MAX_DIGITS
    assert "e" not in digits.lower()
    if isinstance(raw, Fraction):
        assert abs(Fraction(decimal) - raw) <= Fraction(1, 2 * 10**PLACES)


@given(st.floats(width=32))
def test_a_32_bit_float_keeps_its_value_in_fewer_digits(value):
    """DJI's maker note: 3.3 is stored as 3.299999952316284."""
    short = shortest_float32(value)
    assert struct.pack("<f", short) == struct.pack("<f", value)
    assert shortest_float32(struct.unpack("<f", struct.pack("<f", 3.3))[0]) == 3.3


@pytest.mark.parametrize("raw", [2**63, -(2**63), "99999999999999999999", "1e30"])
def test_an_integer_of_more_than_64_bits_is_unusable(raw):
    """One such rating in a photo of 231 bytes, and no reader of the README could open the CSV."""
    with pytest.raises(Unusable, match="too large"):
        whole(raw)
    assert whole(2**63 - 1) == 2**63 - 1


def test_a_json_number_is_an_integer_or_has_twelve_digits():
    """The documents are for reading; the columns are exact."""
    assert approximate(4, 2) == 2
    assert approximate(1, 3) == 0.333333333333
