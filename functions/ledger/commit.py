"""The commit protocol: a batch of events into the tree, by compare-and-swap of the root.

    exporter A                      manifest.json           exporter B
    journal segment, read root  <-  v7, ETag x          ->  journal segment, read root
    merge, write shards and pages                           merge, write shards and pages
    PUT v8, If-Match x          ->  v8, ETag y
                                    refused (412)       <-  PUT v8', If-Match x
                                    v8, ETag y          ->  read root, merge again (shards written are reused)
                                    v9, ETag z          <-  PUT v9, If-Match y

1. The segment goes to the journal (create-only), and at the same time the root is read, and of image-data.csv all but
   the bytes, which `publish` needs.
2. Touched pages and shards are read (content-addressed: mostly from memory).
3. Merge. Nothing changes: 6.
4. New shards, pages and the root's immutable copy are written (create-only), all before the root.
5. The root is swapped. Done: 6. Refused: queue, read the root, and go to 2 with it.
   Unknown: read the root; it is ours: we had won, 6; it is not: as refused. Nothing that was written is ever deleted.
6. Publishing follows (`publish`); here the commit ends.
7. What the time left does not allow is named in the report, to be delivered again.

Under contention exporters combine instead of racing (`combine`). On the warm path without contention each step but 3
is one round trip, and 2 is none: read, write, swap.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ledger.batch import Batch, StreamBatch
from ledger.change import Change, fold
from ledger.checkpoint import advance
from ledger.combine import Queue
from ledger.errors import NotFound, Refused, Unknown
from ledger.event import Event, Record, read_event
from ledger.journal import quarantine, write_segment
from ledger.keys import ROOT_KEY
from ledger.ledger import Ledger, TimeLeft, no_limit
from ledger.manifest import Root, encode_root
from ledger.merge import Counts
from ledger.objects import PAGE_TYPE
from ledger.pending import Waiting
from ledger.slices import Merged, merge_slices
from ledger.store import Stored

# An attempt is begun only while this much of the invocation is left: a commit of one slice and the report fit in it.
RESERVE_SECONDS = 8.0
MAX_CONFLICTS = 40  # without a time limit: then something is wrong that more attempts do not mend
MERGED_NAMES = 1000  # segments that the root remembers as merged by a leader; a follower looks within seconds


@dataclass(slots=True)
class Report:
    """What a commit did.

    Attributes:
        segment: name of the batch's segment in the journal.
        root: the root that was read or written last.
        present: image-data.csv as it was at the start, without its bytes; None if there was none.
        redelivered: whether the batch is delivered again until commit and publish have succeeded.
        first_record: a digest of its first record.
        counts: what became of the changes.
        commits: roots written (a batch that touches many shards takes several).
        conflicts: swaps refused, or left out because somebody leads.
        combined: a leader committed the rest of this batch.
        led: segments of others that were merged along.
        quarantined: keys of the events put aside.
        unfinished: events not committed in the time left, in stream order.
    """

    segment: str
    root: Root
    present: Stored | None = None
    redelivered: bool = False
    first_record: str = ""
    counts: Counts = field(default_factory=Counts)
    commits: int = 0
    conflicts: int = 0
    combined: bool = False
    led: int = 0
    quarantined: list[str] = field(default_factory=list)
    unfinished: list[Event] = field(default_factory=list)


def commit(
    ledger: Ledger,
    records: Sequence[Record],
    time_left: TimeLeft = no_limit,
    *,
    arrived: float | None = None,
    redelivered: bool = True,
) -> Report:
    """Merge a batch of stream records (at least one) into the tree.

    Args:
        ledger: where to.
        records: as received, in stream order.
        time_left: gives the seconds left of the invocation, or None where there is no limit.
        arrived: when the stream delivered them (seconds since 1970), which tells how near it was to forgetting them;
            None if they do not come from the stream directly.
        redelivered: whether the batch is delivered again until commit and publish have succeeded, so that others may
            rely on this one: as a leader, and as a publisher.

    Raises:
        Unavailable, Unknown: the store did not answer; nothing is lost, deliver the batch again.
        Damaged, ManifestLost, NewerFormat: the ledger needs an operator; likewise.
    """
    return commit_batch(ledger, StreamBatch([*map(read_event, records)], arrived), time_left, redelivered=redelivered)


def commit_batch(ledger: Ledger, batch: Batch, time_left: TimeLeft = no_limit, *, redelivered: bool = False) -> Report:
    """Merge a batch of any kind into the tree; arguments and errors are those of `commit`."""
    (root, etag), present, _ = ledger.together(
        ledger.load_root, ledger.present_csv, lambda: write_segment(ledger.store, batch.segment)
    )
    report = Report(batch.segment.name, root, present, redelivered, batch.segment.first_record)
    return _Commit(ledger, batch, time_left, report).run(root, etag)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a commit merges next: the changes that are left of some segments, into a root as it was read.

    Attributes:
        root, etag: the root and its ETag, by which it is swapped.
        segments: the own one first, then those that are led.
        changes: one per key, in key order.
    """

    root: Root
    etag: str
    segments: tuple[Waiting, ...]
    changes: list[Change]


