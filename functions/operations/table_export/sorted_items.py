"""The items of a table export as sorted lines, and where they differ from a tree.

Each line is the item's row as the exporter would write it, NUL, a mark, the time, and the item itself. Of an
incremental export there are also lines for keys that are gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import orjson

from ledger.errors import BadEvent, Damaged
from ledger.event import time_text
from ledger.manifest import Root
from ledger.merge import Loaded, find, touched_pages, touched_shards
from ledger.objects import Objects
from ledger.row import RowEncoder, item_key, item_revision, key_of
from ledger.store import Store
from operations.progress import Progress
from operations.rebuild.scratch import Scratch
from operations.rebuild.sorted_runs import merge_lines, write_run
from operations.rebuild.tree_reader import lines, shards_of
from operations.table_export.files import Export, read_file

BUFFER_BYTES = 32 << 20
_TIME_BYTES = 20
_LOOKED_UP = 2000
_TOLD = 20


@dataclass(slots=True)
class Sorted:
    """An export whose items were sorted.

    Attributes:
        items: usable items, or records of an incremental export.
        unusable: items that cannot be rows.
        reasons: of the first of them, with their etag.
    """

    items: int = 0
    unusable: int = 0
    reasons: list[str] = field(default_factory=list)


class Exported(NamedTuple):
    """One line of a sorted export.

    Attributes:
        row: the item's row; of a key that is gone, its removal line without the time.
        item: the table item; None if it is gone.
        time: for the changes that are made of it, ISO 8601.
    """

    row: bytes
    item: dict[str, Any] | None
    time: str


def sort_export(store: Store, scratch: Scratch, export: Export, columns: Sequence[str], progress: Progress) -> Sorted:
    """Write the items of an export to scratch as sorted runs.

    Raises:
        Damaged: a data file is not what the export's list says.
        Unavailable: the store did not answer.
    """
    found = Sorted()
    encoder = RowEncoder(columns)
    waiting: list[bytes] = []
    size = runs = 0
    files = [file for file in export.files if file.items]
    for number, file in enumerate(files):
        for record in read_file(store, file):
            for line in _lines(record, export, encoder, found):
                waiting.append(line)
                size += len(line)
            if size >= BUFFER_BYTES:
                write_run(scratch, f"export/runs/{runs:06d}", sorted(waiting))
                waiting, size, runs = [], 0, runs + 1
        progress("reading the export", number + 1, len(files))
    write_run(scratch, f"export/runs/{runs:06d}", sorted(waiting))
    return found


def _lines(record: Mapping[str, Any], export: Export, encoder: RowEncoder, found: Sorted) -> list[bytes]:
    found.items += 1
    try:
        if export.kind == "full":
            return [_put(record["Item"], export.time, encoder)]
        time = _written_at(record)
        new, old = record.get("NewImage"), record.get("OldImage")
        made = [_put(new, time, encoder)] if new else []
        if old and (not new or item_key(old) != item_key(new)):
            made.append(b"%b,%d,\0-%b\n" % (item_key(old), item_revision(old), time.encode()))
        return made
    except BadEvent as error:
        reason = str(error)
    except (AttributeError, KeyError, TypeError) as error:
        raise Damaged(f"the export has a record of another form: {type(error).__name__}") from error
    found.items -= 1
    found.unusable += 1
    if len(found.reasons) < _TOLD:
        image = record.get("Item") or record.get("NewImage") or record.get("OldImage") or {}
        found.reasons.append(f"{image.get('etag', {}).get('S', '(no etag)')}: {reason}")
    return []


def _put(item: Mapping[str, Any], time: str, encoder: RowEncoder) -> bytes:
    return b"%b\0+%b%b\n" % (encoder.line(item)[:-1], time.encode(), orjson.dumps(item))


def _written_at(record: Mapping[str, Any]) -> str:
    micros = int(record["Metadata"]["WriteTimestampMicros"]["N"])
    return time_text(datetime.fromtimestamp(micros // 1_000_000, UTC))


def exported(scratch: Scratch) -> Iterator[Exported]:
    """Read the sorted items of an export, in key order."""
    for line in merge_lines(scratch, "export"):
        row, _, meta = line.rpartition(b"\0")
        time, item = meta[1 : 1 + _TIME_BYTES], meta[1 + _TIME_BYTES :]
        yield Exported(row + b"\n", orjson.loads(item) if meta.startswith(b"+") else None, time.decode())


def beside_all_rows(objects: Objects, root: Root, scratch: Scratch) -> Iterator[tuple[Exported | None, bytes | None]]:
    """Join a full export with a tree: for every key what the export has and what the tree has."""
    told, rows = exported(scratch), lines(objects, shards_of(objects, root.rows.pages))
    one, row = next(told, None), next(rows, None)
    while one is not None or row is not None:
        key, other = key_of(one.row) if one else None, key_of(row) if row else None
        if key == other:
            yield one, row
            one, row = next(told, None), next(rows, None)
        elif other is None or (key is not None and key < other):
            yield one, None
            one = next(told, None)
        else:
            yield None, row
            row = next(rows, None)


def beside_their_rows(objects: Objects, root: Root, scratch: Scratch) -> Iterator[tuple[Exported, bytes | None]]:
    """Look the rows of an incremental export up in a tree, reading only the shards that it touches."""
    told = exported(scratch)
    while some := list(islice(told, _LOOKED_UP)):
        keys = [key_of(one.row) for one in some]
        pages = objects.pages(touched_pages(root.rows, keys))
        shards = objects.shards(touched_shards(root.rows, pages, keys))
        rows = find(root.rows, Loaded(pages, shards), keys)
        for key, one in zip(keys, some, strict=True):
            yield one, rows.get(key)


def export_lines(scratch: Scratch) -> Iterator[bytes]:
    """Read only the rows of a sorted full export."""
    return (one.row for one in exported(scratch))
