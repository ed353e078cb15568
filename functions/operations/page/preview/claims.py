"""What every container of a photo is asked: where a JPEG is said to stand in it. Pure."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

Read = Callable[[int, int], bytes]
"""Reads so many bytes of the photo from an offset on; fewer where it ends."""


class Claim(NamedTuple):
    """What a photo says is a JPEG, unseen: any file may claim anything.

    Attributes:
        offset: in bytes from the start of the photo.
        length: in bytes.
    """

    offset: int
    length: int


Claims = Callable[[Read], Iterator[Claim]]
"""Lists what a photo of one kind claims, by a bounded number of reads."""
