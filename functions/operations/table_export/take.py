"""A table export from start to end: with the root that was read before it, which says what may be removed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ledger.keys import ROOT_COPIES
from ledger.ledger import Ledger
from ledger.manifest import Root, decode_root
from ledger.store import Store
from operations.live import snapshot as snapshots
from operations.progress import Progress
from operations.table_export.files import Export, read_export
from operations.table_export.request import start_export, wait_for_export

# A root counts as older than an export if its copy was written so long before the export's time.
_BEFORE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Taken:
    """A finished export.

    Attributes:
        export: what it holds.
        store: the bucket that it was written to.
        before: a root that is older than it; None if none is known.
        pin: snapshot that keeps that root while the export is used; empty if there is none.
    """

    export: Export
    store: Store
    before: Root | None
    pin: str


def take_export(
    ledger: Ledger,
    dynamodb: Any,
    bucket: str,
    table: str,
    open_bucket: Callable[[str], Store],
    progress: Progress,
    *,
    arn: str = "",
    window: tuple[datetime, datetime] | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Taken:
    """Export a table and wait for it, or go on with an export that was started before.

    Args:
        ledger: whose table it is.
        dynamodb: client.
        bucket: the export bucket.
        table: to export.
        open_bucket: opens the bucket that an export was written to.
        progress: is told how far it is.
        arn: of an export that was started before; then nothing is started.
        window: export only what changed in this time.
        note: is told the ARN, by which the export can be gone on with.

    Raises:
        ExportFailed: DynamoDB could not finish it.
        Damaged, Unavailable: its files could not be read.
    """
    live, _ = ledger.load_root()
    if not arn:
        arn = start_export(dynamodb, table, bucket, window)
        snapshots.pin(ledger, _pin(arn), live)
        note(f"export {arn}; if this is interrupted, go on with --export {arn}")
    summary_key = wait_for_export(dynamodb, arn, progress, ledger.sleep)
    written_to = dynamodb.describe_export(ExportArn=arn)["ExportDescription"].get("S3Bucket", bucket)
    store = ledger.store if written_to == bucket else open_bucket(written_to)
    export = read_export(store, summary_key)
    pin = _pin(arn)
    if any(one.name == pin for one in snapshots.snapshots(ledger)):
        return Taken(export, store, snapshots.load(ledger, pin), pin)
    return Taken(export, store, root_before(ledger, datetime.fromisoformat(export.time)), "")


def give_back(ledger: Ledger, taken: Taken) -> None:
    """Unpin the root once the export was used."""
    if taken.pin:
        snapshots.remove(ledger, taken.pin)


def root_before(ledger: Ledger, time: datetime) -> Root | None:
    """Find the copy of the newest root that is surely older than a time; copies are kept for a day or more."""
    copies = [listed for listed in ledger.store.list(ROOT_COPIES) if listed.modified < time - _BEFORE]
    if not copies:
        return None
    stored = ledger.store.get(max(copies, key=lambda listed: listed.modified).key)
    assert stored is not None
    return decode_root(stored.body)


def _pin(arn: str) -> str:
    return f"before-export-{arn.rpartition('/')[2]}"
