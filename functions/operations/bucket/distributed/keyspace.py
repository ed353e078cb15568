"""Find keys of a bucket that lie apart without listing it: by asking for the first key behind a text, again and again.

S3 lists keys in the order of their UTF-8 bytes, which is that of Python's texts, and begins behind any text (API
reference, ListObjectsV2, StartAfter; general purpose buckets only). How many keys lie between two of them is not told,
so pieces are even only as far as keys are.
"""

from collections import deque
from collections.abc import Callable
from typing import TypeGuard

FirstAfter = Callable[[str], str | None]
"""Gives the first key behind a text; None if there is none."""

_MOST_PROBES = 400
_ASCII_END = 0x80
_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def spread(first_after: FirstAfter, lower: str, upper: str, pieces: int) -> list[str]:
    """Find keys between two texts, such that there are keys on either side of each; one less than the pieces, at most.

    Args:
        first_after: asks the bucket.
        lower: nothing up to this text is looked at,
        upper: and nothing from this one on.
        pieces: that are wanted.
    """
    found: list[str] = []
    waiting = deque([(lower, upper)])
    while waiting and len(found) < pieces - 1:
        low, high = waiting.popleft()
        key = _middle(first_after, low, high)
        if key is not None:
            found.append(key)
            waiting += [(low, key), (key, high)]
    return sorted(found)


def _middle(first_after: FirstAfter, low: str, high: str) -> str | None:
    """Find a key between two texts that has other ones before and behind it."""

    def is_within(key: str | None) -> TypeGuard[str]:
        return key is not None and key < high

    first = first_after(low)
    if not is_within(first):
        return None
    low = first
    for _ in range(_MOST_PROBES):
        text = between(low, high)
        if text is None:
            return None
        key = first_after(text)
        if not is_within(key) or not is_within(first_after(key)):
            high = text  # one key lies behind it, at most
        elif key == first_after(low):
            low = key  # nothing before it but what was known
        else:
            return key
    return None


def between(low: str, high: str) -> str | None:
    """Give a text that sorts behind one and before another, about midway between printable ones; None if none does."""
    at = next((n for n, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))
    if at >= len(high):
        return None
    one = ord(low[at]) if at < len(low) else -1
    other = ord(high[at])
    if other - one > 1 and (middle := _character(one, other)) is not None:
        return high[:at] + middle
    if len(high) > at + 1 and high[: at + 1] > low:
        return high[: at + 1]
    if one < 0 or low[at + 1 : at + 2] == chr(_LAST):
        return None
    return between(low, low[: at + 1] + chr(_LAST))


def _character(one: int, other: int) -> str | None:
    """Give a character between two, of ASCII if there is one."""
    middle = (one + min(other, _ASCII_END)) // 2 if one + 1 < _ASCII_END else (one + other) // 2
    if middle in _SURROGATES:
        middle = _SURROGATES.stop if _SURROGATES.stop < other else _SURROGATES.start - 1
    return chr(middle) if one < middle < other else None
