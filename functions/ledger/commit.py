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
        comes_again: whether the batch is delivered again until commit and publish have succeeded.
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
    comes_again: bool = False
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
    comes_again: bool = True,
) -> Report:
    """Merge a batch of stream records (at least one) into the tree.

    Args:
        ledger: where to.
        records: as received, in stream order.
        time_left: gives the seconds left of the invocation, or None where there is no limit.
        arrived: when the stream delivered them (seconds since 1970), which tells how near it was to forgetting them;
            None if they do not come from the stream directly.
        comes_again: whether the batch is delivered again until commit and publish have succeeded, so that others may
            rely on this one: as a leader, and as a publisher.

    Raises:
        Unavailable, Unknown: the store did not answer; nothing is lost, deliver the batch again.
        Damaged, ManifestLost, NewerFormat: the ledger needs an operator; likewise.
    """
    return commit_batch(ledger, StreamBatch([*map(read_event, records)], arrived), time_left, comes_again=comes_again)


def commit_batch(ledger: Ledger, batch: Batch, time_left: TimeLeft = no_limit, *, comes_again: bool = False) -> Report:
    """Merge a batch of any kind into the tree; arguments and errors are those of `commit`."""
    return _Commit(ledger, batch, time_left, comes_again).run()


class _Commit:
    """One call of `commit_batch`."""

    def __init__(self, ledger: Ledger, batch: Batch, time_left: TimeLeft, comes_again: bool) -> None:
        self._ledger, self._batch, self._time_left = ledger, batch, time_left
        (self._root, self._etag), present, _ = ledger.together(
            ledger.load_root, ledger.present_csv, lambda: write_segment(ledger.store, batch.segment)
        )
        columns = self._root.columns
        self._mine = batch.changes(columns)  # what of it is not committed
        self._report = Report(batch.segment.name, self._root, present, comes_again)
        self._put_aside()
        self._own = Waiting(batch.segment.name, columns, self._mine, batch.newest_event, batch.streams, batch.gaps)
        self._taken = [self._own]  # the segments that the next root merges
        self._queue = Queue(ledger, self._own, comes_again)

    def run(self) -> Report:
        """Commit until nothing is left, or a leader has committed it, or the time is up."""
        ledger, report = self._ledger, self._report
        todo, queued = self._mine, ledger.contended or len(self._root.segments) > 1
        while todo:
            if not self._has_time() or report.conflicts >= MAX_CONFLICTS:
                report.unfinished = self._batch.events_of(self._mine)
                break
            if queued:
                todo, queued = self._wait()
                continue
            merged = merge_slices(ledger.objects, self._root, todo, self._batch.newest_event, self._has_time)
            if merged.changed and not self._write_and_swap(merged):
                report.conflicts += 1
                ledger.met_others()
                todo, queued = self._mine, True
                continue
            report.counts.add(merged.counts)
            self._mine = [change for change in self._mine if change.key > merged.last]
            todo = merged.rest
            if not todo:
                self._end()
        report.root = self._root
        self._queue.leave()
        return report

    def _has_time(self) -> bool:
        left = self._time_left()
        return left is None or left > RESERVE_SECONDS

    def _wait(self) -> tuple[list[Change], bool]:
        """Wait once in the queue; give what is to be committed now, and whether to wait again first."""
        self._root, self._etag, led = self._queue.turn(self._mine)
        if self._own.name in self._root.merged:
            self._report.combined = True
            self._ledger.met_others()
            return [], False
        if self._root.columns != self._own.columns:  # a rebuilt tree with another schema was swapped in
            self._mine = self._batch.changes(self._root.columns)
            self._put_aside()
            self._own = replace(self._own, columns=self._root.columns, changes=self._mine)
            self._queue.own = self._own
            self._taken = [self._own]
            return self._mine, False
        if led is None:
            return self._mine, True
        return self._take([self._own, *led]), False

    def _take(self, taken: list[Waiting]) -> list[Change]:
        """Take segments into the next root; give their changes that are not committed."""
        self._taken = taken
        others = [change for waiting in taken if waiting is not self._own for change in waiting.changes]
        return fold([*self._mine, *others]) if others else self._mine

    def _write_and_swap(self, merged: Merged) -> bool:
        """Write what was merged, and unless somebody leads the root; say whether it stands."""
        ledger = self._ledger
        candidate = _candidate(ledger, self._root, merged, self._taken, self._own)
        copy = {candidate.copy_key: encode_root(candidate)}
        if ledger.objects.write(merged.pages, merged.shards, copy, lambda: self._queue.is_led(self._root)):
            return False  # whoever leads takes longer than a batch alone, and would always be refused
        self._root, self._etag, won = _swap(ledger, candidate, self._etag)
        self._report.commits += won
        return won

    def _end(self) -> None:
        """All that was taken is committed."""
        self._report.led += len(self._taken) - 1
        if len(self._taken) > 1:
            self._ledger.met_others()
        self._queue.committed(self._taken)

    def _put_aside(self) -> None:
        """Put the events that are bad under the present columns aside."""
        store, kept = self._ledger.store, self._report.quarantined
        put = store.map(lambda bad: quarantine(store, *bad), self._batch.bad)
        kept += [key for key in put if key not in kept]


def _candidate(ledger: Ledger, root: Root, merged: Merged, taken: Sequence[Waiting], own: Waiting) -> Root:
    """Make the next root, which merges the segments that are `taken`, wholly if nothing of them is left.

    Each attempt has an id of its own: the root's copy is named by it, and must never be found with other content.
    """
    whole = not merged.rest
    changes = root.checkpoint.changes + merged.counts.put + merged.counts.removed
    names = tuple(waiting.name for waiting in taken)
    others = tuple(waiting.name for waiting in taken if waiting is not own)
    checkpoint = replace(root.checkpoint, changes=changes)
    return root.successor(
        ledger.new_id(),
        rows=merged.rows,
        removals=merged.removals,
        merged=(*root.merged, *others)[-MERGED_NAMES:] if whole and others else root.merged,
        segments=names,
        checkpoint=advance(checkpoint, taken) if whole else checkpoint,
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
