"""The items of a table export as sorted lines, and where they differ from a tree.

Each line is the item's row as the exporter would write it, NUL, a mark, the time, and the item itself. Of an
incremental export there are also lines for keys that are gone.

An item that cannot be a row (its key or revision is not usable) is in the table all the same, so a row that the export
lacks may be its. The table's key, `etag`, says which: the rows of that etag are not known to be gone, whatever else of
the item cannot be read. If not even the etag can be, or there are too many such items to be held in memory, then of no
row is it known.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from ledger.errors import BadEvent, Damaged
from ledger.event import time_text
from ledger.manifest import Root
from ledger.objects import Objects
from ledger.row import INGESTED_AT_WIDTH, RowEncoder, item_key, key_of
from ledger.store import Store
from operations.batches import batched
from operations.progress import Progress, counted, silent
from operations.rebuild.merge_join import full_join
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import EXPORT
from operations.rebuild.sorted_runs import Sorter, merge_lines, scratch_needed
from operations.rebuild.tree_reader import lines, look_up, shards_of
from operations.table_export.files import Export, read_file

_TIME_BYTES = 20
_LOOKED_UP_AT_ONCE = 2000
_LINE_FACTOR = 2.5  # what a line weighs against its item: the row, and the item as JSON with its types
_MOST_REASONS = 20
_MOST_ETAGS = 100_000  # 10 MB
# A full export may lack the last minute before its time, and a function may have written an item some minutes after it
# took the time that the item bears.
MAY_BE_MISSED = timedelta(minutes=15)
_UNKNOWN_ETAGS = "it may be any row's, so none that the export lacks counts as gone"


@dataclass(slots=True)
class SortedExport:
    """What is known of an export whose items were sorted.

    Attributes:
        young: `ingested_at` from which on an item that was in the table may be missing in it.
        items: usable items, or records of an incremental export.
        unusable: items that cannot be rows.
        reasons: of the first of them, with their etag.
        etags: of all of them; None if that cannot be told.
    """

    young: bytes
    items: int = 0
    unusable: int = 0
    reasons: list[str] = field(default_factory=list)
    etags: set[bytes] | None = field(default_factory=set)

    def surely_lacks(self, row: bytes) -> bool:
        """Say whether a row, or key, that a full export does not have was surely not in the table at its time."""
        etag = row[INGESTED_AT_WIDTH + 1 :].partition(b",")[0]
        return self.etags is not None and etag not in self.etags and row[:INGESTED_AT_WIDTH] < self.young

    @property
    def problems(self) -> list[str]:
        """Name the first of the items that cannot be rows, a line each, and say what else is not known for them."""
        return self.reasons + ([] if self.etags is not None else [_UNKNOWN_ETAGS])

    def leave_out(self, image: Mapping[str, Any], reason: str) -> None:
        """Count an item that cannot be a row."""
        etag = image.get("etag", {}).get("S", "")
        self.unusable += 1
        if len(self.reasons) < _MOST_REASONS:
            self.reasons.append(f"{etag or '(no etag)'}: {reason}")
        if self.etags is not None:
            self.etags.add(etag.encode())
            if not etag or len(self.etags) > _MOST_ETAGS:
                self.etags = None


class ExportLine(NamedTuple):
    """One line of a sorted export.

    Attributes:
        row: the item's row; of a key that is gone, only the key and a comma.
        item: the table item; None if it is gone.
        time: for the changes that are made of it, ISO 8601.
    """

    row: bytes
    item: dict[str, Any] | None
    time: str

    @property
    def key(self) -> bytes:
        """Give the key of the row."""
        return key_of(self.row)


def sort_export(
    store: Store,
    scratch: Scratch,
    export: Export,
    columns: Sequence[str],
    progress: Progress,
    report: Callable[[str], None] = lambda line: None,
) -> SortedExport:
    """Write the items of an export to scratch as sorted runs.

    Args:
        store: bucket that the export was written to.
        scratch: takes the runs.
        export: that is sorted.
        columns: of the rows.
        progress: is told the files read.
        report: is told, in a line, where and how much scratch that takes.

    Raises:
        DiskFull: the runs do not fit.
        Damaged: a data file is not what the export's list says.
        Unavailable: the store did not answer.
    """
    scratch.reserve(scratch_needed(int(export.bytes * _LINE_FACTOR)), report)
    young = datetime.fromisoformat(export.time) - MAY_BE_MISSED
    counts = SortedExport(young.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode())
    encoder = RowEncoder(columns)
    sorter = Sorter(scratch, EXPORT)
    files = [file for file in export.files if file.items]
    for number, file in enumerate(files):
        for record in read_file(store, file):
            for line in _lines(record, export, encoder, counts):
                sorter.add(line)
        progress("reading the export", number + 1, len(files))
    sorter.close()
    return counts


def _lines(record: Mapping[str, Any], export: Export, encoder: RowEncoder, counts: SortedExport) -> list[bytes]:
    """Write the lines of one record, and count it."""
    try:
        return _lines_of_images(*_images(record, export), encoder, counts)
    except (AttributeError, KeyError, TypeError) as error:
        raise Damaged(f"the export has a record of another form: {type(error).__name__}") from error


def _images(record: Mapping[str, Any], export: Export) -> tuple[Any, Any, str]:
    """Give an item as it is, as it was before (if it is told), and the time of that."""
    if export.kind == "full":
        return record["Item"], None, export.time
    return record.get("NewImage"), record.get("OldImage"), _written_at(record)


def _lines_of_images(new: Any, old: Any, time: str, encoder: RowEncoder, counts: SortedExport) -> list[bytes]:
    lines = []
    image = new or {}
    try:
        if new:
            lines.append(_put(new, time, encoder))
        image = old or {}
        if old and (not new or item_key(old) != item_key(new)):
            lines.append(b"%b,\0-%b\n" % (item_key(old), time.encode()))
    except BadEvent as error:
        counts.leave_out(image, str(error))
        if not lines:
            return lines
    counts.items += 1
    return lines


def _put(item: Mapping[str, Any], time: str, encoder: RowEncoder) -> bytes:
    return b"%b\0+%b%b\n" % (encoder.line(item)[:-1], time.encode(), orjson.dumps(item))


def _written_at(record: Mapping[str, Any]) -> str:
    micros = int(record["Metadata"]["WriteTimestampMicros"]["N"])
    return time_text(datetime.fromtimestamp(micros // 1_000_000, UTC))


def export_lines(scratch: Scratch, progress: Progress = silent) -> Iterator[ExportLine]:
    """Read the sorted items of an export, in key order."""
    for line in merge_lines(scratch, EXPORT, progress=progress):
        row, _, meta = line.rpartition(b"\0")
        time, item = meta[1 : 1 + _TIME_BYTES], meta[1 + _TIME_BYTES :]
        yield ExportLine(row + b"\n", orjson.loads(item) if meta.startswith(b"+") else None, time.decode())


def export_rows(scratch: Scratch, progress: Progress = silent) -> Iterator[bytes]:
    """Read only the rows of a sorted full export."""
    return (line.row for line in export_lines(scratch, progress))


def join_all_rows(
    objects: Objects, root: Root, scratch: Scratch, progress: Progress
) -> Iterator[tuple[ExportLine | None, bytes | None]]:
    """Join a full export with a tree: for every key what the export has and what the tree has."""
    shards = shards_of(objects, root.rows.pages)
    rows = lines(objects, counted(shards, "comparing rows", root.rows.rows, progress, lambda shard: shard.rows))
    for _, line, row in full_join(export_lines(scratch, progress), rows, lambda line: line.key, key_of):
        yield line, row


def look_up_rows(objects: Objects, root: Root, scratch: Scratch) -> Iterator[tuple[ExportLine, bytes | None]]:
    """Look the rows of an incremental export up in a tree, reading only the shards that it touches."""
    for some in batched(export_lines(scratch), _LOOKED_UP_AT_ONCE):
        keys = [line.key for line in some]
        rows = look_up(objects, root.rows, keys)
        for key, line in zip(keys, some, strict=True):
            yield line, rows.get(key)
