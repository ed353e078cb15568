"""A ledger of up to hundreds of millions of rows that is never made as a whole: its parts are computed when read.

What is exact, in the sense that the product's code would have built the same from the rows:
- every row that is read, and with it every byte of the CSV;
- the cuts. They are drawn first, by chance with the probability that the rule has, and a row's ETag then carries a
  nonce, searched until the rule (`starts_shard`, `starts_page`) says of this very row what was drawn. So whatever the
  product looks at, it finds the rule kept, and cuts nothing anew;
- shards and pages that hold the rows announced as `touched`, and their hashes; and the counts and sizes of all.

What is assumed: the hashes of shards and pages without a touched row, and the first keys of such pages, are made up.
The product never reads these objects; if it asked for one, it would get an error and not a wrong answer.

Tables end at the same row whatever their size, so that the last rows, shards and cuts of a small and a large one are
the same, and a comparison of what a batch costs on them is free of chance.
"""

import math
import random
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from infra.doubles.sparse_store import Bytes, Content, SparseStore
from infra.survey import items
from ledger.assemble import metadata_of
from ledger.keys import CSV_KEY, ROOT_KEY, page_key, shard_key
from ledger.manifest import (
    Checkpoint,
    Entry,
    Root,
    Targets,
    Tree,
    encode_page,
    encode_root,
    sha256,
    starts_page,
    starts_shard,
)
from ledger.packing import pack
from ledger.row import header

LAST = 999_999_999  # number of the last row of every table


