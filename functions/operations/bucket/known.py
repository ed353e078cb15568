"""What the table `Objects` knows: its records, from a full export of it, as sorted lines. No Scan."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.errors import Damaged
from ledger.store import Store
from operations.bucket.lines import escape, name_of, object_line, refused_line, tombstone_line
from operations.progress import Progress
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import HOLDERS, RECORDS
from operations.rebuild.sorted_runs import Sorter, merge_lines
from operations.table_export.files import DataFile, Export, read_file

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)


@dataclass(slots=True)
class Known:
    """What is known of an export whose records were sorted.

    Attributes:
        time: of the records, ISO 8601.
        records: of objects: images, tombstones, and what is no image.
        images: of them.
        unusable: items that name no object.
    """

    time: str
    records: int = 0
    images: int = 0
    unusable: int = 0


def sort_known(store: Store, scratch: Scratch, export: Export, progress: Progress, *, by_etag: bool = False) -> Known:
    """Write the records of an export of `Objects` to scratch as sorted runs.

    Args:
        store: bucket that the export was written to.
        scratch: takes the runs.
        export: a full one.
        progress: is told how far it is.
        by_etag: write them a second time, by the ETag that they hold.

    Raises:
        Damaged: it is not a full export, or a data file is not what the export's list says.
        Unavailable: the store did not answer.
    """
    if export.kind != "full":
        raise Damaged("an incremental export does not hold the whole table")
    known = Known(export.time)
    by_name, by_content = Sorter(scratch, RECORDS), Sorter(scratch, HOLDERS)
    files = [file for file in export.files if file.items]
    for number, file in enumerate(files):
        for one in read_known(store, file):
            if one is None:
                known.unusable += 1
                continue
            known.records += 1
            by_name.add(one.line)
            if one.etag:
                known.images += 1
                if by_etag:
                    by_content.add(one.holder_line)
        progress("reading the export", number + 1, len(files))
    by_name.close()
    by_content.close()
    return known


class Held(NamedTuple):
    """A record of an export.

    Attributes:
        item: of the table.
        line: that is written of it.
        etag: of the image that the object holds; empty if it holds none.
    """

    item: Mapping[str, Any]
    line: bytes
    etag: str

    @property
    def holder_line(self) -> bytes:
        """Write the line of `holders` of a record that holds an image."""
        life = self.item.get("ingested_at", {}).get("S", "")
        return b"%b\0%b\0%b\n" % (escape(self.etag), name_of(self.line), escape(life))


def read_known(store: Store, file: DataFile) -> Iterator[Held | None]:
    """Read the records of a data file; None for an item that names no object.

    Raises:
        Damaged, Unavailable: as `read_file`.
    """
    for record in read_file(store, file):
        try:
            item = record["Item"]
            held = Held(item, record_line(item), item.get("etag", {}).get("S", ""))
        except (AttributeError, KeyError, TypeError, ValueError):
            held = None
        yield held


def record_line(item: Mapping[str, Any]) -> bytes:
    """Write an item of `Objects` as a line.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is none.
    """
    name = escape(item["object"]["S"])
    if etag := item.get("etag", {}).get("S"):
        modified = item.get("last_modified", {}).get("S", "")
        size = item.get("size_bytes", {}).get("N", "")
        return object_line(name, etag, int(size) if size else "", modified if _TIME.fullmatch(modified) else "")
    if refused := item.get("refused", {}).get("S"):
        return refused_line(name, refused, int(item.get("reader", {}).get("N", 0)))
    return tombstone_line(name)


def records(scratch: Scratch) -> Iterator[bytes]:
    """Read the sorted records, a line of `operations.bucket.lines` each."""
    return merge_lines(scratch, RECORDS)


def holders(scratch: Scratch) -> Iterator[bytes]:
    """Read which object holds what, in the order of ETags: `ETAG 00 NAME 00 INGESTED_AT lf`, all escaped.

    INGESTED_AT is that of the row on whose list the object is; empty if the record does not say.
    """
    return merge_lines(scratch, HOLDERS)
