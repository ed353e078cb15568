"""A bucket in memory that checks at each write what must hold at every moment."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from infra.doubles.memory_store import MemoryStore
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.manifest import Root, decode_root
from ledger.row import header, key_of
from ledger.store import Stored
from tests.support.reader import read_root, read_tree


class CheckedStore(MemoryStore):
    """Checks its own writes.

    - Every object that the root names exists, is whole, in order and counted right.
    - The root's version never goes back.
    - A row that is gone never comes back: its key was one life of an image.
    - `image-data.csv` is the whole tree that its metadata names, never a mixture, and it does not go back to an older
      one. One exception: to S3 equal bytes are the same object, so a slow publisher may take a newer CSV with the same
      rows for the one that it read; it looks once more afterwards.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.roots: dict[str, Root] = {}
        self.published: list[tuple[int, str]] = []
        self.contents: dict[str, bytes] = {}
        self.present: set[bytes] = set()
        self.gone: set[bytes] = set()

    def _keep(self, key: str, body: bytes, etag: str, content_type: str, metadata: Mapping[str, str]) -> str:
        before = self.objects.get(key)
        new_etag = super()._keep(key, body, etag, content_type, metadata)
        if key == ROOT_KEY:
            self._check_root(decode_root(body))
        if key == CSV_KEY:
            assert body == self.contents[metadata["tree"]], "the CSV is the tree that it names"
            self._check_published(int(metadata["version"]), new_etag, before)
        return new_etag

    def delete(self, keys: Sequence[str]) -> None:
        super().delete(keys)
        if ROOT_KEY in self.objects:
            self.check_tree()

    def delete_if_match(self, key: str, etag: str) -> None:
        super().delete_if_match(key, etag)
        self.check_tree()

    def take_over(self, other: "CheckedStore") -> None:
        """Hold what the other bucket holds, and know what it knows."""
        self.objects = dict(other.objects)
        self.roots = dict(other.roots)
        self.published = [*other.published]
        self.contents = dict(other.contents)
        self.present, self.gone = set(other.present), set(other.gone)

    def check_tree(self) -> None:
        """Read everything that the root names."""
        root = read_root(self)
        rows = read_tree(self, root.rows)
        read_tree(self, root.removals)
        self.contents[root.tree_hash] = header(root.columns) + rows

    def _check_root(self, root: Root) -> None:
        newest = max((known.version for known in self.roots.values()), default=-1)
        assert root.version > newest, "the version only grows"
        self.roots[root.name] = root
        self.check_tree()
        keys = {key_of(line) for line in self.contents[root.tree_hash].splitlines(keepends=True)[1:]}
        assert not keys & self.gone, "a row that was gone has come back"
        self.gone |= self.present - keys
        self.present = keys

    def _check_published(self, version: int, etag: str, before: tuple[Stored, str] | None) -> None:
        newest = max((known for known, _ in self.published), default=-1)
        if version < newest:
            assert before is not None
            earlier = [known for known, tag in self.published if tag == before[0].etag]
            assert min(earlier) <= version, "a CSV was replaced by an older one"
        self.published.append((version, etag))