class _Commit:
    """One call of `commit_batch`; the report is filled on the way."""

    def __init__(self, ledger: Ledger, batch: Batch, time_left: TimeLeft, report: Report) -> None:
        self._ledger, self._batch, self._time_left, self._report = ledger, batch, time_left, report
        self._own = self._read_batch(report.root.columns)
        self._queue = Queue(ledger, report.redelivered)

    def run(self, root: Root, etag: str) -> Report:
        """Commit until nothing is left, or a leader has committed it, or the time is up."""
        ledger, report = self._ledger, self._report
        report.root = root
        queues = ledger.contended or len(root.segments) > 1
        prepared = None if queues else self._prepare(root, etag)
        while prepared.changes if prepared else self._own.changes:
            if not self._has_time() or report.conflicts >= MAX_CONFLICTS:
                report.unfinished = self._batch.events_of(self._own.changes)
                break
            prepared = self._commit(prepared) if prepared else self._wait()
        self._queue.leave()
        return report

    def _read_batch(self, columns: tuple[str, ...]) -> Waiting:
        """Say what the batch means under these columns, and put the events that are bad under them into quarantine."""
        batch, store, kept = self._batch, self._ledger.store, self._report.quarantined
        changes = batch.changes(columns)
        keys = store.map(lambda bad: quarantine(store, *bad), batch.bad)
        kept += [key for key in keys if key not in kept]
        said = (batch.newest_event, batch.streams, batch.gaps, batch.oldest_event)
        return Waiting(batch.segment.name, columns, changes, *said)

    def _prepare(self, root: Root, etag: str, led: Sequence[Waiting] = ()) -> Prepared:
        """Prepare to merge what is left of the own segment, and those that are led, into a root."""
        others = [change for waiting in led for change in waiting.changes]
        changes = fold([*self._own.changes, *others]) if others else list(self._own.changes)
        return Prepared(root, etag, (self._own, *led), changes)

    def _has_time(self) -> bool:
        left = self._time_left()
        return left is None or left > RESERVE_SECONDS

    def _wait(self) -> Prepared | None:
        """Wait once in the queue; give what is to be committed now, or None to wait again."""
        root, etag, led = self._queue.turn(self._own)
        self._report.root = root
        if self._own.name in root.merged:
            self._report.combined = True
            self._ledger.met_others()
            return Prepared(root, etag, (), [])
        if root.columns != self._own.columns:  # a rebuilt tree with another schema was swapped in
            self._own = self._read_batch(root.columns)
            return self._prepare(root, etag)
        return None if led is None else self._prepare(root, etag, led)

    def _commit(self, prepared: Prepared) -> Prepared | None:
        """Merge, write and swap; give what is left to do, or None if the swap was lost: then the own batch queues."""
        root, etag = prepared.root, prepared.etag
        newest_event = self._batch.newest_event
        merged = merge_slices(self._ledger.objects, root, prepared.changes, newest_event, self._has_time)
        if merged.changed:
            candidate = _candidate(self._ledger.new_id(), prepared, merged)
            if self._write(candidate, prepared, merged):
                root, etag, won = _swap(self._ledger, candidate, etag)
                self._report.root = root
            else:
                won = False  # whoever leads takes longer than a batch alone, and would always be refused
            if not won:
                self._report.conflicts += 1
                self._ledger.met_others()
                return None
            self._report.commits += 1
        self._report.counts.add(merged.counts)
        self._own = replace(self._own, changes=[one for one in self._own.changes if one.key > merged.last])
        if not merged.rest:
            self._finish(prepared)
        return replace(prepared, root=root, etag=etag, changes=merged.rest)

    def _write(self, candidate: Root, prepared: Prepared, merged: Merged) -> bool:
        """Write what the candidate names, and its copy; say whether to swap: not if somebody leads on its root."""
        objects, copy = self._ledger.objects, {candidate.copy_key: encode_root(candidate)}
        puts = objects.puts(merged.pages, merged.shards, copy)
        is_led, *_ = self._ledger.store.map(lambda call: call(), [lambda: self._queue.is_led(prepared.root), *puts])
        return not is_led

    def _finish(self, prepared: Prepared) -> None:
        """Note that all of the segments is committed."""
        self._report.led += len(prepared.segments) - 1
        if len(prepared.segments) > 1:
            self._ledger.met_others()
        self._queue.committed(prepared.segments)


def _candidate(commit_id: str, prepared: Prepared, merged: Merged) -> Root:
    """Make the next root, which holds the prepared segments wholly if nothing of them is left.

    Each attempt has an id of its own: the root's copy is named by it, and must never be found with other content.
    """
    root, segments = prepared.root, prepared.segments
    whole = not merged.rest
    led = tuple(waiting.name for waiting in segments[1:])
    checkpoint = replace(
        root.checkpoint,
        changes=root.checkpoint.changes + merged.counts.put + merged.counts.removed,
        removed=root.checkpoint.removed + merged.counts.removed,
    )
    return root.successor(
        commit_id,
        rows=merged.rows,
        removals=merged.removals,
        merged=(*root.merged, *led)[-MERGED_NAMES:] if whole and led else root.merged,
        segments=tuple(waiting.name for waiting in segments),
        oldest_event=min((waiting.oldest_event for waiting in segments if waiting.oldest_event), default=""),
        checkpoint=advance(checkpoint, segments) if whole else checkpoint,
    )


def _swap(ledger: Ledger, candidate: Root, etag: str) -> tuple[Root, str, bool]:
    """Swap the root; give the root that now stands, its ETag, and whether it is the candidate."""
    try:
        new_etag = ledger.store.put_if_match(ROOT_KEY, encode_root(candidate), etag, PAGE_TYPE, {})
    except (Refused, NotFound, Unknown):
        # Whatever the answer was or was not, the root itself says who won. A root that is gone raises ManifestLost.
        root, new_etag = ledger.load_root()
        return root, new_etag, root == candidate
    ledger.remember_root(candidate, new_etag)
    return candidate, new_etag, True
