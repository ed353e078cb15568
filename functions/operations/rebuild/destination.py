"""Where a rebuild puts the shards and pages that it makes: into the bucket as they come, into scratch, or nowhere."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from ledger.errors import NotFound
from ledger.keys import page_key, shard_key
from ledger.objects import PAGE_TYPE, Objects
from ledger.packing import PACKED_TYPE, pack
from ledger.store import Store, Stored
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import object_name

T = TypeVar("T")
R = TypeVar("R")

# Objects that wait to be written together, several requests at a time.
_WAITING_OBJECTS = 16
_WAITING_BYTES = 24 << 20


class ObjectWriter(Protocol):
    """The verbs that a destination needs."""

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Make sure that an object is there."""

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item."""


class BucketObjects:
    """Shards and pages in the bucket. One that is there already may be an orphan; then it is kept from collection."""

    def __init__(self, store: Store) -> None:
        self._store, self._objects = store, Objects(store)

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Make sure that an object is there, and stays for a day."""
        self._objects.put(key, body, content_type)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item, many at a time."""
        return self._store.map(function, items)


class ScratchObjects:
    """Shards and pages in scratch, with the verbs that `ledger.objects` needs: a tree that is only looked at.

    Args:
        scratch: takes them.
        bucket: has what the tree shares with the live one; without it, nothing is read from there.
    """

    def __init__(self, scratch: Scratch, bucket: Store | None = None) -> None:
        self._scratch, self._bucket = scratch, bucket

    def get(self, key: str) -> Stored:
        """Read an object. Raises NotFound, Unavailable."""
        body = self._scratch.read(object_name(key))
        if body is not None:
            return Stored(body, "")
        if self._bucket is None:
            raise NotFound(key)
        return self._bucket.get(key)

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object."""
        self._scratch.write(object_name(key), body)

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Write an object; one that is there is the same."""
        self.put(key, body, content_type)
        return True

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Sequence[R]:
        """Call a function for every item."""
        return [function(item) for item in items]


class Destination:
    """Takes shards and pages as a tree is written, and writes them some at a time.

    Args:
        store: where they go; None for nowhere.
    """

    def __init__(self, store: ObjectWriter | None) -> None:
        self._store = store
        self._waiting: list[tuple[str, bytes, str]] = []
        self._bytes = 0

    def add_shard(self, digest: str, body: bytes) -> None:
        """Take a shard; raises as `flush` does."""
        if self._store is not None:
            self._take(shard_key(digest), pack(body), PACKED_TYPE)

    def add_page(self, digest: str, body: bytes) -> None:
        """Take a page; raises as `flush` does."""
        self._take(page_key(digest), body, PAGE_TYPE)

    def flush(self) -> None:
        """Write what waits.

        Raises:
            Unavailable: the store did not answer.
        """
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if (store := self._store) is not None:
            store.map(lambda one: store.put(*one), waiting)

    def _take(self, key: str, body: bytes, content_type: str) -> None:
        if self._store is None:
            return
        self._waiting.append((key, body, content_type))
        self._bytes += len(body)
        if len(self._waiting) >= _WAITING_OBJECTS or self._bytes >= _WAITING_BYTES:
            self.flush()
