"""Build a tree from the journal in bounded memory: the steps of a replay, on one machine or on many.

1. Plan: list the journal into chunks of segments, and cut the keys into ranges by a sample of the journal.
2. Map, for each chunk: read its events as statements (`lives`), sort, settle, and write sorted runs, one per range.
3. Reduce, for each range: merge its runs, decide each key's fate, cut the rows into shards by the one rule of
   `ledger.manifest`, and write them. The first lines of a range belong to the shard that the range before left open.
4. Assemble: join the open ends, and cut the shards into pages, which gives the root.

Every step is repeatable: what it writes depends on the plan alone. Steps of one kind can run at the same time. No step
touches `manifest.json`; that is for `swap` alone.
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
from operations.rebuild.destination import BucketObjects, Destination, ObjectWriter, ScratchObjects
from operations.rebuild.plan import Plan, Told, heeded, read_events
from operations.rebuild.scratch import Scratch
from operations.rebuild.sorted_runs import merge_runs, read_run, write_run
from operations.rebuild.statements import fate, groups, settle, tell

BUFFER_BYTES = 32 << 20  # of statements in memory before they are sorted and written


def map_chunk(store: Store, scratch: Scratch, plan: Plan, number: int) -> Told:
    """Turn one chunk of segments into sorted runs; a chunk that is done already is not done again.

    Raises:
        Damaged: a segment is not readable.
        Unavailable: the store did not answer.
    """
    done = scratch.read(f"mapped/{number:06d}.json")
    if done is not None:
        return Told(**orjson.loads(done))
    listed = scratch.read(f"chunks/{number:06d}")
    assert listed is not None, "the plan names its chunks"
    told = Told()
    spill = _Spill(scratch, plan.boundaries, number)
    encoder = RowEncoder(plan.columns)
    for event in read_events(store, listed.decode().split("\n")):
        if heeded(event, plan.until, told):
            try:
                spill.add(tell(event, encoder))
            except BadEvent:
                told.quarantined += 1
    spill.flush()
    scratch.write(f"mapped/{number:06d}.json", orjson.dumps(asdict(told)))
    return told


class _Spill:
    """Gathers statements, and writes them as sorted runs when they are too many."""

    def __init__(self, scratch: Scratch, boundaries: tuple[bytes, ...], chunk: int) -> None:
        self._scratch = scratch
        self._boundaries = boundaries
        self._chunk = chunk
        self._lines: list[bytes] = []
        self._bytes = 0
        self._runs = 0

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
        for group in groups(self._lines):
            while number < len(self._boundaries) and group[0] >= self._boundaries[number]:
                self._write(number, run)
                run, number = [], number + 1
            run += settle(group)
        self._write(number, run)
        self._lines, self._bytes, self._runs = [], 0, self._runs + 1

    def _write(self, number: int, run: list[bytes]) -> None:
        if run:
            write_run(self._scratch, f"ranges/{number:04d}/runs/{self._chunk:06d}-{self._runs:04d}", run)


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
    folder = f"reduced/{number:04d}"
    done = scratch.read(f"{folder}/done")
    if done is not None:
        return int(done)
    oldest = oldest_kept(newest_event)
    removals: list[bytes] = []
    destination = Destination(_kept(store, scratch, plan))
    cut = _Cut(plan.targets, destination, _live_shards(store, plan, number))
    for group in merge_runs(scratch, f"ranges/{number:04d}"):
        row, removal = fate(group)
        if removal is not None and removed_at(removal) >= oldest:
            removals.append(removal)
        if row is not None:
            cut.line(row)
    rows = cut.finish()
    destination.flush()
    write_run(scratch, f"{folder}/removals", removals)
    write_run(scratch, f"{folder}/head", cut.head)
    write_run(scratch, f"{folder}/tail", cut.tail)
    entries = [[entry.first.decode(), entry.rows, entry.bytes, entry.sha256] for entry in cut.shards]
    scratch.write(f"{folder}/shards", orjson.dumps(entries))
    scratch.write(f"{folder}/done", b"%d" % rows)
    return rows


def _kept(store: Store, scratch: Scratch, plan: Plan) -> ObjectWriter | None:
    """Say where shards and pages go."""
    if plan.keep == "bucket":
        return BucketObjects(store)
    return ScratchObjects(scratch) if plan.keep == "scratch" else None


def _live_shards(store: Store, plan: Plan, number: int) -> set[str]:
    """Name the shards in a range that the live root names: they are there, and stay for a day, so none is sent again.

    Of a rebuild without other columns or targets these are nearly all.
    """
    if plan.keep != "bucket" or plan.version < 0:
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


class _Cut:
    """Cuts the rows of one range into shards; the ends, whose shards other ranges share, stay lines.

    Attributes:
        head: lines before the first cut.
        shards: what lies between two cuts.
        tail: lines from the last cut on.
    """

    def __init__(self, targets: Targets, destination: Destination, live: set[str]) -> None:
        self.head: list[bytes] = []
        self.shards: list[Entry] = []
        self.tail: list[bytes] = []
        self._targets = targets
        self._destination = destination
        self._live = live
        self._seen_cut = False
        self._rows = 0

    def line(self, line: bytes) -> None:
        """Take the next row."""
        self._rows += 1
        if starts_shard(key_of(line), len(line), self._targets):
            self._close()
            self._seen_cut = True
        (self.tail if self._seen_cut else self.head).append(line)

    def finish(self) -> int:
        """Give the number of rows."""
        return self._rows

    def _close(self) -> None:
        if self.tail:
            body = b"".join(self.tail)
            entry = Entry(key_of(body), len(self.tail), len(body), sha256(body))
            if entry.sha256 not in self._live:
                self._destination.add_shard(entry.sha256, body)
            self.shards.append(entry)
            self.tail = []


def assemble(store: Store, scratch: Scratch, plan: Plan, told: Told) -> Root:
    """Join the reduced ranges to the rebuilt root (version and commit id are for whoever swaps it in).

    Raises:
        Unavailable: the store did not answer.
    """
    destination = Destination(_kept(store, scratch, plan))
    rows, removals = TreeWriter(plan.targets, destination), TreeWriter(plan.targets, destination)
    for number in range(plan.ranges):
        folder = f"reduced/{number:04d}"
        rows.lines(_run(scratch, f"{folder}/head"))
        shards = scratch.read(f"{folder}/shards")
        assert shards is not None, "every range is reduced"
        for first, count, size, digest in orjson.loads(shards):
            rows.shard(Entry(first.encode(), count, size, digest))
        rows.lines(_run(scratch, f"{folder}/tail"))
        removals.lines(_run(scratch, f"{folder}/removals"))
    rows_tree, removals_tree = rows.close(), removals.close()
    destination.flush()
    checkpoint = Checkpoint(rows_tree.rows, told.newest_event, told.streams)
    return Root(plan.version, "", plan.columns, plan.targets, rows_tree, removals_tree, checkpoint=checkpoint)


def _run(scratch: Scratch, name: str) -> Iterator[bytes]:
    return read_run(scratch, scratch.names(name))
