"""An S3 bucket whose objects may be larger than any memory: contents are made when they are read, never copied.

It keeps S3's conditions and limits as `MemoryStore` does, but holds an object as a content: bytes, a range of another
content (a part that was copied), several in a row, or something that computes its bytes. So the real commit and
publish run against tables of a hundred million rows. Unlike S3's, its ETags count writes and do not follow content.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import accumulate
from typing import IO, Protocol, TypeVar

from infra.doubles.memory_store import LARGEST_PART, MOST_PARTS, SMALLEST_PART, check_condition, check_parts
from ledger.errors import NotFound, Refused, Unavailable
from ledger.store import PATIENCE_SECONDS, ByteRange, Listed, Stored

T = TypeVar("T")
R = TypeVar("R")


class Content(Protocol):
    """Bytes that need not be in memory."""

    @property
    def size(self) -> int:
        """Count them."""

    def read(self, first: int, last: int) -> bytes:
        """Give bytes first..last (inclusive)."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes in memory."""

    body: bytes

    @property
    def size(self) -> int:
        """Count them."""
        return len(self.body)

    def read(self, first: int, last: int) -> bytes:
        """Give bytes first..last (inclusive)."""
        return self.body if last - first + 1 == len(self.body) else self.body[first : last + 1]


@dataclass(frozen=True, slots=True)
class Spilt:
    """Bytes in a file that several contents share."""

    file: IO[bytes]
    offset: int
    size: int

    def read(self, first: int, last: int) -> bytes:
        """Give bytes first..last (inclusive)."""
        self.file.seek(self.offset + first)
        return self.file.read(last - first + 1)


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes first..last (inclusive) of another content."""

    of: Content
    first: int
    last: int

    @property
    def size(self) -> int:
        """Count them."""
        return self.last - self.first + 1

    def read(self, first: int, last: int) -> bytes:
        """Give bytes first..last (inclusive)."""
        return self.of.read(self.first + first, self.first + last)


class Row:
    """Contents in a row; ranges of rows become ranges of what they consist of, so that none is ever nested."""

    def __init__(self, contents: Iterable[Content]) -> None:
        self.contents = [part for content in contents for part in _flat(content)]
        self._starts = [0, *accumulate(content.size for content in self.contents)]
        self.size = self._starts.pop()

    def cut(self, first: int, last: int) -> list[Content]:
        """Give the contents of bytes first..last (inclusive)."""
        found: list[Content] = []
        number = bisect_right(self._starts, first) - 1
        while first <= last:
            content, start = self.contents[number], self._starts[number]
            end = min(last, start + content.size - 1)
            whole = first == start and end - start + 1 == content.size
            found.append(content if whole else Range(content, first - start, end - start))
            first, number = end + 1, number + 1
        return found

    def read(self, first: int, last: int) -> bytes:
        """Give bytes first..last (inclusive)."""
        return b"".join(content.read(0, content.size - 1) for content in self.cut(first, last))


def _flat(content: Content) -> list[Content]:
    if isinstance(content, Row):
        return content.contents
    if isinstance(content, Range) and isinstance(content.of, Row):
        return content.of.cut(content.first, content.last)
    if isinstance(content, Range) and isinstance(content.of, Range):
        return [Range(content.of.of, content.of.first + content.first, content.of.first + content.last)]
    return [content]


@dataclass(slots=True)
class _Object:
    content: Content
    etag: str
    metadata: Mapping[str, str]
    modified: datetime


@dataclass(slots=True)
class _Upload:
    key: str
    metadata: Mapping[str, str]
    parts: dict[int, tuple[str, Content]] = field(default_factory=dict)


class SparseStore:
    """The store's verbs over contents.

    Args:
        made: gives the content of an object that nobody wrote; None if there is none of that key.
        spill: a file that takes the bytes of what is written; None keeps them in memory.
        now: gives the time that objects are stamped with.
    """

    def __init__(
        self,
        made: Callable[[str], Content | None] = lambda key: None,
        spill: IO[bytes] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._objects: dict[str, _Object] = {}
        self._uploads: dict[str, _Upload] = {}
        self._made, self._spill, self._now = made, spill, now
        self._count = 0

    def place(self, key: str, content: Content, metadata: Mapping[str, str]) -> str:
        """Put any content under a key, without a condition; give the ETag."""
        self._count += 1
        etag = f"etag-{self._count}"
        self._objects[key] = _Object(content, etag, dict(metadata), self._now())
        return etag

    def get_if_changed(self, key: str, etag: str) -> Stored | None:
        """Read an object unless it still has this ETag; None if it has."""
        return None if self._find(key).etag == etag else self.get(key)

    def get(self, key: str) -> Stored:
        """Read an object."""
        found = self._find(key)
        size = found.content.size
        return Stored(found.content.read(0, size - 1), found.etag, found.metadata, size, found.modified)

    def get_range(self, key: str, first: int, last: int, *, etag: str | None = None) -> bytes:
        """Read bytes first..last (inclusive)."""
        found = self._find(key)
        if etag is not None and etag != found.etag:
            raise Refused(f"{key}: PreconditionFailed")
        if last >= found.content.size:
            raise Unavailable(f"{key}: InvalidRange")
        return found.content.read(first, last)

    def head(self, key: str) -> Stored:
        """Read all but the bytes."""
        found = self._find(key)
        return Stored(b"", found.etag, found.metadata, found.content.size, found.modified)

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Create an object; False if the key exists."""
        if key in self._objects or self._made(key) is not None:
            return False
        self.place(key, self._keep(body), {})
        return True

    def put_if_match(
        self, key: str, body: bytes, etag: str | None, content_type: str, metadata: Mapping[str, str]
    ) -> str:
        """Replace the object with this ETag, or create it if `etag` is None."""
        self._check(key, etag)
        return self.place(key, self._keep(body), metadata)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Listed]:
        """List the objects that were written, in key order."""
        for key in sorted(key for key in self._objects if key.startswith(prefix) and key > after):
            found = self._objects[key]
            yield Listed(key, found.content.size, found.modified, found.etag)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone are fine."""
        for key in keys:
            self._objects.pop(key, None)

    def delete_if_match(self, key: str, etag: str) -> None:
        """Delete the object with this ETag."""
        self._check(key, etag)
        del self._objects[key]

    def start_upload(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload and give its id."""
        self._count += 1
        upload = f"upload-{self._count}"
        self._uploads[upload] = _Upload(key, dict(metadata))
        return upload

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Upload a part and give its ETag."""
        return self._part(key, upload, number, self._keep(body))

    def copy_part(
        self, key: str, upload: str, number: int, source: ByteRange, *, seconds: float = PATIENCE_SECONDS
    ) -> str:
        """Copy a range, whose object must have its ETag, as a part, within so many seconds."""
        found = self._find(source.key)
        if found.etag != source.etag:
            raise Refused(f"{source.key}: PreconditionFailed")
        if found.content.size <= SMALLEST_PART or source.last >= found.content.size:
            raise Unavailable(f"{source.key}: InvalidRequest")
        return self._part(key, upload, number, Range(found.content, source.first, source.last))

    def finish_upload(
        self,
        key: str,
        upload: str,
        parts: Sequence[str],
        etag: str | None,
        *,
        size: int | None = None,
        seconds: float = PATIENCE_SECONDS,
    ) -> str:
        """Complete under the condition of `put_if_match`."""
        if upload not in self._uploads:
            raise NotFound(f"{key}: NoSuchUpload")
        held = self._uploads[upload]
        ordered = [held.parts[number] for number in range(1, len(parts) + 1)]
        check_parts(key, [(tag, content.size) for tag, content in ordered], parts, size)
        self._check(key, etag)
        del self._uploads[upload]
        return self.place(key, Row(content for _, content in ordered), held.metadata)

    def abort_upload(self, key: str, upload: str) -> None:
        """Abandon an upload; one that is gone is fine."""
        self._uploads.pop(upload, None)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, one after the other."""
        return [function(item) for item in items]

    def _find(self, key: str) -> _Object:
        found = self._objects.get(key)
        if found is not None:
            return found
        content = self._made(key)
        if content is None:
            raise NotFound(f"{key}: NoSuchKey")
        return _Object(content, f"made-{key}", {}, self._now())

    def _check(self, key: str, etag: str | None) -> None:
        try:
            present = self._find(key).etag
        except NotFound:
            present = None
        check_condition(key, present, etag)

    def _part(self, key: str, upload: str, number: int, content: Content) -> str:
        if upload not in self._uploads or self._uploads[upload].key != key:
            raise NotFound(f"{key}: NoSuchUpload")
        if not 1 <= number <= MOST_PARTS or content.size > LARGEST_PART:
            raise Unavailable(f"{key}: InvalidArgument")
        self._count += 1
        tag = f"part-{self._count}"
        self._uploads[upload].parts[number] = (tag, content)
        return tag

    def _keep(self, body: bytes) -> Content:
        if self._spill is None:
            return Bytes(body)
        offset = self._spill.seek(0, 2)
        self._spill.write(body)
        return Spilt(self._spill, offset, len(body))
