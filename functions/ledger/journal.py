"""The journal: every batch of events as received, before anything is made of it; and the quarantine beside it."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from isal import isal_zlib

from ledger.change import Event, event_time, sequence_number
from ledger.errors import Damaged, NotFound
from ledger.store import Store

PREFIX = "journal/"
PENDING_PREFIX = "pending/"
QUARANTINE_PREFIX = "quarantine/"
# ISA-L's second level: of the records of a survey it makes a 14th in 2 us each; zlib's fastest makes a 12th in 13 us,
# which was a quarter of what a commit computes. It is plain gzip to every reader.
_GZIP_LEVEL, _GZIP = 2, 31  # window bits that ask for gzip's header, which then has no time
_LINES = 16
_NO_TIME = "1970-01-01T00:00:00Z"  # a batch whose first record has no time is journaled all the same


@dataclass(frozen=True, slots=True)
class Segment:
    """One journaled batch.

    Attributes:
        name: `date=YYYY-MM-DD/hour=HH/<first>-<last>-<digest>`: of its content alone, so that a batch delivered twice
            is one segment.
        body: the records as JSON lines, gzipped.
    """

    name: str
    body: bytes

    @property
    def key(self) -> str:
        """Give the key of the segment's object."""
        return f"{PREFIX}{self.name}.jsonl.gz"

    @property
    def pending_key(self) -> str:
        """Give the key of the marker that says: this segment waits to be merged."""
        return f"{PENDING_PREFIX}{self.name}"


def segment_of(events: Sequence[Event]) -> Segment:
    """Make the segment of a batch (at least one record)."""
    digest, body = pack(events)
    time = next(filter(None, map(event_time, events)), _NO_TIME)
    numbers = [_safe(sequence_number(event)) for event in (events[0], events[-1])]
    return Segment(f"date={time[:10]}/hour={time[11:13]}/{numbers[0]}-{numbers[1]}-{digest}", body)


def pack(events: Sequence[Event]) -> tuple[str, bytes]:
    """Write events as gzipped JSON lines; give a digest of the lines, too.

    A few at a time, so that what is hashed and compressed is still in the processor's cache: a batch has 5 MB.
    """
    digest, packer = hashlib.sha256(), isal_zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
    packed = []
    for start in range(0, len(events), _LINES):
        some = events[start : start + _LINES]
        try:
            lines = b"".join([orjson.dumps(event, None, orjson.OPT_APPEND_NEWLINE) for event in some])
        except TypeError:  # see `_dump`
            lines = b"".join([_dump(event) + b"\n" for event in some])
        digest.update(lines)
        packed.append(packer.compress(lines))
    packed.append(packer.flush())
    return digest.hexdigest()[:20], b"".join(packed)


def write_segment(store: Store, segment: Segment) -> bool:
    """Write a segment, create-only; False if it is there already.

    Raises:
        Unavailable: the store did not answer.
    """
    return store.put_new(segment.key, segment.body, "application/gzip")


def read_segment(store: Store, name: str) -> list[dict[str, Any]]:
    """Read the records of a segment.

    Raises:
        Damaged: it is missing or not readable.
        Unavailable: the store did not answer.
    """
    key = Segment(name, b"").key
    try:
        stored = store.get(key)
        assert stored is not None
        records = [_load(line) for line in gzip.decompress(stored.body).splitlines()]
    except NotFound as error:
        raise Damaged(f"{key} is missing although a marker names it") from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Damaged(f"{key} is not readable") from error
    if not records:
        raise Damaged(f"{key} is not readable: it holds no record")
    return records


def quarantine(store: Store, event: Event, reason: str) -> str:
    """Put an event that cannot become a change aside, whole and with its reason; give the key.

    The key comes from the content, so a redelivered event lies there once.

    Raises:
        Unavailable: the store did not answer.
    """
    record = _dump(event)
    digest = hashlib.sha256(record).hexdigest()[:20]
    time = event_time(event) or _NO_TIME
    key = f"{QUARANTINE_PREFIX}date={time[:10]}/{_safe(sequence_number(event))}-{digest}.json"
    body = b'{"reason":' + _dump(reason) + b',"event":' + record + b"}\n"
    store.put_new(key, body, "application/json")
    return key


def _dump(event: Any) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError:  # lone surrogates and integers beyond 64 bits: only from a record that DynamoDB did not make
        return json.dumps(event, separators=(",", ":")).encode()


def _load(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except ValueError:  # a lone surrogate, see `_dump`
        return json.loads(line)


def _safe(number: str) -> str:
    """Keep only what is safe in a key: sequence numbers are digits, a bad event's may be anything."""
    return number if number.isascii() and number.isdigit() and len(number) <= 40 else "none"
