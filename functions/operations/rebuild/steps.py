"""Build a tree from the journal in bounded memory: the steps of a replay, on one machine or on many.

1. Plan (`plan`): list the journal into chunks of segments, and cut the keys into ranges by a sample of the journal.
2. Map, for each chunk: read its events as `statements`, sort and compact them, and write sorted runs, one per range.
3. Reduce, for each range: merge its runs, resolve each key, cut the rows into shards by the one rule of
   `ledger.manifest`, and write them. The first lines of a range belong to the shard that the range before left open.
4. Join: join the open ends, and cut the shards into pages, which gives the root.

Every step is repeatable: what it writes depends on the plan alone. Steps of one kind can run at the same time. No step
touches `manifest.json`; that is for `operations.live.swap` alone.
"""

from collections.abc import Iterator
from dataclasses import asdict

import orjson

from ledger.change import removed_at
from ledger.errors import BadEvent
from ledger.ledger import Ledger
from ledger.manifest import Checkpoint, Entry, Root, Targets, sha256, starts_shard
from ledger.row import RowEncoder, key_of
from ledger.slices import oldest_kept
from ledger.store import Store
from ledger.tree_writer import TreeWriter
from operations.progress import Progress, silent
from operations.rebuild.destination import BucketObjects, Destination, ObjectWriter, ScratchObjects
from operations.rebuild.plan import JournalSummary, Plan, read_events
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import chunk_name, mapped_name, mapped_run, range_folder, reduced_name
from operations.rebuild.sorted_runs import merge_statements, read_run, write_run
from operations.rebuild.statements import compact, group_by_key, journaled_changes, resolve, statement_lines

BUFFER_BYTES = 32 << 20  # of statements in memory before they are sorted and written


def map_chunk(store: Store, scratch: Scratch, plan: Plan, number: int) -> JournalSummary:
    """Turn one chunk of segments into sorted runs, and sum it up; a chunk that is done already is not done again.

    Raises:
        Damaged: a segment is not readable.
        Unavailable: the store did not answer.
    """
    if (summary := load_summary(scratch, number)) is not None:
        return summary
    chunk = scratch.read(chunk_name(number))
    assert chunk is not None, "the plan names its chunks"
    summary = JournalSummary()
    spill = _Spill(scratch, plan.boundaries, number)
    encoder = RowEncoder(plan.columns)
    for event in read_events(store, chunk.decode().split("\n")):
        if summary.heed(event, plan.until):
            try:
                spill.add(statement_lines(event, journaled_changes(event, encoder)))
            except BadEvent:
                summary.quarantined += 1
    spill.flush()
    scratch.write(mapped_name(number), orjson.dumps(asdict(summary)))
    return summary


def load_summary(scratch: Scratch, number: int) -> JournalSummary | None:
    """Read the summary of a chunk; None if it is not mapped yet."""
    body = scratch.read(mapped_name(number))
    return None if body is None else JournalSummary(**orjson.loads(body))


