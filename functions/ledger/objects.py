"""Shards and pages in the store: immutable, named by their hash, and so cached without any risk.

A shard is compressed (`packing`), and named by the hash of its plain lines, which is checked whenever it is read. A
ledger may have shards that an older version wrote: plain, under a key of their own. They are read as they are, after
the compressed one was not found; what is written is compressed. The cache holds lines: a commit reads the tail's shard
each time, and to unpack it would cost more than the memory is worth.

A write may find that the object is there already. Then it may be an old orphan, which collection is about to delete:
it looked at the root before this commit names the object again. So an object that is not young is touched, that is,
written again in such a way that its ETag changes; collection deletes under If-Match on the ETag that it listed, and so
either comes before the touch, which then makes the object anew, or is refused (`operations.collection`).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock

from ledger.errors import Damaged, NotFound, Refused, Unavailable, Unknown
from ledger.keys import page_key, plain_key, shard_key
from ledger.limits import CACHE_BYTES
from ledger.manifest import Entry, decode_page, sha256
from ledger.packing import PACKED_TYPE, is_packed, pack, unpack
from ledger.store import Store

# What a decoded page weighs in memory against its bytes (measured: 1,000 entries of 180 bytes take 390 KB).
_DECODED_PAGE_FACTOR = 2

# Collection takes nothing that was written within a day of this; no commit takes that long from write to swap.
YOUNG = timedelta(hours=1)
_TOUCH_TRIES = 8

PAGE_TYPE = "application/json"
# Of a shard whose size is not known: by its cuts no other is so large (the root's targets are a MiB).
LARGEST_SHARD = 256 << 20


class Objects:
    """Reads and writes content-addressed objects through a cache that is bounded in bytes.

    Args:
        store: where they are.
        cache_bytes: what the cache holds.
        now: the time, as the store stamps its objects with it.
    """

    def __init__(
        self, store: Store, cache_bytes: int = CACHE_BYTES, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.store = store
        self.now = now
        self._limit = cache_bytes
        self._cache: OrderedDict[str, tuple[int, bytes | tuple[Entry, ...]]] = OrderedDict()
        self._used = 0
        self._lock = Lock()

    def pages(self, entries: Iterable[Entry]) -> dict[str, Sequence[Entry]]:
        """Load pages by hash.

        Raises:
            Damaged: one is missing or its bytes do not have its hash.
            Unavailable: the store did not answer.
        """
        digests = dict.fromkeys(entry.sha256 for entry in entries)
        return dict(zip(digests, self.store.map(self._page, digests), strict=True))

    def shards(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """Load shards by hash; raises as `pages` does."""
        sizes = {entry.sha256: entry.bytes for entry in entries}
        return dict(zip(sizes, self.store.map(lambda one: self.shard(*one), sizes.items()), strict=True))

    def shard(self, digest: str, size: int = LARGEST_SHARD) -> bytes:
        """Load the lines of one shard, which has at most `size` bytes by what its page says; raises as `pages` does."""
        key = shard_key(digest)
        body = self._cached(key)
        if body is None:
            body = self._read_shard(key, digest, size)
            self._keep(key, body, len(body))
        assert isinstance(body, bytes)
        return body

    def write(
        self, pages: Mapping[str, bytes], shards: Mapping[str, bytes], others: Mapping[str, bytes] | None = None
    ) -> None:
        """Write new pages, shards and further immutable objects, all at a time; existing ones are fine.

        Args:
            pages: by hash.
            shards: by hash.
            others: by key.

        Raises:
            Unavailable: the store did not answer.
        """
        self.store.map(lambda put: put(), self.puts(pages, shards, others or {}))

    def puts(
        self, pages: Mapping[str, bytes], shards: Mapping[str, bytes], others: Mapping[str, bytes]
    ) -> list[Callable[[], None]]:
        """Give the requests of `write`, for whoever has more to ask of the store at the same time."""
        return [
            *(partial(self._put_shard, digest, body) for digest, body in shards.items()),
            *(partial(self._put_page, digest, body) for digest, body in pages.items()),
            *(partial(self.put, key, body, PAGE_TYPE) for key, body in others.items()),
        ]

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Make sure that an object is there and that no collection under way deletes it.

        Raises:
            Unavailable: the store did not answer, or others were always faster.
        """
        if self.store.put_new(key, body, content_type):
            return
        for _ in range(_TOUCH_TRIES):
            try:
                found = self.store.head(key)
                if self._is_young(found.modified) and (found.size == len(body) or self._has_lines(key, body)):
                    return
                self._touch(key, body, content_type, found.etag)
            except (NotFound, Refused, Unknown):  # deleted, touched by somebody else, or perhaps by us
                if self.store.put_new(key, body, content_type):
                    return
            else:
                return
        raise Unavailable(f"{key}: could not be kept from collection")

    def _put_shard(self, digest: str, body: bytes) -> None:
        key = shard_key(digest)
        self.put(key, pack(body), PACKED_TYPE)
        self._keep(key, body, len(body))

    def _put_page(self, digest: str, body: bytes) -> None:
        self.put(page_key(digest), body, PAGE_TYPE)
        self._keep(page_key(digest), decode_page(body), len(body) * _DECODED_PAGE_FACTOR)

    def _has_lines(self, key: str, body: bytes) -> bool:
        """Say whether an object has the same lines as this one: compressed elsewhere they are of another size."""
        stored = self.store.get(key)
        try:
            return is_packed(body) and unpack(key, stored.body, LARGEST_SHARD) == unpack(key, body, LARGEST_SHARD)
        except Damaged:
            return False

    def _is_young(self, modified: datetime | None) -> bool:
        return modified is not None and self.now() - modified < YOUNG

    def _touch(self, key: str, body: bytes, content_type: str, etag: str) -> None:
        """Write the same bytes so that the ETag is another: that of an upload in parts ends in `-<number of parts>`."""
        if "-" in etag:
            self.store.put_if_match(key, body, etag, content_type, {})
            return
        upload = self.store.start_upload(key, content_type, {})
        self.store.finish_upload(key, upload, [self.store.upload_part(key, upload, 1, body)], etag)

    def _page(self, digest: str) -> Sequence[Entry]:
        key = page_key(digest)
        page = self._cached(key)
        if page is None:
            body = self._checked(key, digest, self._read(key))
            page = decode_page(body)
            self._keep(key, page, len(body) * _DECODED_PAGE_FACTOR)
        assert isinstance(page, tuple)
        return page

    def _read_shard(self, key: str, digest: str, size: int) -> bytes:
        try:
            stored = self.store.get(key)
        except NotFound:
            return self._checked(plain_key(key), digest, self._read(plain_key(key)))
        return self._checked(key, digest, unpack(key, stored.body, size))

    def _read(self, key: str) -> bytes:
        try:
            stored = self.store.get(key)
        except NotFound as error:
            raise Damaged(f"{key} is missing although the tree names it") from error
        return stored.body

    def _checked(self, key: str, digest: str, body: bytes) -> bytes:
        if sha256(body) != digest:
            raise Damaged(f"{key} does not have the bytes that its name promises")
        return body

    def _cached(self, key: str) -> bytes | tuple[Entry, ...] | None:
        with self._lock:
            held = self._cache.get(key)
            if held is None:
                return None
            self._cache.move_to_end(key)
            return held[1]

    def _keep(self, key: str, value: bytes | tuple[Entry, ...], weight: int) -> None:
        with self._lock:
            if key in self._cache or weight > self._limit // 4:
                return
            self._cache[key] = (weight, value)
            self._used += weight
            while self._used > self._limit:
                self._used -= self._cache.popitem(last=False)[1][0]
