"""Factories of table items and stream records, and the plain model that the ledger is compared with."""

import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.doubles.memory_store import MemoryStore
from infra.survey.stream_records import STREAM, stream_record
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.event import Event, Record, read_event
from ledger.journal import Segment, segment_of
from ledger.ledger import Ledger
from ledger.manifest import Targets
from ledger.row import RowEncoder, header

START = datetime(2026, 11, 25, 8, 0, 0, tzinfo=UTC)

Item = dict[str, dict[str, Any]]


def ingested_at(time: datetime) -> str:
    """Write a time as items have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def item(number: int = 0, revision: int = 1, **attributes: Mapping[str, Any]) -> Item:
    """Make the table item of image `number`; later numbers were ingested later."""
    made: Item = {
        "etag": {"S": f"{number:032x}"},
        "ingested_at": {"S": ingested_at(START + timedelta(milliseconds=number))},
        "revision": {"N": str(revision)},
        "bucket": {"S": "photos"},
        "key": {"S": f"site/{number}.jpg"},
        "size_bytes": {"N": "1234"},
        "copies": {"N": "1"},
        "content_type": {"S": "image/jpeg"},
        "last_modified": {"S": "2026-11-25T07:59:59Z"},
    }
    return made | {name: dict(value) for name, value in attributes.items()}


def event(
    name: str,
    new: Item | None = None,
    old: Item | None = None,
    *,
    sequence: int = 100,
    seconds: int = 0,
    stream: str = STREAM,
) -> dict[str, Any]:
    """Make a stream record (`INSERT`, `MODIFY` or `REMOVE`), `seconds` after START."""
    at = int(START.timestamp()) + seconds
    return stream_record(name, new, old, event_id=f"event-{sequence}", at=at, sequence=str(sequence), stream=stream)


def insert(number: int, *, sequence: int | None = None, **attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Make the INSERT of image `number`."""
    return event("INSERT", item(number, **attributes), sequence=number + 1 if sequence is None else sequence)


def modify(number: int, revision: int, *, sequence: int = 10**6, **attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Make a MODIFY of image `number` to this revision."""
    return event("MODIFY", item(number, revision, **attributes), item(number, revision - 1), sequence=sequence)


def remove(number: int, revision: int = 1, *, sequence: int = 10**6, seconds: int = 0) -> dict[str, Any]:
    """Make the REMOVE of image `number`, whose item had this revision."""
    return event("REMOVE", old=item(number, revision), sequence=sequence, seconds=seconds)


def remove_without_image(number: int, *, sequence: int, seconds: int) -> dict[str, Any]:
    """Make the REMOVE of image `number` as a stream gives it whose view type has no old images."""
    made = remove(number, sequence=sequence, seconds=seconds)
    del made["dynamodb"]["OldImage"]
    return made


def model_csv(items: Iterable[Item], columns: Sequence[str] = NAMES) -> bytes:
    """Write the CSV as a plain reference would: encode the final items and sort the lines."""
    encoder = RowEncoder(columns)
    return header(columns) + b"".join(sorted(encoder.line(one) for one in items))


def events_of(records: Iterable[Any]) -> list[Event]:
    """Read records as a batch does."""
    return [read_event(record) for record in records]


def segment_with(records: Iterable[Any]) -> Segment:
    """Make the segment of these records."""
    return segment_of(events_of(records))


def leave_waiting(dying: Ledger, events: Sequence[Record], arrived: float | None = None) -> None:
    """Let an exporter that met others leave its changes in `pending/`, and die while it waits for a leader."""

    def die(seconds: float) -> None:
        raise KeyboardInterrupt

    dying.met_others()
    dying.sleep = die
    with suppress(KeyboardInterrupt):
        commit(dying, events, arrived=arrived)


def make_ledger(store: MemoryStore, seed: int = 1, targets: Targets | None = None) -> Ledger:
    """Make a ledger for tests: small shards, no waiting, chances and ids from a seed."""
    chance = random.Random(seed)
    return Ledger(
        store,
        makes_first_root=True,
        targets=targets or Targets(shard_bytes=1000, page_shards=4),
        new_id=lambda: f"{chance.getrandbits(64):016x}",
        sleep=lambda seconds: None,
        chance=chance.random,
        now=START.timestamp,
    )
