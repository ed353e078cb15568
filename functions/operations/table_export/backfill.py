"""Bring the tree in line with the table by an export: for a table that was there before the exporter, and after a gap.

What the export says is journaled in segments of its own kind (`BACKFILL` of `operations.rebuild.statements`) and merged
by the same commits as events are, so live tree, replay and export go on to agree. Only differences are journaled: what
the tree has already came from events that are journaled.

Rules that make it safe, with T the time of the export and V the root that was read before the export was started:

1. An item that V has not, or with a lower revision, is put at its own revision. The merge decides: a newer revision
   that the stream brought meanwhile stays, and a removal of this revision or a higher one that came after T keeps the
   item out.
2. That holds as long as removals are remembered: 48 h of event time. So an export that is older than 46 h by the
   newest event merged is refused: export again.
3. An item of the revision that V has, but with other content, was changed by a foreign writer whose event was lost; it
   replaces exactly the row that V has, and no other.
4. A row of V whose key the export has not is removed, at the revision that V has. Its put was merged before the export
   began, so its item was gone at T. If its life goes on after T all the same, because an operator put the item back
   with a higher revision, this removal does not touch it.
5. But a row whose `ingested_at` is less than 15 minutes before T stays: an export may lack the last minute before T,
   and a function may have written an item some minutes after it took the time. So does a row if its item may be one
   that cannot be a row (`operations.table_export.sorted_items`): such items are named in the report.
6. Without a root that is known to be older than the export no row is removed (`before` is None); they are counted.
7. An incremental export tells the last state of each item that changed between two times. A key whose old image it
   shows and which is gone is removed at the revision that V has, if V has it. It cannot tell of an image that came and
   went between the two times: a full export can.

Nobody should put items back by hand while a backfill runs: rules 4 and 7 rest on the revision alone.

A backfill that was interrupted can be run again: what was merged is no difference any more.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ledger.change import Change
from ledger.commit import commit_batch
from ledger.event import time_text
from ledger.ledger import Ledger
from ledger.manifest import Gap, Root
from ledger.row import key_of, revision_of
from ledger.slices import REMOVALS_KEPT
from ledger.store import Store
from operations.errors import NotSwapped, OtherTable, TooOld
from operations.live.backoff import back_off
from operations.live.publishing import publish_watched
from operations.live.root import put_root
from operations.progress import Progress, silent
from operations.rebuild.scratch import Scratch
from operations.rebuild.statements import BACKFILL
from operations.table_export.export_batch import ExportBatch, Proposal
from operations.table_export.files import Export
from operations.table_export.sorted_items import ExportLine, SortedExport, join_all_rows, look_up_rows, sort_export
from operations.table_export.take import ExportRequest, exported_table

BATCH_ITEMS = 2000
BATCH_BYTES = 8 << 20
OLDEST = REMOVALS_KEPT - timedelta(hours=2)
# A gap counts as repaired only by an export that is later than its end by this: an export may lack the last minute.
_MARGIN = timedelta(minutes=5)
_CLOSING_TRIES = 60


@dataclass(slots=True)
class BackfillReport:
    """What a backfill did.

    Attributes:
        items: read from the export.
        unusable: items that cannot be rows; `reasons` names the first of them, and says if no row was removed for them.
        put: items whose row the tree lacked, or had with an older revision or other content.
        removed: rows whose item is gone.
        kept: rows whose item the export lacks, kept by the rules.
        segments: journaled.
        commits: roots written.
        gaps_closed: gaps that this export repaired.
    """

    items: int = 0
    unusable: int = 0
    reasons: list[str] = field(default_factory=list)
    put: int = 0
    removed: int = 0
    kept: int = 0
    segments: int = 0
    commits: int = 0
    gaps_closed: int = 0


def check_followed(ledger: Ledger, table: str, own: str = "") -> None:
    """Refuse a table that the CSV is not of, as far as the streams that were followed tell: it would replace all rows.

    Args:
        ledger: whose CSV.
        table: its name or ARN, or the ARN of an export of it.
        own: name of the table that the stack follows, which may be a new one; empty if it is not known.

    Raises:
        OtherTable: other tables were followed, and not this one.
        ManifestLost, RootDamaged, Unavailable: the root could not be read.
    """
    root, _ = ledger.load_root()
    followed = {stream.partition("/")[0] for stream in root.checkpoint.streams if stream}
    name = table.rpartition(":table/")[2].partition("/")[0]
    if followed and name not in {own, *followed}:
        raise OtherTable(f"the CSV is of the table {' and '.join(sorted(followed))}, not of {name}")


def backfill_table(
    ledger: Ledger,
    request: ExportRequest,
    open_scratch: Callable[[], Scratch],
    *,
    keep_rows: bool = False,
    dry_run: bool = False,
    progress: Progress = silent,
    note: Callable[[str], None] = lambda line: None,
) -> tuple[Export, BackfillReport]:
    """Export a table, merge the export by the rules above, and publish.

    Args:
        ledger: whose tree.
        request: which export.
        open_scratch: opens scratch for sorting; not before the export is there, which may take long.
        keep_rows: remove no row, whatever the export lacks.
        dry_run: only count what would be done.
        progress: is told how far it is.
        note: is told what goes on.

    Raises:
        LedgerError: as `exported_table` and `backfill` do.
    """
    with exported_table(ledger, request, progress, note, keep_pin=dry_run) as table:
        before = None if keep_rows else table.before
        report = backfill(
            ledger, table.store, table.export, before, open_scratch(), dry_run=dry_run, progress=progress, note=note
        )
        if not dry_run:
            publish_watched(ledger, progress)
    return table.export, report


def backfill(
    ledger: Ledger,
    export_store: Store,
    export: Export,
    before: Root | None,
    scratch: Scratch,
    *,
    dry_run: bool = False,
    progress: Progress = silent,
    note: Callable[[str], None] = lambda line: None,
) -> BackfillReport:
    """Merge a finished export into the tree by the rules above.

    Args:
        ledger: whose tree.
        export_store: bucket that the export was written to.
        export: the export.
        before: the root V; None if none is known to be older than the export.
        scratch: for sorting; cleared before and after.
        dry_run: only count what would be done.
        progress: is told how far it is.
        note: is told what goes on.

    Raises:
        TooOld: rule 2; what was merged so far is merged, and harmless.
        Damaged: the export or the tree is not whole.
        NotSwapped: exporters were faster every time; run it again.
        Unavailable, Unknown: the store did not answer; run it again.
    """
    live, _ = ledger.load_root()
    _check_age(export, live)
    root = before or live
    scratch.clear()
    counts = sort_export(export_store, scratch, export, root.columns, progress, note)
    report = BackfillReport(counts.items, counts.unusable, counts.problems)
    total = export.items + (root.rows.rows if export.kind == "full" else 0)
    for number, batch in enumerate(
        _batches(_proposals(ledger, export, root, before is not None, scratch, counts, report, progress))
    ):
        if not dry_run:
            commit = commit_batch(ledger, ExportBatch(export, number, root.columns, batch))
            report.segments += 1
            report.commits += commit.commits
            if commit.unfinished:
                raise NotSwapped("exporters were faster every time; what was merged stays, run it again")
            _check_age(export, commit.root)
        progress("merging", min(total, report.put + report.removed), total)
    progress("merging", total, total)
    scratch.clear()
    if before is not None and counts.etags is not None and not dry_run:  # else lost removals may have stayed
        report.gaps_closed = _close_gaps(ledger, export)
    return report


def _check_age(export: Export, root: Root) -> None:
    newest = root.checkpoint.newest_event
    if newest and datetime.fromisoformat(newest) - datetime.fromisoformat(export.time) > OLDEST:
        raise TooOld(f"the export of {export.time} is older than the newest event by more than 46 hours: export again")


def _proposals(
    ledger: Ledger,
    export: Export,
    root: Root,
    may_remove: bool,
    scratch: Scratch,
    counts: SortedExport,
    report: BackfillReport,
    progress: Progress,
) -> Iterator[Proposal]:
    """Compare the export with V and propose changes, in key order."""
    if export.kind == "incremental":
        for line, row in look_up_rows(ledger.objects, root, scratch):
            if line.item is not None:
                yield from _put(line, row, report)
            elif row is not None and may_remove:
                report.removed += 1
                yield _removal(row, line.time)
        return
    for exported, row in join_all_rows(ledger.objects, root, scratch, progress):
        if exported is not None:
            yield from _put(exported, row, report)
        elif row is not None and may_remove and counts.surely_lacks(row):
            report.removed += 1
            yield _removal(row, export.time)
        else:
            report.kept += 1


def _put(line: ExportLine, row: bytes | None, report: BackfillReport) -> Iterator[Proposal]:
    revision = revision_of(line.row)
    if row is not None and (row == line.row or revision_of(row) > revision):
        return
    report.put += 1
    replaces = (row,) if row is not None and revision_of(row) == revision else ()
    record: dict[str, Any] = {"NewImage": line.item}
    if replaces:
        record["Replaces"] = replaces[0].decode()
    yield Proposal(_record(line.time, record), Change(line.key, revision, line.row, replaces=replaces))


def _removal(row: bytes, time: str) -> Proposal:
    key, revision = key_of(row), revision_of(row)
    record = _record(time, {"Lacking": key.decode(), "Revision": revision})
    return Proposal(record, Change(key, revision, None, time.encode()))


def _record(time: str, content: dict[str, Any]) -> dict[str, Any]:
    seconds = int(datetime.fromisoformat(time).timestamp())
    return {"eventName": BACKFILL, "dynamodb": {"ApproximateCreationDateTime": seconds, **content}}


def _batches(proposals: Iterator[Proposal]) -> Iterator[list[Proposal]]:
    batch: list[Proposal] = []
    size = 0
    for proposal in proposals:
        batch.append(proposal)
        size += len(proposal.change.line or b"")
        if len(batch) == BATCH_ITEMS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _close_gaps(ledger: Ledger, export: Export) -> int:
    """Take the gaps that the export repaired out of the checkpoint; give their number."""
    for tries in range(_CLOSING_TRIES):
        live, etag = ledger.load_root()
        open_gaps = tuple(gap for gap in live.checkpoint.gaps if not _repaired(gap, export))
        closed = len(live.checkpoint.gaps) - len(open_gaps)
        if not closed:
            return 0
        checkpoint = replace(live.checkpoint, gaps=open_gaps)
        if put_root(ledger, live.successor(ledger.new_id(), checkpoint=checkpoint), etag):
            return closed
        back_off(ledger, tries)
    raise NotSwapped("all was merged, but exporters were faster than the note that the gap is closed: run it again")


def _repaired(gap: Gap, export: Export) -> bool:
    last = time_text(datetime.fromisoformat(export.time) - _MARGIN)
    return max(gap.since, gap.until) <= last and (export.kind == "full" or min(gap.since, gap.until) >= export.since)
