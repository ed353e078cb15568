"""A rebuilt tree is swapped in while exporters run, and nothing that they committed is lost."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from infra.survey.stream_records import STREAM
from ledger.change import changes_of
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.csvw import describe
from ledger.errors import Damaged, Unknown
from ledger.event import read_event
from ledger.journal import write_segment
from ledger.keys import ROOT_KEY, plain_key, shard_key
from ledger.ledger import Ledger
from ledger.manifest import REBUILT, Root, Targets, decode_root
from ledger.pending import Waiting, encode
from ledger.row import RowEncoder
from ledger.store import Stored
from operations.errors import NotSwapped
from operations.live import catch_up, keep_alive
from operations.live.late_events import commit_late
from operations.live.swap import SwapReport, swap
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import FolderScratch
from operations.replay.local import Rebuild, Wishes, replay
from tests.support.factories import (
    START,
    event,
    events_of,
    insert,
    item,
    leave_waiting,
    make_ledger,
    model_csv,
    remove,
    segment_with,
)
from tests.support.histories import History, deliver, history
from tests.support.reader import read_csv, read_root, read_rows

COLUMNS = (*NAMES[:9], "description", "title")


def _rebuild(ledger: Ledger, folder: Path, **wishes: Any) -> tuple[Rebuild, Any]:
    scratch = FolderScratch(folder / "scratch")
    replayed = replay(ledger, scratch, Wishes(**wishes))
    return replayed, lambda: listed_segments(scratch, replayed.plan)


def _swap(ledger: Ledger, rebuilt: tuple[Rebuild, Any], **arguments: Any) -> SwapReport:
    return swap(ledger, rebuilt[0].root, rebuilt[1], **arguments)


class _Interleaved(MemoryStore):
    """Runs something just before certain calls, as a faster process would."""

    def __init__(self) -> None:
        super().__init__()
        self.before_swap: Iterator[Any] = iter(())

    def put_if_match(self, key: str, *arguments: Any) -> str:
        if key == ROOT_KEY:
            step, self.before_swap = self.before_swap, iter(())
            action = next(step, None)
            if action is not None:
                action()
                self.before_swap = step
        return super().put_if_match(key, *arguments)


def test_what_is_committed_between_read_and_swap_is_caught_up_with(tmp_path: Path) -> None:
    """Refused as often as an exporter is faster, the swap merges its segments and goes in the end."""
    store = _Interleaved()
    ledger = make_ledger(store)
    deliver(ledger, history(1, 100))
    rebuilt = _rebuild(ledger, tmp_path, columns=COLUMNS)
    exporter = make_ledger(store, 2)
    gone = 6 * 10**6
    late = [[insert(10**6)], [insert(10**6 + 1), insert(gone), event("MODIFY", sequence=7)], [remove(gone)]]
    commit(exporter, [insert(10**6 + 2), insert(5 * 10**6)])
    store.before_swap = iter([lambda batch=batch: commit(exporter, batch) for batch in late])
    waits: list[float] = []
    done = _swap(replace(make_ledger(store, 3), sleep=waits.append), rebuilt)
    assert (done.refused, done.caught_up, len(waits)) == (3, 4, 3)
    commit(make_ledger(store, 4), [insert(gone)])  # delivered again: its removal is remembered
    expected = make_ledger(MemoryStore())
    deliver(expected, history(1, 100))
    items = [*history(1, 100).items.values(), *(item(10**6 + number) for number in range(3)), item(5 * 10**6)]
    assert read_rows(store) == model_csv(items, COLUMNS)
    assert done.root.checkpoint.changes == decode_root(store.get(f"roots/{_copy(store, done)}").body).checkpoint.changes


def _copy(store: MemoryStore, done: SwapReport) -> str:
    return f"{done.root.name}.json"


def test_a_segment_taken_along_by_a_leader_is_caught_up_with(store: MemoryStore, tmp_path: Path) -> None:
    """A leader's commit names the segments of others that it merged."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    rebuilt = _rebuild(ledger, tmp_path)
    root, _ = ledger.load_root()
    segment = segment_with([insert(2)])
    write_segment(store, segment)
    waiting = Waiting(segment.name, root.columns, changes_of(read_event(insert(2)), RowEncoder(root.columns)))
    store.put_new(waiting.key, encode(waiting), "text/plain")
    racing = _Interleaved()
    racing.objects = store.objects
    racing.before_swap = iter([lambda: commit(make_ledger(store, 7), [insert(4)])])
    commit(make_ledger(racing, 5), [insert(3)])
    assert not list(store.list("pending/"))
    done = _swap(ledger, rebuilt)
    assert done.caught_up == 3
    assert read_rows(store) == model_csv([item(number) for number in (1, 2, 3, 4)])