class _Spill:
    """Gathers statements, and writes them as sorted runs when they are too many."""

    def __init__(self, scratch: Scratch, boundaries: tuple[bytes, ...], chunk: int) -> None:
        self._scratch = scratch
        self._boundaries = boundaries
        self._chunk = chunk
        self._lines: list[bytes] = []
        self._bytes = 0
        self._flushes = 0

    def add(self, lines: list[bytes]) -> None:
        """Take statements of any key."""
        self._lines += lines
        self._bytes += sum(map(len, lines))
        if self._bytes >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered: one run for each range that it touches."""
        self._lines.sort()
        run: list[bytes] = []
        number = 0
        for group in group_by_key(self._lines):
            while number < len(self._boundaries) and group[0] >= self._boundaries[number]:
                self._write(number, run)
                run, number = [], number + 1
            run += compact(group)
        self._write(number, run)
        self._lines, self._bytes, self._flushes = [], 0, self._flushes + 1

    def _write(self, number: int, run: list[bytes]) -> None:
        if run:
            write_run(self._scratch, mapped_run(number, self._chunk, self._flushes), run)


def reduce_range(store: Store, scratch: Scratch, plan: Plan, number: int, newest_event: str) -> int:
    """Turn the runs of one range into shards; give the number of rows. A range that is done is not done again.

    Args:
        store: the export bucket.
        scratch: where the runs are, and the range's open ends and shard list go.
        plan: of this rebuild.
        number: of the range, from 0.
        newest_event: of the whole journal: removals 48 h before it are forgotten.

    Raises:
        Unavailable: the store did not answer.
    """
    done = scratch.read(reduced_name(number, "done"))
    if done is not None:
        return int(done)
    oldest = oldest_kept(newest_event)
    removals: list[bytes] = []
    destination = Destination(_writer(store, scratch, plan))
    cutter = _ShardCutter(plan.targets, destination, _live_shards(store, plan, number))
    for group in merge_statements(scratch, range_folder(number)):
        row, removal = resolve(group)
        if removal is not None and removed_at(removal) >= oldest:
            removals.append(removal)
        if row is not None:
            cutter.add(row)
    destination.flush()
    write_run(scratch, reduced_name(number, "removals"), removals)
    write_run(scratch, reduced_name(number, "head"), cutter.head)
    write_run(scratch, reduced_name(number, "tail"), cutter.tail)
    entries = [[entry.first.decode(), entry.rows, entry.bytes, entry.sha256] for entry in cutter.shards]
    scratch.write(reduced_name(number, "shards"), orjson.dumps(entries))
    scratch.write(reduced_name(number, "done"), b"%d" % cutter.rows)
    scratch.drop(range_folder(number))
    return cutter.rows


def _writer(store: Store, scratch: Scratch, plan: Plan) -> ObjectWriter | None:
    """Give what writes shards and pages to where they go."""
    if plan.keep == "bucket":
        return BucketObjects(store)
    return ScratchObjects(scratch) if plan.keep == "scratch" else None


def _live_shards(store: Store, plan: Plan, number: int) -> set[str]:
    """Name the shards in a range that the live root names: they are in the bucket, and stay for a day.

    So none is written again. Of a rebuild without other columns or targets these are nearly all.
    """
    if plan.keep == "nothing" or plan.version < 0:
        return set()
    ledger = Ledger(store)
    pages = ledger.load_root()[0].rows.pages
    low = plan.boundaries[number - 1] if number else b""
    high = plan.boundaries[number] if number < len(plan.boundaries) else None
    ends: list[bytes | None] = [*(page.first for page in pages[1:]), None]
    touched = [
        page
        for page, end in zip(pages, ends, strict=False)
        if (end is None or end > low) and (high is None or page.first < high)
    ]
    return {shard.sha256 for shards in ledger.objects.pages(touched).values() for shard in shards}


class _ShardCutter:
    """Cuts the rows of one range into shards; the ends, whose shards other ranges share, stay lines.

    Attributes:
        head: lines before the first cut.
        shards: what lies between two cuts.
        tail: lines from the last cut on.
        rows: number of all lines.
    """

    def __init__(self, targets: Targets, destination: Destination, live: set[str]) -> None:
        self.head: list[bytes] = []
        self.shards: list[Entry] = []
        self.tail: list[bytes] = []
        self.rows = 0
        self._targets = targets
        self._destination = destination
        self._live = live
        self._seen_cut = False

    def add(self, line: bytes) -> None:
        """Take the next row."""
        self.rows += 1
        if starts_shard(key_of(line), len(line), self._targets):
            self._close()
            self._seen_cut = True
        (self.tail if self._seen_cut else self.head).append(line)

    def _close(self) -> None:
        if self.tail:
            body = b"".join(self.tail)
            entry = Entry(key_of(body), len(self.tail), len(body), sha256(body))
            if entry.sha256 not in self._live:
                self._destination.add_shard(entry.sha256, body)
            self.shards.append(entry)
            self.tail = []


def join_ranges(
    store: Store, scratch: Scratch, plan: Plan, journal: JournalSummary, progress: Progress = silent
) -> Root:
    """Join the reduced ranges to the rebuilt root (version and commit id are for whoever swaps it in).

    Args:
        store: the export bucket.
        scratch: where the ranges' open ends and shard lists are.
        plan: of this rebuild.
        journal: what it held.
        progress: is told the ranges joined.

    Raises:
        Unavailable: the store did not answer.
    """
    destination = Destination(_writer(store, scratch, plan))
    rows, removals = TreeWriter(plan.targets, destination), TreeWriter(plan.targets, destination)
    for number in range(plan.ranges):
        rows.lines(_run(scratch, reduced_name(number, "head")))
        shards = scratch.read(reduced_name(number, "shards"))
        assert shards is not None, "every range is reduced"
        for first, count, size, digest in orjson.loads(shards):
            rows.shard(Entry(first.encode(), count, size, digest))
        rows.lines(_run(scratch, reduced_name(number, "tail")))
        removals.lines(_run(scratch, reduced_name(number, "removals")))
        progress("joining shards", number + 1, plan.ranges)
    rows_tree, removals_tree = rows.close(), removals.close()
    destination.flush()
    checkpoint = Checkpoint(rows_tree.rows, journal.newest_event, journal.streams)
    return Root(plan.version, "", plan.columns, plan.targets, rows_tree, removals_tree, checkpoint=checkpoint)


def _run(scratch: Scratch, name: str) -> Iterator[bytes]:
    return read_run(scratch, scratch.names(name))
