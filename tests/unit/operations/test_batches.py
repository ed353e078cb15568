"""A sequence is cut into bounded lists."""

from itertools import count, islice

import pytest

from operations.batches import batched


@pytest.mark.parametrize(
    ("length", "expected"), [(0, []), (2, [[0, 1]]), (3, [[0, 1, 2]]), (7, [[0, 1, 2], [3, 4, 5], [6]])]
)
def test_all_items_come_in_order(length: int, expected: list[list[int]]) -> None:
    """The last list may be shorter; none is empty."""
    assert list(batched(range(length), 3)) == expected


def test_no_more_is_read_than_given() -> None:
    """The sequence may have no end, and what comes of one list may decide about the next."""
    numbers = count()
    assert list(islice(batched(numbers, 4), 2)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert next(numbers) == 8
