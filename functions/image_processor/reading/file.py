"""Bytes as a file: read at any place by our code, with `seek` and `read` by libraries."""

import io
import os
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from image_processor.errors import ReadLimitReached
from image_processor.reading.ranged import FIRST_READ, Source

MAX_FILE_READS = 100_000
"""Reads by a library through one `SourceFile`: well under a second; the richest maker notes need a tenth of it."""

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Bytes read by a library through one `SourceFile`, cached ones included."""


class File(Protocol):
    """A read-only file."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        ...

    @property
    def limit_reached(self) -> bool:
        """Whether a read has failed because the file had cost all it may."""
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

    @property
    def limit_reached(self) -> bool:
        """Whether a read has failed: never."""
        return False

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
        limit_reached: whether a read has failed because the file had cost all it may.
    """

    def __init__(self, source: Source) -> None:
        self.size = source.size
        self.limit_reached = False
        self._source = source
        self._position = 0
        self._reads_left = MAX_FILE_READS
        self._bytes_left = MAX_FILE_BYTES

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end."""
        try:
            return self._source.read(offset, length)
        except ReadLimitReached:
            self.limit_reached = True
            raise

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
        self._reads_left -= 1
        self._bytes_left -= size
        if self._reads_left < 0 or self._bytes_left < 0:
            self.limit_reached = True
            raise ReadLimitReached(f"more than {MAX_FILE_READS} reads or {MAX_FILE_BYTES} bytes")
        data = self.read_at(self._position, size)
        self._position += len(data)
        return data
