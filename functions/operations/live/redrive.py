"""Redrive: merge what was put aside, and only then delete it.

Three places hold what did not go through:

    where                                     what                                  put there by
    aws/lambda/ in the export bucket          whole batches of stream records       Lambda, after the last try
    quarantine/ in the export bucket          events that could not become a row    CsvExporter
    the images' dead-letter queue             S3 events                             SQS, after the fifth try

Batches and quarantined events, step by step:

1. The object is read. It is not what it should be: it is named in the report, and stays.
2. Its events are merged by the ordinary commit (by `operations.live.late_events` if they are old), which journals them
   first. An event that is bad even so: a batch's goes to quarantine, a quarantined one stays there; both are named.
3. The CSV is published.
4. The object is deleted, if it is still the one that was read.

Dying anywhere, or running twice at a time, does no harm: what was merged already changes nothing. Batches go before
the quarantine, since a removal from there must find the row that it removes.

A REMOVE without OldImage does not say which life of the image ended. The rows tree does: it is searched for the ETag,
and each row that had been ingested by the time of the event is removed. The record that is journaled then carries the
key that was found, so that a replay comes to the same end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from ledger.change import changes_of
from ledger.errors import BadEvent, NotFound, Refused
from ledger.event import Event, read_event
from ledger.keys import FAILED_BATCHES, QUARANTINE
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.row import RowEncoder, key_of, revision_of
from ledger.store import Listed
from operations.batches import batched
from operations.live.late_events import commit_late
from operations.live.root import publish_and_wait
from operations.progress import Progress, counted, silent
from operations.rebuild.tree_reader import lines, shards_of

# Events are merged so many at a time; as many as a batch of the stream has.
_EVENTS_AT_ONCE = 1000
_BATCHES_AT_ONCE = 20  # then one publish for all of them
_LOST = "exporters were faster every time; try again"
# A stream record's time is whole seconds, rounded down; ImageProcessor's clock may be a little ahead of DynamoDB's.
_CLOCK = timedelta(seconds=5)


@dataclass(slots=True)
class RedriveReport:
    """What a redrive did.

    Attributes:
        found: objects that were there.
        merged: objects merged, published and deleted.
        events: events in them.
        left: objects that stay, each with the reason.
        quarantined: keys of events of the batches that went to quarantine.
    """

    found: int = 0
    merged: int = 0
    events: int = 0
    left: dict[str, str] = field(default_factory=dict)
    quarantined: list[str] = field(default_factory=list)


def redrive_batches(ledger: Ledger, progress: Progress = silent) -> RedriveReport:
    """Merge the batches that Lambda gave up on.

    Raises:
        Unavailable, Unknown, OutOfTime: run it again.
        Damaged, ManifestLost, NewerFormat: the ledger needs an operator first.
    """
    listed = [*ledger.store.list(FAILED_BATCHES)]
    report = RedriveReport(found=len(listed))
    for number, batches in enumerate(batched(listed, _BATCHES_AT_ONCE)):
        progress("redriving batches", number * _BATCHES_AT_ONCE, len(listed))
        merged = [batch for batch in batches if _merge_batch(ledger, batch, report, progress)]
        if merged:
            _settle(ledger, merged, report, progress)
    progress("redriving batches", len(listed), max(1, len(listed)))
    return report


def _merge_batch(ledger: Ledger, batch: Listed, report: RedriveReport, progress: Progress) -> bool:
    """Merge one batch; say whether all of it is in."""
    body = _read(ledger, batch.key)
    if body is None:
        return False
    events = events_of_batch(body)
    if events is None:
        report.left[batch.key] = "not a batch of stream records"
        return False
    if not _merge(ledger, events, report, progress):
        report.left[batch.key] = _LOST
        return False
    report.events += len(events)
    return True


def redrive_quarantine(ledger: Ledger, progress: Progress = silent) -> RedriveReport:
    """Try quarantined events again: after a fix of the code, or, for a REMOVE without OldImage, by a search.

    Raises:
        Unavailable, Unknown, OutOfTime: run it again.
        Damaged, ManifestLost, NewerFormat: the ledger needs an operator first.
    """
    listed = [*ledger.store.list(QUARANTINE)]
    report = RedriveReport(found=len(listed))
    root, _ = ledger.load_root()
    encoder = RowEncoder(root.columns)
    ready: list[tuple[Listed, list[Event]]] = []
    without_key: list[tuple[Listed, Event]] = []
    for number, one in enumerate(listed):
        progress("redriving quarantine", number, len(listed))
        body = _read(ledger, one.key)
        if body is None:
            continue
        event = quarantined_event(body)
        if event is None:
            report.left[one.key] = "not a quarantined event"
            continue
        try:
            changes_of(event, encoder)
        except BadEvent as error:
            if _etag_of_removal(event):
                without_key.append((one, event))
            else:
                report.left[one.key] = str(error)
        else:
            ready.append((one, [event]))
    ready += _resolve(ledger, root, without_key, progress)
    for part in batched(ready, _EVENTS_AT_ONCE):
        _merge_quarantined(ledger, part, report, progress)
    progress("redriving quarantine", len(listed), max(1, len(listed)))
    return report


def _merge_quarantined(
    ledger: Ledger, part: Sequence[tuple[Listed, list[Event]]], report: RedriveReport, progress: Progress
) -> None:
    """Merge what each of these objects holds, and delete them."""
    events = [event for _, held in part for event in held]
    if events and not _merge(ledger, events, report, progress):
        report.left.update((one.key, _LOST) for one, _ in part)
        return
    _settle(ledger, [one for one, _ in part], report, progress)
    report.events += len(part)


def _merge(ledger: Ledger, events: Sequence[Event], report: RedriveReport, progress: Progress) -> bool:
    """Merge events; say whether all of them are in."""
    commit = commit_late(ledger, events, progress)
    report.quarantined += commit.quarantined
    return not commit.unfinished


def _settle(ledger: Ledger, merged: Sequence[Listed], report: RedriveReport, progress: Progress) -> None:
    """Publish what was merged; only then delete the objects that held it."""
    publish_and_wait(ledger, progress)
    _delete(ledger, merged)
    report.merged += len(merged)


def _read(ledger: Ledger, key: str) -> bytes | None:
    try:
        stored = ledger.store.get(key)
    except NotFound:
        return None  # another redrive was faster
    return stored.body


def _delete(ledger: Ledger, merged: Sequence[Listed]) -> None:
    def delete(one: Listed) -> None:
        try:
            ledger.store.delete_if_match(one.key, one.etag)
        except (NotFound, Refused):
            return  # gone, or another one by now

    ledger.store.map(delete, merged)


def events_of_batch(body: bytes) -> list[Event] | None:
    """Take the records out of what Lambda wrote: the whole event stands in `payload`, as text."""
    try:
        payload = orjson.loads(body)["payload"]
        records = (orjson.loads(payload) if isinstance(payload, str) else payload)["Records"]
    except (ValueError, KeyError, TypeError):
        return None
    usable = isinstance(records, list) and records and all(isinstance(record, dict) for record in records)
    return [read_event(record) for record in records] if usable else None


def quarantined_event(body: bytes) -> Event | None:
    """Take the event out of an object of the quarantine; None if it is no such object."""
    try:
        record = orjson.loads(body)["event"]
    except (ValueError, KeyError, TypeError):
        return None
    return read_event(record) if isinstance(record, dict) else None


def _etag_of_removal(event: Event) -> str:
    """Give the ETag of a REMOVE that lacks its OldImage but not its key and time; else an empty text."""
    record = event.record.get("dynamodb")
    if event.record.get("eventName") != "REMOVE" or not isinstance(record, dict) or record.get("OldImage"):
        return ""
    try:
        return str(record["Keys"]["etag"]["S"]) if event.time else ""
    except (KeyError, TypeError):
        return ""


def _resolve(
    ledger: Ledger, root: Root, removals: Sequence[tuple[Listed, Event]], progress: Progress
) -> Iterator[tuple[Listed, list[Event]]]:
    """Find the lives that ended; an image without a row has none to lose, so nothing is to be merged for it."""
    lives = _find_rows(ledger, root, {_etag_of_removal(event) for _, event in removals}, progress)
    for one, event in removals:
        until = datetime.fromisoformat(event.time) + _CLOCK
        ended = [
            line for line in lives.get(_etag_of_removal(event), []) if datetime.fromisoformat(_ingested(line)) <= until
        ]
        yield one, [_with_key(event, line) for line in ended]


def _ingested(line: bytes) -> str:
    return line.partition(b",")[0].decode()


def _with_key(event: Event, line: bytes) -> Event:
    ingested_at, etag = key_of(line).decode().split(",", 1)
    key = {"ingested_at": {"S": ingested_at}, "etag": {"S": etag}, "revision": {"N": str(revision_of(line))}}
    return event._replace(record={**event.record, "dynamodb": {**event.record["dynamodb"], "OldImage": key}})


def _find_rows(ledger: Ledger, root: Root, etags: set[str], progress: Progress) -> dict[str, list[bytes]]:
    """Search all rows for these ETags: keys sort by time of ingestion, so there is no shorter way."""
    rows: dict[str, list[bytes]] = {}
    shards = shards_of(ledger.objects, root.rows.pages if etags else ())
    told = counted(shards, "searching rows", root.rows.rows, progress, lambda shard: shard.rows)
    for line in lines(ledger.objects, told):
        etag = key_of(line).partition(b",")[2].decode()
        if etag in etags:
            rows.setdefault(etag, []).append(line)
    return rows
