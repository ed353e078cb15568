"""An S3 bucket in memory, with S3's conditions and limits: for tests, benchmarks and simulations."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import RLock
from typing import TypeVar

from ledger.errors import NotFound, Refused, Unavailable
from ledger.store import PATIENCE_SECONDS, ByteRange, Listed, Stored

T = TypeVar("T")
R = TypeVar("R")

SMALLEST_PART = 5 << 20
LARGEST_PART = 5 << 30
MOST_PARTS = 10_000


def check_condition(key: str, present: str | None, wanted: str | None) -> None:
    """Refuse as S3 does what is conditional on an ETag, or on there being no object.

    Args:
        key: of the object.
        present: its ETag; None if it is not there.
        wanted: the ETag that it must have; None if it must not be there.
    """
    if wanted is not None and present is None:
        raise NotFound(f"{key}: NoSuchKey")
    if present != wanted:
        raise Refused(f"{key}: PreconditionFailed")


def check_parts(key: str, parts: Sequence[tuple[str, int]], named: Sequence[str], size: int | None) -> None:
    """Refuse as S3 does to complete an upload.

    Args:
        key: of the object.
        parts: ETag and bytes of each, as uploaded.
        named: their ETags, as the completion names them.
        size: bytes of the object, as the completion names them, if it does.
    """
    if any(length < SMALLEST_PART for _, length in parts[:-1]):
        raise Unavailable(f"{key}: EntityTooSmall")
    if [tag for tag, _ in parts] != list(named):
        raise Unavailable(f"{key}: InvalidPart")
    if size is not None and size != sum(length for _, length in parts):
        raise Unavailable(f"{key}: InvalidRequest, not the size that was named")


class MemoryStore:
    """The store's verbs over a dictionary.

    Args:
        now: gives the time that objects are stamped with.
        kms_key: of a bucket under SSE-KMS: its ETags look like MD5s and are none (S3 API reference, "Object").
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC), kms_key: bytes = b"") -> None:
        self.objects: dict[str, tuple[Stored, str]] = {}
        self.uploads: dict[str, tuple[str, str, dict[str, str], dict[int, bytes]]] = {}
        self._now = now
        self._kms_key = kms_key
        self._count = 0
        self._lock = RLock()

    def get(self, key: str) -> Stored:
        """Read an object."""
        return self._stored(key)

    def get_if_changed(self, key: str, etag: str) -> Stored | None:
        """Read an object unless it still has this ETag; None if it has."""
        stored = self._stored(key)
        return None if etag == stored.etag else stored

    def get_range(self, key: str, first: int, last: int, *, etag: str | None = None) -> bytes:
        """Read bytes first..last (inclusive)."""
        stored = self._stored(key)
        if etag is not None and etag != stored.etag:
            raise Refused(f"{key}: PreconditionFailed")
        if last >= len(stored.body):
            raise Unavailable(f"{key}: InvalidRange")
        return stored.body[first : last + 1]

    def head(self, key: str) -> Stored:
        """Read all but the bytes."""
        stored = self._stored(key)
        return Stored(b"", stored.etag, stored.metadata, stored.size, stored.modified)

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Create an object; False if the key exists."""
        with self._lock:
            if key in self.objects:
                return False
            self._keep(key, body, self._tag(body), content_type, {})
            return True

    def put_if_match(
        self, key: str, body: bytes, etag: str | None, content_type: str, metadata: Mapping[str, str]
    ) -> str:
        """Replace the object with this ETag, or create it if `etag` is None."""
        with self._lock:
            self._check(key, etag)
            return self._keep(key, body, self._tag(body), content_type, metadata)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Listed]:
        """List objects in key order."""
        with self._lock:
            keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
            found = [(key, self.objects[key][0]) for key in keys]
        return iter([Listed(key, stored.size, stored.modified or self._now(), stored.etag) for key, stored in found])

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone are fine."""
        with self._lock:
            for key in keys:
                self.objects.pop(key, None)

    def delete_if_match(self, key: str, etag: str) -> None:
        """Delete the object with this ETag."""
        with self._lock:
            self._check(key, etag)
            del self.objects[key]

    def start_upload(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload and give its id."""
        with self._lock:
            self._count += 1
            upload = f"upload-{self._count}"
            self.uploads[upload] = (key, content_type, dict(metadata), {})
            return upload

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Upload a part and give its ETag."""
        with self._lock:
            if upload not in self.uploads or self.uploads[upload][0] != key:
                raise NotFound(f"{key}: NoSuchUpload")
            if not 1 <= number <= MOST_PARTS or len(body) > LARGEST_PART:
                raise Unavailable(f"{key}: InvalidArgument")
            self.uploads[upload][3][number] = body
            return self._tag(body)

    def copy_part(
        self, key: str, upload: str, number: int, source: ByteRange, *, seconds: float = PATIENCE_SECONDS
    ) -> str:
        """Copy a range, whose object must have its ETag, as a part, within so many seconds."""
        if self._stored(source.key).size <= SMALLEST_PART:
            raise Unavailable(f"{source.key}: InvalidRequest, too small for a range copy")
        return self.upload_part(
            key, upload, number, self.get_range(source.key, source.first, source.last, etag=source.etag)
        )

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
        with self._lock:
            if upload not in self.uploads:
                raise NotFound(f"{key}: NoSuchUpload")
            _, content_type, metadata, bodies = self.uploads[upload]
            ordered = [bodies[number] for number in range(1, len(parts) + 1)]
            check_parts(key, [(self._tag(body), len(body)) for body in ordered], parts, size)
            self._check(key, etag)
            del self.uploads[upload]
            digest = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in ordered)).hexdigest()
            return self._keep(key, b"".join(ordered), f"{digest}-{len(ordered)}", content_type, metadata)

    def abort_upload(self, key: str, upload: str) -> None:
        """Abandon an upload; one that is gone is fine."""
        with self._lock:
            self.uploads.pop(upload, None)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, one after the other."""
        return [function(item) for item in items]

    def _stored(self, key: str) -> Stored:
        with self._lock:
            if key not in self.objects:
                raise NotFound(f"{key}: NoSuchKey")
            return self.objects[key][0]

    def _tag(self, body: bytes) -> str:
        return hashlib.md5(self._kms_key + body).hexdigest()

    def _check(self, key: str, etag: str | None) -> None:
        check_condition(key, self.objects[key][0].etag if key in self.objects else None, etag)

    def _keep(self, key: str, body: bytes, etag: str, content_type: str, metadata: Mapping[str, str]) -> str:
        stored = Stored(body, etag, dict(metadata), len(body), self._now())
        self.objects[key] = (stored, content_type)
        return etag
