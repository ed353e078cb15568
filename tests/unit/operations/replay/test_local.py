"""A replay of the journal gives the live tree, byte for byte."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.errors import Damaged
from ledger.keys import page_key, shard_key
from ledger.ledger import Ledger
from ledger.manifest import Root, Targets, encode_root
from ledger.row import header
from operations.errors import NotSwapped
from operations.live.snapshot import load, snapshots
from operations.rebuild import plan
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import FolderScratch, StoreScratch
from operations.replay import workers
from operations.replay.adopt import Purpose, adopt
from operations.replay.local import Rebuild, Wishes, replay, replay_for
from tests.support.factories import START, event, insert, item, make_ledger, model_csv, modify, remove
from tests.support.histories import deliver, history
from tests.support.reader import read_csv, read_root, read_rows, read_tree
from tests.support.small_pieces import cut_small
from tests.support.store_calls import WatchedStore


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_small(monkeypatch)


def _replay(ledger: Ledger, folder: Path, **wishes: Any) -> Rebuild:
    return replay(ledger, FolderScratch(folder / "scratch"), Wishes(**wishes))


def _csv(store: MemoryStore, root: Root) -> bytes:
    return header(root.columns) + read_tree(store, root.rows)


@pytest.mark.parametrize("seed", [0, 1, 2, 5])  # each has other targets
def test_a_replay_gives_the_live_tree(seed: int, store: MemoryStore, tmp_path: Path) -> None:
    """Inserts, overwrites, removals, re-uploads, foreign writes, redelivery in other cuts: one tree hash, one CSV."""
    targets = random.Random(seed).choice([Targets(1000, 4), Targets(300, 2), Targets(20_000, 1000), Targets(1, 1)])
    ledger = make_ledger(store, seed, targets)
    made = history(seed, 350)
    deliver(ledger, made, seed)
    before = dict(store.objects)
    replayed = _replay(ledger, tmp_path)
    assert replayed.root.tree_hash == read_root(store).tree_hash
    assert _csv(store, replayed.root) == read_rows(store) == model_csv(made.items.values())
    assert replayed.plan.chunks > 1
    assert replayed.plan.ranges > 3
    assert list(replayed.plan.boundaries) == sorted(set(replayed.plan.boundaries))
    assert all(store.objects[key] == one for key, one in before.items()), "nothing that was there is touched"


def test_the_removals_of_the_last_48_hours_are_rebuilt_too(store: MemoryStore, tmp_path: Path) -> None:
    """After a swap a late delivery must still find the removal; older ones are left out."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1), remove(1, seconds=0)])
    commit(ledger, [remove(2, 7, seconds=3600), remove(2, 4, seconds=7200)])
    commit(ledger, [remove(3, seconds=48 * 3600 + 1), remove(4, seconds=1)])
    root = _replay(ledger, tmp_path).root
    *lines, youngest = read_tree(store, root.removals).splitlines()
    assert youngest.split(b",")[1:] == [f"{4:032x}".encode(), b"1", b"2026-11-25T08:00:01Z"], "48 hours to the second"
    assert [line.split(b",")[1:] for line in lines] == [
        [f"{2:032x}".encode(), b"7", b"2026-11-25T09:00:00Z"],
        [f"{3:032x}".encode(), b"1", b"2026-11-27T08:00:01Z"],
    ]
    assert root.checkpoint.newest_event == "2026-11-27T08:00:01Z"


def test_foreign_writes_there_and_back_end_as_the_stream_ends(store: MemoryStore, tmp_path: Path) -> None:
    """Of writes that leave the revision as it is, the last in the stream wins, also if it restores an earlier text."""
    a, b = (item(1, 3, title={"S": text}) for text in "ab")
    ledger = make_ledger(store)
    commit(ledger, [event("INSERT", a, sequence=9)])
    commit(ledger, [event("MODIFY", b, a, sequence=10)])
    commit(ledger, [event("MODIFY", a, b, sequence=100)])
    assert read_rows(store) == model_csv([a])
    assert _csv(store, _replay(ledger, tmp_path).root) == model_csv([a])


def test_a_new_stream_continues_the_old_one_although_its_numbers_are_lower(store: MemoryStore, tmp_path: Path) -> None:
    """Streams are ordered by their label, a time; sequence numbers only within one."""
    newer = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images/stream/2026-11-26T07:00:00.000"
    a, b = (item(1, 3, title={"S": text}) for text in "ab")
    ledger = make_ledger(store)
    commit(ledger, [event("INSERT", a, sequence=10**20, seconds=5)])
    commit(ledger, [event("MODIFY", b, a, sequence=5, seconds=5, stream=newer)])
    assert _csv(store, _replay(ledger, tmp_path).root) == read_rows(store) == model_csv([b])


