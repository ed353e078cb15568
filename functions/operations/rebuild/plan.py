"""The plan of a rebuild: which segments there are, in chunks, and how the keys are cut into ranges."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import orjson

from ledger.checkpoint import raise_highest
from ledger.errors import BadEvent, Damaged
from ledger.event import Event, read_event
from ledger.journal import list_segments, load_record, read_segments
from ledger.manifest import Targets
from ledger.row import RowEncoder, item_key
from ledger.store import Listed, Store
from operations.batches import batched_by_size
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import PLAN, chunk_name
from operations.rebuild.statements import journaled_changes, statement_lines

# Of compressed segments, which are a 14th of their records: seconds of work, so that a crash or a slow child costs
# little, and for each range some ten shards.
CHUNK_BYTES = 4 << 20
RANGE_BYTES = 2 << 20
MOST_RANGES = 1000
_SAMPLED_SEGMENTS = 64
_SAMPLED_EVERY = 16
# A batch holds what one stream shard kept, 24 h at most; so whatever is filed this many days later came later.
_DAYS_FILED_LATE = 2

Storage = Literal["bucket", "scratch", "nothing"]
"""Where shards and pages go: into the bucket, into scratch, or nowhere, so that only the hash is known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is rebuilt, and how the work is cut.

    Attributes:
        columns, targets: of the tree to build.
        until: time of the last events to heed (ISO 8601, UTC, whole seconds); empty for all.
        version: of the live root when the listing of the journal began; -1 if there was none.
        keep: where shards and pages go.
        boundaries: keys that cut the ranges; one range more than boundaries.
        chunks: number of chunks.
        segments, bytes: number and compressed size of the segments.
        made_at: when the plan was made, in seconds since 1970.
        scratch_bytes: what the statements of all segments take in scratch, about.
    """

    columns: tuple[str, ...]
    targets: Targets
    until: str
    version: int
    keep: Storage
    boundaries: tuple[bytes, ...]
    chunks: int
    segments: int
    bytes: int
    made_at: float
    scratch_bytes: int = 0

    @property
    def ranges(self) -> int:
        """Count the ranges."""
        return len(self.boundaries) + 1


@dataclass(slots=True)
class JournalSummary:
    """What the journal holds, as far as it was read.

    Attributes:
        events: records read.
        quarantined: records that cannot become a change.
        later: records after the time asked for.
        newest_event, streams: for the checkpoint.
    """

    events: int = 0
    quarantined: int = 0
    later: int = 0
    newest_event: str = ""
    streams: dict[str, str] = field(default_factory=dict)

    def heed(self, event: Event, until: str) -> bool:
        """Count an event; say whether it is to be heeded, that is, whether it came by that time."""
        self.events += 1
        if until and event.time > until:
            self.later += 1
            return False
        if event.time > self.newest_event:
            self.newest_event = event.time
        raise_highest(self.streams, event.stream, event.sequence_number)
        return True

    def add(self, other: "JournalSummary") -> None:
        """Add the summary of another part of the journal."""
        self.events += other.events
        self.quarantined += other.quarantined
        self.later += other.later
        self.newest_event = max(self.newest_event, other.newest_event)
        for stream, number in other.streams.items():
            raise_highest(self.streams, stream, number)


def make_plan(
    store: Store,
    scratch: Scratch,
    *,
    columns: tuple[str, ...],
    targets: Targets,
    until: str,
    version: int,
    keep: Storage,
    now: float,
) -> Plan:
    """List the journal into chunks in scratch and choose the ranges; arguments as `Plan` describes them.

    Raises:
        Unavailable, Damaged: the journal could not be listed or sampled.
    """
    last = (datetime.fromisoformat(until) + timedelta(days=_DAYS_FILED_LATE)).date().isoformat() if until else ""
    sample = _Sample()
    chunks = segments = size = 0
    for chunk in batched_by_size(list_segments(store, last=last), lambda listed: listed.size, CHUNK_BYTES):
        for listed in chunk:
            sample.add(listed)
        scratch.write(chunk_name(chunks), "\n".join(listed.key for listed in chunk).encode())
        chunks, segments, size = chunks + 1, segments + len(chunk), size + sum(listed.size for listed in chunk)
    keys, weight = sample.read(store, RowEncoder(columns))
    boundaries = _boundaries(keys, min(MOST_RANGES, 1 + size // RANGE_BYTES))
    plan = Plan(columns, targets, until, version, keep, boundaries, chunks, segments, size, now, int(size * weight))
    scratch.write(PLAN, encode_plan(plan))
    return plan


def encode_plan(plan: Plan) -> bytes:
    """Write a plan as JSON."""
    return orjson.dumps(asdict(plan) | {"boundaries": [key.decode() for key in plan.boundaries]})


def load_plan(scratch: Scratch) -> Plan | None:
    """Read the plan of a rebuild that was begun in this scratch, if there is one."""
    body = scratch.read(PLAN)
    if body is None:
        return None
    content = orjson.loads(body)
    content |= {
        "columns": tuple(content["columns"]),
        "targets": Targets(**content["targets"]),
        "boundaries": tuple(key.encode() for key in content["boundaries"]),
    }
    return Plan(**content)


def listed_segments(scratch: Scratch, plan: Plan) -> Iterator[str]:
    """Give the keys of the segments that a plan listed, in key order.

    Raises:
        Damaged: a list is gone.
    """
    for number in range(plan.chunks):
        chunk = scratch.read(chunk_name(number))
        if chunk is None:
            raise Damaged("the scratch of the replay is incomplete: start over")
        yield from chunk.decode().split("\n")


def read_events(store: Store, keys: Iterable[str], *, every: int = 1) -> Iterator[Event]:
    """Read the events of segments, in order; all, or from each segment every so many.

    Raises:
        Damaged: a segment is not readable.
        Unavailable: the store did not answer.
    """
    for key, lines in read_segments(store, keys):
        for line in lines[::every]:
            yield read_event(load_record(key, line))


class _Sample:
    """Keeps some segments, evenly over a listing whose length is not known."""

    def __init__(self) -> None:
        self._kept: list[Listed] = []
        self._stride = 1
        self._seen = 0

    def add(self, listed: Listed) -> None:
        """See one more segment."""
        if self._seen % self._stride == 0:
            self._kept.append(listed)
        self._seen += 1
        if len(self._kept) == 2 * _SAMPLED_SEGMENTS:
            self._kept, self._stride = self._kept[::2], self._stride * 2

    def read(self, store: Store, encoder: RowEncoder) -> tuple[list[bytes], float]:
        """Read some of the sampled segments' events.

        Returns:
            The keys of their items, in order; and how many bytes of statements a byte of a segment makes.
        """
        keys: list[bytes] = []
        stated = 0.0
        for key, lines in read_segments(store, (listed.key for listed in self._kept)):
            some = lines[::_SAMPLED_EVERY]
            events = [read_event(load_record(key, line)) for line in some]
            keys += filter(None, map(_key, events))
            stated += sum(_stated(event, encoder) for event in events) * len(lines) / max(1, len(some))
        return sorted(keys), stated / max(1, sum(listed.size for listed in self._kept))


def _key(event: Event) -> bytes | None:
    images = event.record.get("dynamodb", {}) if isinstance(event.record, dict) else {}
    try:
        return item_key(images.get("NewImage") or images.get("OldImage") or {})
    except (BadEvent, AttributeError):
        return None


def _stated(event: Event, encoder: RowEncoder) -> int:
    """Count the bytes of the statements that an event makes."""
    try:
        return sum(map(len, statement_lines(event, journaled_changes(event, encoder))))
    except BadEvent:
        return 0


def _boundaries(keys: list[bytes], ranges: int) -> tuple[bytes, ...]:
    """Cut sorted keys into so many ranges of about the same size, or fewer, where a key would cut twice."""
    return tuple(dict.fromkeys(keys[len(keys) * number // ranges] for number in range(1, ranges) if keys))
