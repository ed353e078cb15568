"""A ledger that the first release made goes on under this code, without a rebuild; and what the way back takes."""

import gzip
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from infra.paths import ROOT
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.keys import SHARDS, packed_key
from ledger.ledger import Ledger
from ledger.packing import is_packed
from ledger.publish import publish
from ledger.store import Stored
from operations.collection.collect import collect
from operations.live.snapshot import pin, restore
from operations.live.swap import swap
from operations.readers.pull import pull
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import FolderScratch
from operations.replay.local import Wishes, replay
from operations.verify.ledger import check_csv, check_tree, compare_with_journal
from tests.support.factories import START, insert, item, make_ledger, model_csv, modify, remove
from tests.support.first_release import Bucket, export_by, unpack_release
from tests.support.reader import read_csv, read_root, read_rows

BATCHES = [
    [insert(number) for number in range(120)],
    [modify(number, 2, title={"S": "new"}) for number in range(0, 120, 7)],
    [remove(number) for number in (3, 50, 118)],
]
ITEMS = {number: item(number) for number in range(120)}
ITEMS |= {number: item(number, 2, title={"S": "new"}) for number in range(0, 120, 7)}
for gone in (3, 50, 118):
    del ITEMS[gone]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    if not unpack_release(folder, ROOT):
        pytest.skip("the first release is not in this clone's history")
    return folder


@pytest.fixture(scope="module")
def made(release: Path) -> Bucket:
    bucket, said = export_by(release, {}, BATCHES, START)
    assert said == ""
    return bucket


class _Days:
    """The bucket of the first release, and the time since."""

    def __init__(self, made: Bucket) -> None:
        self.now = START + timedelta(hours=30)
        self.store = MemoryStore(lambda: self.now)
        self.load(made)

    def load(self, bucket: Bucket) -> None:
        self.store.objects = {key: (Stored(**stored), kind) for key, (stored, kind) in bucket.items()}

    def dump(self) -> Bucket:
        return {key: (asdict(stored), kind) for key, (stored, kind) in self.store.objects.items()}

    def ledger(self, seed: int = 1) -> Ledger:
        ledger = make_ledger(self.store, seed)
        ledger.now = lambda: self.now.timestamp()
        return ledger

    def plain(self) -> set[str]:
        return {listed.key for listed in self.store.list(SHARDS) if packed_key(listed.key) != listed.key}


@pytest.fixture
def days(made: Bucket) -> Iterator[_Days]:
    days = _Days(made)
    assert not any(is_packed(days.store.get(key).body) for key in days.plain())
    assert len(days.plain()) == len([*days.store.list(SHARDS)]) > 16
    yield days
    root = read_root(days.store)
    assert check_tree(days.ledger(), root).good
    assert check_csv(days.ledger()).good
    assert read_csv(days.store) == read_rows(days.store)


def test_a_ledger_of_the_first_release_goes_on_without_a_rebuild(days: _Days, tmp_path: Path) -> None:
    """Plain shards are read as they are, new ones are compressed, and nothing is written that did not change."""
    root, plain = read_root(days.store), days.plain()
    assert read_csv(days.store) == model_csv(ITEMS.values(), root.columns)
    assert pull(days.ledger(), tmp_path).path.read_bytes() == read_csv(days.store)
    assert compare_with_journal(days.ledger(), FolderScratch(tmp_path / "scratch")).good
    assert commit(days.ledger(), BATCHES[0]).commits == 0, "what was delivered then changes nothing now"
    commit(days.ledger(), [insert(500), modify(60, 3)])
    publish(days.ledger())
    items = {**ITEMS, 500: item(500), 60: item(60, 3)}
    assert read_csv(days.store) == model_csv(items.values(), root.columns)
    new = {listed.key for listed in days.store.list(SHARDS)} - plain
    assert 2 <= len(new) <= 6
    assert all(is_packed(days.store.get(key).body) for key in new)
    assert days.plain() == plain
    pulled = pull(days.ledger(2), tmp_path)
    assert pulled.path.read_bytes() == read_csv(days.store)
    assert 2 <= pulled.fetched_shards <= len(new)
    assert compare_with_journal(days.ledger(), FolderScratch(tmp_path / "scratch")).good
    days.now += timedelta(hours=30)
    collect(days.ledger())
    assert days.plain() < plain, "what is named by nobody goes, compressed or not"


def test_a_replay_of_the_first_releases_journal_has_its_tree_hash(days: _Days, tmp_path: Path) -> None:
    """Shards that the live tree has are left as they are; other columns are other shards, all compressed."""
    root = read_root(days.store)
    for columns in (root.columns, NAMES[:12]):
        scratch = FolderScratch(tmp_path / "scratch")
        rebuilt = replay(days.ledger(), scratch, Wishes(columns=columns))
        swap(days.ledger(), rebuilt.root, lambda scratch=scratch, plan=rebuilt.plan: listed_segments(scratch, plan))
        assert read_csv(days.store) == model_csv(ITEMS.values(), columns)
        assert (read_root(days.store).tree_hash == root.tree_hash) is (columns == root.columns)
        scratch.clear()
    for number in (600, 601):
        commit(days.ledger(), [insert(number), remove(number - 100)])
        publish(days.ledger())
        days.now += timedelta(hours=30)
        collect(days.ledger())
    assert not days.plain()


def test_a_snapshot_of_the_first_release_is_restored(days: _Days) -> None:
    """Its plain shards are written anew, since collection might be at them; when nobody reads them they go."""
    root = read_root(days.store)
    pin(days.ledger(), "first", root)
    commit(days.ledger(), [modify(number, 5) for number in ITEMS])
    publish(days.ledger())
    restored, _ = restore(days.ledger(2), root, "first")
    assert restored.tree_hash == root.tree_hash
    assert read_csv(days.store) == model_csv(ITEMS.values(), root.columns)
    packed = {listed.key for listed in days.store.list(SHARDS)} - days.plain()
    assert {packed_key(key) for key in days.plain()} & packed
    for _ in range(2):
        days.now += timedelta(hours=30)
        collect(days.ledger())
        assert read_rows(days.store) == read_csv(days.store)
    assert not {packed_key(key) for key in days.plain()} & packed


def test_older_code_stops_at_a_compressed_shard_and_goes_on_when_it_lies_there_plain(
    days: _Days, release: Path
) -> None:
    """The way back, as the run-book has it: nothing is written wrong meanwhile, and nothing is lost."""
    commit(days.ledger(), [insert(500), modify(60, 3)])
    publish(days.ledger())
    before = read_root(days.store)
    late = [[insert(501), modify(60, 4)]]
    bucket, said = export_by(release, days.dump(), late, days.now)
    assert said.startswith("Damaged: shards/")
    assert said.endswith(".csv is missing although the tree names it")
    days.load(bucket)
    assert read_root(days.store) == before
    for listed in days.store.list(SHARDS):
        if listed.key not in days.plain():
            lines = gzip.decompress(days.store.get(listed.key).body)
            days.store.put_new(listed.key.removesuffix(".gz"), lines, "text/csv")
    bucket, said = export_by(release, days.dump(), late, days.now)
    assert said == ""
    days.load(bucket)
    items = {**ITEMS, 500: item(500), 501: item(501), 60: item(60, 4)}
    assert read_csv(days.store) == model_csv(items.values(), before.columns)
