"""Both sides of a comparison, sorted in scratch: what S3 holds, and what the table knows.

The export of the table is begun first, since DynamoDB takes minutes for it; meanwhile the buckets are listed. So what
is written since then may be in the list and not in the export.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ledger.event import time_text
from ledger.store import Store
from operations.bucket.inventory import Inventory, read_manifest, sort_inventory
from operations.bucket.known import Known, records, sort_known
from operations.bucket.listing import Listing, list_places
from operations.bucket.sources import Sources, bucket_and_key_of
from operations.progress import Progress, counted
from operations.rebuild.scratch import Scratch
from operations.table_export.request import start_export
from operations.table_export.take import ExportRequest, finished


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be compared.

    Attributes:
        sources: whose objects count.
        s3: client of `operations.bucket.pages.listing_client`.
        open_bucket: opens a bucket by its name.
        export: which export of `Objects`; None: nothing is known yet.
        inventory: `s3://BUCKET/KEY` of the manifest of an inventory, in place of a listing; empty: none.
        by_etag: the records are wanted by the ETag that they hold, too.
    """

    sources: Sources
    s3: Any
    open_bucket: Callable[[str], Store]
    export: ExportRequest | None
    inventory: str = ""
    by_etag: bool = False


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides, sorted.

    Attributes:
        sources: whose objects were looked at.
        listing: what S3 holds.
        records: reads what the table knows, sorted.
        known: what the export holds; None if nothing was asked.
        time: of the older side, ISO 8601; empty if only S3 was asked.
    """

    sources: Sources
    listing: Listing
    records: Callable[[], Iterator[bytes]]
    known: Known | None
    time: str

    def listed(self, progress: Progress) -> Iterator[bytes]:
        """Read what S3 holds, sorted, to be compared with the records; tell how far that is."""
        return counted(self.listing.lines(), "comparing objects", self.listing.objects, progress)

    def young(self, minutes: float) -> str:
        """Give the time from which on what was written may be on its way in one of them; empty: there is none."""
        if not self.time:
            return ""
        return time_text(datetime.fromisoformat(self.time) - timedelta(minutes=minutes))


def gather(
    wanted: Wanted,
    scratch: Scratch,
    progress: Progress,
    note: Callable[[str], None],
    started: Callable[[str], None] = lambda arn: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Sides:
    """Sort both sides into scratch.

    Args:
        wanted: what is to be compared.
        scratch: an empty one.
        progress: is told how far it is.
        note: is told, in a line, what goes on.
        started: is told the ARN of the export, by which it can be gone on with.
        sleep: waits for seconds.

    Raises:
        NoSource: the inventory is of no bucket that is a source.
        BadInventory: the inventory is not there, or cannot be read.
        ExportFailed: DynamoDB could not finish the export.
        Damaged, NotFound, Unavailable: something could not be read.
    """
    inventory = _read_inventory(wanted)
    sources = wanted.sources if inventory is None else wanted.sources.of_bucket(inventory[1].bucket)
    request = _started(wanted.export, note, started)
    if inventory is None:
        listing = list_places(wanted.s3, sources.places, scratch, progress)
    else:
        listing = sort_inventory(*inventory, sources, scratch, progress)
    times = [inventory[1].time] if inventory else []
    known = None
    if request is not None:
        export, store = finished(request, progress, sleep)
        known = sort_known(store, scratch, export, progress, by_etag=wanted.by_etag)
        times.append(export.time)
    return Sides(sources, listing, lambda: records(scratch), known, min(times, default=""))


def _read_inventory(wanted: Wanted) -> tuple[Store, Inventory] | None:
    if not wanted.inventory:
        return None
    bucket, key = bucket_and_key_of(wanted.inventory)
    inventory = read_manifest(wanted.open_bucket(bucket), key)
    return wanted.open_bucket(inventory.destination), inventory


def _started(
    request: ExportRequest | None, note: Callable[[str], None], started: Callable[[str], None]
) -> ExportRequest | None:
    if request is None or request.arn:
        return request
    arn = start_export(request.dynamodb, request.table, request.bucket)
    note(f"export {arn}; if this is interrupted, go on with --export {arn}")
    started(arn)
    return replace(request, arn=arn)
