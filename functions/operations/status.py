"""How the ledger is doing: what it holds, whether the CSV shows it, what waits, and what needs an operator."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from ledger import columns
from ledger.age import shown_version
from ledger.columns import NAMES
from ledger.errors import Damaged, NotFound, Unavailable
from ledger.keys import FAILED_BATCHES, LAST_CHECK_KEY, PENDING, QUARANTINE, SNAPSHOTS
from ledger.ledger import Ledger
from ledger.manifest import Gap, Restored, Root
from operations.freshness import Freshness, read_freshness
from operations.rebuild.tree_reader import cells, lines, shards_of

# Counting stops here: beyond it the number no longer matters, and a listing has its price.
COUNTED = 10_000

READ_BYTES = 64 << 20
"""Bytes of rows that are read to count what only they say: a second or two, and a few cents for a thousand looks."""


@dataclass(slots=True)
class Status:
    """The state of a ledger; times are ISO 8601 in UTC, sizes in bytes, ages in seconds.

    Attributes:
        version, tree, rows, bytes: of the live root.
        columns: number of columns; `columns_current` says whether they are those of this code.
        restored: what the CSV was set back to, and how to undo it; None if it was not, or that was undone.
        newest_event: time of the newest event merged; `event_age_seconds` is how long ago that is.
        published_version: version that image-data.csv shows; None if there is no CSV, -1 if it does not say it.
        published: whether that is the live tree.
        freshness: how old root and file are.
        waiting_segments: segments left in `pending/`.
        failed_batches: batches that Lambda gave up on, to be redriven.
        quarantined: events put aside.
        waiting_events: S3 events that wait to be processed, or are being processed; None if not asked.
        waiting_seen: likewise objects that were seen in a bucket, the lane of `ingest`; None if not asked.
        dead_letters: S3 events that could not be processed; None if not asked.
        seen_dead_letters: objects that were seen in a bucket and could not be processed; None if not asked.
        stream: state of the mapping between the table's stream and the exporter; None if not asked.
        gaps: times of which stream records may have been lost.
        snapshots: number of snapshots.
        bucket_checked: when the last whole check of the buckets on AWS ended; empty if there was none.
        bucket_differences: that it found.
        older_rows: rows that an older reader made, which is no fault (`skyledger reread --older`); None if they were
            not counted: the tree is larger than `READ_BYTES`, cannot be read, or does not say it.
        command_version: of the Skyledger that looks.
        stack_version: of the Skyledger that is deployed; empty if not asked, or if it is too old to tell.
        todo: what an operator should do, in order.
    """

    version: int
    tree: str
    rows: int
    bytes: int
    columns: int
    columns_current: bool
    newest_event: str
    event_age_seconds: int | None
    published_version: int | None
    published: bool
    freshness: Freshness
    waiting_segments: int
    failed_batches: int
    quarantined: int
    snapshots: int
    command_version: str
    stack_version: str = ""
    restored: Restored | None = None
    older_rows: int | None = None
    gaps: list[Gap] = field(default_factory=list)
    waiting_events: int | None = None
    waiting_seen: int | None = None
    dead_letters: int | None = None
    seen_dead_letters: int | None = None
    stream: str | None = None
    bucket_checked: str = ""
    bucket_differences: int = 0
    todo: list[str] = field(default_factory=list)


def read_status(ledger: Ledger, now: datetime, command_version: str = "") -> Status:
    """Read the state of a ledger from its bucket.

    Args:
        ledger: that is looked at.
        now: the time.
        command_version: version of the Skyledger that looks.

    Raises:
        ManifestLost, Damaged, NewerFormat: the root is not readable.
        Unavailable: the store did not answer.
    """
    present = ledger.present_csv()  # the CSV first: a root that is read later is not older than what it shows
    root, _ = ledger.load_root()
    shown = shown_version(present)
    newest = root.checkpoint.newest_event
    age = int((now - datetime.fromisoformat(newest)).total_seconds()) if newest else None
    prefixes = (PENDING, FAILED_BATCHES, QUARANTINE, SNAPSHOTS)
    waiting, failed, quarantined, pinned = ledger.store.map(lambda prefix: _count(ledger, prefix), prefixes)
    state = Status(
        version=root.version,
        tree=root.tree_hash,
        rows=root.rows.rows,
        bytes=root.rows.bytes,
        columns=len(root.columns),
        columns_current=root.columns == NAMES,
        newest_event=newest,
        event_age_seconds=age,
        published_version=-1 if present and shown is None else shown,
        published=present is not None and present.metadata.get("tree") == root.tree_hash,
        freshness=read_freshness(ledger, root, present, now),
        waiting_segments=waiting,
        failed_batches=failed,
        quarantined=quarantined,
        snapshots=pinned,
        command_version=command_version,
        restored=root.restored,
        older_rows=_older_rows(ledger, root),
        gaps=list(root.checkpoint.gaps),
    )
    state.bucket_checked, state.bucket_differences = _last_check(ledger)
    state.todo = todo(state)
    return state


def todo(state: Status) -> list[str]:
    """Say what an operator should do about a state."""
    lines = []
    if state.stream is not None and state.stream != "Enabled":
        lines.append(f"the stream is not followed ({state.stream}): skyledger stream on, within 24 hours")
    for gap in state.gaps:
        why = "the stream was made anew" if gap.kind == "new-stream" else "records came when others may have been gone"
        lines.append(
            f"records between {gap.since or 'the start'} and {gap.until} may be lost ({why}): skyledger backfill"
        )
    if state.failed_batches:
        lines.append(f"{state.failed_batches} batches were given up: skyledger redrive")
    if state.quarantined:
        lines.append(f"{state.quarantined} events are in quarantine: look at them, then skyledger redrive")
    if state.dead_letters:
        lines.append(f"{state.dead_letters} S3 events could not be processed: skyledger redrive")
    if state.seen_dead_letters:
        lines.append(f"{state.seen_dead_letters} objects that were seen could not be processed: skyledger redrive")
    if state.bucket_differences:
        lines.append(
            f"{state.bucket_differences} differences between buckets and CSV were found on {state.bucket_checked}: "
            "skyledger verify bucket --distributed --repair"
        )
    if not state.published and not state.freshness.publishing_since:
        lines.append("image-data.csv is behind, and nobody publishes it just now: look again in a minute")
    if state.stack_version and state.stack_version != state.command_version:
        lines.append(
            f"the stack is of version {state.stack_version}, and this command of {state.command_version}: install the "
            "stack's, or deploy this one"
        )
    if not state.columns_current:
        lines.append("the CSV has the columns of another version: skyledger replay --columns current --swap")
    return lines


def with_services(
    state: Status,
    *,
    waiting_events: int,
    waiting_seen: int,
    dead_letters: int,
    seen_dead_letters: int,
    stream: str,
    stack_version: str = "",
) -> Status:
    """Add what only other services than S3 know."""
    state.waiting_events, state.waiting_seen = waiting_events, waiting_seen
    state.dead_letters, state.seen_dead_letters = dead_letters, seen_dead_letters
    state.stream, state.stack_version = stream, stack_version
    state.todo = todo(state)
    return state


def now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


def _last_check(ledger: Ledger) -> tuple[str, int]:
    """Say when the buckets were last compared with the ledger, and how much differed."""
    try:
        told = orjson.loads(ledger.store.get(LAST_CHECK_KEY).body)
    except NotFound:
        return "", 0
    return told["finished"], told["count"]


def _older_rows(ledger: Ledger, root: Root) -> int | None:
    if columns.READER_COLUMN not in root.columns or root.rows.bytes > READ_BYTES:
        return None
    place = root.columns.index(columns.READER_COLUMN)
    rows = lines(ledger.objects, shards_of(ledger.objects, root.rows.pages))
    try:
        return sum(int(cells(line)[place] or 0) < columns.READER for line in rows)
    except (Damaged, Unavailable):
        return None  # what cannot be read is told by `verify`; all else is known


def _count(ledger: Ledger, prefix: str) -> int:
    count = 0
    for _ in ledger.store.list(prefix):
        count += 1
        if count == COUNTED:
            break
    return count
