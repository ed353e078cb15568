"""What one commit merges: a slice of the changes that is bounded in shards, and its merge into both trees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.change import Change
from ledger.manifest import Entry, Root, Tree, position
from ledger.merge import (
    Counts,
    Edited,
    Loaded,
    find,
    merge_removals,
    merge_rows,
    removed_at,
    touched_pages,
    touched_shards,
)
from ledger.objects import Objects

# A slice's shards and pages are in memory at once, old and new. A batch over more is several commits.
SLICE_BYTES = 48 << 20
SLICE_PAGES = 12
# Twice the stream's retention: no delivery is later.
REMOVALS_KEPT = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Merged:
    """Both trees after a slice, and the objects to write."""

    rows: Tree
    removals: Tree
    pages: dict[str, bytes]
    shards: dict[str, bytes]
    counts: Counts
    changed: bool


def next_slice(objects: Objects, root: Root, todo: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Cut off the changes (in key order) that the next commit takes; at least one."""
    end = _within(root.rows.pages, todo, lambda page: 1, SLICE_PAGES)
    pages = objects.pages(touched_pages(root.rows, [change.key for change in todo[:end]]))
    shards = [shard for page in root.rows.pages if page.sha256 in pages for shard in pages[page.sha256]]
    end = _within(shards, todo[:end], lambda shard: shard.bytes, SLICE_BYTES)
    return list(todo[:end]), list(todo[end:])


def _within(entries: Sequence[Entry], todo: Sequence[Change], weigh: Callable[[Entry], int], limit: int) -> int:
    """Count the changes, from the first, whose entries together weigh no more than the limit; at least one."""
    last, total = -1, 0
    for number, change in enumerate(todo if entries else ()):
        index = position(entries, change.key)
        if index != last:
            total += weigh(entries[index])
            last = index
            if total > limit and number:
                return number
    return len(todo)


def merge_slice(objects: Objects, root: Root, part: Sequence[Change], newest_event: str) -> Merged:
    """Merge a slice into the rows tree and the removals tree.

    Raises:
        Damaged, Unavailable: an object that the trees name could not be read.
    """
    keys = [change.key for change in part]
    oldest = oldest_kept(max(newest_event, root.checkpoint.newest_event))
    # One that comes when it is past its time already is not remembered, or each delivery of it would be a change.
    removed = [change for change in part if change.line is None and change.removed_at >= oldest]
    old = _load(objects, root.removals, keys)
    found = find(root.removals, old, keys)
    # What is to be forgotten is not heeded either, or the outcome would depend on when its shard was last touched.
    removals_of = {key: line for key, line in found.items() if removed_at(line) >= oldest}
    rows, counts = merge_rows(root.rows, _load(objects, root.rows, keys), part, removals_of, root.targets)
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


def _load(objects: Objects, tree: Tree, keys: Sequence[bytes]) -> Loaded:
    pages = objects.pages(touched_pages(tree, keys))
    return Loaded(pages, objects.shards(touched_shards(tree, pages, keys)))


def oldest_kept(newest_event: str) -> bytes:
    """Say from when on removals are remembered, by the time of the newest event (both ISO 8601)."""
    if not newest_event:
        return b""
    time = datetime.fromisoformat(newest_event) - REMOVALS_KEPT
    return time.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
