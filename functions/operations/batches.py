"""Cut a sequence of any length into lists of a bounded one, by number or by size."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give the items in lists of so many, the last of which may have fewer; nothing is read ahead of what is given.

    Python 3.12 has it as `itertools.batched`.
    """
    rest = iter(items)
    while batch := [*islice(rest, size)]:
        yield batch


def batched_by_size(items: Iterable[T], size_of: Callable[[T], int], size: int) -> Iterator[list[T]]:
    """Give neighbouring items in lists that have so much together; the last of which may have less."""
    batch: list[T] = []
    taken = 0
    for item in items:
        batch.append(item)
        taken += size_of(item)
        if taken >= size:
            yield batch
            batch, taken = [], 0
    if batch:
        yield batch
