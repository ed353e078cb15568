"""A backfill brings the tree in line with the table, removes only what is surely gone, and can be replayed."""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.export_files import write_full_export, write_incremental_export
from infra.doubles.memory_store import MemoryStore
from ledger.change import removed_at
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.errors import Damaged
from ledger.event import Record
from ledger.ledger import Ledger
from operations import disk
from operations.errors import DiskFull, NotSwapped, TooOld
from operations.live.swap import swap
from operations.progress import silent
from operations.rebuild import sorted_runs
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import FolderScratch
from operations.rebuild.scratch_names import EXPORT
from operations.replay.local import Wishes, replay
from operations.table_export import backfill as backfilling
from operations.table_export import sorted_items
from operations.table_export.backfill import BackfillReport, backfill
from operations.table_export.files import read_export
from operations.table_export.sorted_items import sort_export
from tests.support.factories import START, Item, event, insert, item, make_ledger, model_csv, remove
from tests.support.histories import history
from tests.support.reader import read_root, read_rows, read_tree
from tests.support.store_calls import WatchedStore, first

LATER = START + timedelta(hours=1)
TITLE = {"S": "by hand"}
OTHER_STREAM = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images/stream/2026-11-26T07:00:00.000"


@pytest.fixture
def scratch(tmp_path: Path) -> FolderScratch:
    """A folder for sorting."""
    return FolderScratch(tmp_path / "scratch")


def _full(
    ledger: Ledger,
    store: MemoryStore,
    items: Iterable[Item],
    scratch: FolderScratch,
    time: datetime = LATER,
    **more: Any,
) -> BackfillReport:
    """Export these items, and merge the export with the present root as V."""
    before = more.pop("before", read_root(store))
    key = write_full_export(store, items, time, name=f"export-{len(store.objects)}")
    return backfill(ledger, store, read_export(store, key), before, scratch, **more)


def _removed_at(store: MemoryStore) -> set[bytes]:
    """Give the times at which the tree says that rows were removed."""
    return {removed_at(line) for line in read_tree(store, read_root(store).removals).splitlines(keepends=True)}


def _replayed(ledger: Ledger, store: MemoryStore, scratch: FolderScratch) -> bool:
    """Say whether a replay of the journal gives the live tree."""
    done = replay(ledger, scratch, Wishes(keep="nothing"))
    scratch.clear()
    return done.root.tree_hash == read_root(store).tree_hash


