"""Photos are read again, after an upgrade of the reader or because somebody wants it.

Rows are chosen of a copy of the tree, and of each the object that it names is told to the lane. ImageProcessor looks at
it, reads it, and writes what is new; where nothing is, no row changes. So a message too many does no harm, and who was
interrupted goes on behind the last row that was surely sent: rows are in key order, and DuckDB keeps them in it
(Documentation, "Order Preservation": FROM a single table, WHERE, the CSV reader).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import orjson

from ledger import columns
from operations.bucket.lane import seen_message, send
from operations.bucket.lines import Listed
from operations.bucket.sources import Sources
from operations.errors import OldColumns
from operations.progress import Progress, silent
from operations.readers.table import Table
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import REREAD

_READ = ("ingested_at", "etag", "bucket", "key", "size_bytes")
_GOES_ON = timedelta(days=1)  # later it begins anew: who knows what was uploaded and changed since
_NOTED_EVERY = 1_000  # messages


def older(names: Sequence[str]) -> str:
    """Write the condition on rows that an older reader made, or one from before rows named it.

    Args:
        names: columns of the CSV.

    Raises:
        OldColumns: the CSV does not say which reader made its rows.
    """
    if columns.READER_COLUMN not in names:
        raise OldColumns(f"the CSV has no column {columns.READER_COLUMN}")
    return f"{columns.READER_COLUMN} IS NULL OR {columns.READER_COLUMN} < {columns.READER}"


@dataclass(slots=True)
class RereadReport:
    """What was sent.

    Attributes:
        rows: that were chosen.
        sent: messages, one for a row.
        before: rows passed over, since an earlier run has sent them.
        outside: rows whose objects are no source's any more, passed over.
    """

    rows: int
    sent: int = 0
    before: int = 0
    outside: int = 0


class Reread:
    """Sends rows to the lane.

    Args:
        table: the chosen rows.
        choice: what they were chosen by.
        sources: whose objects are read.
        scratch: says how far an earlier run came; is told how far this one does.
        now: the time, UTC.
    """

    def __init__(
        self, table: Table, choice: str, sources: Sources, scratch: Scratch, now: Callable[[], datetime]
    ) -> None:
        self._table, self._sources, self._scratch, self._now = table, sources, scratch, now
        self._choice = f"reader {columns.READER}: {choice}"
        self._after = self._came_to()
        self._flying: deque[tuple[str, str]] = deque()
        self.report = RereadReport(table.count)

    def send(
        self, sqs: Any, queue: str, *, limit: int = 0, rate: float = 0.0, progress: Progress = silent
    ) -> RereadReport:
        """Send them.

        Args:
            sqs: boto3 client, with `operations.bucket.lane.CONFIG`.
            queue: URL of the lane's.
            limit: messages, at most; the next run goes on behind them. 0: all.
            rate: messages a second, at most; 0: as fast as it goes.
            progress: is told how many of the rows are done.

        Raises:
            Unavailable, BotoCoreError, ClientError: as `operations.bucket.lane.send`; the next run goes on.
        """
        messages = self._messages()
        noted = 0

        def sent(count: int) -> None:
            nonlocal noted
            for _ in range(count - self.report.sent):
                self._after = self._flying.popleft()
            self.report.sent = count
            done = self.report.before + self.report.outside + count
            progress("sending", min(done, self.report.rows), self.report.rows)
            if count - noted >= _NOTED_EVERY:
                self._note()
                noted = count

        try:
            send(sqs, queue, islice(messages, limit) if limit else messages, rate=rate, sent=sent)
        finally:
            self._note()
        if next(messages, None) is None:  # none is left
            self._scratch.write(REREAD, b"null")
        return self.report

    def _messages(self) -> Iterator[str]:
        before = self._after
        for row in self._table.rows(_READ):
            key = (f"{row['ingested_at']:%Y-%m-%dT%H:%M:%S.%f}", row["etag"])
            if before and key <= before:
                self.report.before += 1
            elif not self._sources.holds(row["bucket"] or "", row["key"] or ""):
                self.report.outside += 1
            else:
                self._flying.append(key)
                seen = Listed(row["etag"], row["size_bytes"], "")
                yield seen_message(row["bucket"], row["key"], seen, "reread", self._now())

    def _came_to(self) -> tuple[str, str] | None:
        found = orjson.loads(self._scratch.read(REREAD) or b"null")
        if not found or found["choice"] != self._choice:
            return None
        return (*found["after"],) if self._now() - datetime.fromisoformat(found["at"]) < _GOES_ON else None

    def _note(self) -> None:
        if self._after:
            noted = {"choice": self._choice, "after": self._after, "at": self._now().isoformat()}
            self._scratch.write(REREAD, orjson.dumps(noted))
