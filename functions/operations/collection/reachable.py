"""What must be kept: what the root names, a snapshot, a recent root, or the root that CSV or lists were made from."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from ledger.errors import Damaged, NotFound
from ledger.keys import (
    CSV_KEY,
    ROOT_COPIES,
    SNAPSHOTS,
    packed_key,
    page_key,
    root_copy_key,
    shard_key,
    version_of_copy,
)
from ledger.ledger import Ledger
from ledger.manifest import Entry, Root, Tree, decode_root
from ledger.shard_list import LISTS
from ledger.store import Listed
from operations.batches import batched

_PAGES_AT_ONCE = 16  # decoded, a page of 1,000 shards takes 0.4 MB


class Reachable:
    """All objects that must be kept: pages, copies of roots, and shards, whether they lie there compressed or plain."""

    def __init__(self, ledger: Ledger) -> None:
        self._keys: set[str] = set()
        self._ledger = ledger
        self._read_pages: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return packed_key(key) in self._keys

    def add_kept(self, readable: timedelta) -> None:
        """Add what the present root, the snapshots, the roots of CSV and lists, and those of that long ago name.

        Raises:
            Damaged, ManifestLost, NewerFormat: the root or a snapshot, or a page of them, is not readable.
            Unavailable: the store did not answer.
        """
        # Copies first, the root last: whatever is swapped in meanwhile is in neither, and needs not be (see
        # `operations.collection.collect`).
        for copy in self._recent_copies(readable):
            self._add_copy(copy.key)
        for key in (CSV_KEY, *LISTS):
            self._add_shown(key)
        for listed in self._ledger.store.list(SNAPSHOTS):
            self.add_root(decode_root(self._read(listed.key)))
        self.add_root(self._ledger.load_root()[0])

    def add_root(self, root: Root) -> None:
        """Add all that a root names.

        Raises:
            Damaged: a page is missing or not what its name promises.
            Unavailable: the store did not answer.
        """
        self._keys.add(root.copy_key)
        for tree in (root.rows, root.removals):
            for pages in batched(self._unread(tree), _PAGES_AT_ONCE):
                self._add_pages(pages)

    def _recent_copies(self, readable: timedelta) -> list[Listed]:
        """List the copies of the roots that may have stood that long ago, and of all later ones.

        The highest version with a copy that old is w: whoever wrote it had read the root w-1, so the root of that time
        is of version w-1 or w. An attempt that lost has left its copy too; it does no harm here.
        """
        copies = [
            (version, listed)
            for listed in self._ledger.store.list(ROOT_COPIES)
            if (version := version_of_copy(listed.key)) is not None
        ]
        limit = self._ledger.objects.now() - readable
        present = self._ledger.load_root()[0].version
        # A restored root may be older than copies that are lying about: these say nothing of when it stood.
        old = [version for version, listed in copies if listed.modified < limit and version <= present]
        first = max(old, default=0) - 1
        recent = [(version, listed) for version, listed in copies if version >= first]
        self._keys.update(listed.key for _, listed in recent)
        return [listed for version, listed in recent if version <= first + 1]

    def _add_copy(self, key: str) -> None:
        """Add what a copy names, as far as it is there: a copy of an attempt that died may name what is not."""
        try:
            root = decode_root(self._read(key))
        except (NotFound, Damaged):
            return
        self._keys.add(key)
        for tree in (root.rows, root.removals):
            for page in self._unread(tree):
                self._keys.add(page_key(page.sha256))
                with suppress(Damaged):
                    self._add_pages([page])

    def _add_shown(self, key: str) -> None:
        """Add what the root names that this object was made from."""
        try:
            name = self._ledger.store.head(key).metadata.get("root", "")
        except NotFound:
            return
        self._add_copy(root_copy_key(name))

    def _unread(self, tree: Tree) -> list[Entry]:
        return [page for page in tree.pages if page.sha256 not in self._read_pages]

    def _add_pages(self, pages: Sequence[Entry]) -> None:
        for digest, shards in self._ledger.objects.pages(pages).items():
            self._keys.add(page_key(digest))
            self._keys.update(shard_key(shard.sha256) for shard in shards)
            self._read_pages.add(digest)

    def _read(self, key: str) -> bytes:
        stored = self._ledger.store.get(key)
        return stored.body
