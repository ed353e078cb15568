"""What the ledger asks of an object store: few verbs, each with every outcome named. Tests inject their faults here.

`s3_store` has them on S3; it is the only code that speaks to S3 for the ledger.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Requests in flight at a time: a batch of a few dozen shards then takes two or three round trips.
PARALLEL_REQUESTS = 64
# What S3 may take for a copy or a completion where nothing else ends sooner: it is silent meanwhile.
PATIENCE_SECONDS = 840.0
# Objects that a stream of them reads at a time: enough requests, and some megabytes in memory.
READ_AHEAD = 16


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was read: its bytes (empty after `head`), ETag, user metadata, size and age."""

    body: bytes
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One object of a listing."""

    key: str
    size: int
    modified: datetime
    etag: str = ""


class ByteRange(NamedTuple):
    """Bytes first..last (inclusive) of the object that has this key and ETag."""

    key: str
    etag: str
    first: int
    last: int

    @property
    def size(self) -> int:
        """Count the bytes."""
        return self.last - self.first + 1


class Store(Protocol):
    """The verbs. Keys are whole keys; ETags are opaque and carry no quotes."""

    def get(self, key: str) -> Stored:
        """Read an object. Raises NotFound, Unavailable."""

    def get_if_changed(self, key: str, etag: str) -> Stored | None:
        """Read an object unless it still has this ETag; None if it has. Raises NotFound, Unavailable."""

    def get_range(self, key: str, first: int, last: int, *, etag: str | None = None) -> bytes:
        """Read bytes first..last (inclusive). Raises Refused if the ETag is another, NotFound, Unavailable."""

    def head(self, key: str) -> Stored:
        """Read all but the bytes. Raises NotFound, Unavailable."""

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Create an object; False if the key exists. May be sent twice. Raises Unavailable."""

    def put_if_match(
        self, key: str, body: bytes, etag: str | None, content_type: str, metadata: Mapping[str, str]
    ) -> str:
        """Replace the object with this ETag, or create it if `etag` is None; sent once.

        Raises Refused, NotFound, Unavailable (nothing was written), Unknown.
        """

    def list(self, prefix: str, *, after: str = "") -> Iterator[Listed]:
        """List objects in key order. Raises Unavailable."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are gone are fine. Raises Unavailable."""

    def delete_if_match(self, key: str, etag: str) -> None:
        """Delete the object with this ETag; sent once. Raises as `put_if_match`."""

    def start_upload(self, key: str, content_type: str, metadata: Mapping[str, str]) -> str:
        """Start a multipart upload and give its id. Raises Unavailable."""

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Upload a part (5 MiB to 5 GiB, the last any size) and give its ETag. Raises NotFound, Unavailable."""

    def copy_part(
        self, key: str, upload: str, number: int, source: ByteRange, *, seconds: float = PATIENCE_SECONDS
    ) -> str:
        """Copy a range, whose object must have its ETag, as a part, within so many seconds.

        Raises Refused, NotFound, Unavailable.
        """

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
        """Complete under the condition of `put_if_match`, within so many seconds; sent once. Raises as it does.

        S3 completes only if all parts together have `size` bytes, where that is given.
        """

    def abort_upload(self, key: str, upload: str) -> None:
        """Abandon an upload; one that is gone is fine. Raises Unavailable."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, as many at a time as the store bears; the first error is raised."""


def read_ahead(
    store: Store, read: Callable[[T], R], items: Iterable[T], ahead: int = READ_AHEAD
) -> Iterator[tuple[T, R]]:
    """Read items one after the other, some of them ahead; give each with what was read.

    Args:
        store: whose `map` reads them.
        read: reads one.
        items: in the order in which they are given back.
        ahead: how many are read at a time, and so are in memory.
    """
    rest = iter(items)
    while some := [*islice(rest, ahead)]:
        yield from zip(some, store.map(read, some), strict=True)
