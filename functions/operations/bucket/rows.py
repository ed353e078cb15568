r"""From the records to the rows: every ETag that records hold has one row in the CSV, which counts them; no other has.

A row agrees with the records of its ETag if it counts them, names one of them, and they are on its list: a record says
by the row's `ingested_at` on whose list it is (older ones do not say). Both are sorted by ETag, the row first:

    ETAG 00 00 COPIES tab INGESTED_AT tab NAME lf          a row
    ETAG 00 NAME 00 INGESTED_AT lf                         a record

What differs is looked at again, in the tables and in the live tree, since both go on meanwhile.

ImageProcessor leaves objects alone that are no source's any more: if a row that counted them is begun anew, they stay
in the life before. So one that says another life than the row's is of no account: nothing could ever put it right.
"""

import csv
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

from ledger.guard import unescape as unescape_cell
from ledger.guard import unguard
from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.bucket.compare import Kind, Rules, is_since, is_young
from operations.bucket.lines import END_OF_NAME, escape, unescape
from operations.bucket.recheck import Looker, in_parallel
from operations.bucket.sources import Sources
from operations.progress import Progress, counted
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import ROWS
from operations.rebuild.sorted_runs import Sorter, merge_lines
from operations.rebuild.tree_reader import lines, shards_of

_MOST_NAMES = 10_000  # objects of one image that are kept in memory, and looked at one by one
_ROW = b"\0"


class Row(NamedTuple):
    """What a row says of an image.

    Attributes:
        copies: number of objects.
        ingested_at: when the image came.
        name: `bucket/key` of an object, escaped.
    """

    copies: int
    ingested_at: str
    name: bytes


@dataclass(slots=True)
class Image:
    """The rows and records of one ETag.

    Attributes:
        etag: of the image.
        rows: that it has.
        names: of the objects whose records hold it, escaped; the first of them.
        records: number of them.
        lives: `ingested_at` of the rows on whose lists they are, as far as they say.
        untold: `ingested_at` of the row that the table has, and the CSV has not; empty if there is none.
    """

    etag: str
    rows: list[Row] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    records: int = 0
    lives: set[str] = field(default_factory=set)
    untold: str = ""

    def add_record(self, name: bytes, life: str) -> None:
        """Take a record."""
        self.records += 1
        if len(self.names) < _MOST_NAMES:
            self.names.append(name)
        if life:
            self.lives.add(life)

    @property
    def is_crowded(self) -> bool:
        """Say whether it has more objects than are named."""
        return self.records > len(self.names)

    @property
    def kind(self) -> Kind | None:
        """Say how rows and records differ; None if they agree."""
        if not self.rows:
            return Kind.MISSING if self.records else None
        if not self.records:
            return Kind.PHANTOM
        row, *others = self.rows
        named = row.name in self.names or self.is_crowded
        agree = not others and row.copies == self.records and named and self.lives <= {row.ingested_at}
        return None if agree else Kind.STALE

    @property
    def name(self) -> bytes:
        """Name an object of it: of a record, or that a row names."""
        return self.names[0] if self.names else self.rows[0].name

    @property
    def why(self) -> str:
        """Say in some words what is wrong."""
        match self.kind:
            case Kind.MISSING:
                return "a row in the table, and none in the CSV" if self.untold else "no row"
            case Kind.PHANTOM:
                return f"a row of {self.etag}, and no record"
        if len(self.rows) > 1:
            return f"{len(self.rows)} rows of {self.etag}"
        if self.rows[0].copies != self.records:
            return f"the row of {self.etag} counts {self.rows[0].copies:,} objects, there are {self.records:,}"
        return f"the row of {self.etag} is not about its objects"

    @property
    def wrong_row(self) -> str:
        """Give `ingested_at` of the row that is wrong; empty if there is none, or nothing else that is right."""
        life = self.rows[0].ingested_at if self.rows else self.untold
        return life if self.records else ""

    @property
    def to_send(self) -> list[bytes]:
        """Name the objects that are to be looked at: all that hold the image, and what rows name."""
        return [*dict.fromkeys([*self.names, *(row.name for row in self.rows)])]


def sort_rows(ledger: Ledger, root: Root, scratch: Scratch, progress: Progress) -> int:
    """Write the rows of a tree to scratch, sorted by ETag; give their number."""
    sorter, count = Sorter(scratch, ROWS), 0
    for line in counted(row_lines(ledger, root), "sorting rows", root.rows.rows, progress):
        sorter.add(line)
        count += 1
    sorter.close()
    return count


def row_lines(ledger: Ledger, root: Root) -> Iterator[bytes]:
    """Write the rows of a tree as lines that can be sorted by ETag."""
    for etag, row in _rows(ledger, root):
        yield b"%b\0\0%d\t%b\t%b\n" % (escape(etag), row.copies, row.ingested_at.encode(), row.name)


