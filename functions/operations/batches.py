"""Cut a sequence of any length into lists of a bounded one (Python 3.12 has it as `itertools.batched`)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give the items in lists of so many, the last of which may have fewer; nothing is read ahead of what is given."""
    rest = iter(items)
    while batch := [*islice(rest, size)]:
        yield batch
