"""Where a rebuild puts the shards and pages that it makes: into the store as they come, or nowhere."""

from collections.abc import Callable

from ledger.manifest import page_key, shard_key
from ledger.objects import PAGE_TYPE, SHARD_TYPE
from ledger.store import Store

# Objects that wait to be written together, several requests at a time.
_WAITING_OBJECTS = 16
_WAITING_BYTES = 24 << 20


class _Passing(dict[str, bytes]):
    """A dictionary by hash that hands over what it is given and keeps nothing."""

    def __init__(self, take: Callable[[str, bytes], None]) -> None:
        super().__init__()
        self._take = take

    def __setitem__(self, digest: str, body: bytes) -> None:
        self._take(digest, body)


class Sink:
    """Takes shards and pages by hash.

    Args:
        store: where they go.
        write: False to write nothing: a dry run.
    """

    def __init__(self, store: Store, write: bool = True) -> None:
        self._store = store
        self._write = write
        self._waiting: list[tuple[str, bytes, str]] = []
        self._bytes = 0
        self.shards = _Passing(lambda digest, body: self._take(shard_key(digest), body, SHARD_TYPE))
        self.pages = _Passing(lambda digest, body: self._take(page_key(digest), body, PAGE_TYPE))

    def flush(self) -> None:
        """Write what waits.

        Raises:
            Unavailable: the store did not answer.
        """
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        self._store.map(lambda one: self._store.put_new(*one), waiting)

    def _take(self, key: str, body: bytes, content_type: str) -> None:
        if not self._write:
            return
        self._waiting.append((key, body, content_type))
        self._bytes += len(body)
        if len(self._waiting) >= _WAITING_OBJECTS or self._bytes >= _WAITING_BYTES:
            self.flush()
