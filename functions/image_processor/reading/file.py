"""Bytes as a file: read at any place by our code, with `seek` and `read` by libraries."""

import io
import os
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from image_processor.budget import LIBRARY_BYTES, LIBRARY_READS
from image_processor.errors import ReadLimitReached
from image_processor.reading.ranged import FIRST_READ, Source


class File(Protocol):
    """A read-only file."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end.

        Raises:
            ReadLimitReached: more requests or bytes than one image may cost.
        """
        ...

    def open(self) -> BinaryIO:
        """Give the file with `seek` and `read`, for a library that wants one."""
        ...


def file_of(source: Source) -> File:
    """Give an object as a file: in memory if the first GET has all of it, else read as it is used."""
    return MemoryFile(source.read(0, source.size)) if source.size <= FIRST_READ else SourceFile(source)


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """A file whose bytes are all at hand."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end."""
        return self.data[offset : offset + length]

    def open(self) -> BinaryIO:
        """Give the file with `seek` and `read`."""
        return io.BytesIO(self.data)


class SourceFile:
    """A file on a source, which reads what is asked for and nothing else.

    Passes the source's errors on, and ends a library that a hostile file leads around in circles with
    `ReadLimitReached`.

    Attributes:
        size: bytes of the file.
    """

    def __init__(self, source: Source) -> None:
        self.size = source.size
        self._source = source
        self._position = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end."""
        return self._source.read(offset, length)

    def open(self) -> BinaryIO:
        """Give the file with `seek` and `read`: itself, as it is bounded over all its uses."""
        return cast(BinaryIO, self)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset` from the start, the position or the end; return the new position.

        Raises:
            ValueError: the position would be negative.
        """
        position = (0, self._position, self.size)[whence] + offset
        if position < 0:
            raise ValueError("negative position")
        self._position = position
        return position

    def read(self, size: int | None = -1) -> bytes:
        """Return the next `size` bytes, or all that are left; fewer only at the end.

        Raises:
            ReadLimitReached: more reads or bytes than one image may cost.
        """
        left = max(0, self.size - self._position)
        size = left if size is None or size < 0 else min(size, left)
        for cost, amount in ((LIBRARY_READS, 1), (LIBRARY_BYTES, size)):
            if not self._source.budget.take(cost, amount):
                raise ReadLimitReached(cost)
        data = self.read_at(self._position, size)
        self._position += len(data)
        return data
