"""What must be kept: what the root names, a snapshot, a recent root, or the root that CSV or lists were made from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from ledger.errors import Damaged, NotFound
from ledger.keys import (
    CSV_KEY,
    ROOT_COPIES,
    SNAPSHOTS,
    is_swapped_in,
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
            Damaged, ManifestLost, NewerFormat: something that is to be kept, or its page, is there and not readable.
            Unavailable: the store did not answer.
        """
        # Copies first, the root last: whatever is swapped in meanwhile is in neither, and needs not be (see
        # `operations.collection.collect`).
        for copy in self._recent_copies(readable):
            self._add_copy(copy.key)
        for key in (CSV_KEY, *LISTS):
            self._add_shown(key)
        for listed in self._ledger.store.list(SNAPSHOTS):
            if (pinned := self._read_root(listed.key)) is not None:
                self.add_root(pinned)
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
        """List the copies of the roots that may have stood that long ago, and of later ones that were swapped in.

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
        return [listed for version, listed in recent if version <= first + 1 or is_swapped_in(listed.key)]

    def _add_copy(self, key: str) -> None:
        """Add what a copy names, as far as it is there: a copy of an attempt that died may name what is not."""
        root = self._read_root(key)
        if root is None:
            return
        self._keys.add(key)
        for tree in (root.rows, root.removals):
            for page in self._unread(tree):
                with self._if_there(page_key(page.sha256)):
                    self._add_pages([page])

    def _add_shown(self, key: str) -> None:
        """Add what the root names that this object was made from."""
        name = ""
        with self._if_there(key):
            name = self._ledger.store.head(key).metadata.get("root", "")
        if name:
            self._add_copy(root_copy_key(name))

    @contextmanager
    def _if_there(self, key: str) -> Iterator[None]:
        """Go on if what is read here turns out not to be there; raise Damaged if it is, and only was not readable.

        That a read found nothing, or not the whole of it, does not show that nobody can read it: the listing says.
        """
        try:
            yield
        except (NotFound, Damaged) as error:
            if any(listed.key == key for listed in self._ledger.store.list(key)):
                raise Damaged(f"{key} is there, and cannot be read: {error}") from error

    def _unread(self, tree: Tree) -> list[Entry]:
        return [page for page in tree.pages if page.sha256 not in self._read_pages]

    def _add_pages(self, pages: Sequence[Entry]) -> None:
        for digest, shards in self._ledger.objects.pages(pages).items():
            self._keys.add(page_key(digest))
            self._keys.update(shard_key(shard.sha256) for shard in shards)
            self._read_pages.add(digest)

    def _read_root(self, key: str) -> Root | None:
        with self._if_there(key):
            return decode_root(self._ledger.store.get(key).body, key)
        return None
