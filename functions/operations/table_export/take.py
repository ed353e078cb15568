"""A table export from start to end: with the root that was read before it, which says what may be removed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ledger.keys import ROOT_COPIES
from ledger.ledger import Ledger
from ledger.manifest import Root, decode_root
from ledger.store import Store
from operations.live.snapshot import load, pin, remove, snapshots
from operations.progress import Progress
from operations.table_export.files import Export, read_export
from operations.table_export.request import start_export, wait_for_export

# A root counts as older than an export if its copy was written so long before the export's time.
_BEFORE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Which export is wanted.

    Attributes:
        dynamodb: client.
        bucket: the export bucket.
        open_bucket: opens the bucket that an export was written to, by its name.
        table: to export; not asked for with `arn`.
        arn: of an export that was started before; then nothing is started.
        window: export only what changed in this time.
    """

    dynamodb: Any
    bucket: str
    open_bucket: Callable[[str], Store]
    table: str = ""
    arn: str = ""
    window: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class TableExport:
    """A finished export.

    Attributes:
        export: what it holds.
        store: the bucket that it was written to.
        before: a root that is older than it; None if none is known.
    """

    export: Export
    store: Store
    before: Root | None


@contextmanager
def exported_table(
    ledger: Ledger,
    request: ExportRequest,
    progress: Progress,
    note: Callable[[str], None],
    *,
    keep_pin: bool = False,
) -> Iterator[TableExport]:
    """Export a table and wait for it, or go on with an export that was started before.

    The root that was read before is pinned while the export is used, and for as long as whoever uses it fails or is
    interrupted, so that it can be used again.

    Args:
        ledger: whose table it is.
        request: what to export.
        progress: is told how far it is.
        note: is told the ARN, by which the export can be gone on with.
        keep_pin: leave the root pinned at the end, too.

    Raises:
        ExportFailed: DynamoDB could not finish it.
        Damaged, Unavailable: its files could not be read.
    """
    live, _ = ledger.load_root()
    arn = request.arn
    if not arn:
        arn = start_export(request.dynamodb, request.table, request.bucket, request.window)
        pin(ledger, _pin_name(arn), live)
        note(f"export {arn}; if this is interrupted, go on with --export {arn}")
    export, store = finished(replace(request, arn=arn), progress, ledger.sleep)
    pinned = any(snapshot.name == _pin_name(arn) for snapshot in snapshots(ledger))
    before = load(ledger, _pin_name(arn)) if pinned else root_before(ledger, datetime.fromisoformat(export.time))
    yield TableExport(export, store, before)
    if pinned and not keep_pin:
        remove(ledger, _pin_name(arn))


def finished(
    request: ExportRequest, progress: Progress, sleep: Callable[[float], None] = time.sleep
) -> tuple[Export, Store]:
    """Wait for an export that was started; give what it holds, and the bucket that it was written to.

    Raises:
        ExportFailed: DynamoDB could not finish it.
        Damaged, Unavailable: its files could not be read.
    """
    summary_key = wait_for_export(request.dynamodb, request.arn, progress, sleep)
    described = request.dynamodb.describe_export(ExportArn=request.arn)["ExportDescription"]
    store = request.open_bucket(described.get("S3Bucket", request.bucket))
    return read_export(store, summary_key), store


def root_before(ledger: Ledger, time: datetime) -> Root | None:
    """Find the copy of the newest root that is surely older than a time; copies are kept for a day or more."""
    copies = [listed for listed in ledger.store.list(ROOT_COPIES) if listed.modified < time - _BEFORE]
    if not copies:
        return None
    stored = ledger.store.get(max(copies, key=lambda listed: listed.modified).key)
    return decode_root(stored.body)


def _pin_name(arn: str) -> str:
    return f"before-export-{arn.rpartition('/')[2]}"
