"""The journal: every batch of events as received, before anything is made of it; and the quarantine beside it.

A segment is never changed, and never deleted: only forgetting an image puts another in its place (`operations.forget`).
Its name begins with the date and hour of its first event, so that the journal can be read from a day on.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import orjson
from isal import igzip, isal_zlib
from isal.igzip_lib import IsalError

from ledger.errors import Damaged, NotFound, SegmentGone
from ledger.event import Event, Record
from ledger.keys import JOURNAL, QUARANTINE, segment_key, segment_name
from ledger.packing import LEVEL, PACKED_TYPE, WINDOW
from ledger.store import Listed, Store, read_ahead

_LINES = 16
_NO_TIME = "1970-01-01T00:00:00Z"  # a batch whose first record has no time is journaled all the same
# Dates that are listed at a time: within one date, keys come in pages of 1,000, one after the other.
_DATES_AT_ONCE = 16
_AFTER_ALL = "~"  # sorts after every `hour=`


@dataclass(frozen=True, slots=True)
class Segment:
    """One journaled batch.

    Attributes:
        name: `date=YYYY-MM-DD/hour=HH/<first>-<last>-<digest>`: of its content alone, so that a batch delivered twice
            is one segment.
        body: the records as JSON lines, gzipped.
        first_record: a digest of the first one, which no other batch has: an eventID is unique, while a sequence number
            is one of its stream shard alone (DynamoDB API Reference, Record and StreamRecord). It is the same for what
            is left of the batch when it is cut in two.
    """

    name: str
    body: bytes
    first_record: str = ""

    @property
    def key(self) -> str:
        """Give the key of the segment's object."""
        return segment_key(self.name)


def segment_of(events: Sequence[Event]) -> Segment:
    """Make the segment of a batch (at least one event)."""
    digest, body = pack([event.record for event in events])
    time = next((event.time for event in events if event.time), _NO_TIME)
    first, last = _number_in_key(events[0]), _number_in_key(events[-1])
    name = f"date={time[:10]}/hour={time[11:13]}/{first}-{last}-{digest}"
    return Segment(name, body, _name_of(hashlib.sha256(_json_lines([events[0].record]))))


def pack(records: Sequence[Record]) -> tuple[str, bytes]:
    """Write records as gzipped JSON lines; give a digest of the lines, too.

    Of a survey's records it makes a 14th in 2 us each; zlib's fastest level makes a 12th in 13 us. A few at a time, so
    that what is hashed and compressed is still in the processor's cache: a batch has 5 MB.
    """
    return _pack_lines(_json_lines(records[start : start + _LINES]) for start in range(0, len(records), _LINES))


def _json_lines(records: Sequence[Record]) -> bytes:
    try:
        return b"".join([orjson.dumps(record, None, orjson.OPT_APPEND_NEWLINE) for record in records])
    except TypeError:  # see `dump_record`
        return b"".join([dump_record(record) + b"\n" for record in records])


def _pack_lines(parts: Iterable[bytes]) -> tuple[str, bytes]:
    digest, packer = hashlib.sha256(), isal_zlib.compressobj(LEVEL, wbits=WINDOW)
    packed = []
    for lines in parts:
        digest.update(lines)
        packed.append(packer.compress(lines))
    packed.append(packer.flush())
    return _name_of(digest), b"".join(packed)


def _name_of(digest: "hashlib._Hash") -> str:
    return digest.hexdigest()[:20]


def segment_in_place_of(key: str, lines: Iterable[bytes]) -> Segment:
    """Make the segment that has these records, one a line, in place of that with this key: of the same hour."""
    digest, body = _pack_lines(line + b"\n" for line in lines)
    return Segment(f"{segment_name(key).rpartition('-')[0]}-{digest}", body)


def write_segment(store: Store, segment: Segment) -> bool:
    """Write a segment, create-only; False if it is there already.

    Raises:
        Unavailable: the store did not answer.
    """
    return store.put_new(segment.key, segment.body, PACKED_TYPE)


def dates(store: Store) -> Iterator[str]:
    """List the dates (`date=YYYY-MM-DD`) that the journal has, with one request for each.

    Raises:
        Unavailable: the store did not answer.
    """
    return (name[:-1] for name in journal_parts(store) if name.startswith("date=") and name.endswith("/"))


