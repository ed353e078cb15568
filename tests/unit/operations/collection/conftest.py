"""A bucket whose clock a test moves on, and the collector on it."""

from datetime import timedelta
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.manifest import Root, Targets
from operations.collection.collect import CollectionReport, collect
from tests.support.factories import START, make_ledger
from tests.support.reader import read_root, read_tree
from tests.support.store_calls import WatchedStore


class Bucket:
    """An export bucket at a time of its own.

    Attributes:
        store: the bucket.
        watched: the same, as the collector sees it.
        targets: where the trees are cut.
    """

    def __init__(self) -> None:
        self.now = START
        self.store = MemoryStore(lambda: self.now)
        self.watched = WatchedStore(self.store)
        self.targets = Targets(shard_bytes=1000, page_shards=4)
        self._started = 0

    def ledger(self, store: Any = None) -> Ledger:
        """Start a function, cold."""
        self._started += 1
        made = make_ledger(store or self.store, self._started, self.targets)
        made.now = lambda: self.now.timestamp()
        return made

    def later(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)

    def commit(self, *events: dict[str, Any]) -> Root:
        """Let an exporter merge a batch; give the root that it leaves."""
        commit(self.ledger(), events)
        return read_root(self.store)

    def collect(self, *arguments: Any, **more: Any) -> CollectionReport:
        """Run a collection."""
        return collect(self.ledger(self.watched), *arguments, **more)

    def left(self, *keys: str) -> list[bool]:
        """Say which of these objects are there."""
        return [key in self.store.objects for key in keys]

    def read(self, root: Root) -> bytes:
        """Read all that a root names, as a reader who found it does; give the rows."""
        read_tree(self.store, root.removals)
        return read_tree(self.store, root.rows)


@pytest.fixture
def bucket() -> Bucket:
    """An empty bucket."""
    return Bucket()