def test_an_item_put_back_after_48_hours_is_there_and_before_it_is_not(store: MemoryStore, tmp_path: Path) -> None:
    """A removal holds back puts of its revision for 48 hours of event time, in the live tree and in a replay."""
    ledger = make_ledger(store, targets=Targets(1, 1))
    commit(ledger, [insert(1), insert(2), remove(1, seconds=0), remove(2, seconds=0)])
    commit(ledger, [event("INSERT", item(1), sequence=10**7, seconds=48 * 3600)])
    commit(ledger, [event("INSERT", item(2), sequence=10**7 + 1, seconds=48 * 3600 + 1)])
    assert _csv(store, _replay(ledger, tmp_path).root) == read_rows(store) == model_csv([item(2)])


def test_quarantined_events_are_left_out_and_counted(store: MemoryStore, tmp_path: Path) -> None:
    """What the exporter could not read, a replay cannot read either, and says so."""
    ledger = make_ledger(store)
    bad, foreign = insert(5, ingested_at={"S": "never"}), insert(7, size_bytes={"S": "large"})
    odd = insert(6, unknown_attribute={"S": "\ud800"})  # no column: ignored, and the journal keeps it as it came
    odd["eventSourceARN"] = "arn:a/b\0/c/d\r\ne"
    commit(ledger, [insert(1), bad, odd, foreign, {"eventName": "REMOVE", "dynamodb": {}}])
    replayed = _replay(ledger, tmp_path)
    assert _csv(store, replayed.root) == read_rows(store)
    assert replayed.journal.quarantined == 2
    assert replayed.root.rows.rows == 3


def test_an_empty_journal_gives_the_empty_tree(store: MemoryStore, tmp_path: Path) -> None:
    """Replaying nothing is no error."""
    ledger = make_ledger(store)
    root, _ = ledger.load_root()
    assert _replay(ledger, tmp_path).root.tree_hash == root.tree_hash


def test_a_dry_run_writes_nothing_and_gives_the_same_hash(store: MemoryStore, tmp_path: Path) -> None:
    """A dry run only hashes."""
    ledger = make_ledger(store)
    deliver(ledger, history(1, 80))
    before = dict(store.objects)
    assert _replay(ledger, tmp_path, columns=NAMES[:9], keep="nothing").root.tree_hash != read_root(store).tree_hash
    assert store.objects == before
    dry = _replay(ledger, tmp_path, keep="nothing").root
    assert dry.tree_hash == read_root(store).tree_hash
    cut = {"targets": Targets(300, 2)}
    assert _replay(ledger, tmp_path, keep="nothing", **cut).root.rows.rows == dry.rows.rows
    assert store.objects == before
    kept = _replay(ledger, tmp_path, **cut)
    assert (kept.resumed, _csv(store, kept.root)) == (0, read_rows(store)), "what was only hashed is not gone on with"


@pytest.mark.parametrize("seed", range(2))
def test_until_gives_the_table_as_it_was(seed: int, tmp_path: Path) -> None:
    """At any second, the replay is what a plain model of the table says."""
    store = MemoryStore()
    ledger = make_ledger(store, seed)
    made = history(seed, 200)
    deliver(ledger, made, seed)
    chance = random.Random(seed)
    for _ in range(5):
        seconds = chance.randrange(-5, 130)
        until = START.fromtimestamp(START.timestamp() + seconds, START.tzinfo).strftime("%Y-%m-%dT%H:%M:%SZ")
        root = _replay(ledger, tmp_path, until=until).root
        assert _csv(store, root) == model_csv(made.items_at(seconds))


def test_other_columns_and_targets_give_the_tree_that_an_exporter_with_them_would_have(tmp_path: Path) -> None:
    """A change of schema is a replay: the result is as if the new columns had been there from the start."""
    columns = (*NAMES[:9], "iso", "future_column")
    store, fresh = MemoryStore(), MemoryStore()
    ledger = make_ledger(store)
    made = history(3, 300)
    for number, one in enumerate(made.events):
        if "NewImage" in one["dynamodb"]:
            one["dynamodb"]["NewImage"]["future_column"] = {"N": str(number)}
    deliver(ledger, made)
    root = _replay(ledger, tmp_path, columns=columns, targets=Targets(700, 2)).root
    other = make_ledger(fresh, targets=Targets(700, 2))
    empty, etag = other.load_root()
    fresh.put_if_match("manifest.json", encode_root(replace(empty, columns=columns)), etag, "application/json", {})
    deliver(other, made, seed=8, size=7)
    assert root.tree_hash == read_root(fresh).tree_hash


