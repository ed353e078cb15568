"""Keys that lie apart are found in few requests, however keys crowd, and each cut has keys on either side."""

import random
from bisect import bisect_right
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.bucket.distributed.cut import Range, behind, name_before, name_ranges, part_of, quantiles, split
from operations.bucket.distributed.keyspace import between, spread
from operations.bucket.lines import escape
from tests.support.odd_keys import ODD_KEYS

END = "\U0010ffff"
TEXTS = st.text("\0\1/ab~\x7f\ud7ff\ue000\uffff\U0010ffff", max_size=6)
CHANCE = random.Random(7)
KEYS = {
    "numbered": [f"survey-2026/DJI_{number:06d}.JPG" for number in range(20_000)],
    "by day": [f"{1 + n // 99:02d}/{1 + n % 99:02d}/{m}.jpg" for n in range(2000) for m in range(4)],
    "hashes": [f"a/{CHANCE.getrandbits(128):032x}" for _ in range(5000)],
    "any script": [chr(code) + str(number) for code in (0x61, 0xE9, 0x3042, 0x1F600) for number in range(500)],
}


def asked(keys: list[str]) -> tuple[list[str], list[str]]:
    """Sort keys; give them, and a list that takes every question."""
    return sorted(keys), []


@pytest.mark.parametrize("kind", KEYS)
def test_pieces_are_of_a_size_and_found_in_few_requests(kind: str) -> None:
    """A request takes some hundredths of a second, and a piece some minutes."""
    keys, questions = asked(KEYS[kind])

    def first_after(text: str) -> str | None:
        questions.append(text)
        place = bisect_right(keys, text)
        return keys[place] if place < len(keys) else None

    cuts = spread(first_after, "", END, 16)
    assert len(cuts) == 15
    assert set(cuts) <= set(keys)
    sizes = [sum(low < key <= high for key in keys) for low, high in pairwise(["", *cuts, END])]
    assert max(sizes) < len(keys) / 3
    assert min(sizes) > 0
    assert len(questions) < 500


@given(st.sets(TEXTS, max_size=30), TEXTS, TEXTS, st.integers(1, 9))
def test_cuts_lie_within_and_have_keys_before_and_behind(keys: set[str], one: str, other: str, pieces: int) -> None:
    """Whatever the keys are: a cut without any on one side would make a range of nothing."""
    lower, upper = sorted((one, other))
    ordered = sorted(keys)

    def first_after(text: str) -> str | None:
        return next((key for key in ordered if key > text), None)

    cuts = spread(first_after, lower, upper, pieces)
    assert len(cuts) < max(2, pieces)
    assert cuts == sorted(set(cuts))
    inside = [key for key in ordered if lower < key < upper]
    assert set(cuts) <= set(inside[1:])
    for low, high in pairwise([lower, *cuts, upper] if cuts else []):
        assert [key for key in inside if low < key <= high]


@given(TEXTS, TEXTS)
def test_a_text_between_two_lies_between_them(one: str, other: str) -> None:
    """And can be sent: it has no half of a surrogate pair."""
    low, high = sorted((one, other))
    text = between(low, high)
    if text is not None:
        assert low < text < high
        text.encode()


@pytest.mark.parametrize("places", [("photos/",), ("archive/", "photos/a", "photos/b")])
def test_every_name_lies_in_one_range_and_its_part(places: tuple[str, ...]) -> None:
    """Also the names that cuts were made of, and what sorts right behind them."""
    keys = ["", *ODD_KEYS, *(key + "\0" for key in ODD_KEYS)]
    names = sorted(escape(place + key) for place in places for key in keys)
    cuts = quantiles(names[::3], 6)
    ranges = name_ranges([escape(place) for place in places], cuts)
    halves = [half for one in ranges for half in split(one, names[::5])]
    assert len(halves) > len(ranges) > 5
    for name in names:
        for found in (ranges, halves):
            (one,) = [one for one in found if one.lower <= name + b"\0" < one.upper]
            assert one.part == part_of(cuts, name)
    assert all(name_before(cut) is not None for cut in cuts)
    assert split(Range("names", 0, b"b", b"d"), [b"a", b"d"]) == [Range("names", 0, b"b", b"d")]


def test_a_small_sample_cuts_as_far_as_it_goes() -> None:
    """One name cannot be cut, and the same cut is made once."""
    assert quantiles([b"a"], 4) == []
    assert quantiles([b"a", b"a", b"a", b"b"], 4) == [behind(b"a")]
