"""A ledger that holds a photo with unmistakable values in every column, in every place where a value can stand."""

import gzip
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any

from infra.doubles.export_files import write_full_export, write_incremental_export
from infra.doubles.memory_store import MemoryStore
from ledger.columns import COLUMNS, NAMES
from ledger.commit import commit, commit_batch
from ledger.keys import shard_key
from ledger.ledger import Ledger
from ledger.manifest import sha256
from ledger.objects import Objects
from ledger.packing import PACKED_TYPE, is_packed, pack
from ledger.publish import publish
from ledger.row import RowEncoder, header
from operations.forget.forgetting import Forgotten, forget
from operations.forget.search import search
from operations.live.snapshot import pin
from operations.rebuild.destination import ScratchObjects
from operations.rebuild.scratch import StoreScratch
from operations.rebuild.statements import BACKFILL, journaled_changes
from operations.rebuild.tree_reader import lines, shards_of
from operations.replay.local import Wishes, replay
from operations.table_export.export_batch import ExportBatch, Proposal
from operations.table_export.files import Export
from tests.support.clock import Clock
from tests.support.factories import START, Item, event, events_of, insert, item, leave_waiting, make_ledger
from tests.support.failed_batches import put_aside
from tests.support.reader import read_root

NUMBER = 7
ETAG = f"{NUMBER:032x}"
_MADE = {
    "text": lambda number, name: {"S": f"Zoe-{number}-{name}"},
    "json": lambda number, name: {"S": f'["Zoe-{number}-{name}"]'},
    "integer": lambda number, name: {"N": f"7777000{number:03d}"},
    "decimal": lambda number, name: {"N": f"77.0771{number:03d}"},
    "timestamp": lambda number, name: {"S": f"1907-07-07T07:07:{number % 60:02d}.0077{number:03d}Z"},
}
# All columns but those that stay: the key and the revision.
_ATTRIBUTES = {
    column.name: _MADE[column.type](number, column.name)
    for number, column in enumerate(COLUMNS)
    if column.name not in ("ingested_at", "etag", "revision")
}
VALUES = [text.strip('[]"') for value in _ATTRIBUTES.values() for text in value.values()]
OTHERS = [*range(6), 8, 9, 10, 11, 12]


def person(revision: int = 1, **attributes: dict[str, str]) -> Item:
    """Make the item of the photo that is to be forgotten."""
    return item(NUMBER, revision, **{**_ATTRIBUTES, **attributes})


def open_ledger(store: Any, clock: Clock, seed: int = 1) -> Ledger:
    """Open the ledger as a process that starts now."""
    ledger = make_ledger(store, seed)
    ledger.now = lambda: clock.now.timestamp()
    return ledger


def lived_and_died(clock: Clock) -> MemoryStore:
    """Make a bucket with the photo in every place, and let the clock go on to half a day after it was removed."""
    store = MemoryStore(clock)
    store.objects, clock.now = dict(_life()[0]), _life()[1]
    return store


def forget_person(store: Any, clock: Clock, *etags: str) -> Forgotten:
    """Forget the photo, or others, as the command does."""
    ledger = open_ledger(store, clock, 9)
    return forget(ledger, search(ledger, {*etags} or {ETAG}))


def replayed(store: MemoryStore, clock: Clock, until: str = "") -> tuple[bytes, bytes, str]:
    """Give rows and removals of a replay up to a time, and its tree hash."""
    scratch = StoreScratch(MemoryStore(), "scratch/")
    root = replay(open_ledger(store, clock, 3), scratch, Wishes(until=until, keep="scratch")).root
    objects = Objects(ScratchObjects(scratch))  # type: ignore[arg-type]
    rows, removals = (b"".join(lines(objects, shards_of(objects, tree.pages))) for tree in (root.rows, root.removals))
    return header(root.columns) + rows, removals, root.tree_hash


@cache
def _life() -> tuple[dict[str, Any], datetime]:
    clock = Clock()
    store = MemoryStore(clock)
    _live_and_die(store, clock)
    clock.later(hours=12)
    return store.objects, clock.now


def _live_and_die(store: MemoryStore, clock: Clock) -> None:
    """Let the photo come in three segments, be changed, spoiled, put aside, exported and pinned; then it is removed."""
    ledger = open_ledger(store, clock)
    arrival = event("INSERT", person(), sequence=8, seconds=1)
    commit(ledger, [insert(number) for number in range(6)])
    pin(ledger, "before", read_root(store))
    commit(ledger, [arrival, insert(8)])
    commit(ledger, [insert(9), arrival])
    commit(ledger, [arrival, insert(10), arrival])
    publish(ledger)
    pin(ledger, "monday", read_root(store))
    clock.later(minutes=10)
    commit(ledger, [event("MODIFY", person(2, title={"S": "Zoe at home"}), person(), sequence=20, seconds=600)])
    spoiled = person(3, ingested_at={"S": "never"})  # a foreign writer's: it cannot become a row
    commit(ledger, [event("MODIFY", spoiled, person(2), sequence=30, seconds=601)])
    pin(ledger, "tuesday", read_root(store))
    _backfill(ledger, person(2, title={"S": "Zoe at home"}))
    write_full_export(store, [item(0), person(3)], clock.now)
    write_incremental_export(store, [(None, person())], START, clock.now)
    put_aside(store, arrival, insert(11), name="batch")
    put_aside(store, insert(12), name="of-others")
    store.put_new("replay/run/ranges/0000/runs/000000-0000/000000", _row(), "application/octet-stream")
    store.put_new("bucket-check.json", b'{"differences": [' + _row() + b"]}", "application/json")
    leave_waiting(open_ledger(store, clock, 2), [arrival])
    row = _row(2)  # of an exporter that lost its swap and died: no page names it
    store.put_new(shard_key(sha256(row)), pack(row), PACKED_TYPE)
    clock.later(hours=3)
    commit(ledger, [event("REMOVE", old=person(3), sequence=40, seconds=11_000)])
    publish(ledger)


def _row(revision: int = 1) -> bytes:
    return RowEncoder(NAMES).line(person(revision))


def _backfill(ledger: Ledger, held: Item) -> None:
    root, _ = ledger.load_root()
    content = {"ApproximateCreationDateTime": int(START.timestamp()) + 700, "NewImage": held}
    record = {"eventName": BACKFILL, "dynamodb": content | {"Replaces": _row(2).decode()}}
    (change,) = journaled_changes(events_of([record])[0], RowEncoder(root.columns))
    export = Export("01-full", "full", "", "2026-11-25T08:11:40Z", 1, ())
    commit_batch(ledger, ExportBatch(export, 0, root.columns, [Proposal(record, change)]))


def places_with_values(store: MemoryStore) -> Iterator[str]:
    """Search everything in the bucket, unpacked, names and metadata included, for any value of the photo."""
    for key, (stored, _) in store.objects.items():
        body = gzip.decompress(stored.body) if is_packed(stored.body) else stored.body
        text = f"{key} {dict(stored.metadata)} ".encode() + body
        if any(value.encode() in text for value in (*VALUES, "Zoe")):
            yield key