def test_scratch_in_the_bucket_does_as_well_as_a_folder(store: MemoryStore) -> None:
    """A Distributed Map keeps what it needs under a prefix of the export bucket."""
    ledger = make_ledger(store)
    deliver(ledger, history(5, 200))
    scratch = StoreScratch(store, "replay/1/")
    replayed = replay(ledger, scratch, Wishes())
    assert replayed.root.tree_hash == read_root(store).tree_hash
    assert list(listed_segments(scratch, replayed.plan)) == sorted(k for k in store.objects if k.startswith("journal/"))
    scratch.clear()
    assert not list(store.list("replay/"))


def test_a_damaged_segment_is_named(store: MemoryStore, tmp_path: Path) -> None:
    """A replay that cannot read all of the journal gives no tree."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    key = next(store.list("journal/")).key
    stored, content_type = store.objects[key]
    store.objects[key] = (replace(stored, body=stored.body[:-9]), content_type)
    with pytest.raises(Damaged, match=key):
        _replay(ledger, tmp_path)


def test_modifies_far_apart_meet_in_the_right_order(store: MemoryStore, tmp_path: Path) -> None:
    """Revisions are numbers: ten comes after nine, in whatever run and chunk either was."""
    ledger = make_ledger(store)
    for revision in (1, 9, 10, 2, 11, 100, 99):
        commit(ledger, [modify(1, revision, sequence=revision), *(insert(revision * 100 + n) for n in range(30))])
    rows = _csv(store, _replay(ledger, tmp_path).root)
    assert rows == read_rows(store)
    assert rows.count(f"{1:032x},100,".encode()) == 1


def test_a_key_cuts_the_ranges_once(store: MemoryStore, tmp_path: Path) -> None:
    """However much of the journal is of one image, that is one range's work."""
    ledger, chance = make_ledger(store), random.Random(1)
    for revision in range(1, 11):
        commit(ledger, [modify(1, revision, description={"S": f"{chance.getrandbits(8000):x}"})])
    replayed = _replay(ledger, tmp_path)
    assert replayed.plan.bytes > 3 * plan.RANGE_BYTES
    assert (replayed.plan.ranges, replayed.root.rows.rows) == (2, 1)


