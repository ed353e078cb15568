"""Tell whoever waits for it that readers see another image-data.csv: an event on EventBridge, if the stack has a bus.

No publish waits for it or fails by it. `announced.json` says which version was announced last, and whoever finds a
newer CSV announces that: at once, who published it; within a minute the schedule, if the one died in between, or
EventBridge took no event, or an operator's command had published. So the CSV that stands is announced at least once;
one that was replaced within moments may not be, and two that look at the same time announce it twice. The version
tells a consumer which event is newer: EventBridge keeps no order (EventBridge FAQ, "event ordering").
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ledger.age import shown_version
from ledger.assemble import size_of
from ledger.errors import Damaged, NotFound, Refused, Unavailable
from ledger.keys import ANNOUNCED_KEY, CSV_KEY
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.objects import PAGE_TYPE
from ledger.store import Stored

SOURCE = "Skyledger"
DETAIL_TYPE = "CSV published"
SCHEMA = 1
"""Of the detail: a consumer that does not know a later one's fields can still read this one's."""

# Sent once: what fails is announced a minute later, and an exporter has a stream that waits.
_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Announced:
    """What was announced last, and what its root counted, so that the next event can say what changed since.

    Attributes:
        version: that the CSV showed.
        changes, removed, rebuilt: of the root's checkpoint.
    """

    version: int
    changes: int
    removed: int
    rebuilt: int

    @classmethod
    def of(cls, root: Root) -> "Announced":
        """Describe a root."""
        return cls(root.version, root.checkpoint.changes, root.checkpoint.removed, root.checkpoint.rebuilt)


def announce(ledger: Ledger, bucket: str, bus: str) -> int | None:
    """Send an event if the CSV shows a version that none was sent for.

    Args:
        ledger: whose.
        bucket: that it lies in.
        bus: name of the event bus.

    Returns:
        The version, or None if there was nothing to tell.

    Raises:
        Unavailable: the store did not answer, or EventBridge did not take the event.
    """
    present, (last, etag) = ledger.together(ledger.present_csv, lambda: _last(ledger))
    shown = shown_version(present)
    if present is None or shown is None or (last and shown <= last.version):
        return None
    try:
        root = ledger.load_copy(present.metadata.get("root", ""))
    except (NotFound, Damaged):
        return None  # not a publisher's, whatever it says
    _send(bus, detail(bucket, root, present, last))
    with suppress(Refused):  # somebody announced at the same time
        ledger.store.put_if_match(ANNOUNCED_KEY, orjson.dumps(asdict(Announced.of(root))), etag, PAGE_TYPE, {})
    return shown


def detail(bucket: str, root: Root, present: Stored, last: Announced | None) -> dict[str, Any]:
    """Say what readers see now, and what changed since the event before.

    Args:
        bucket: that the CSV lies in.
        root: that it shows.
        present: all but its bytes.
        last: what was announced before; None if nothing was.
    """
    now = Announced.of(root)
    put = removed = None
    if last and last.rebuilt == now.rebuilt and last.removed <= now.removed:
        removed = now.removed - last.removed
        put = now.changes - last.changes - removed
    return {
        "schema": SCHEMA,
        "bucket": bucket,
        "key": CSV_KEY,
        "etag": present.etag.strip('"'),
        "version": root.version,
        "previous_version": last.version if last else None,
        "tree": root.tree_hash,
        "rows": root.rows.rows,
        "bytes": size_of(root),
        "rows_put": put,
        "rows_removed": removed,
        "newest_event": root.checkpoint.newest_event or None,
    }


def _last(ledger: Ledger) -> tuple[Announced | None, str | None]:
    """Read what was announced last, and the ETag of what says so; what cannot be read counts as nothing."""
    try:
        stored = ledger.store.get(ANNOUNCED_KEY)
    except NotFound:
        return None, None
    try:
        return Announced(**orjson.loads(stored.body)), stored.etag
    except (ValueError, TypeError):
        return None, stored.etag


def _send(bus: str, told: dict[str, Any]) -> None:
    """Put the event on the bus; an entry that is not taken comes back with HTTP 200 and a count (API_PutEvents)."""
    entry = {"Source": SOURCE, "DetailType": DETAIL_TYPE, "Detail": json.dumps(told), "EventBusName": bus}
    try:
        answer = _client().put_events(Entries=[entry])
    except (ClientError, BotoCoreError) as error:
        raise Unavailable(f"PutEvents: {error}") from error
    if answer["FailedEntryCount"]:
        (refused,) = answer["Entries"]
        raise Unavailable(f"PutEvents: {refused.get('ErrorCode')}")


@cache
def _client() -> Any:
    config = Config(connect_timeout=_SECONDS, read_timeout=_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client("events", config=config)