@pytest.mark.parametrize("limit", ["BATCH_ITEMS", "BATCH_BYTES"])
def test_a_table_that_was_there_before_the_exporter_is_merged_whole(
    limit: str, store: MemoryStore, scratch: FolderScratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every item becomes a row, in several segments, and the journal alone gives the same tree."""
    items = [item(number) for number in range(150)]
    a_quarter = len(model_csv(items)) - len(model_csv([])) + 3 >> 2
    monkeypatch.setattr(backfilling, limit, a_quarter if limit == "BATCH_BYTES" else 40)
    ledger = make_ledger(store)
    ledger.load_root()
    done = _full(ledger, store, items, scratch)
    assert (done.items, done.put, done.removed, done.segments) == (150, 150, 0, 4)
    assert read_rows(store) == model_csv(items)
    names = sorted(key for key in store.objects if key.startswith("journal/date=2026-11-25/hour=09/backfill-export-"))
    assert [int(name.split("-")[-2]) for name in names] == [0, 1, 2, 3]
    assert read_root(store).checkpoint.newest_event == "2026-11-25T09:00:00Z"
    assert _replayed(ledger, store, scratch)
    again = _full(ledger, store, items, scratch)
    assert (again.put, again.removed, again.segments) == (0, 0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_after_lost_events_the_tree_is_the_table_again(seed: int, store: MemoryStore, scratch: FolderScratch) -> None:
    """An outage beyond 24 hours: inserts, modifications, foreign writes, removals and re-uploads are repaired."""
    made = history(seed, 400, seconds=20, foreign=0.3)
    chance = random.Random(seed)
    ledger = make_ledger(store, seed)
    kept: list[Record] = []
    lost = range(150, 280)
    for number, one in enumerate(made.events):
        if number not in lost:
            kept.append(one)
    for start in range(0, len(kept), 30):
        commit(ledger, kept[start : start + chance.randint(30, 60)])
    time = datetime.fromtimestamp(made.events[-1]["dynamodb"]["ApproximateCreationDateTime"], START.tzinfo)
    items = made.items.values()
    assert read_rows(store) != model_csv(items)
    done = _full(ledger, store, items, scratch, time + timedelta(minutes=20))
    assert read_rows(store) == model_csv(items)
    assert done.removed
    assert done.put
    assert _replayed(ledger, store, scratch)


def test_what_the_stream_brings_while_the_export_runs_stays(store: MemoryStore, scratch: FolderScratch) -> None:
    """Newer revisions, new images and removals after the export's time are not undone by it."""
    ledger = make_ledger(store)
    commit(ledger, [insert(number) for number in range(6)])
    before = read_root(store)
    items = [item(number) for number in (0, 1, 2, 3, 4, 5)]
    commit(ledger, [event("MODIFY", item(1, 2, title=TITLE), item(1), sequence=100, seconds=3700)])
    commit(ledger, [remove(2, sequence=101, seconds=3700), event("INSERT", item(9), sequence=102, seconds=3700)])
    expected = read_rows(store)
    done = _full(ledger, store, items, scratch, before=before)
    assert (done.put, done.removed) == (0, 0)
    assert read_rows(store) == expected


def test_an_item_whose_removal_came_after_the_export_is_not_brought_back(
    store: MemoryStore, scratch: FolderScratch
) -> None:
    """V had not the row, the export has it, and the stream removed it: the removal is remembered and wins."""
    ledger = make_ledger(store)
    ledger.load_root()
    before = read_root(store)
    commit(ledger, [event("INSERT", item(1), sequence=1, seconds=3500), remove(1, sequence=2, seconds=3700)])
    assert _full(ledger, store, [item(1)], scratch, before=before).put == 1
    assert read_rows(store) == model_csv([])
    assert _replayed(ledger, store, scratch)


def test_an_export_older_than_removals_are_remembered_is_refused(store: MemoryStore, scratch: FolderScratch) -> None:
    """Beyond 46 hours of event time a removal may be forgotten, and the item would rise from the dead."""
    ledger = make_ledger(store)
    commit(ledger, [event("INSERT", item(1), seconds=3600 + 46 * 3600 + 1)])
    with pytest.raises(TooOld, match="export again"):
        _full(ledger, store, [item(2)], scratch)


def test_an_export_that_comes_to_be_too_old_goes_no_further(
    store: MemoryStore, scratch: FolderScratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What exporters merge meanwhile may let removals be forgotten: each commit says how old the export is by then."""
    monkeypatch.setattr(backfilling, "BATCH_ITEMS", 1)
    watched = WatchedStore(store)
    ledger = make_ledger(watched)  # type: ignore[arg-type]
    commit(ledger, [insert(1)])
    late = event("INSERT", item(9), seconds=3600 + 46 * 3600 + 1)
    watched.on("put_if_match", "manifest.json", first(lambda: commit(make_ledger(store, 2), [late])))
    with pytest.raises(TooOld, match="export again"):
        _full(ledger, store, [item(1), item(2), item(3)], scratch)
    assert read_rows(store) == model_csv([item(1), item(2), item(9)])


def test_rows_that_the_export_lacks_are_removed_only_if_they_are_surely_gone(
    store: MemoryStore, scratch: FolderScratch
) -> None:
    """A row that is older than the export by 15 minutes goes; a younger one stays, and is counted."""
    ledger = make_ledger(store)
    young = int(timedelta(minutes=45).total_seconds() * 1000)
    commit(ledger, [insert(1), insert(2), insert(young - 1), insert(young)])
    done = _full(ledger, store, [item(2)], scratch)
    assert (done.removed, done.kept) == (2, 1)
    assert read_rows(store) == model_csv([item(2), item(young)])
    assert _removed_at(store) == {b"2026-11-25T09:00:00Z"}, "the export's time: until then it is known to be gone"
    commit(ledger, [insert(1)])
    assert read_rows(store) == model_csv([item(2), item(young)]), "a late delivery does not bring it back"
    commit(ledger, [event("INSERT", item(1, 2))])
    assert read_rows(store) == model_csv([item(1, 2), item(2), item(young)]), "with a higher revision it may live"


def test_without_a_root_from_before_the_export_no_row_is_removed(store: MemoryStore, scratch: FolderScratch) -> None:
    """Then it is not known whether the rows that the export lacks are older than it."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    done = _full(ledger, store, [item(2)], scratch, before=None)
    assert (done.put, done.removed, done.kept) == (1, 0, 1)
    assert read_rows(store) == model_csv([item(1), item(2)])
    commit(ledger, [event("INSERT", item(3), sequence=1, seconds=1200, stream=OTHER_STREAM)])
    key = write_incremental_export(store, [(item(1), None)], START, LATER)
    done = backfill(ledger, store, read_export(store, key), None, scratch)
    assert (done.removed, done.gaps_closed) == (0, 0)
    assert _full(ledger, store, [item(2)], scratch, LATER + timedelta(hours=1), before=None).gaps_closed == 0
    assert read_rows(store) == model_csv([item(1), item(2), item(3)])
    assert len(read_root(store).checkpoint.gaps) == 1


def test_a_backfill_that_gave_way_to_exporters_says_so(
    store: MemoryStore, scratch: FolderScratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not told as done, and what it lacks is brought in when it is run again."""
    monkeypatch.setattr(import_module("ledger.commit"), "MAX_CONFLICTS", 1)
    commit(make_ledger(store), [insert(1)])
    watched = WatchedStore(store)
    rival = lambda swap: [commit(make_ledger(store, 9), [insert(9)]), swap()][1]  # noqa: E731
    watched.on("put_if_match", "manifest.json", rival)
    ledger = make_ledger(watched, 2)  # type: ignore[arg-type]
    with pytest.raises(NotSwapped, match="run it again"):
        _full(ledger, store, [item(1), item(2)], scratch)
    _full(ledger, store, [item(1), item(2), item(9)], scratch)
    assert read_rows(store) == model_csv([item(1), item(2), item(9)])


def test_a_lost_foreign_write_replaces_the_row_that_was_seen_and_no_other(
    store: MemoryStore, scratch: FolderScratch
) -> None:
    """An edit by hand without a new revision: the export is later than V, but not than what the stream brings."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1), insert(2)])
    before = read_root(store)
    other = FolderScratch(scratch.folder.with_name("other"))
    earlier = replay(make_ledger(store, 7), other, Wishes())
    newest = item(2, title={"S": "newest"})
    commit(ledger, [event("MODIFY", newest, item(2), sequence=50, seconds=3700)])
    _full(ledger, store, [item(1, title=TITLE), item(2, title=TITLE)], scratch, before=before)
    assert read_rows(store) == model_csv([item(1, title=TITLE), newest])
    assert _replayed(ledger, store, scratch)
    swap(make_ledger(store, 8), earlier.root, lambda: listed_segments(other, earlier.plan))
    assert read_rows(store) == model_csv([item(1, title=TITLE), newest]), "a swap catches up with it"


def test_a_dry_run_counts_and_changes_nothing(store: MemoryStore, scratch: FolderScratch) -> None:
    """To look before one leaps."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    commit(ledger, [event("MODIFY", item(1, 2), item(1), sequence=1, seconds=1200, stream=OTHER_STREAM)])
    before = dict(store.objects)
    foreign = [{"etag": {"S": f"no row's {number}"}} for number in range(25)]
    done = _full(ledger, store, [item(2), *foreign], scratch, dry_run=True)
    assert (done.put, done.removed, done.segments, done.gaps_closed) == (1, 1, 0, 0)
    assert (done.unusable, len(done.reasons)) == (25, 20), "all are counted, some named"
    assert {key: one for key, one in store.objects.items() if not key.startswith("table-exports/")} == before


@pytest.mark.parametrize(
    "harm",
    [{"revision": {"S": "2"}}, {"ingested_at": {"S": "yesterday"}}, {"revision": {"NULL": True}, "ingested_at": {}}],
)
def test_the_row_of_an_item_that_cannot_be_a_row_stays(harm: Item, store: MemoryStore, scratch: FolderScratch) -> None:
    """Broken by hand, it is in the table all the same: its etag says whose row is not gone, and it is named."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1), insert(2), insert(3)])
    foreign = {"etag": {"S": "no row's, and no ETag"}}
    done = _full(ledger, store, [item(1), item(2) | harm, foreign], scratch)
    assert (done.items, done.unusable, done.removed, done.kept) == (1, 2, 1, 1)
    assert read_rows(store) == model_csv([item(1), item(2)])
    named, unknown = sorted(done.reasons)
    assert named.startswith(f"{2:032x}: ")
    assert unknown.startswith("no row's, and no ETag: ")
    assert _replayed(ledger, store, scratch)


@pytest.mark.parametrize("why", ["no etag", "too many"])
def test_if_it_cannot_be_told_whose_rows_items_are_none_is_removed(
    why: str, store: MemoryStore, scratch: FolderScratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of another program: what can be put is put, the report says why nothing goes, and gaps stay open."""
    monkeypatch.setattr(sorted_items, "_MOST_ETAGS", 2)
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    commit(ledger, [event("INSERT", item(2), sequence=1, seconds=1200, stream=OTHER_STREAM)])
    strange: list[Item] = [{"id": {"N": "7"}}] if why == "no etag" else [{"etag": {"S": etag}} for etag in "abc"]
    done = _full(ledger, store, [item(1), item(3), *strange], scratch)
    assert (done.put, done.removed, done.kept, done.gaps_closed) == (1, 0, 1, 0)
    assert "so none that the export lacks counts as gone" in done.reasons[-1]
    assert read_rows(store) == model_csv([item(1), item(2), item(3)])
    assert len(read_root(store).checkpoint.gaps) == 1
    assert _full(ledger, store, [item(1), item(3), *strange[:2]], scratch).removed == (why == "too many")


def test_an_incremental_export_loses_no_item_for_an_old_image_that_cannot_be_read(
    store: MemoryStore, scratch: FolderScratch
) -> None:
    """Broken and mended by hand within its time: what is there now counts; what is gone goes by its key."""
    ledger = make_ledger(store)
    commit(ledger, [insert(number) for number in range(1, 6)])
    no_key, no_revision = {"ingested_at": {"S": "?"}}, {"revision": {"S": "?"}}
    records = [
        (item(1) | no_key, item(1, 4)),
        (item(2) | no_revision, item(2, 4)),
        (item(3), item(3, 4) | no_revision),
        (item(4) | no_revision, None),
        (item(5) | no_key, None),
    ]
    key = write_incremental_export(store, records, START, LATER)
    done = backfill(ledger, store, read_export(store, key), read_root(store), scratch)
    assert (done.items, done.unusable, done.put, done.removed) == (3, 3, 2, 1)
    assert read_rows(store) == model_csv([item(1, 4), item(2, 4), item(3), item(5)])
    assert sorted(reason.partition(": ")[0][-1] for reason in done.reasons) == ["1", "3", "5"]


def test_a_gap_is_closed_by_an_export_that_is_later(store: MemoryStore, scratch: FolderScratch) -> None:
    """A new stream left a gap in the checkpoint; a full export after it takes it out, an earlier one does not."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    commit(ledger, [event("INSERT", item(2), sequence=1, seconds=3500, stream=OTHER_STREAM)])
    assert len(read_root(store).checkpoint.gaps) == 1
    items = [item(1), item(2)]
    assert _full(ledger, store, items, scratch, START + timedelta(seconds=3600)).gaps_closed == 0
    assert _full(ledger, store, items, scratch, START + timedelta(seconds=3801)).gaps_closed == 1
    assert read_root(store).checkpoint.gaps == ()
    assert read_rows(store) == model_csv(items)


def test_a_gap_that_exporters_keep_from_being_closed_is_told(
    store: MemoryStore, scratch: FolderScratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is merged by then, but the gap stands until it is run again."""
    monkeypatch.setattr(backfilling, "_CLOSING_TRIES", 3)
    commit(make_ledger(store), [insert(1)])
    commit(make_ledger(store), [event("INSERT", item(2), sequence=1, seconds=1200, stream=OTHER_STREAM)])
    watched = WatchedStore(store)
    ledger = make_ledger(watched, 2)  # type: ignore[arg-type]
    numbers = iter(range(3, 9))
    rival = first(lambda: commit(make_ledger(store, 9), [insert(next(numbers))]))
    watched.on("put_if_match", "manifest.json", rival, times=3)
    with pytest.raises(NotSwapped, match="run it again"):
        _full(ledger, store, [item(1), item(2)], scratch)
    assert len(read_root(store).checkpoint.gaps) == 1
    assert _full(ledger, store, [item(1), item(2)], scratch, before=None).gaps_closed == 0
    assert _full(ledger, store, [item(number) for number in range(1, 6)], scratch).gaps_closed == 1


def test_an_export_that_does_not_fit_on_the_disk_is_refused_before_it_is_read(
    store: MemoryStore, scratch: FolderScratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its summary tells how large the items are; what they take is told, and is no less than what is written."""
    told: list[str] = []
    monkeypatch.setattr(disk, "_TOLD_FROM", 0)
    ledger = make_ledger(store)
    ledger.load_root()
    export = read_export(store, write_full_export(store, [item(number) for number in range(50)], LATER, name="one"))
    sort_export(store, scratch, export, NAMES, silent, told.append)
    written = sum(size for _, size in scratch.names(EXPORT))
    assert written <= scratch.reserved < 4 * written
    assert told[0].startswith(f"{scratch.folder}: takes about ")
    scratch.clear()
    with pytest.raises(DiskFull, match="are needed there"):
        sort_export(store, scratch, replace(export, bytes=1 << 60), NAMES, silent)
    assert scratch.names("") == []


def test_an_export_beyond_memory_is_sorted_in_runs_and_none_is_of_another_export(
    store: MemoryStore, scratch: FolderScratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run left that died is not taken for this export's."""
    monkeypatch.setattr(sorted_runs, "BUFFER_BYTES", 1)
    ledger = make_ledger(store)
    ledger.load_root()
    dead = read_export(store, write_full_export(store, [item(number) for number in range(9)], LATER, name="dead"))
    sort_export(store, scratch, dead, NAMES, silent)
    assert len(scratch.names(EXPORT)) == 9
    items = [item(number) for number in range(20, 25)]
    assert _full(ledger, store, items, scratch).put == 5
    assert read_rows(store) == model_csv(items)
    assert not scratch.names("")


@pytest.mark.parametrize("time", ["09:00:00.999Z", "10:00:00+01:00", "08:30:00-00:30", "09:00:00"])
def test_the_time_of_an_export_is_told_in_utc(time: str, store: MemoryStore) -> None:
    """It is held against the times of events, as text; without a zone it is UTC."""
    key = write_full_export(store, [], LATER)
    stored, kind = store.objects[key]
    body = stored.body.replace(b"09:00:00.000Z", time.encode())
    store.objects[key] = (replace(stored, body=body), kind)
    assert read_export(store, key).time == "2026-11-25T09:00:00Z"


def test_an_incremental_export_puts_and_removes_what_changed(store: MemoryStore, scratch: FolderScratch) -> None:
    """Changed, new, removed, and removed and uploaded again as a new life; untouched shards are not read."""
    ledger = make_ledger(store)
    commit(ledger, [insert(number) for number in range(300)])
    reborn = item(500) | {"etag": item(2)["etag"]}
    records = [
        (item(1), item(1, 4, title=TITLE)),
        (item(2), reborn),
        (item(3), None),
        (None, item(400)),
        (item(299, 0), None),
    ]
    key = write_incremental_export(store, records, START, LATER)
    reads: list[str] = []
    real = store.get
    store.get = lambda key, **more: reads.append(key) or real(key, **more)  # type: ignore[method-assign]
    fresh = make_ledger(store, 2)
    done = backfill(fresh, store, read_export(store, key), read_root(store), scratch)
    store.get = real  # type: ignore[method-assign]
    assert (done.put, done.removed) == (3, 3)
    assert _removed_at(store) == {b"2026-11-25T08:59:55Z"}, "when it was written"
    expected = [item(n) for n in range(300) if n not in (1, 2, 3, 299)]
    assert read_rows(store) == model_csv([*expected, item(1, 4, title=TITLE), reborn, item(400)])
    pages = fresh.objects.pages(read_root(store).rows.pages)
    assert len({key for key in reads if key.startswith("shards/")}) < sum(map(len, pages.values())) / 2
    assert _replayed(ledger, store, scratch)


def test_an_incremental_export_closes_only_gaps_within_its_time(store: MemoryStore, scratch: FolderScratch) -> None:
    """What happened before its start it does not tell."""
    ledger = make_ledger(store)
    commit(ledger, [event("INSERT", item(1), seconds=600)])
    commit(ledger, [event("INSERT", item(2), sequence=1, seconds=1200, stream=OTHER_STREAM)])
    for name, start, closed in (("a", 700, 0), ("b", 600, 1)):
        key = write_incremental_export(store, [], START + timedelta(seconds=start), LATER, name=name)
        done = backfill(ledger, store, read_export(store, key), read_root(store), scratch)
        assert done.gaps_closed == closed


def test_a_backfill_goes_on_over_a_change_of_columns(
    store: MemoryStore, scratch: FolderScratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay with other columns is swapped in between two batches: the rest is written for these."""
    monkeypatch.setattr(backfilling, "BATCH_ITEMS", 1)
    columns = NAMES[:9]
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    before = read_root(store)
    real, count = backfilling.commit_batch, 0

    def commit_batch(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 2:
            other = FolderScratch(scratch.folder.with_name("other"))
            done = replay(make_ledger(store, 7), other, Wishes(columns=columns))
            swap(make_ledger(store, 8), done.root, lambda: listed_segments(other, done.plan))
        return real(*arguments)

    monkeypatch.setattr(backfilling, "commit_batch", commit_batch)
    _full(ledger, store, [item(1), item(2), item(3)], scratch, before=before)
    assert read_rows(store) == model_csv([item(1), item(2), item(3)], columns)


def test_each_list_of_an_export_is_held_against_the_others(store: MemoryStore, scratch: FolderScratch) -> None:
    """A file of another export, one that is not listed, counts that are both wrong, or no old images."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1), insert(2)])
    expected = read_rows(store)
    keys = [write_full_export(store, [item(n), item(n + 10)], LATER, name=str(n), files=2) for n in (2, 3, 4, 5)]
    data = [[key for key in store.objects if f"/{n}/data/" in key] for n in (2, 3, 4, 5)]

    def change(key: str, change_body: Callable[[bytes], bytes]) -> None:
        stored, kind = store.objects[key]
        store.objects[key] = (replace(stored, body=change_body(stored.body)), kind)

    change(data[0][0], lambda body: store.get(data[1][0]).body)
    change(keys[2].replace("summary", "files"), lambda body: body[: body.index(b"\n") + 1])
    change(keys[3], lambda body: body.replace(b'"itemCount":2', b'"itemCount":3'))
    change(keys[3].replace("summary", "files"), lambda body: body.replace(b'"itemCount":1', b'"itemCount":2', 1))
    keys.append(write_incremental_export(store, [(item(1), None)], START, LATER, view="NEW_IMAGE"))
    for key in (keys[0], *keys[2:]):
        with pytest.raises(Damaged):
            backfill(ledger, store, read_export(store, key), read_root(store), scratch)
    assert read_rows(store) == expected


@pytest.mark.parametrize("harm", ["cut", "gone", "count", "other bytes", "format", "view"])
def test_an_export_that_is_not_whole_is_refused(harm: str, store: MemoryStore, scratch: FolderScratch) -> None:
    """Its lists, counts and checksums must agree before anything is removed."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    key = write_full_export(store, [item(1), item(2)], LATER, files=1)
    data = next(key for key in store.objects if "/data/" in key)
    listing = key.replace("summary", "files")
    changes = {
        "cut": (data, lambda body: body[:-5]),
        "other bytes": (data, lambda body: body[:20] + b"x" + body[21:]),
        "count": (listing, lambda body: body.replace(b'"itemCount":2', b'"itemCount":1')),
        "format": (key, lambda body: body.replace(b"DYNAMODB_JSON", b"ION")),
        "view": (
            key,
            lambda body: body.replace(b"FULL_EXPORT", b"INCREMENTAL_EXPORT"),
        ),
    }
    if harm == "gone":
        store.delete([data])
    else:
        name, change = changes[harm]
        stored, kind = store.objects[name]
        store.objects[name] = (replace(stored, body=change(stored.body)), kind)
    expected = read_rows(store)
    with pytest.raises(Damaged):
        backfill(ledger, store, read_export(store, key), read_root(store), scratch)
    assert read_rows(store) == expected