def test_a_redrive_of_an_old_batch_brings_nothing_back_by_way_of_the_swap(store: MemoryStore, tmp_path: Path) -> None:
    """Caught up with, an old put is judged by the removal that came days ago, which no tree remembers any more."""
    ledger = make_ledger(store)
    commit(ledger, [event("REMOVE", old=item(1, 3), sequence=5, seconds=0)])
    commit(ledger, [event("INSERT", item(2), sequence=6, seconds=80 * 3600)])
    rebuilt = _rebuild(ledger, tmp_path, columns=COLUMNS)
    late = [event("INSERT", item(1, 2), sequence=3, seconds=-60), event("INSERT", item(4), sequence=4, seconds=-60)]
    report = commit_late(make_ledger(store, 2), events_of(late))
    assert report.root.oldest_event == min(one.time for one in events_of(late))
    commit(ledger, [event("INSERT", item(3), sequence=7, seconds=80 * 3600)])
    assert read_rows(store) == model_csv([item(2), item(3), item(4)])
    done = _swap(make_ledger(store, 3), rebuilt)
    assert done.caught_up == 2
    assert read_rows(store) == model_csv([item(2), item(3), item(4)], COLUMNS)


@pytest.mark.parametrize("lost", ["copies", "rebuilt", "too many"])
def test_without_the_copies_of_roots_the_journal_is_listed_again(
    lost: str, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies are collected after a day, and a root that was rebuilt does not name segments: all that is new is read."""
    ledger = make_ledger(store)
    deliver(ledger, history(2, 100))
    rebuilt = _rebuild(ledger, tmp_path / "first")
    commit(ledger, [insert(10**6)])
    commit(ledger, [remove(10**6)])
    commit(ledger, [insert(10**6 + 1)])
    if lost == "copies":
        store.delete([listed.key for listed in store.list("roots/")][-2:-1])
    elif lost == "too many":
        monkeypatch.setattr(catch_up, "_MOST_COPIES", 2)
    else:
        _swap(ledger, _rebuild(ledger, tmp_path / "second"))
        commit(ledger, [insert(10**6 + 2)])
    expected = read_rows(store)
    lines: list[str] = []
    done = _swap(ledger, rebuilt, report=lines.append)
    assert lines == ["listing the journal again"]
    assert done.caught_up == 3 + (lost == "rebuilt")
    assert read_rows(store) == expected


def test_a_lost_answer_to_the_swap_is_recognised_as_won(store: MemoryStore, tmp_path: Path) -> None:
    """Unknown is looked up: our root stands, so the swap is done and not done twice."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    rebuilt = _rebuild(ledger, tmp_path, columns=COLUMNS)
    real = store.put_if_match

    def lands_and_loses_the_answer(key: str, *arguments: Any) -> str:
        etag = real(key, *arguments)
        if key == ROOT_KEY:
            store.put_if_match = real  # type: ignore[method-assign]
            raise Unknown("timeout")
        return etag

    store.put_if_match = lands_and_loses_the_answer  # type: ignore[method-assign]
    done = _swap(ledger, rebuilt)
    assert (done.refused, read_root(store)) == (0, done.root)
    commit(ledger, [insert(2)])
    assert read_rows(store) == model_csv([item(1), item(2)], COLUMNS)


def test_a_swap_that_loses_for_too_long_gives_up_and_changes_nothing(tmp_path: Path) -> None:
    """Patience is bounded; the live tree is the exporters'."""
    store = _Interleaved()
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    rebuilt = _rebuild(ledger, tmp_path, columns=COLUMNS)
    exporter = make_ledger(store, 2)
    clock = iter(range(0, 10**6, 10))
    hasty = replace(make_ledger(store, 3), monotonic=lambda: float(next(clock)))
    store.before_swap = iter([lambda n=n: commit(exporter, [insert(n)]) for n in range(2, 100)])
    with pytest.raises(NotSwapped):
        _swap(hasty, rebuilt, patience=35)
    assert read_root(store).columns == NAMES


def test_a_lost_manifest_is_rebuilt_from_the_journal(store: MemoryStore, tmp_path: Path) -> None:
    """No exporter starts anew beside existing shards; a replay makes the root again, with a later version."""
    ledger = make_ledger(store)
    made = history(3, 100)
    deliver(ledger, made)
    version = read_root(store).version
    store.delete([ROOT_KEY])
    operator = make_ledger(store, 2)
    done = _swap(operator, _rebuild(operator, tmp_path, targets=Targets(1000, 4)))
    assert read_rows(store) == read_csv(store) == model_csv(made.items.values())
    assert (done.replaced, done.root.version > version) == (-1, True)
    assert read_root(store).segments == REBUILT, "whoever has a tree from before lists the journal again"
    commit(make_ledger(store, 4), [insert(10**6)])
    assert read_root(store).version == done.root.version + 1


def test_until_leaves_out_what_came_later_and_exporters_go_on_from_there(store: MemoryStore, tmp_path: Path) -> None:
    """A restored point in time does not catch up, and new events are merged as ever."""
    ledger = make_ledger(store)
    commit(ledger, [event("INSERT", item(1), sequence=1, seconds=0)])
    commit(ledger, [event("INSERT", item(2), sequence=2, seconds=10)])
    rebuilt = _rebuild(ledger, tmp_path, until="2026-11-25T08:00:09Z")
    commit(ledger, [event("INSERT", item(3), sequence=3, seconds=20)])
    done = _swap(ledger, rebuilt, until="2026-11-25T08:00:09Z")
    assert read_csv(store) == model_csv([item(1)])
    assert done.root.checkpoint.newest_event == "2026-11-25T08:00:00Z"
    commit(ledger, [event("INSERT", item(4), sequence=4, seconds=30)])
    assert read_rows(store) == model_csv([item(1), item(4)])


def test_objects_about_to_be_collected_are_made_young_before_the_swap(tmp_path: Path) -> None:
    """A rebuild may meet day-old objects that no root names: the swap writes them again, or refuses if one is gone."""
    time = START - timedelta(hours=30)
    store = MemoryStore(now=lambda: time)
    ledger = make_ledger(store)
    deliver(ledger, history(4, 150))
    rebuilt = _rebuild(ledger, tmp_path, columns=COLUMNS)
    live = {page.sha256 for page in read_root(store).rows.pages}
    time = START
    old = START - timedelta(hours=12)
    _swap(ledger, rebuilt)
    pages = rebuilt[0].root.rows.pages
    assert not live & {page.sha256 for page in pages}
    shards = ledger.objects.pages(pages)
    for page in pages:
        assert _modified(store, f"manifest/{page.sha256}.json") > old
        assert all(_modified(store, shard_key(shard.sha256)) > old for shard in shards[page.sha256])


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("hours", [11, 13])
def test_plain_shards_of_an_older_version_are_written_anew_where_collection_may_be_at_them(
    hours: int, both: bool, listed: bool, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A young one is safe as it is; where both lie there, the compressed one is read, and its age counts."""
    monkeypatch.setattr(keep_alive, "_LIST_FROM", 0 if listed else 2000)
    ledger = make_ledger(store)
    root = commit(ledger, [insert(number) for number in range(60)]).root
    names = [key for key in _named(ledger, root) if key.startswith("shards/")]
    for key in names:
        stored, kind = store.objects.pop(key)
        packed = replace(stored, modified=START - timedelta(hours=hours))
        lines = replace(
            stored, body=gzip.decompress(stored.body), modified=START - timedelta(hours=5 if both else hours)
        )
        store.objects |= {plain_key(key): (lines, kind), **({key: (packed, kind)} if both else {})}
    store._now = lambda: START
    keep_alive.make_sure(make_ledger(store, 2), root, None, set())
    written = [key for key in names if key in store.objects and _modified(store, key) == START]
    assert written == (names if hours == 13 else [])
    assert all(gzip.decompress(store.get(key).body) == store.get(plain_key(key)).body for key in written)


@pytest.mark.parametrize("listed", [False, True])
def test_objects_that_exporters_leave_while_the_swap_waits_are_made_young_too(
    listed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The live root named them when the swap began; of a point in time they are wanted, and soon named by nobody."""
    monkeypatch.setattr(keep_alive, "_LIST_FROM", 0 if listed else 2000)
    time = START - timedelta(hours=30)
    store = _Interleaved()
    store._now = lambda: time
    ledger = make_ledger(store)
    commit(ledger, [*(insert(number) for number in range(60)), remove(900)])
    until = "2026-11-25T08:00:05Z"
    rebuilt = _rebuild(ledger, tmp_path, until=until)
    old = read_root(store)
    assert rebuilt[0].root.rows == old.rows
    late = [event("MODIFY", item(n, 2, title={"S": "x"}), item(n), sequence=500, seconds=60) for n in (5, 30)]
    late.append(remove(901, sequence=501, seconds=60))
    rivals: list[Root] = []
    store.before_swap = iter([lambda: rivals.append(commit(make_ledger(store, 2), late).root)])
    time = START
    assert _swap(make_ledger(store, 3), rebuilt, until=until).refused == 1
    assert read_csv(store) == model_csv([item(number) for number in range(60)])
    ages = [START - _modified(store, key) for key in _named(ledger, old) - _named(ledger, rivals[0])]
    assert len(ages) >= 5
    assert max(ages) < timedelta(hours=12)


def _named(ledger: Ledger, root: Root) -> set[str]:
    """Name the pages and shards of a root."""
    pages = ledger.objects.pages([*root.rows.pages, *root.removals.pages])
    shards = (shard for page in pages.values() for shard in page)
    return {*(f"manifest/{page}.json" for page in pages), *(shard_key(shard.sha256) for shard in shards)}


def _modified(store: MemoryStore, key: str) -> datetime:
    modified = store.head(key).modified
    assert modified is not None
    return modified


@pytest.mark.parametrize("listed", [False, True])
def test_a_tree_of_which_an_object_was_collected_is_not_swapped_in(
    listed: bool, store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every object that the new root will name is there, or the swap does not happen."""
    monkeypatch.setattr(keep_alive, "_LIST_FROM", 0 if listed else 2000)
    ledger = make_ledger(store)
    deliver(ledger, history(4, 150))
    rebuilt = _rebuild(ledger, tmp_path, columns=COLUMNS)
    shard = ledger.objects.pages(rebuilt[0].root.rows.pages[:1])[rebuilt[0].root.rows.pages[0].sha256][0]
    store.delete([shard_key(shard.sha256)])
    before = read_root(store)
    with pytest.raises(Damaged, match=shard.sha256):
        _swap(make_ledger(store, 2), rebuilt)
    assert read_root(store) == before


def test_the_description_beside_the_csv_follows_the_columns(store: MemoryStore, tmp_path: Path) -> None:
    """image-data.csv-metadata.json describes the columns that the CSV has."""
    ledger = make_ledger(store)
    store.put_new("image-data.csv-metadata.json", describe(NAMES), "application/csvm+json")
    commit(ledger, [insert(1)])
    _swap(ledger, _rebuild(ledger, tmp_path, columns=COLUMNS))
    assert store.get("image-data.csv-metadata.json").body == describe(COLUMNS)


def test_a_swapped_root_is_as_good_as_any(store: MemoryStore, tmp_path: Path) -> None:
    """It carries what exporters need: a later version, the merged segments, the gaps and the highest numbers."""
    ledger = make_ledger(store)
    deliver(ledger, History(history(5, 60).events))
    leave_waiting(make_ledger(store, 7), [insert(10**6)])
    leader = make_ledger(store, 8)
    leader.met_others()
    new_stream = f"{STREAM.rpartition('/')[0]}/2026-11-26T07:00:00.000"
    commit(leader, [event("INSERT", item(10**6 + 1), sequence=1, seconds=3600, stream=new_stream)])
    before = read_root(store)
    assert (len(before.merged), len(before.checkpoint.gaps)) == (1, 1)
    done = _swap(ledger, _rebuild(ledger, tmp_path))
    root = read_root(store)
    assert isinstance(root, Root)
    checkpoint = replace(before.checkpoint, rebuilt=1)
    assert (root.version, root.merged, root.checkpoint) == (before.version + 1, before.merged, checkpoint)
    assert root.rows == before.rows
    assert done.root == root
    assert isinstance(store.get(root.copy_key), Stored)