class LazyTable:
    """The rows LAST - rows + 1 to LAST of an endless survey, as a ledger that is published.

    Args:
        rows: how many.
        touched: numbers of rows whose shards will be read, beside the last shard; None for all.
        targets: where the trees are cut.
        seed: draws the cuts.
    """

    def __init__(
        self, rows: int, touched: Iterable[int] | None = (), targets: Targets | None = None, seed: int = 6
    ) -> None:
        self.rows = rows
        self.first = LAST - rows + 1
        self.targets = targets or Targets()
        self._draw(seed)
        shards = {self._shard_of(number) for number in (range(self.first, LAST) if touched is None else touched)}
        shards.add(self._shard_of(LAST))
        # Without its first row a shard may join the one before, which is read then, too.
        self._exact = shards | {shard - 1 for shard in shards if shard}
        self._objects: dict[str, Callable[[], bytes]] = {}
        self.root = Root(
            version=1,
            commit_id="lazy",
            targets=self.targets,
            rows=Tree(tuple(self._page(page) for page in range(len(self._pages) - 1))),
            checkpoint=Checkpoint(rows, newest_event=items.event_time(LAST)),
        )
        self.header = header(self.root.columns)

    def store(self, **arguments: Any) -> SparseStore:
        """Make the bucket that holds this ledger; arguments are SparseStore's."""
        store = SparseStore(self.content, **arguments)
        body = Bytes(encode_root(self.root))
        store.place(ROOT_KEY, body, {})
        store.place(self.root.copy_key, body, {})
        store.place(CSV_KEY, _Csv(self), metadata_of(self.root))
        return store

    def object_keys(self) -> list[str]:
        """Name the pages and shards that can be made."""
        return list(self._objects)

    def content(self, key: str) -> Content | None:
        """Make a page or shard that holds a touched row; None for any other key, which is then not found."""
        make = self._objects.get(key)
        return None if make is None else Bytes(make())

    def etag(self, number: int) -> str:
        """Give the ETag of a row: the first for which the rule says of this row what was drawn."""
        start = bisect_left(self._starts, number)
        if start == len(self._starts) or self._starts[start] != number or number == self._first_by_place:
            return _etag(number, False, False, self.targets)
        page = bisect_left(self._pages, start)
        return _start_etag(number, self._pages[page] == start, self.targets)

    def line(self, number: int) -> bytes:
        """Make one row."""
        return items.line(number, self.etag(number))

    def lines(self, first: int, end: int) -> bytes:
        """Make the rows of the numbers from `first` up to but not `end`."""
        return b"".join([self.line(number) for number in range(first, end)])

    def _draw(self, seed: int) -> None:
        """Draw, from the last row backwards, which rows start a shard, and which of these start a page."""
        chance = random.Random(seed)
        share = min(1.0, items.ROW_BYTES / self.targets.shard_bytes)
        starts: list[int] = []
        page_starts: list[int] = []
        number = LAST + 1
        while True:
            number -= 1 if share == 1 else 1 + int(math.log(1 - chance.random()) / math.log1p(-share))
            starts_page_too = chance.random() * self.targets.page_shards < 1
            if number < self.first:
                break
            starts.append(number)
            if starts_page_too:
                page_starts.append(number)
        self._first_by_place = -1
        if not starts or starts[-1] != self.first:  # the first row of all starts a shard by its place
            starts.append(self.first)
            self._first_by_place = self.first
        if not page_starts or page_starts[-1] != self.first:
            page_starts.append(self.first)
        self._starts = array("q", reversed(starts))
        pages = [bisect_left(self._starts, number) for number in reversed(page_starts)]
        self._pages = array("q", [*pages, len(self._starts)])

    def _shard_of(self, number: int) -> int:
        return bisect_right(self._starts, number) - 1

    def _end(self, shard: int) -> int:
        return self._starts[shard + 1] if shard + 1 < len(self._starts) else LAST + 1

    def _page(self, page: int) -> Entry:
        shards = range(self._pages[page], self._pages[page + 1])
        first, end = self._starts[shards[0]], self._end(shards[-1])
        if self._exact.isdisjoint(shards):
            made_up = sha256(b"page %d" % first)
            return Entry(items.key(first), end - first, (end - first) * items.ROW_BYTES, made_up)
        entries = [self._shard(shard) for shard in shards]
        body = encode_page(entries)
        digest = sha256(body)
        self._objects[page_key(digest)] = lambda: body
        return Entry(entries[0].first, end - first, (end - first) * items.ROW_BYTES, digest)

    def _shard(self, shard: int) -> Entry:
        first, end = self._starts[shard], self._end(shard)
        digest = sha256(b"shard %d" % first)
        if shard in self._exact:
            digest = sha256(self.lines(first, end))
            self._objects[shard_key(digest)] = lambda: pack(self.lines(first, end))
        return Entry(items.key(first, self.etag(first)), end - first, (end - first) * items.ROW_BYTES, digest)


class _Csv:
    """The published CSV: where a row lies follows from its number."""

    def __init__(self, table: LazyTable) -> None:
        self._table = table
        self.size = len(table.header) + table.rows * items.ROW_BYTES

    def read(self, first: int, last: int) -> bytes:
        """Give bytes first..last (inclusive)."""
        table, start = self._table, len(self._table.header)
        before = table.header[first : last + 1]
        if last < start:
            return before
        row = max(0, first - start) // items.ROW_BYTES
        end = (last - start) // items.ROW_BYTES + 1
        rows = table.lines(table.first + row, table.first + end)
        skip = max(0, first - start) - row * items.ROW_BYTES
        return before + rows[skip : skip + last - max(first, start) + 1]


@lru_cache(maxsize=1 << 16)
def _start_etag(number: int, page: bool, targets: Targets) -> str:
    return _etag(number, True, page, targets)


def _etag(number: int, cut: bool, page: bool, targets: Targets) -> str:
    """Search the first nonce with which a row starts a shard, and then a page, or does not."""
    at, etag = f"{items.ingested_at(number)},".encode(), items.etag_of(number).encode()
    nonce = 0
    while True:
        key = b"%b%06x%b" % (at, nonce, etag[6:])
        if starts_shard(key, items.ROW_BYTES, targets) == cut and (not cut or starts_page(key, targets) == page):
            return key[len(at) :].decode()
        nonce += 1
