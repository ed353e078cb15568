"""What becomes of a key, by all that was ever journaled of it. Pure, and the same whatever the order of reading.

A key is one life of an image. The journal makes *statements* about it: puts and removals, each with a revision and the
time of its event. The live tree heard them one after the other; a rebuild sorts them and resolves them at once:

- the row is the put of highest revision, and of equal ones (a foreign writer's) the last in the stream;
- a put is dropped if a removal has its revision or a higher one, unless the put came more than 48 h after the removal,
  when the live tree has forgotten it (an item put back by hand from an old backup);
- the removal of highest revision, then of latest time, is what the removals tree remembers.

Statements travel as lines: the row (or removal) line, NUL, a mark and the statement's time, sequence number and stream.
So lines sorted as bytes are sorted by key, and nothing of a row is parsed on the way.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.change import Change, changes_of
from ledger.errors import BadEvent
from ledger.event import Event, time_text
from ledger.row import RowEncoder, item_key, item_revision, key_of, revision_of
from ledger.slices import REMOVALS_KEPT

# The eventName of what a backfill journals: an item that an export holds, or a row whose item it lacks.
BACKFILL = "BACKFILL"

_PUT, _REMOVAL = b"+", b"-"
# In records as the journal has them, and items as DynamoDB exports them: each once, by itself or in a key.
_ETAGS = re.compile(rb'"etag"\s*:\s*\{\s*"S"\s*:\s*"([^"\\]*)"|"Lacking"\s*:\s*"[^",\\]*,([^"\\]*)"')
_UNSAFE = {ord(character): None for character in "\0\r\n"}


class Statement(NamedTuple):
    """One statement about a key.

    Attributes:
        revision, time, stream, sequence: in this order they say which of two statements is the later one; `time` is
            ISO 8601 in whole seconds, empty if unknown.
        line: the row to put, or the removal line.
        is_put: whether it puts or removes.
    """

    revision: int
    time: bytes
    stream: bytes
    sequence: int
    line: bytes
    is_put: bool


def etags_in(line: bytes) -> Iterator[bytes]:
    """Name the ETags that a journaled record may be about, without parsing it."""
    return (one or other for one, other in _ETAGS.findall(line))


def journaled_changes(event: Event, encoder: RowEncoder) -> list[Change]:
    """Say what one journaled record means: a stream record, or a record of a backfill.

    Raises:
        BadEvent: it cannot become a change; the exporter has put it into quarantine.
    """
    if event.record.get("eventName") != BACKFILL:
        return changes_of(event, encoder)
    try:
        content = event.record["dynamodb"]
        if (item := content.get("NewImage")) is not None:
            replaces = (content["Replaces"].encode(),) if "Replaces" in content else ()
            return [Change(item_key(item), item_revision(item), encoder.line(item), replaces=replaces)]
        if not event.time:
            raise BadEvent("a removal by a backfill has no time")
        return [Change(content["Lacking"].encode(), int(content["Revision"]), None, event.time.encode())]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadEvent(f"not a record of a backfill: {type(error).__name__}") from error


def statement_lines(event: Event, changes: Iterable[Change]) -> list[bytes]:
    """Write what one journaled record states by these changes, one line a key."""
    meta = b"%b %b %b\n" % (
        event.time.encode(),
        event.sequence_number.encode() if event.has_number else b"0",
        event.stream.translate(_UNSAFE).encode("utf-8", "replace"),
    )
    lines = []
    for change in changes:
        if change.line is None:
            lines.append(b"%b\0%b%b" % (change.removal_line[:-1], _REMOVAL, meta))
        else:
            lines.append(b"%b\0%b%b" % (change.line[:-1], _PUT, meta))
    return lines


def group_by_key(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Gather sorted statement lines by key."""
    group: list[bytes] = []
    start = b"\n"
    for line in lines:
        if line.startswith(start):
            group.append(line)
            continue
        if group:
            yield group
        group, start = [line], key_of(line) + b","
    if group:
        yield group


def compact(group: Sequence[bytes]) -> list[bytes]:
    """Leave out the statements of one key that cannot matter any more, whatever else will be stated about it.

    A put cannot matter beside a later one whose event was no earlier, nor a removal beside one that is in no way less.
    """
    if len(group) < 2:
        return list(group)
    kept = []
    for statements in _puts_and_removals(group):
        newest: bytes | None = None
        for statement, line in statements:
            if newest is None or statement.time > newest:
                kept.append(line)
                newest = statement.time
    return sorted(kept)


def resolve(group: Sequence[bytes]) -> tuple[bytes | None, bytes | None]:
    """Decide about one key: its row, if it has one, and the removal to remember, if there was one."""
    if len(group) == 1:
        line, meta = _split(group[0])
        return (line, None) if meta.startswith(_PUT) else (None, line)
    puts, removals = _puts_and_removals(group)
    held_back = [(removal.revision, _forgotten_after(removal.time)) for removal, _ in removals]
    for put, _ in puts:
        if not any(revision >= put.revision and put.time <= until for revision, until in held_back):
            return put.line, removals[0][0].line if removals else None
    return None, removals[0][0].line if removals else None


def puts_of(group: Sequence[bytes]) -> list[bytes]:
    """Give the rows that one key was put as, the latest first."""
    return [put.line for put, _ in _puts_and_removals(group)[0]]


def _puts_and_removals(group: Sequence[bytes]) -> tuple[list[tuple[Statement, bytes]], list[tuple[Statement, bytes]]]:
    """Read statements, latest first; beside each its line as it was."""
    read = sorted(((_statement(line), line) for line in group), reverse=True)
    return [pair for pair in read if pair[0].is_put], [pair for pair in read if not pair[0].is_put]


def _split(statement: bytes) -> tuple[bytes, bytes]:
    line, _, meta = statement.rpartition(b"\0")
    return line + b"\n", meta


def _statement(statement: bytes) -> Statement:
    line, meta = _split(statement)
    time, sequence, stream = meta[1:-1].split(b" ", 2)
    return Statement(revision_of(line), time, stream, int(sequence), line, meta.startswith(_PUT))


def _forgotten_after(removed_at: bytes) -> bytes:
    return time_text(datetime.fromisoformat(removed_at.decode()) + REMOVALS_KEPT).encode()
