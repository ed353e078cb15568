"""A replay of the journal gives the live tree, byte for byte."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.errors import Damaged
from ledger.ledger import Ledger
from ledger.manifest import Root, Targets, encode_root
from ledger.row import header
from operations.rebuild import plan, sorted_runs, steps
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import FolderScratch, StoreScratch
from operations.replay.local import Rebuild, Wishes, replay
from tests.support.factories import START, event, insert, item, make_ledger, model_csv, modify, remove
from tests.support.histories import deliver, history
from tests.support.reader import read_root, read_rows, read_tree


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every limit so small that the tests' little data crosses it."""
    monkeypatch.setattr(plan, "CHUNK_BYTES", 4000)
    monkeypatch.setattr(plan, "RANGE_BYTES", 3000)
    monkeypatch.setattr(steps, "BUFFER_BYTES", 6000)
    monkeypatch.setattr(sorted_runs, "PART_BYTES", 2000)
    monkeypatch.setattr(sorted_runs, "BLOCK_BYTES", 500)
    monkeypatch.setattr(sorted_runs, "FAN_IN", 3)


def _replay(ledger: Ledger, folder: Path, **wishes: Any) -> Rebuild:
    return replay(ledger, FolderScratch(folder / "scratch"), Wishes(**wishes))


def _csv(store: MemoryStore, root: Root) -> bytes:
    return header(root.columns) + read_tree(store, root.rows)


@pytest.mark.parametrize("seed", [0, 1, 2, 5])  # each has other targets
def test_a_replay_gives_the_live_tree(seed: int, store: MemoryStore, tmp_path: Path) -> None:
    """Inserts, overwrites, removals, re-uploads, foreign writes, redelivery in other cuts: one tree hash, one CSV."""
    targets = random.Random(seed).choice([Targets(1000, 4), Targets(300, 2), Targets(20_000, 1000), Targets(1, 1)])
    ledger = make_ledger(store, seed, targets)
    made = history(seed, 500)
    deliver(ledger, made, seed)
    before = dict(store.objects)
    replayed = _replay(ledger, tmp_path)
    assert replayed.root.tree_hash == read_root(store).tree_hash
    assert _csv(store, replayed.root) == read_rows(store) == model_csv(made.items.values())
    assert replayed.plan.chunks > 1
    assert replayed.plan.ranges > 3
    assert all(store.objects[key] == one for key, one in before.items()), "nothing that was there is touched"


def test_the_removals_of_the_last_48_hours_are_rebuilt_too(store: MemoryStore, tmp_path: Path) -> None:
    """After a swap a late delivery must still find the removal; older ones are left out."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1), remove(1, seconds=0)])
    commit(ledger, [remove(2, 7, seconds=3600), remove(2, 4, seconds=7200)])
    commit(ledger, [remove(3, seconds=48 * 3600 + 1)])
    root = _replay(ledger, tmp_path).root
    lines = read_tree(store, root.removals).splitlines()
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
    deliver(ledger, history(1, 200))
    before = dict(store.objects)
    assert _replay(ledger, tmp_path, columns=NAMES[:9], keep="nothing").root.tree_hash != read_root(store).tree_hash
    assert store.objects == before
    dry = _replay(ledger, tmp_path, keep="nothing").root
    assert dry.tree_hash == read_root(store).tree_hash


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


class _Dies(Exception):
    pass


@pytest.mark.parametrize("dies_at", range(0, 90, 17))
def test_a_replay_that_died_goes_on_where_it_was(dies_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever write to scratch was the last: the next run ends with the same tree and repeats no finished step."""
    store = MemoryStore()
    ledger = make_ledger(store)
    deliver(ledger, history(4, 250))
    writes = 0
    real = FolderScratch.write

    def write(self: FolderScratch, name: str, body: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes > dies_at:
            raise _Dies
        real(self, name, body)

    monkeypatch.setattr(FolderScratch, "write", write)
    with pytest.raises(_Dies):
        _replay(ledger, tmp_path)
    monkeypatch.setattr(FolderScratch, "write", real)
    commit(ledger, [insert(10**6)])  # later segments are for the swap to catch up with
    mapped = len(FolderScratch(tmp_path / "scratch").names("mapped"))
    had_plan = (tmp_path / "scratch" / "plan.json").exists()
    replayed = _replay(ledger, tmp_path)
    assert replayed.resumed == (mapped if had_plan else 0)
    expected = make_ledger(MemoryStore())
    deliver(expected, history(4, 250))
    if not had_plan:
        commit(expected, [insert(10**6)])
    assert replayed.root.tree_hash == expected.load_root()[0].tree_hash


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


def test_what_is_live_is_not_sent_again(store: MemoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild of the same tree uploads only the shards over the ends of its ranges, and looks at no other."""
    ledger = make_ledger(store, targets=Targets(300, 4))
    deliver(ledger, history(6, 400))
    asked: list[str] = []
    for name in ("put_new", "head"):
        real = getattr(store, name)
        monkeypatch.setattr(store, name, lambda key, *more, real=real: asked.append(key) or real(key, *more))
    root = _replay(ledger, tmp_path).root
    shards = sum(map(len, ledger.objects.pages(root.rows.pages).values()))
    assert root.tree_hash == read_root(store).tree_hash
    assert len({key for key in asked if key.startswith("shards/")}) < shards / 2
