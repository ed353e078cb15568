"""A file on a source, for code that wants `seek` and `read`."""

import os

from image_processor.errors import ReadLimitReached
from image_processor.reading.ranged import Source

MAX_VIEW_READS = 100_000
"""Reads through one `View`: well under a second; the richest maker notes need a tenth of it."""

MAX_VIEW_BYTES = 64 * 1024 * 1024
"""Bytes read through one `View`, cached ones included."""


class View:
    """A read-only file on a source, for libraries that want one: reads what is asked for and nothing else.

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
        self._reads_left = MAX_VIEW_READS
        self._bytes_left = MAX_VIEW_BYTES

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` without moving, fewer only at the end."""
        try:
            return self._source.read(offset, length)
        except ReadLimitReached:
            self.limit_reached = True
            raise

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

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
            raise ReadLimitReached(f"more than {MAX_VIEW_READS} reads or {MAX_VIEW_BYTES} bytes")
        data = self.read_at(self._position, size)
        self._position += len(data)
        return data
