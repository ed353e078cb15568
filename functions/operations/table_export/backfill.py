"""Bring the tree in line with the table by an export: for a table that was there before the exporter, and after a gap.

What the export says is journaled in segments of its own kind (`lives.BACKFILL`) and merged by the same commits as
events are, so live tree, replay and export go on to agree. Only differences are journaled: what the tree has already
came from events that are journaled.

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
   and a function may have written an item some minutes after it took the time.
6. Without a root that is known to be older than the export no row is removed (`before` is None); they are counted.
7. An incremental export tells the last state of each item that changed between two times. A key whose old image it
   shows and which is gone is removed at the revision that V has, if V has it. It cannot tell of an image that came and
   went between the two times: a full export can.

Nobody should put items back by hand while a backfill runs: rules 4 and 7 rest on the revision alone.

A backfill that was interrupted can be run again: what was merged is no difference any more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ledger.change import Change
from ledger.commit import commit_batch
from ledger.event import Event, read_event, time_text
from ledger.journal import Segment, pack
from ledger.ledger import Ledger
from ledger.manifest import Gap, Root
from ledger.row import INGESTED_AT_WIDTH, RowEncoder, key_of, revision_of
from ledger.slices import REMOVALS_KEPT
from ledger.store import Store
from operations.errors import NotSwapped, TooOld
from operations.live.swap import put_root
from operations.progress import Progress, silent
from operations.rebuild.scratch import Scratch
from operations.rebuild.statements import BACKFILL, changes_told
from operations.table_export.files import Export
from operations.table_export.sorted_items import Exported, beside_all_rows, beside_their_rows, sort_export

BATCH_ITEMS = 2000
BATCH_BYTES = 8 << 20
OLDEST = REMOVALS_KEPT - timedelta(hours=2)
MAY_BE_MISSED = timedelta(minutes=15)
# A gap counts as repaired only by an export that is later than its end by this: an export may lack the last minute.
_MARGIN = timedelta(minutes=5)
_CLOSING_TRIES = 60


@dataclass(slots=True)
class Backfilled:
    """What a backfill did.

    Attributes:
        items: read from the export.
        unusable: items that cannot be rows; `reasons` has the first of them.
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


class Proposal(NamedTuple):
    """A difference: the record to journal, and the change that it means for the columns of V."""

    record: dict[str, Any]
    change: Change


def backfill(
    ledger: Ledger,
    export_store: Store,
    export: Export,
    before: Root | None,
    scratch: Scratch,
    *,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Backfilled:
    """Merge a finished export into the tree by the rules above.

    Args:
        ledger: whose tree.
        export_store: bucket that the export was written to.
        export: the export.
        before: the root V; None if none is known to be older than the export.
        scratch: for sorting; cleared before and after.
        dry_run: only count what would be done.
        progress: is told how far it is.

    Raises:
        TooOld: rule 2; what was merged so far is merged, and harmless.
        Damaged: the export or the tree is not whole.
        NotSwapped: exporters were faster every time; run it again.
        Unavailable, Unknown: the store did not answer; run it again.
    """
    live, _ = ledger.load_root()
    _check_age(export, live)
    root = before or live
    done = Backfilled()
    scratch.clear()
    found = sort_export(export_store, scratch, export, root.columns, progress)
    done.items, done.unusable, done.reasons = found.items, found.unusable, found.reasons
    total = export.items + (root.rows.rows if export.kind == "full" else 0)
    for number, batch in enumerate(_batches(_proposals(ledger, export, root, before is not None, scratch, done))):
        if not dry_run:
            report = commit_batch(ledger, _ExportBatch(export, number, root.columns, batch))
            done.segments += 1
            done.commits += report.commits
            if report.unfinished:
                raise NotSwapped("exporters were faster every time; what was merged stays, run it again")
            _check_age(export, report.root)
        progress("merging", min(total, done.put + done.removed), total)
    progress("merging", total, total)
    scratch.clear()
    if before is not None and not dry_run:
        done.gaps_closed = _close_gaps(ledger, export)
    return done


def surely_exported(export: Export) -> bytes:
    """Say before which `ingested_at` an item that was there at the time of a full export is surely in it (rule 5)."""
    limit = datetime.fromisoformat(export.time) - MAY_BE_MISSED
    return limit.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()


def _check_age(export: Export, root: Root) -> None:
    newest = root.checkpoint.newest_event
    if newest and datetime.fromisoformat(newest) - datetime.fromisoformat(export.time) > OLDEST:
        raise TooOld(f"the export of {export.time} is older than the newest event by more than 46 hours: export again")


def _proposals(
    ledger: Ledger, export: Export, root: Root, may_remove: bool, scratch: Scratch, done: Backfilled
) -> Iterator[Proposal]:
    """Compare the export with V and propose changes, in key order."""
    if export.kind == "incremental":
        for one, row in beside_their_rows(ledger.objects, root, scratch):
            if one.item is not None:
                yield from _put(one, row, done)
            elif row is not None and may_remove:
                done.removed += 1
                yield _removal(row, one.time)
        return
    limit = surely_exported(export)
    for told, row in beside_all_rows(ledger.objects, root, scratch):
        if told is not None:
            yield from _put(told, row, done)
        elif row is not None and may_remove and row[:INGESTED_AT_WIDTH] < limit:
            done.removed += 1
            yield _removal(row, export.time)
        else:
            done.kept += 1


def _put(one: Exported, row: bytes | None, done: Backfilled) -> Iterator[Proposal]:
    revision = revision_of(one.row)
    if row is not None and (row == one.row or revision_of(row) > revision):
        return
    done.put += 1
    replaces = (row,) if row is not None and revision_of(row) == revision else ()
    record: dict[str, Any] = {"NewImage": one.item}
    if replaces:
        record["Replaces"] = replaces[0].decode()
    yield Proposal(_record(one.time, record), Change(key_of(one.row), revision, one.row, replaces=replaces))


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


class _ExportBatch:
    """A batch of differences, as a commit takes it (`ledger.batch.Batch`)."""

    def __init__(self, export: Export, number: int, columns: tuple[str, ...], proposals: list[Proposal]) -> None:
        digest, body = pack([proposal.record for proposal in proposals])
        folder = f"date={export.time[:10]}/hour={export.time[11:13]}"
        self.segment = Segment(f"{folder}/backfill-{export.name}-{number:06d}-{digest}", body)
        self.newest_event = export.time
        self.streams: dict[str, str] = {}
        self.gaps: tuple[Gap, ...] = ()
        self.bad: list[tuple[Event, str]] = []
        self._columns = columns
        self._proposals = proposals

    def changes(self, columns: tuple[str, ...]) -> list[Change]:
        """Say what the differences mean for these columns."""
        if columns == self._columns:
            return [proposal.change for proposal in self._proposals]
        encoder = RowEncoder(columns)
        return [change for proposal in self._proposals for change in changes_told(read_event(proposal.record), encoder)]

    def events_of(self, todo: Sequence[Change]) -> list[Event]:
        """Name the records of these changes."""
        keys = {change.key for change in todo}
        return [read_event(proposal.record) for proposal in self._proposals if proposal.change.key in keys]


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
        ledger.sleep(min(2.0, 0.05 * 2 ** min(tries, 6)) * ledger.chance())
    raise NotSwapped("all was merged, but exporters were faster than the note that the gap is closed: run it again")


def _repaired(gap: Gap, export: Export) -> bool:
    last = time_text(datetime.fromisoformat(export.time) - _MARGIN)
    return max(gap.since, gap.until) <= last and (export.kind == "full" or min(gap.since, gap.until) >= export.since)
