"""What a commit merges: a batch of stream records, or of another kind (`operations` has two more)."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from ledger.change import Change, changes_of, fold
from ledger.checkpoint import raise_highest
from ledger.errors import BadEvent
from ledger.event import Event, time_text
from ledger.journal import Segment, segment_of
from ledger.manifest import Gap
from ledger.row import RowEncoder

# The stream forgets after 24 hours. What arrives so late may have had older neighbours that are gone.
LATE_SECONDS = 23 * 3600.0


class Batch(Protocol):
    """What a commit merges: a segment, and what it means under one list of columns.

    Attributes:
        segment: goes to the journal.
        newest_event: time of its newest event.
        oldest_event: of its oldest; empty if that is not known.
        streams: its highest sequence number per stream.
        gaps: times of which it tells that records may have been lost.
        bad: its events that cannot become a change, each with the reason; known once `changes` was asked.
    """

    segment: Segment
    newest_event: str
    oldest_event: str
    streams: dict[str, str]
    gaps: tuple[Gap, ...]
    bad: list[tuple[Event, str]]

    def changes(self, columns: tuple[str, ...]) -> list[Change]:
        """Say what it means: one change per key, in key order."""

    def events_of(self, todo: Sequence[Change]) -> list[Event]:
        """Name the events that these changes, not yet committed, came from."""


class StreamBatch:
    """A batch of the stream.

    Args:
        events: at least one, in stream order.
        arrived: when the stream delivered them (seconds since 1970), which tells how near it was to forgetting them;
            None if they do not come from the stream directly.

    Attributes:
        unusable: how many fields of its items are empty for what stood in them, by column; known once `changes` was
            asked.
    """

    def __init__(self, events: Sequence[Event], arrived: float | None) -> None:
        self.events = events
        self.segment: Segment = segment_of(events)
        times = {event.time for event in events}
        self.newest_event = max(times)
        self.oldest_event = min(times - {""}, default="")
        self.streams = _highest(events)
        self.gaps = _late(events, self.oldest_event, arrived)
        self.bad: list[tuple[Event, str]] = []
        self.unusable: Counter[str] = Counter()
        self._per_event: list[list[Change]] = []

    def changes(self, columns: tuple[str, ...]) -> list[Change]:
        """Say what the events mean: one change per key, in key order."""
        encoder = RowEncoder(columns)
        self.bad, self.unusable, self._per_event = [], encoder.unusable, []
        for event in self.events:
            try:
                self._per_event.append(changes_of(event, encoder))
            except BadEvent as error:
                self.bad.append((event, str(error)))
                self._per_event.append([])
        return fold(change for changes in self._per_event for change in changes)

    def events_of(self, todo: Sequence[Change]) -> list[Event]:
        """Name the events that these changes, not yet committed, came from."""
        keys = {change.key for change in todo}
        pairs = zip(self.events, self._per_event, strict=True)
        return [event for event, changes in pairs if any(change.key in keys for change in changes)]


def _highest(events: Sequence[Event]) -> dict[str, str]:
    """Give the highest sequence number of each stream."""
    highest: dict[str, str] = {}
    for event in events:
        raise_highest(highest, event.stream, event.sequence_number)
    return highest


def _late(events: Sequence[Event], oldest: str, arrived: float | None) -> tuple[Gap, ...]:
    """Say what it means that a stream delivered the oldest of these records when it was about to forget it."""
    if arrived is None or not oldest:
        return ()
    kept_since = time_text(datetime.fromtimestamp(arrived - LATE_SECONDS, UTC))
    if oldest >= kept_since:
        return ()
    first = next(event for event in events if "" < event.time < kept_since)
    return (Gap("late", first.stream, "", oldest),)
