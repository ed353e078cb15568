"""Removals are forgotten 48 hours of event time later, also where no batch touches their shard, and no row changes."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.manifest import Targets
from operations.collection import old_removals
from tests.support.factories import event, insert, item, modify, remove
from tests.support.reader import read_root, read_rows, read_tree
from tests.unit.operations.collection.conftest import Bucket

HOURS_48 = 48 * 3600


def removals(bucket: Bucket) -> list[int]:
    """Say which images' removals the live tree remembers."""
    lines = read_tree(bucket.store, read_root(bucket.store).removals).splitlines()
    return [int(line.split(b",")[1], 16) for line in lines]


def with_removals(bucket: Bucket, count: int, later: int) -> None:
    """Remove images 0 to `count`, each a second after the other, with the newest event at some second after START."""
    bucket.commit(*map(insert, range(count)), insert(900))
    bucket.commit(*(remove(number, sequence=10**6 + number, seconds=number) for number in range(count)))
    bucket.commit(event("INSERT", item(901), sequence=10**7, seconds=later))


def test_a_removal_is_remembered_for_48_hours_of_event_time(bucket: Bucket) -> None:
    """To the second; the clock of the collector does not matter."""
    with_removals(bucket, 4, HOURS_48 + 2)
    rows, before = read_rows(bucket.store), read_root(bucket.store)
    bucket.later(days=400)
    assert bucket.collect().removals == 2
    after = read_root(bucket.store)
    assert removals(bucket) == [2, 3]
    assert read_rows(bucket.store) == rows
    assert (after.version, after.checkpoint, after.merged) == (before.version + 1, before.checkpoint, before.merged)
    assert bucket.collect().removals == 0
    assert read_root(bucket.store) == after
    bucket.commit(modify(2, 1), modify(0, 1))
    assert read_rows(bucket.store).count(b"\n") == rows.count(b"\n") + 1, "what is remembered still holds back"


def test_a_dry_run_forgets_nothing(bucket: Bucket) -> None:
    """It only counts what would be deleted."""
    with_removals(bucket, 4, HOURS_48 + 9)
    bucket.collect(dry_run=True)
    assert removals(bucket) == [0, 1, 2, 3]


def test_whoever_commits_just_then_wins(bucket: Bucket) -> None:
    """The next run forgets, and tells only what it forgot."""
    with_removals(bucket, 4, HOURS_48 + 9)

    def meanwhile(swap: Callable[[], Any]) -> Any:
        bucket.commit(insert(902))
        return swap()

    bucket.watched.on("put_if_match", "manifest.json", meanwhile)
    assert bucket.collect().removals == 0
    assert removals(bucket) == [0, 1, 2, 3]
    assert (bucket.collect().removals, removals(bucket)) == (4, [])
    assert read_rows(bucket.store).count(b"\n") == 4


def test_more_removals_than_memory_holds_are_forgotten_run_by_run(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some pages at a time, one at least; the tree is cut as if all had been written at once."""
    bucket.targets = Targets(shard_bytes=200, page_shards=2)
    with_removals(bucket, 40, HOURS_48 + 32)
    pages = read_root(bucket.store).removals.pages
    assert len(pages) > 3
    two = pages[0].bytes + pages[1].bytes
    monkeypatch.setattr(old_removals, "_MOST_BYTES", two)
    assert bucket.collect().removals == pages[0].rows + pages[1].rows
    monkeypatch.setattr(old_removals, "_MOST_BYTES", 1)
    runs = 0
    while bucket.collect().removals:
        runs += 1
    assert runs >= 1
    monkeypatch.undo()
    bucket.collect()
    assert removals(bucket) == list(range(32, 40))
    other = Bucket()
    other.targets = bucket.targets
    other.commit(*(remove(number, sequence=number, seconds=number) for number in range(32, 40)))
    assert read_root(other.store).removals == read_root(bucket.store).removals


def test_a_ledger_without_events_forgets_nothing(bucket: Bucket) -> None:
    """There is no time to count from."""
    bucket.ledger().load_root()
    assert bucket.collect().removals == 0
    bucket.commit(remove(1))
    assert (bucket.collect().removals, removals(bucket)) == (0, [1])
