"""Publishing, watched: a large image-data.csv takes S3 a while to put together, and whoever waits is told how far."""

from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any

from ledger.assemble import size_of
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.publish import Published, publish
from operations.progress import Progress, silent

# S3 says nothing while it copies, so whoever waits to hear of it has it copy little at a time, 32 times at once: one
# copy takes a tenth of a second then, and beside a slow server not much more than one. A CSV of 10 GB takes 1,250
# requests of $0.005 per 1,000.
WATCHED_COPY = 8 << 20
_STEP = "publishing image-data.csv"
_FINISH = "S3 puts it together"


def publish_watched(ledger: Ledger, progress: Progress = silent) -> Published:
    """Publish, and tell how far that is; raises as `publish` does.

    Where nobody is told, as in a function, S3 is asked for as few copies as are cheapest.
    """
    if progress is silent:
        return publish(ledger)
    root = ledger.load_root()[0]
    published = publish(watched(ledger, root, progress))
    progress(_STEP, size_of(root), size_of(root))
    return published


def watched(ledger: Ledger, root: Root, progress: Progress) -> Ledger:
    """Give the ledger with a store that tells how much of image-data.csv is there.

    Args:
        ledger: that publishes.
        root: that it publishes; of a newer one, the end may come early.
        progress: is told the bytes uploaded and copied.
    """
    progress(_STEP, 0, size_of(root))
    return replace(ledger, store=_Watched(ledger.store, size_of(root), progress), largest_copy=WATCHED_COPY)


class _Watched:
    """A store that counts the bytes of parts, from any thread."""

    def __init__(self, store: Any, total: int, progress: Progress) -> None:
        self._store, self._total, self._progress = store, total, progress
        self._done, self._lock = 0, Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def upload_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Upload a part."""
        return self._counted(len(body), lambda: self._store.upload_part(key, upload, number, body))

    def copy_part(self, key: str, upload: str, number: int, source: Any, **more: Any) -> str:
        """Copy a range as a part."""
        return self._counted(source.size, lambda: self._store.copy_part(key, upload, number, source, **more))

    def finish_upload(self, *arguments: Any, **named: Any) -> str:
        """Complete the upload, which takes S3 a while without a word."""
        self._progress(_FINISH, 0, 1)
        etag: str = self._store.finish_upload(*arguments, **named)
        self._progress(_FINISH, 1, 1)
        return etag

    def _counted(self, size: int, do: Callable[[], str]) -> str:
        etag = do()
        with self._lock:
            self._done = min(self._total, self._done + size)
            self._progress(_STEP, self._done, self._total)
        return etag