def test_what_is_live_is_not_sent_again(store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild of the same tree uploads only the shards over the ends of its ranges, and looks at no other."""
    ledger = make_ledger(store, targets=Targets(300, 4))
    deliver(ledger, history(6, 400))
    asked: list[str] = []
    read: list[str] = []
    for name, keys in (("put_new", asked), ("head", asked), ("get", read)):
        real = getattr(store, name)
        monkeypatch.setattr(store, name, lambda key, *more, real=real, keys=keys: keys.append(key) or real(key, *more))
    replayed = _replay(ledger, tmp_path)
    root, pages = replayed.root, [key for key in read if key.startswith("manifest/")]
    assert len(pages) <= len(root.rows.pages) + replayed.plan.ranges, "a range reads its own pages"
    shards = sum(map(len, ledger.objects.pages(root.rows.pages).values()))
    assert root.tree_hash == read_root(store).tree_hash
    assert len({key for key in asked if key.startswith("shards/")}) < shards / 2


def test_a_rebuild_has_the_columns_of_the_live_tree_and_a_summary_of_all_the_journal(
    store: MemoryStore, tmp_path: Path
) -> None:
    """Whatever columns this code has, and in whatever order the parts of the journal end."""
    ledger = make_ledger(store)
    root, etag = ledger.load_root()
    store.put_if_match("manifest.json", encode_root(replace(root, columns=NAMES[:9])), etag, "application/json", {})
    commit(ledger, [event("INSERT", item(1), sequence=9, seconds=7200)])
    for number in range(2, 20):
        commit(ledger, [event("INSERT", item(number), sequence=10 - number % 3, seconds=3600)])
    replayed = _replay(ledger, tmp_path)
    live = read_root(store)
    assert replayed.plan.chunks > 1
    assert (replayed.root.columns, replayed.root.tree_hash) == (live.columns, live.tree_hash)
    assert replayed.root.checkpoint.streams == live.checkpoint.streams
    assert replayed.root.checkpoint.newest_event == live.checkpoint.newest_event == "2026-11-25T10:00:00Z"
    until = _replay(ledger, tmp_path, until="2026-11-25T09:59:59Z").journal
    assert (until.events, until.later, until.newest_event) == (19, 1, "2026-11-25T09:00:00Z")


def test_until_heeds_what_was_filed_a_day_later(store: MemoryStore, tmp_path: Path) -> None:
    """A batch is filed under its first event's date, and may hold what is up to a day older."""
    ledger = make_ledger(store)
    commit(ledger, [event("INSERT", item(1), sequence=1, seconds=86_400), event("INSERT", item(2), sequence=2)])
    assert _csv(store, _replay(ledger, tmp_path, until="2026-11-25T08:00:00Z").root) == model_csv([item(2)])


def test_a_replay_is_not_gone_on_with_after_half_a_day(store: MemoryStore, tmp_path: Path) -> None:
    """What it wrote, and no root names, may be collected after a day."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    _replay(ledger, tmp_path)
    commit(ledger, [insert(2)])
    for seconds, rows in ((12 * 3600 - 1, 1), (12 * 3600, 2)):
        later = replace(make_ledger(store, 2), now=lambda seconds=seconds: START.timestamp() + seconds)
        assert _replay(later, tmp_path).root.rows.rows == rows


def test_a_replay_in_several_processes_adds_their_parts_up(
    store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each opens the bucket for itself (here a process is a thread); in whatever order they are done."""
    ledger = make_ledger(store)
    deliver(ledger, history(9, 100))
    opened: list[MemoryStore] = []
    monkeypatch.setattr(
        workers,
        "ProcessPoolExecutor",
        lambda processes, context, start, given: ThreadPoolExecutor(processes, initializer=start, initargs=given),
    )
    scratch = FolderScratch(tmp_path / "scratch")
    replayed = replay(ledger, scratch, Wishes(), processes=2, open_store=lambda: opened.append(store) or store)
    assert replayed.root == _replay(ledger, tmp_path / "alone").root
    assert replayed.plan.chunks > 1
    assert opened


def _rival(watched: WatchedStore, verb: str, key: str, *batches: dict[str, Any]) -> None:
    """Let an exporter merge these, each after (a listing) or before (a swap) such a call of ours."""
    exporter, waiting = make_ledger(watched.store, 99), iter(batches)

    def act(call: Any) -> Any:
        if verb != "list":
            commit(exporter, [next(waiting)])
            return call()
        found = list(call())
        commit(exporter, [next(waiting)])
        return iter(found)

    watched.on(verb, key, act, times=len(batches))


def test_what_is_merged_while_the_journal_is_listed_is_in_the_tree_that_is_swapped_in(
    store: MemoryStore, tmp_path: Path
) -> None:
    """The version that counts is the one from before; what a tree is not asked for, it does not leave behind."""
    commit(make_ledger(store), [insert(1)])
    watched = WatchedStore(store)
    _rival(watched, "list", "journal/date=", insert(2))
    ledger, scratch = make_ledger(watched, 2), FolderScratch(tmp_path / "scratch")  # type: ignore[arg-type]
    purpose = Purpose(snapshot="proof", swap=True)
    rebuilt, adoption = replay_for(ledger, scratch, Wishes(targets=Targets(700, 2)), purpose)
    assert read_csv(store) == model_csv([item(1), item(2)])
    assert load(ledger, "proof") == rebuilt.root
    assert (adoption.undo, [one.name for one in snapshots(ledger)]) == ("", ["proof"])
    assert not scratch.names("")


def test_what_a_snapshot_pins_is_kept_from_a_collection_that_is_at_it(tmp_path: Path) -> None:
    """A rebuild may take a day, and what it made is named by nothing until then."""
    time = START - timedelta(hours=30)
    store = MemoryStore(now=lambda: time)
    ledger, scratch = make_ledger(store), FolderScratch(tmp_path / "scratch")
    commit(ledger, [insert(number) for number in range(30)])
    made = replay(ledger, scratch, Wishes(targets=Targets(700, 2), keep="bucket"))
    time = START
    adopt(ledger, scratch, made.plan, made.root, Purpose(snapshot="proof"), lambda line: None)
    kept = _named(ledger, load(ledger, "proof")) - _named(ledger, read_root(store))
    assert len(kept) > 4
    assert {store.head(key).modified for key in kept} == {START}


def _named(ledger: Ledger, root: Root) -> set[str]:
    """Name the pages and shards of a root's rows."""
    pages = ledger.objects.pages(root.rows.pages)
    return {*map(page_key, pages), *(shard_key(shard.sha256) for shards in pages.values() for shard in shards)}


def test_a_swap_that_loses_for_longer_than_it_may_leaves_its_scratch(store: MemoryStore, tmp_path: Path) -> None:
    """So that the same call goes on with it."""
    commit(make_ledger(store), [insert(1)])
    watched = WatchedStore(store)
    _rival(watched, "put_if_match", "manifest.json", insert(2))
    ledger, scratch = make_ledger(watched, 2), FolderScratch(tmp_path / "scratch")  # type: ignore[arg-type]
    wishes, purpose = Wishes(targets=Targets(700, 2)), Purpose(swap=True, patience=0.0)
    with pytest.raises(NotSwapped):
        replay_for(ledger, scratch, wishes, purpose)
    assert replay_for(ledger, scratch, wishes, purpose)[0].resumed == 1
    assert read_csv(store) == model_csv([item(1), item(2)])
