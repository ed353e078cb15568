"""Reading whole trees as streams, and comparing two of them."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.columns import EXACT, TYPES
from ledger.guard import unescape, unguard
from ledger.manifest import Entry, Root, Tree
from ledger.merge import Loaded, find, touched_pages, touched_shards
from ledger.objects import Objects
from ledger.row import header, key_of
from ledger.store import read_ahead
from operations.progress import Progress, counted, silent
from operations.rebuild.merge_join import full_join

csv.field_size_limit(1 << 24)  # a cell is at most a table item, 400 KB; Python's default is less


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that two sides do not have the same of.

    Attributes:
        key: `ingested_at,etag`.
        left, right: the line on either side; None where the key is not there.
    """

    key: bytes
    left: bytes | None
    right: bytes | None


def shards_of(objects: Objects, pages: Iterable[Entry]) -> Iterator[Entry]:
    """List the shards of pages, in order; raises as `Objects.pages` does."""
    for page in pages:
        yield from objects.pages([page])[page.sha256]


def bodies(objects: Objects, shards: Iterable[Entry]) -> Iterator[tuple[Entry, bytes]]:
    """Read shards one after the other, some of them ahead; raises as `Objects.shards` does."""
    return read_ahead(objects.store, lambda shard: objects.shard(shard.sha256, shard.bytes), shards)


def lines(objects: Objects, shards: Iterable[Entry]) -> Iterator[bytes]:
    """Read the lines of shards, in order."""
    for _, body in bodies(objects, shards):
        yield from body.splitlines(keepends=True)


def whole_csv(objects: Objects, root: Root) -> Iterator[bytes]:
    """Give the bytes of the CSV that a root stands for: the header, and shard after shard."""
    yield header(root.columns)
    for _, body in bodies(objects, shards_of(objects, root.rows.pages)):
        yield body


def look_up(objects: Objects, tree: Tree, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Look lines up by key (in order), reading only the shards that they may stand in, all at a time."""
    pages = objects.pages(touched_pages(tree, keys))
    shards = objects.shards(touched_shards(tree, pages, keys))
    return find(tree, Loaded(pages, shards), keys)


def differences(
    left: Objects, left_tree: Tree, right: Objects, right_tree: Tree, progress: Progress = silent
) -> Iterator[Difference]:
    """Compare two trees of the same columns, reading only what they do not share.

    A shard that both have holds the same keys on both sides, so what differs lies in the others.
    """
    mine, theirs = unshared(left_tree.pages, right_tree.pages)
    mine, theirs = unshared([*shards_of(left, mine)], [*shards_of(right, theirs)])
    rows = sum(shard.rows for shard in mine)
    told = counted(mine, "comparing rows", rows, progress, lambda shard: shard.rows)
    return compare_lines(lines(left, told), lines(right, theirs))


def unshared(left: Sequence[Entry], right: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Leave out the pages, or shards, that both sides have."""
    left_hashes, right_hashes = {entry.sha256 for entry in left}, {entry.sha256 for entry in right}
    return (
        [entry for entry in left if entry.sha256 not in right_hashes],
        [entry for entry in right if entry.sha256 not in left_hashes],
    )


def compare_lines(left: Iterator[bytes], right: Iterator[bytes]) -> Iterator[Difference]:
    """Compare two sequences of lines, each in key order."""
    for key, one, other in full_join(left, right, key_of, key_of):
        if one != other:
            yield Difference(key, one, other)


def cells(line: bytes) -> list[str]:
    """Split a row into its cells, without quotes."""
    return next(csv.reader([line.decode("utf-8", "replace").rstrip("\n")], strict=False))


def named_cells(columns: Sequence[str], line: bytes) -> dict[str, str]:
    """Read a row's cells by the names of the columns, as the table has them: text without its guard and escapes."""
    return {name: _as_it_was(name, value) for name, value in _raw_cells(columns, line).items()}


def _as_it_was(name: str, value: str) -> str:
    text = unguard(value) if TYPES.get(name) == "text" else value
    return unescape(text) if name in EXACT else text


def _raw_cells(columns: Sequence[str], line: bytes) -> dict[str, str]:
    return dict(zip(columns, cells(line), strict=False))


def both_sides(columns: Sequence[str], difference: Difference, left: str, right: str) -> dict[str, Any]:
    """Describe a difference: the key, and on each side the cells that differ, or null where there is no row."""
    ingested_at, _, etag = difference.key.decode("utf-8", "replace").partition(",")
    lines = difference.left, difference.right
    one, other = (named_cells(columns, line) if line else None for line in lines)
    if one == other:  # the same texts, written by another rule: show how
        one, other = (_raw_cells(columns, line) if line else None for line in lines)
    names = [name for name in columns if (one or {}).get(name) != (other or {}).get(name)]
    return {
        "etag": etag,
        "ingested_at": ingested_at,
        left: one and {name: one.get(name, "") for name in names},
        right: other and {name: other.get(name, "") for name in names},
    }
