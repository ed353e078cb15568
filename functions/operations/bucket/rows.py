"""From the records to the rows: every ETag that records hold has one row in the CSV, which counts them; no other has.

Both sides are sorted by ETag. A row that no record stands behind is a phantom; an ETag without a row is missing; a row
that counts wrong, or that is there twice, is stale. What differs is looked at again, in the tables and in the live
tree, since both go on meanwhile.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from ledger.guard import unescape as unescape_cell
from ledger.guard import unguard
from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.bucket.compare import Kind
from operations.bucket.lines import END_OF_NAME, escape, unescape
from operations.bucket.recheck import Looker, in_parallel
from operations.bucket.sources import Sources
from operations.rebuild.merge_join import full_join
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import ROWS
from operations.rebuild.sorted_runs import Sorter, merge_lines
from operations.rebuild.tree_reader import lines, shards_of

_LONGEST_LIST = 10_000  # objects of one image that are counted one by one


class RowDifference(NamedTuple):
    """An ETag whose row and records differ.

    Attributes:
        kind: how.
        etag: of the image.
        name: `bucket/key` of an object, escaped: of a record, or that the row names.
        copies: that the row counts; None if there is no row.
        records: that hold it.
    """

    kind: Kind
    etag: str
    name: bytes
    copies: int | None
    records: int

    @property
    def why(self) -> str:
        """Say in some words what is wrong."""
        if self.copies is None:
            return "no row"
        return "no record" if not self.records else f"the row counts {self.copies:,}, there are {self.records:,}"


@dataclass(frozen=True, slots=True)
class _Row:
    """What a row says.

    Attributes:
        copies: number of objects.
        ingested_at: when the image came.
        name: of an object, escaped.
    """

    copies: int
    ingested_at: str
    name: bytes


def sort_rows(ledger: Ledger, root: Root, scratch: Scratch) -> int:
    """Write the rows of a tree to scratch, sorted by ETag; give their number."""
    sorter, count = Sorter(scratch, ROWS), 0
    for etag, row in _rows(ledger, root):
        sorter.add(b"%b\0%d\t%b\t%b\n" % (escape(etag), row.copies, row.ingested_at.encode(), row.name))
        count += 1
    sorter.close()
    return count


def compare_rows(holders: Iterator[bytes], scratch: Scratch, sources: Sources, young: str) -> Iterator[RowDifference]:
    """Compare the rows that were sorted with what records hold.

    Args:
        holders: `operations.bucket.known.holders`.
        scratch: has the rows.
        sources: rows of what is outside are of no account, if no record of a source holds them.
        young: rows that came from this time on may have records that the export lacks.
    """
    by_etag = ((etag, [*group]) for etag, group in groupby(map(_row_of, merge_lines(scratch, ROWS)), itemgetter(0)))
    for etag, held, rows in full_join(_counted(holders), by_etag, itemgetter(0), itemgetter(0)):
        found = [row for _, row in rows[1]] if rows else []
        if held is None and (not sources.hold(found[0].name) or (young and found[0].ingested_at >= young)):
            continue
        name, count = (held[1], held[2]) if held else (found[0].name, 0)
        if (difference := _judge(unescape(etag), name, found, count)) is not None:
            yield difference


def look_again_at_rows(
    looker: Looker, ledger: Ledger, root: Root, differences: Sequence[RowDifference]
) -> list[RowDifference]:
    """Give the differences that are still there, by the tables and by the tree of a root.

    Raises:
        Unavailable: the table or the store did not answer.
    """
    wanted = {one.etag for one in differences}
    rows: dict[str, list[_Row]] = {}
    for etag, row in _rows(ledger, root):
        if etag in wanted:
            rows.setdefault(etag, []).append(row)

    def now(before: RowDifference) -> RowDifference | None:
        there = rows.get(before.etag, [])
        return _judge(before.etag, before.name, there, _count_records(looker, before))

    return [one for one in in_parallel(now, differences) if one is not None]


def _judge(etag: str, name: bytes, rows: Sequence[_Row], records: int) -> RowDifference | None:
    copies = sum(row.copies for row in rows) if rows else None
    if not rows:
        return RowDifference(Kind.MISSING, etag, name, copies, records) if records else None
    if not records:
        return RowDifference(Kind.PHANTOM, etag, rows[0].name, copies, 0)
    if len(rows) > 1 or copies != records:
        return RowDifference(Kind.STALE, etag, name, copies, records)
    return None


def _count_records(looker: Looker, difference: RowDifference) -> int:
    """Count the records that hold an ETag now: along the image's list, or only that of the object that is known."""
    image = looker.item(looker.images, etag=difference.etag)
    following = image.get("newest_object", {}).get("S") if image else unescape(difference.name)
    seen: set[str] = set()
    while following and following not in seen and len(seen) < _LONGEST_LIST:
        record = looker.item(looker.objects, object=following)
        if record is None or record.get("etag", {}).get("S") != difference.etag:
            break
        seen.add(following)
        following = record.get("older", {}).get("S") if image else None
    return len(seen)


def _rows(ledger: Ledger, root: Root) -> Iterator[tuple[str, _Row]]:
    places = [root.columns.index(name) for name in ("etag", "copies", "ingested_at", "bucket", "key")]
    for cells in csv.reader(_decoded(lines(ledger.objects, shards_of(ledger.objects, root.rows.pages)))):
        etag, copies, ingested_at, bucket, key = (cells[place] for place in places)
        name = escape(f"{unguard(bucket)}/{unescape_cell(unguard(key))}")
        yield etag, _Row(int(copies) if copies.isdigit() else 0, ingested_at, name)


def _decoded(rows: Iterable[bytes]) -> Iterator[str]:
    return (row.decode() for row in rows)


def _row_of(line: bytes) -> tuple[bytes, _Row]:
    etag, _, rest = line[:-1].partition(END_OF_NAME)
    copies, ingested_at, name = rest.split(b"\t")
    return etag, _Row(int(copies), ingested_at.decode(), name)


def _counted(holders: Iterator[bytes]) -> Iterator[tuple[bytes, bytes, int]]:
    """Give each ETag, one of its objects, and how many there are."""
    pairs = (line[:-1].split(END_OF_NAME) for line in holders)
    for etag, group in groupby(pairs, itemgetter(0)):
        name, count = b"", 0
        for _, name in group:  # noqa: B007
            count += 1
        yield etag, name, count
