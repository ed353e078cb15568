"""Changes that wait to be merged by whoever leads: what an exporter leaves when its swap was refused.

A waiting object holds the changes as finished lines, so that a leader splits lines instead of reading events again:
then one leader can merge what forty exporters prepared. It is compressed, since all pass the one line of the leader;
what an older version left is plain, and is read as it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate

import orjson

from ledger.change import Change, put_of, removal_of
from ledger.errors import Damaged, NotFound
from ledger.keys import PENDING, pending_key
from ledger.limits import INVOCATION_SECONDS, TAKE_BYTES
from ledger.manifest import Gap
from ledger.packing import is_packed, pack, unpack, unpacked_size
from ledger.store import Listed, Store

TAKE_SEGMENTS = 100
# Whoever left an older object waits no longer.
WAITING_LIVES = timedelta(seconds=INVOCATION_SECONDS)

# What is read at a time unpacks to about three times as much at least (photos unlike each other): so that no more comes
# over the line than can be taken.
_UNPACKS_TO = 3

_PUT, _REMOVE, _REPLACED = "+", "-", "="


@dataclass(frozen=True, slots=True)
class Waiting:
    """The changes of one segment, waiting.

    Attributes:
        name: of the segment.
        columns: for which the lines are written; under another schema they are useless and left to their owner.
        changes: one per key, in key order.
        newest_event: time of the segment's newest event.
        oldest_event: of its oldest; empty if that is not known.
        streams: highest sequence number per stream.
        gaps: times of which the segment tells that records may have been lost.
    """

    name: str
    columns: tuple[str, ...]
    changes: Sequence[Change]
    newest_event: str = ""
    streams: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    oldest_event: str = ""

    @property
    def key(self) -> str:
        """Give the key of the waiting object."""
        return pending_key(self.name)


def encode(waiting: Waiting) -> bytes:
    """Write a waiting object: a line of JSON, which has a mark for each line after it, the changes' lines; packed."""
    marks: list[str] = []
    lines: list[bytes] = [b""]
    for change in waiting.changes:
        marks += [_REPLACED] * len(change.replaces)
        lines += change.replaces
        marks.append(_REMOVE if change.line is None else _PUT)
        lines.append(change.removal_line if change.line is None else change.line)
    head = {
        "name": waiting.name,
        "columns": waiting.columns,
        "newest_event": waiting.newest_event,
        "oldest_event": waiting.oldest_event,
        "streams": dict(waiting.streams),
        "gaps": [asdict(gap) for gap in waiting.gaps],
        "marks": "".join(marks),
    }
    lines[0] = orjson.dumps(head) + b"\n"
    return pack(b"".join(lines))


def decode(body: bytes) -> Waiting:
    """Read a waiting object.

    Raises:
        Damaged: it is none, or of more bytes than anybody takes.
    """
    if is_packed(body):
        body = unpack("a waiting object", body, TAKE_BYTES)
    head_line, *lines = body.splitlines(keepends=True) or [b""]
    try:
        head = orjson.loads(head_line)
        if not body.endswith(b"\n"):
            raise ValueError("the last line is torn")
        return Waiting(
            head["name"],
            tuple(head["columns"]),
            list(_changes(head["marks"], lines)),
            head["newest_event"],
            head["streams"],
            tuple(Gap(**gap) for gap in head["gaps"]),
            head.get("oldest_event", ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged("a waiting object is not readable") from error


def _changes(marks: str, lines: Sequence[bytes]) -> Iterator[Change]:
    replaces: list[bytes] = []
    for mark, line in zip(marks, lines, strict=True):
        if mark == _REPLACED:
            replaces.append(line)
            continue
        if mark == _PUT:
            yield put_of(line, tuple(replaces))
        elif mark == _REMOVE:
            yield removal_of(line, tuple(replaces))
        else:
            raise ValueError("unknown mark")
        replaces = []


def list_waiting(store: Store, now: datetime) -> list[Listed]:
    """List what waits, oldest first, so that nothing waits for ever; the names' order would favour some streams.

    What is older than an invocation can live is nobody's: its owner is dead, and its batch is delivered again. It is
    left to collection, since a removal that came after it may have been forgotten by now, and a row would come back.

    Raises:
        Unavailable: the store did not answer.
    """
    alive = (listed for listed in store.list(PENDING) if listed.modified > now - WAITING_LIVES)
    return sorted(alive, key=lambda listed: (listed.modified, listed.key))


class LedSegments:
    """What a leader takes along, read bit by bit as it comes, bounded in segments and bytes.

    Args:
        own: key of the leader's own waiting object, which it need not read.
        merged: segments that the root holds already: their leader is about to delete what waited.
    """

    def __init__(self, own: str, merged: Iterable[str]) -> None:
        self._but = {own, *map(pending_key, merged)}
        self._found: dict[str, Waiting | None] = {}
        self._size = 0
        self._is_full = False

    def is_enough(self, segments: float) -> bool:
        """Say whether so many have come, the own one counted, or no more can be taken."""
        return self._is_full or 1 + len(self._found) >= segments

    def read(self, store: Store, listed: Iterable[Listed]) -> None:
        """Read what is listed and was not read yet, up to the bounds.

        Raises:
            Unavailable: the store did not answer.
        """
        todo = [one for one in listed if one.key not in self._but and one.key not in self._found]
        while todo and not self._is_full:
            some = self._next(todo)
            todo = todo[len(some) :]
            for one, body in zip(some, store.map(lambda one: _read(store, one.key), some), strict=True):
                self._take(one.key, body)
                if self._is_full:
                    return

    def _next(self, todo: Sequence[Listed]) -> list[Listed]:
        """Give what to read next, from the first on: what will probably be taken, and one at least."""
        room = (TAKE_BYTES - self._size) // _UNPACKS_TO
        sizes = accumulate(one.size for one in todo[: TAKE_SEGMENTS - len(self._found)])
        return [*todo[: max(1, sum(size <= room for size in sizes))]]

    def _take(self, key: str, body: bytes) -> None:
        """Take what was read, unless it is too much."""
        size = unpacked_size(body) if is_packed(body) else len(body)
        if len(self._found) == TAKE_SEGMENTS or self._size + size > TAKE_BYTES >= size:
            self._is_full = True
            return
        self._found[key] = waiting = _decoded(body)
        self._size += size if waiting else 0

    def of(self, columns: tuple[str, ...]) -> list[Waiting]:
        """Give what was read and is written for these columns."""
        return [waiting for waiting in self._found.values() if waiting is not None and waiting.columns == columns]


def _read(store: Store, key: str) -> bytes:
    try:
        stored = store.get(key)
    except NotFound:
        return b""  # another leader was faster
    return stored.body


def _decoded(body: bytes) -> Waiting | None:
    try:
        return decode(body)
    except Damaged:
        return None  # not ours to mend: its owner commits it
