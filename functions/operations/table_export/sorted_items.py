"""The items of a table export as sorted lines, and where they differ from a tree.

Each line is the item's row as the exporter would write it, NUL, a mark, the time, and the item itself. Of an
incremental export there are also lines for keys that are gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from ledger.errors import BadEvent, Damaged
from ledger.event import time_text
from ledger.manifest import Root
from ledger.objects import Objects
from ledger.row import RowEncoder, item_key, item_revision, key_of
from ledger.store import Store
from operations.batches import batched
from operations.progress import Progress
from operations.rebuild.merge_join import full_join
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import EXPORT, export_run
from operations.rebuild.sorted_runs import merge_lines, write_run
from operations.rebuild.tree_reader import lines, look_up, shards_of
from operations.table_export.files import Export, read_file

BUFFER_BYTES = 32 << 20
_TIME_BYTES = 20
_LOOKED_UP_AT_ONCE = 2000
_MOST_REASONS = 20


@dataclass(slots=True)
class SortedExport:
    """How many items of an export were sorted.

    Attributes:
        items: usable items, or records of an incremental export.
        unusable: items that cannot be rows.
        reasons: of the first of them, with their etag.
    """

    items: int = 0
    unusable: int = 0
    reasons: list[str] = field(default_factory=list)


class ExportLine(NamedTuple):
    """One line of a sorted export.

    Attributes:
        row: the item's row; of a key that is gone, its removal line without the time.
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
    store: Store, scratch: Scratch, export: Export, columns: Sequence[str], progress: Progress
) -> SortedExport:
    """Write the items of an export to scratch as sorted runs.

    Raises:
        Damaged: a data file is not what the export's list says.
        Unavailable: the store did not answer.
    """
    counts = SortedExport()
    encoder = RowEncoder(columns)
    waiting: list[bytes] = []
    size = runs = 0
    files = [file for file in export.files if file.items]
    for number, file in enumerate(files):
        for record in read_file(store, file):
            for line in _lines(record, export, encoder, counts):
                waiting.append(line)
                size += len(line)
            if size >= BUFFER_BYTES:
                write_run(scratch, export_run(runs), sorted(waiting))
                waiting, size, runs = [], 0, runs + 1
        progress("reading the export", number + 1, len(files))
    write_run(scratch, export_run(runs), sorted(waiting))
    return counts


def _lines(record: Mapping[str, Any], export: Export, encoder: RowEncoder, counts: SortedExport) -> list[bytes]:
    """Write the lines of one record, and count it."""
    try:
        lines = _lines_of_item(record, export, encoder)
    except BadEvent as error:
        counts.unusable += 1
        if len(counts.reasons) < _MOST_REASONS:
            image = record.get("Item") or record.get("NewImage") or record.get("OldImage") or {}
            counts.reasons.append(f"{image.get('etag', {}).get('S', '(no etag)')}: {error}")
        return []
    except (AttributeError, KeyError, TypeError) as error:
        raise Damaged(f"the export has a record of another form: {type(error).__name__}") from error
    counts.items += 1
    return lines


def _lines_of_item(record: Mapping[str, Any], export: Export, encoder: RowEncoder) -> list[bytes]:
    if export.kind == "full":
        return [_put(record["Item"], export.time, encoder)]
    time = _written_at(record)
    new, old = record.get("NewImage"), record.get("OldImage")
    lines = [_put(new, time, encoder)] if new else []
    if old and (not new or item_key(old) != item_key(new)):
        lines.append(b"%b,%d,\0-%b\n" % (item_key(old), item_revision(old), time.encode()))
    return lines


def _put(item: Mapping[str, Any], time: str, encoder: RowEncoder) -> bytes:
    return b"%b\0+%b%b\n" % (encoder.line(item)[:-1], time.encode(), orjson.dumps(item))


def _written_at(record: Mapping[str, Any]) -> str:
    micros = int(record["Metadata"]["WriteTimestampMicros"]["N"])
    return time_text(datetime.fromtimestamp(micros // 1_000_000, UTC))


def export_lines(scratch: Scratch) -> Iterator[ExportLine]:
    """Read the sorted items of an export, in key order."""
    for line in merge_lines(scratch, EXPORT):
        row, _, meta = line.rpartition(b"\0")
        time, item = meta[1 : 1 + _TIME_BYTES], meta[1 + _TIME_BYTES :]
        yield ExportLine(row + b"\n", orjson.loads(item) if meta.startswith(b"+") else None, time.decode())


def export_rows(scratch: Scratch) -> Iterator[bytes]:
    """Read only the rows of a sorted full export."""
    return (line.row for line in export_lines(scratch))


def join_all_rows(objects: Objects, root: Root, scratch: Scratch) -> Iterator[tuple[ExportLine | None, bytes | None]]:
    """Join a full export with a tree: for every key what the export has and what the tree has."""
    rows = lines(objects, shards_of(objects, root.rows.pages))
    for _, line, row in full_join(export_lines(scratch), rows, lambda line: line.key, key_of):
        yield line, row


def look_up_rows(objects: Objects, root: Root, scratch: Scratch) -> Iterator[tuple[ExportLine, bytes | None]]:
    """Look the rows of an incremental export up in a tree, reading only the shards that it touches."""
    for some in batched(export_lines(scratch), _LOOKED_UP_AT_ONCE):
        keys = [line.key for line in some]
        rows = look_up(objects, root.rows, keys)
        for key, line in zip(keys, some, strict=True):
            yield line, rows.get(key)
