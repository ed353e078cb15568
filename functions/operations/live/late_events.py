"""Merge events that come later than the removals tree remembers: days after what has happened to their images since.

The live merge knows a removal for 48 h of event time; within that, events may come in any order. An older event is
merged together with all that the journal holds of the same keys since, and each key is resolved as a replay resolves it
(`operations.rebuild.statements`): so the live tree stays what a replay makes.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from ledger.batch import StreamBatch
from ledger.change import Change, put_of, removal_of
from ledger.commit import Report, commit_batch
from ledger.errors import BadEvent
from ledger.event import Event, read_event
from ledger.journal import list_segments, load_record, read_segments, segment_of
from ledger.ledger import Ledger
from ledger.manifest import Gap
from ledger.row import RowEncoder, key_of
from operations.progress import Progress, silent
from operations.rebuild.statements import etags_in, group_by_key, journaled_changes, puts_of, resolve, statement_lines

# Half of the time that removals are remembered.
LATE = timedelta(hours=24)


def commit_late(ledger: Ledger, events: Sequence[Event], progress: Progress = silent) -> Report:
    """Merge events (at least one) of any age; tell how many segments of the journal were searched for it.

    Raises:
        Damaged: a segment of the journal is not readable.
        Unavailable, Unknown, ManifestLost, NewerFormat: as for `commit_batch`.
    """
    newest = ledger.load_root()[0].checkpoint.newest_event
    if not newest or all(is_recent(event.time, newest) for event in events):
        return commit_batch(ledger, StreamBatch(events, None), redelivered=True)
    return commit_batch(ledger, _LateBatch(ledger, events, progress))


def late_changes(ledger: Ledger, events: Sequence[Event], columns: tuple[str, ...]) -> list[Change]:
    """Say what becomes of the keys of late events (at least one), in key order; raises as `commit_late` does."""
    return _LateBatch(ledger, events).changes(columns)


def is_recent(time: str, newest: str) -> bool:
    """Say whether an event of this time is young enough, beside the newest, for the live merge to judge it alone."""
    return bool(time) and datetime.fromisoformat(newest) - datetime.fromisoformat(time) < LATE


class _LateBatch:
    """Events, and what the journal says became of their keys; the attributes are those of `ledger.batch.Batch`.

    The checkpoint learns nothing from them: it has passed their time.
    """

    def __init__(self, ledger: Ledger, events: Sequence[Event], progress: Progress = silent) -> None:
        self.segment = segment_of(events)
        self.newest_event = ""
        self.oldest_event = min((event.time for event in events if event.time), default="")
        self.streams: dict[str, str] = {}
        self.gaps: tuple[Gap, ...] = ()
        self.bad: list[tuple[Event, str]] = []
        self._ledger, self._events, self._progress = ledger, events, progress
        self._keys: list[set[bytes]] = []

    def changes(self, columns: tuple[str, ...]) -> list[Change]:
        """Say what is to become of each key, in key order."""
        encoder = RowEncoder(columns)
        self.bad, self._keys = [], []
        statements: set[bytes] = set()
        replaced: dict[bytes, tuple[bytes, ...]] = {}
        for event in self._events:
            try:
                stated = journaled_changes(event, encoder)
            except BadEvent as error:
                self.bad.append((event, str(error)))
                stated = []
            statements.update(statement_lines(event, stated))
            for change in stated:
                replaced[change.key] = (*replaced.get(change.key, ()), *change.replaces)
            self._keys.append({change.key for change in stated})
        wanted = set().union(*self._keys)
        since = min(event.time for event in self._events)
        statements.update(_journaled_since(self._ledger, since, wanted, encoder, self._progress))
        return [_change(group, replaced) for group in group_by_key(sorted(statements))]

    def events_of(self, todo: Sequence[Change]) -> list[Event]:
        """Name the events that these changes came from."""
        unmerged = {change.key for change in todo}
        return [event for event, keys in zip(self._events, self._keys, strict=True) if keys & unmerged]


def _change(group: Sequence[bytes], replaced: Mapping[bytes, tuple[bytes, ...]]) -> Change:
    """Say what becomes of a key; a foreign writer's row replaces those of its revision that came before it."""
    row, removal = resolve(group)
    if row is not None:
        return put_of(row, (*replaced.get(key_of(row), ()), *puts_of(group)))
    assert removal is not None, "every statement is a put or a removal"
    return removal_of(removal)


def _journaled_since(
    ledger: Ledger, time: str, wanted: set[bytes], encoder: RowEncoder, progress: Progress
) -> Iterator[bytes]:
    """Search the journal, from the day before this time on, for the statements about these keys."""
    if not wanted:
        return
    etags = {key.partition(b",")[2] for key in wanted}
    listed = (one.key for one in list_segments(ledger.store, first=_day_before(time)))
    for number, (key, lines) in enumerate(read_segments(ledger.store, listed), 1):
        progress("searching the journal, segments", number, 0)
        for line in lines:
            if etags.isdisjoint(etags_in(line)):
                continue
            try:
                event = read_event(load_record(key, line))
                stated = journaled_changes(event, encoder)
            except BadEvent:
                continue
            yield from statement_lines(event, (change for change in stated if change.key in wanted))


def _day_before(time: str) -> str:
    return (datetime.fromisoformat(time) - timedelta(days=1)).strftime("%Y-%m-%d") if time else ""
