"""Bring a rebuilt tree level with the live one, which exporters go on to change: step 2 of `operations.live.swap`."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ledger.change import fold
from ledger.errors import BadEvent, Damaged, NotFound, SegmentGone
from ledger.journal import list_segments
from ledger.keys import root_copies_of, segment_key
from ledger.ledger import Ledger
from ledger.manifest import REBUILT, Root, decode_root
from ledger.objects import Objects
from ledger.row import RowEncoder
from ledger.slices import merge_slice, next_slice
from operations.batches import batched
from operations.live.late_events import is_recent, late_changes
from operations.rebuild.plan import JournalSummary, read_events
from operations.rebuild.statements import journaled_changes

# Segments merged at a time: their events are in memory.
_SEGMENTS_AT_ONCE = 8
# Beyond so many versions, listing the journal again takes fewer requests than reading the copies of the roots.
_MOST_COPIES = 1000


@dataclass(slots=True)
class RebuiltTree:
    """A tree that is not live, and how far it has followed the journal.

    Attributes:
        root: the tree; its version is that of the live root of which it holds all.
        objects: where its pages and shards are, and those go that it gets.
        listed: gives the keys of the segments that the rebuild read, in key order.
        until: time of the last events to heed; empty for all.
        caught_up: segments merged into it since the rebuild.
        attempts: commit ids of roots by which it was tried to make it live; their copies tell nothing new.
    """

    root: Root
    objects: Objects
    listed: Callable[[], Iterator[str]]
    until: str = ""
    caught_up: int = 0
    attempts: set[str] = field(default_factory=set)


def catch_up(ledger: Ledger, tree: RebuiltTree, live: Root | None, report: Callable[[str], None]) -> None:
    """Merge into a rebuilt tree what the live root has taken from the journal since the tree's version.

    Args:
        ledger: whose journal, and whose copies of roots tell what was merged.
        tree: to be brought level; changed.
        live: the root that stands; None if it is lost, and then nothing is known to be missing.
        report: is told, in a line, if the journal must be listed again.

    Raises:
        Damaged: a segment or an object of the tree is not readable.
        Unavailable: the store did not answer.
    """
    if live is None or live.version == tree.root.version:
        return
    keys = _segments_of_roots(ledger, tree.root.version + 1, live.version, tree.attempts)
    if keys is None or not _merge_all(ledger, tree, keys):
        report("listing the journal again")
        listed = (one.key for one in list_segments(ledger.store))
        if not _merge_all(ledger, tree, _only_second(tree.listed(), listed)):
            raise SegmentGone("segments are replaced just now, since images are forgotten: try again")
    tree.root = replace(tree.root, version=live.version)


def _merge_all(ledger: Ledger, tree: RebuiltTree, keys: Iterable[str]) -> bool:
    """Merge segments into the tree; False if one is gone, because an image was forgotten since it was named."""
    try:
        for segments in batched(keys, _SEGMENTS_AT_ONCE):
            tree.root = _merge(ledger, tree, segments)
            tree.caught_up += len(segments)
    except SegmentGone:
        return False
    return True


def _segments_of_roots(ledger: Ledger, first: int, last: int, own: set[str]) -> list[str] | None:
    """Give the keys of the segments that the roots of these versions took; None if the copies do not tell.

    Copies of attempts that lost are read as well: what they name is journaled, and merging it does no harm. Those of
    the tree's own attempts tell nothing new.
    """

    def copies(version: int) -> list[Root]:
        keys = [listed.key for listed in ledger.store.list(root_copies_of(version))]
        roots = [decode_root(ledger.store.get(key).body, key) for key in keys]
        return [root for root in roots if root.commit_id not in own]

    if last - first >= _MOST_COPIES:
        return None
    keys: dict[str, None] = {}
    try:
        for roots in ledger.store.map(copies, range(first, last + 1)):
            if not roots or any(root.segments == REBUILT for root in roots):
                return None
            keys.update((segment_key(name), None) for root in roots for name in root.segments)
    except (NotFound, Damaged):
        return None
    return list(keys)


def _only_second(first: Iterator[str], second: Iterator[str]) -> Iterator[str]:
    """Give what only the second of two listings has; both are in the same order."""
    known = next(first, None)
    for key in second:
        while known is not None and known < key:
            known = next(first, None)
        if key != known:
            yield key


def _merge(ledger: Ledger, tree: RebuiltTree, segments: list[str]) -> Root:
    """Merge segments into the tree, and write what it then consists of; give its root."""
    root, checkpoint = tree.root, tree.root.checkpoint
    summary = JournalSummary(newest_event=checkpoint.newest_event, streams=dict(checkpoint.streams))
    heeded = (event for event in read_events(ledger.store, segments) if summary.heed(event, tree.until))
    # As a replay orders them: what a backfill journaled is as old as its export, whatever was merged before it.
    events = sorted(heeded, key=lambda event: event.time)
    late = [event for event in events if not is_recent(event.time, summary.newest_event)]
    changes = late_changes(ledger, late, root.columns) if late else []
    encoder = RowEncoder(root.columns)
    for event in events:
        with suppress(BadEvent):
            if is_recent(event.time, summary.newest_event):
                changes += journaled_changes(event, encoder)
    todo = fold(changes)
    while todo:
        part, todo = next_slice(tree.objects, root, todo)
        merged = merge_slice(tree.objects, root, part, summary.newest_event)
        tree.objects.write(merged.pages, merged.shards, {})
        root = replace(root, rows=merged.rows, removals=merged.removals)
    return replace(root, checkpoint=replace(checkpoint, newest_event=summary.newest_event, streams=summary.streams))
