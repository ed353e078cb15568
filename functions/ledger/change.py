"""Stream record to change: what an event means to the CSV."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from ledger.errors import BadEvent
from ledger.event import Event
from ledger.row import RowEncoder, item_key, item_revision, key_of, revision_of

T = TypeVar("T")


class Change(NamedTuple):
    """What is to become of one key.

    Attributes:
        key: `ingested_at,etag`.
        revision: orders the changes of this key.
        line: the row to put; None removes the key.
        removed_at: for removals, the event's time (ISO 8601, UTC, whole seconds).
        replaces: lines that a foreign writer replaced without raising the revision (see `newer`).
    """

    key: bytes
    revision: int
    line: bytes | None
    removed_at: bytes = b""
    replaces: tuple[bytes, ...] = ()

    @property
    def removal_line(self) -> bytes:
        """Give the line by which the removals tree remembers this removal."""
        return b"%b,%d,%b\n" % (self.key, self.revision, self.removed_at)


def removed_at(removal_line: bytes) -> bytes:
    """Give the time of a removal line."""
    return removal_line[removal_line.rindex(b",") + 1 : -1]


def put_of(line: bytes, replaces: tuple[bytes, ...] = ()) -> Change:
    """Give the change that puts this row."""
    return Change(key_of(line), revision_of(line), line, replaces=replaces)


def removal_of(removal_line: bytes, replaces: tuple[bytes, ...] = ()) -> Change:
    """Give the removal that this line remembers."""
    return Change(key_of(removal_line), revision_of(removal_line), None, removed_at(removal_line), replaces)


def changes_of(event: Event, encoder: RowEncoder) -> list[Change]:
    """Say what one stream record means: puts and removals, nearly always one.

    Raises:
        BadEvent: the record lacks the image, key or types that a change needs.
    """
    try:
        name, record = event.record["eventName"], event.record["dynamodb"]
        new, old = record.get("NewImage"), record.get("OldImage")
        if name in ("INSERT", "MODIFY"):
            if not new:
                raise BadEvent(f"a {name} record has no NewImage")
            return _put(new, old, event, encoder)
        if name == "REMOVE":
            if not old:
                raise BadEvent("a REMOVE record has no OldImage: its row cannot be told from the key alone")
            return [Change(item_key(old), item_revision(old), None, event.time_or_reason())]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadEvent(f"not a stream record: {type(error).__name__}") from error
    raise BadEvent(f"unknown eventName {str(name)[:40]!r}")


def _put(new: Any, old: Any, event: Event, encoder: RowEncoder) -> list[Change]:
    line = encoder.line(new)
    key, revision = key_of(line), revision_of(line)
    if not old:
        return [Change(key, revision, line)]
    old_key = _or_none(item_key, old)
    if old_key is not None and old_key != key:
        return [Change(old_key, item_revision(old), None, event.time_or_reason()), Change(key, revision, line)]
    # ImageProcessor raises the revision at every write; whoever does not is a foreign writer (a hand-made edit).
    replaces = (encoder.line(old),) if old_key and _or_none(item_revision, old) == revision else ()
    return [Change(key, revision, line, replaces=replaces)]


def _or_none(read: Callable[[Any], T], image: Any) -> T | None:
    """Read what an old image may lack: it never was a row then, and that must not keep out the one that mends it."""
    try:
        return read(image)
    except BadEvent:
        return None


def newer(first: Change, second: Change) -> Change:
    """Choose between two changes of one key, `second` being the later one in the stream.

    The higher revision wins, and a removal beats a put of the same revision. Two puts of one revision are a foreign
    writer's: the later one wins, but it remembers what it replaced, so that an old delivery cannot undo it.
    """
    if first.revision != second.revision:
        return first if first.revision > second.revision else second
    if first.line is None or second.line is None:
        removals = [change for change in (first, second) if change.line is None]
        return max(removals, key=lambda change: change.removed_at)
    if first.line == second.line:
        return first if len(first.replaces) >= len(second.replaces) else second
    made_from_first = first.line in second.replaces
    if second.line in first.replaces and not made_from_first:  # an old delivery came late
        return first
    return second._replace(replaces=(*second.replaces, *first.replaces, first.line))


def fold(changes: Iterable[Change]) -> list[Change]:
    """Keep one change per key, in key order. `changes` come in stream order."""
    best: dict[bytes, Change] = {}
    for change in changes:
        known = best.setdefault(change.key, change)
        if known is not change:
            best[change.key] = newer(known, change)
    return [best[key] for key in sorted(best)]
