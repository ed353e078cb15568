"""A batch of differences between an export and the tree, as a commit takes it (`ledger.batch.Batch`)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.change import Change
from ledger.event import Event, read_event
from ledger.journal import Segment, pack
from ledger.manifest import Gap
from ledger.row import RowEncoder
from operations.rebuild.statements import journaled_changes
from operations.table_export.files import Export


class Proposal(NamedTuple):
    """A difference.

    Attributes:
        record: to journal.
        change: that it means for the columns of the tree that the export was compared with.
    """

    record: dict[str, Any]
    change: Change


class ExportBatch:
    """Some differences in key order; the attributes are those of `ledger.batch.Batch`.

    Args:
        export: that they are of.
        number: of this batch.
        columns: of the tree that the export was compared with.
        proposals: the differences.
    """

    def __init__(self, export: Export, number: int, columns: tuple[str, ...], proposals: list[Proposal]) -> None:
        digest, body = pack([proposal.record for proposal in proposals])
        folder = f"date={export.time[:10]}/hour={export.time[11:13]}"
        self.segment = Segment(f"{folder}/backfill-{export.name}-{number:06d}-{digest}", body)
        self.newest_event = export.time
        self.oldest_event = ""  # when the changes happened an export does not say
        self.streams: dict[str, str] = {}
        self.gaps: tuple[Gap, ...] = ()
        self.bad: list[tuple[Event, str]] = []
        self._columns = columns
        self._proposals = proposals

    def changes(self, columns: tuple[str, ...]) -> list[Change]:
        """Say what the differences mean for these columns."""
        if columns == self._columns:
            return [proposal.change for proposal in self._proposals]
        encoder = RowEncoder(columns)
        events = (read_event(proposal.record) for proposal in self._proposals)
        return [change for event in events for change in journaled_changes(event, encoder)]

    def events_of(self, todo: Sequence[Change]) -> list[Event]:
        """Name the records of these changes."""
        keys = {change.key for change in todo}
        return [read_event(proposal.record) for proposal in self._proposals if proposal.change.key in keys]