def compare_rows(holders: Iterator[bytes], scratch: Scratch, sources: Sources, young: str) -> Iterator[Image]:
    """Compare the rows that were sorted with what records hold; give the images whose rows and records differ.

    Args:
        holders: `operations.bucket.known.holders`.
        scratch: has the rows.
        sources: rows of what is outside are of no account, if no record holds them, nor are records of another life.
        young: rows that came from this time on may have records that the export lacks; empty: none may.
    """
    both = heapq.merge(merge_lines(scratch, ROWS), holders)
    for etag, group in groupby(both, lambda line: line[: line.index(END_OF_NAME)]):
        image = Image(unescape(etag))
        for line in group:
            rest = line[len(etag) + 1 : -1]
            if rest.startswith(_ROW):
                copies, ingested_at, name = rest[1:].split(b"\t")
                image.rows.append(Row(int(copies), ingested_at.decode(), name))
            else:
                name, _, life = rest.partition(END_OF_NAME)
                if _counts(image, name, unescape(life), sources):
                    image.add_record(name, unescape(life))
        kind = image.kind
        if kind is Kind.PHANTOM:
            row = image.rows[0]
            if not sources.hold(row.name) or is_since(young, row.ingested_at):
                continue
        if kind is not None:
            yield image


def _counts(image: Image, name: bytes, life: str, sources: Sources) -> bool:
    """Say whether a record is of account: its object is a source's, or it may be counted by the row."""
    return sources.hold(name) or not life or any(row.ingested_at == life for row in image.rows)


def others_of(images: Iterable[Image], holders: Iterable[bytes]) -> Iterator[tuple[Image, bytes]]:
    """Give the objects of crowded images that they do not name themselves, each with its image.

    Args:
        images: as they were compared: they name the first of their objects.
        holders: `operations.bucket.known.holders`.
    """
    by_etag = {escape(image.etag): image for image in images}
    for line in holders:
        etag, name, _ = line.split(END_OF_NAME)
        image = by_etag.get(etag)
        if image is not None and name > image.names[-1]:
            yield image, name


def look_again_at_rows(
    looker: Looker, ledger: Ledger, root: Root, images: Sequence[Image], rules: Rules
) -> list[Image]:
    """Give the images whose rows and records still differ, by the tables and by the tree of a root.

    Raises:
        Unavailable: the table or the store did not answer.
    """
    wanted = {one.etag for one in images}
    rows: dict[str, list[Row]] = {}
    for etag, row in _rows(ledger, root):
        if etag in wanted:
            rows.setdefault(etag, []).append(row)

    def now(before: Image) -> Image:
        return with_records(looker, before, rows.get(before.etag, []), rules)

    return [one for one in in_parallel(now, images) if one.kind is not None]


def with_records(looker: Looker, before: Image, rows: list[Row], rules: Rules) -> Image:
    """Give an image as it is now: with the rows that it has, and the records that hold it.

    A row that began a moment ago may be on its way to the CSV. Of an image with too many objects to be looked at, the
    row alone is: if it changes, the next check is to judge it.
    """
    item = looker.item(looker.images, etag=before.etag) or {}
    untold = "" if rows else item.get("ingested_at", {}).get("S", "")
    if is_since(rules.young, untold):
        return Image(before.etag)
    if before.is_crowded:
        goes_on = rows != before.rows or _is_joined(looker, item, rules)
        return Image(before.etag) if goes_on else replace(before, untold=untold)
    image = Image(before.etag, rows, untold=untold)
    for name, life in sorted(_holding(looker, before, item)):
        if _counts(image, name, life, rules.sources):
            image.add_record(name, life)
    return image


def _is_joined(looker: Looker, row: Any, rules: Rules) -> bool:
    """Say whether the last object that joined a row of the table is so young that the export may lack it."""
    tail = looker.record(escape(row.get("newest_object", {}).get("S", "")))
    return is_young(None, tail, rules.young)


def _holding(looker: Looker, image: Image, row: Any) -> Iterator[tuple[bytes, str]]:
    """Give the objects that hold an image now: of those that did, and of those on the list that its row has now."""
    tail = row.get("newest_object", {}).get("S")
    waiting = [*map(unescape, image.names), *([tail] if tail else [])]
    seen: set[str] = set()
    while waiting and len(seen) < 2 * _MOST_NAMES:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        record = looker.item(looker.objects, object=name) or {}
        if record.get("etag", {}).get("S") == image.etag:
            yield escape(name), record.get("ingested_at", {}).get("S", "")
            older = record.get("older", {}).get("S")
            waiting += [older] if older else []


def _rows(ledger: Ledger, root: Root) -> Iterator[tuple[str, Row]]:
    return rows_of(lines(ledger.objects, shards_of(ledger.objects, root.rows.pages)), root.columns)


def rows_of(rows: Iterable[bytes], columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Read what rows of the CSV say, each with its ETag."""
    places = [columns.index(name) for name in ("etag", "copies", "ingested_at", "bucket", "key")]
    for cells in csv.reader(_decoded(rows)):
        etag, copies, ingested_at, bucket, key = (cells[place] for place in places)
        name = escape(f"{unguard(bucket)}/{unescape_cell(unguard(key))}")
        yield etag, Row(int(copies) if copies.isdigit() else 0, ingested_at, name)


def _decoded(rows: Iterable[bytes]) -> Iterator[str]:
    return (row.decode() for row in rows)
