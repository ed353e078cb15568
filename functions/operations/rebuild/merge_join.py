"""Walk two sorted sequences side by side (a merge join), in the memory of one item of each."""

from collections.abc import Callable, Iterator
from typing import TypeVar

L = TypeVar("L")
R = TypeVar("R")


def full_join(
    left: Iterator[L], right: Iterator[R], left_key: Callable[[L], bytes], right_key: Callable[[R], bytes]
) -> Iterator[tuple[bytes, L | None, R | None]]:
    """Give for every key, in order, the key and what either side has of it; None where a side has nothing.

    Args:
        left: items in the order of their keys.
        right: likewise.
        left_key: gives the key of an item of the left side.
        right_key: likewise of the right side.
    """
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        key = left_key(one) if one is not None else None
        other_key = right_key(other) if other is not None else None
        if key is not None and key == other_key:
            yield key, one, other
            one, other = next(left, None), next(right, None)
        elif key is not None and (other_key is None or key < other_key):
            yield key, one, None
            one = next(left, None)
        else:
            assert other_key is not None
            yield other_key, None, other
            other = next(right, None)
