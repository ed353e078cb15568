"""DynamoDB's numbers as cells: plain decimal notation, and no more than readers hold."""

import re
from collections.abc import Sequence
from decimal import Decimal

# What readers of the CSV hold as an integer; one larger value, and they read no row of it.
_LEAST, LARGEST = -(2**63), 2**63 - 1
DIGITS = 19
# DynamoDB keeps 38 digits, and numbers from 1E-130 to 9.9E+125 (Developer Guide, "Number"): all are doubles.
_WHOLE, _PLACES = 126, 168
_is_plain = re.compile(rf"-?\d{{1,{_WHOLE}}}+(?:\.\d{{1,{_PLACES}}}+)?", re.ASCII).fullmatch
_is_number = re.compile(r"[-+]?[.\d]+(E[-+]?\d+)?", re.ASCII | re.IGNORECASE).fullmatch
# Decimals that keep all their characters; others may too, but need a closer look: a zero has no sign in the CSV.
_A_DECIMAL = rf"(?:-(?!0+\.0+(?:,|$)))?\d{{1,{_WHOLE}}}+\.\d{{1,{_PLACES}}}+"
_are_decimals = re.compile(rf"(?:{_A_DECIMAL},)*+{_A_DECIMAL}", re.ASCII).fullmatch


def are_decimals(texts: Sequence[str]) -> bool:
    """Say whether all of these can be cells of decimal columns as they stand."""
    together = ",".join(texts)
    return _are_decimals(together) is not None and together.count(",") < len(texts)


def are_integers(texts: Sequence[str]) -> bool:
    """Say whether all of these can be cells of integer columns as they stand."""
    together = "".join(texts)
    return together.isdigit() and together.isascii() and all(texts) and max(map(len, texts)) < DIGITS


def decimal_text(text: str) -> str:
    """Write a number with a point.

    Raises:
        ValueError: it is none that DynamoDB keeps.
    """
    plain = number_text(text)
    return plain if "." in plain else plain + ".0"


def integer_text(text: str) -> str:
    """Write a number without a point.

    Raises:
        ValueError: it is none that DynamoDB keeps, is not whole, or has more than 64 bits.
    """
    plain = number_text(text)
    if "." in plain:
        raise ValueError("not a whole number")
    if len(plain) > DIGITS + 1 or not _LEAST <= int(plain) <= LARGEST:
        raise ValueError("more than 64 bits")
    return plain


def number_text(text: str) -> str:
    """Write a number with the digits that it has, without exponent, and without a sign if it is zero.

    Raises:
        ValueError: it is none that DynamoDB keeps.
    """
    if not _is_plain(text) and not _is_plain(text := _expand(text)):
        raise ValueError("not a number that DynamoDB keeps")
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text


def _expand(text: str) -> str:
    if not _is_number(text):  # Decimal itself takes more: digits of all scripts, spaces, underscores, NaN
        raise ValueError("not a number")
    try:
        number = Decimal(text)
    except ArithmeticError as error:
        raise ValueError("not a number") from error
    if not -130 <= number.adjusted() < _WHOLE:
        raise ValueError("not a number that DynamoDB keeps")
    return format(number, "f")
