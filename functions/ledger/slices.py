"""What one commit merges: slices of the changes, each bounded in the shards that it touches, into both trees.

One slice is in memory at a time. What the slices of a commit make is written slice by slice, and the root is swapped
once for all of them: so a mass update costs few swaps, and a leader that touches many shards is done in one. A commit
takes a bounded number of slices, so that progress survives a timeout.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ledger.change import Change, removed_at
from ledger.event import time_text
from ledger.limits import SLICE_BYTES
from ledger.manifest import Entry, Root, Tree, entry_of
from ledger.merge import (
    Counts,
    Edited,
    Loaded,
    find,
    merge_removals,
    merge_rows,
    touched_pages,
    touched_shards,
)
from ledger.objects import Objects

SLICE_PAGES = 12
SLICES_PER_COMMIT = 8
# Twice the stream's retention: no delivery is later.
REMOVALS_KEPT = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Merged:
    """Both trees after a merge, and the objects to write.

    Attributes:
        rows, removals: the trees.
        pages, shards: what is new in them, by hash, and not written yet.
        counts: what became of the changes.
        changed: whether either tree is another than before.
        last: key of the last change merged.
        rest: the changes not merged.
    """

    rows: Tree
    removals: Tree
    pages: dict[str, bytes]
    shards: dict[str, bytes]
    counts: Counts
    changed: bool
    last: bytes = b""
    rest: list[Change] = field(default_factory=list)


def merge_slices(
    objects: Objects, root: Root, todo: list[Change], newest_event: str, go_on: Callable[[], bool]
) -> Merged:
    """Merge what one commit takes of the changes (in key order; at least one); all but the last slice is written.

    Args:
        objects: what the root's trees consist of.
        root: what to merge into.
        todo: the changes.
        newest_event: time of the newest of their events.
        go_on: asked before each further slice.

    Raises:
        Damaged, Unavailable: an object that the trees name could not be read, or one not be written.
    """
    staged, counts = root, Counts()
    for number in range(SLICES_PER_COMMIT):
        part, todo = next_slice(objects, staged, todo)
        merged = merge_slice(objects, staged, part, newest_event)
        staged = replace(staged, rows=merged.rows, removals=merged.removals)
        counts.add(merged.counts)
        if not todo or number + 1 == SLICES_PER_COMMIT or not go_on():
            break
        objects.write(merged.pages, merged.shards, {})
    changed = staged.rows != root.rows or staged.removals != root.removals
    return replace(merged, counts=counts, changed=changed, last=part[-1].key, rest=todo)


def next_slice(objects: Objects, root: Root, todo: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Cut off the changes (in key order) that the next commit takes; at least one."""
    keys = [change.key for change in todo]
    keys = keys[: _within(root.rows.pages, keys, lambda page: 1, SLICE_PAGES)]
    pages = objects.pages(touched_pages(root.rows, keys))
    shards = [shard for page in root.rows.pages if page.sha256 in pages for shard in pages[page.sha256]]
    end = _within(shards, keys, lambda shard: shard.bytes, SLICE_BYTES)
    return list(todo[:end]), list(todo[end:])


def _within(entries: Sequence[Entry], keys: Sequence[bytes], weigh: Callable[[Entry], int], limit: int) -> int:
    """Count the keys (in order), from the first, whose entries together weigh no more than the limit; at least one."""
    done = total = 0
    while entries and done < len(keys):
        index = entry_of(entries, keys[done])
        total += weigh(entries[index])
        if total > limit and done:
            return done
        done = bisect_left(keys, entries[index + 1].first, lo=done) if index + 1 < len(entries) else len(keys)
    return len(keys)


def merge_slice(objects: Objects, root: Root, part: Sequence[Change], newest_event: str) -> Merged:
    """Merge a slice into the rows tree and the removals tree.

    Raises:
        Damaged, Unavailable: an object that the trees name could not be read.
    """
    keys = [change.key for change in part]
    old_rows, old = _load(objects, (root.rows, root.removals), keys)
    oldest = oldest_kept(max(newest_event, root.checkpoint.newest_event))
    # One that comes when it is past its time already is not remembered, or each delivery of it would be a change.
    removed = [change for change in part if change.line is None and change.removed_at >= oldest]
    found = find(root.removals, old, keys)
    # What is to be forgotten is not heeded either, or the outcome would depend on when its shard was last touched.
    removals_of = {key: line for key, line in found.items() if removed_at(line) >= oldest}
    rows, counts = merge_rows(root.rows, old_rows, part, removals_of, root.targets)
    removals = Edited(root.removals)
    if removed:
        removals, _ = merge_removals(root.removals, old, removed, oldest, root.targets)
    return Merged(
        rows.tree,
        removals.tree,
        {**rows.pages, **removals.pages},
        {**rows.shards, **removals.shards},
        counts,
        rows.tree != root.rows or removals.tree != root.removals,
    )


def _load(objects: Objects, trees: Sequence[Tree], keys: Sequence[bytes]) -> list[Loaded]:
    """Load what an edit of these keys needs of some trees: all pages at a time, then all shards."""
    pages_of = [touched_pages(tree, keys) for tree in trees]
    pages = objects.pages(page for touched in pages_of for page in touched)
    shards_of = [touched_shards(tree, pages, keys) for tree in trees]
    shards = objects.shards(shard for touched in shards_of for shard in touched)
    # Each tree is given its own pages only: the edit takes a page that it is given for a touched one.
    return [Loaded({page.sha256: pages[page.sha256] for page in touched}, shards) for touched in pages_of]


def oldest_kept(newest_event: str) -> bytes:
    """Say from when on removals are remembered, by the time of the newest event (both ISO 8601)."""
    if not newest_event:
        return b""
    return time_text(datetime.fromisoformat(newest_event) - REMOVALS_KEPT).encode()