def journal_parts(store: Store) -> Iterator[str]:
    """List what stands at the top of the journal, a folder as one with its slash: dates, and whatever is not ours.

    One request for each, and for each key within that sorts after all of ours. A key without a slash hides nothing:
    `date=2026` sorts before all folders of that year, as far as the bucket goes.

    Raises:
        Unavailable: the store did not answer.
    """
    after, last = JOURNAL, ""
    while (first := next(store.list(JOURNAL, after=after), None)) is not None:
        name, slash, _ = first.key[len(JOURNAL) :].partition("/")
        if name + slash != last:
            yield name + slash
        last = name + slash
        after = max(first.key, f"{JOURNAL}{name}/{_AFTER_ALL}") if slash else first.key


def list_segments(store: Store, *, first: str = "", last: str = "") -> Iterator[Listed]:
    """List the segments in key order.

    Args:
        store: the export bucket.
        first: date (YYYY-MM-DD) to start with; empty for all.
        last: date to end with; empty for all.

    Raises:
        Unavailable: the store did not answer.
    """
    days = ((date, date.removeprefix("date=")) for date in dates(store))
    wanted = (date for date, day in days if day >= first and (not last or day <= last))
    for _, listed in read_ahead(store, lambda date: list(store.list(f"{JOURNAL}{date}/")), wanted, _DATES_AT_ONCE):
        yield from listed


def read_segments(store: Store, keys: Iterable[str]) -> Iterator[tuple[str, list[bytes]]]:
    """Read segments, some of them ahead: for each key the records, one a line (see `load_record`).

    Raises:
        SegmentGone: a segment is not there.
        Damaged: it cannot be unpacked or holds no record.
        Unavailable: the store did not answer.
    """
    for key, body in read_ahead(store, lambda key: _packed(store, key), keys):
        lines = unpack(key, body)
        if not lines:
            raise Damaged(f"{key} is not readable: it holds no record")
        yield key, lines


def _packed(store: Store, key: str) -> bytes:
    try:
        stored = store.get(key)
    except NotFound as error:
        raise SegmentGone(f"{key} is gone: start over, if skyledger forget has put another in its place") from error
    return stored.body


def unpack(key: str, body: bytes) -> list[bytes]:
    """Unpack gzipped JSON lines.

    Raises:
        Damaged: they cannot be unpacked.
    """
    with _readable(key):
        content: bytes = igzip.decompress(body)  # type: ignore[no-untyped-call]
        return content.splitlines()


def unpack_slowly(key: str, body: bytes) -> Iterator[bytes]:
    """Unpack gzipped JSON lines one by one: memory holds some of them, however many there are.

    Raises:
        Damaged: they cannot be unpacked; the lines before that were given.
    """
    with _readable(key), igzip.open(BytesIO(body), "rb") as lines:  # type: ignore[no-untyped-call]
        yield from lines


@contextmanager
def _readable(key: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, IsalError) as error:  # type: ignore[misc]
        raise Damaged(f"{key} is not readable") from error


def load_record(key: str, line: bytes) -> Any:
    """Read one record, as the exporter received it, out of the object with this key.

    Raises:
        Damaged: it cannot be read.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # a lone surrogate or a huge integer, see `dump_record`
        try:
            return json.loads(line)
        except ValueError as error:
            raise Damaged(f"{key} is not readable") from error


def quarantine(store: Store, event: Event, reason: str) -> str:
    """Put an event that cannot become a change aside, whole and with its reason; give the key.

    The key comes from the content, so a redelivered event lies there once.

    Raises:
        Unavailable: the store did not answer.
    """
    record = dump_record(event.record)
    digest = hashlib.sha256(record).hexdigest()[:20]
    time = event.time or _NO_TIME
    key = f"{QUARANTINE}date={time[:10]}/{_number_in_key(event)}-{digest}.json"
    body = b'{"reason":' + dump_record(reason) + b',"event":' + record + b"}\n"
    store.put_new(key, body, "application/json")
    return key


def dump_record(record: Any) -> bytes:
    """Write one record, or part of it, as JSON; `load_record` reads it."""
    try:
        return orjson.dumps(record)
    except TypeError:  # lone surrogates and integers beyond 64 bits: only from a record that DynamoDB did not make
        return json.dumps(record, separators=(",", ":")).encode()


def _number_in_key(event: Event) -> str:
    """Keep only what is safe in a key: sequence numbers are digits, a bad event's may be anything."""
    return event.sequence_number if event.has_number and len(event.sequence_number) <= 40 else "none"
