"""Swap a rebuilt tree in while exporters run, so that nothing they committed meanwhile is lost.

What makes it possible: an exporter writes its segment to the journal before it swaps the root, and every root names the
segments that its commit took (`segments`); the immutable copies of successive roots so tell what was merged since any
earlier version.

1. Before the journal was listed, version v of the live root was read (`plan`). Whatever v holds was in the journal
   then, and so is in the rebuilt tree.
2. Read the live root, of version w. Read the copies of the roots v+1 to w (of attempts that lost as well: what they
   name is journaled, and merging it does no harm) and merge the segments that they name into the rebuilt tree, by the
   same merge as exporters use. Then the rebuilt tree holds all that w holds. Outcomes:
   - a copy is gone, or names all of the journal (another rebuild was swapped in), or there are too many: list the
     journal again, and merge every segment that the first listing did not have;
   - a segment is days old (a redrive): it is judged by all that the journal says of its keys, as the redrive did;
   - the root has another schema or other targets than expected: no matter, the rebuilt tree keeps its own;
   - the root is gone: there is nothing to lose; the rebuilt one is created if none appears (If-None-Match).
3. Check that every object which the rebuilt tree names exists and is not about to be collected; write the new root's
   copy.
4. Swap the root with If-Match on the ETag of w. Outcomes:
   - done: the root that was swapped out is w, and step 2 has merged all of w. An exporter that lost against this swap
     reads the new root and merges its batch into it, under the new columns. End.
   - refused: an exporter was faster. v := w, go to 2; only the newest segments are left to do.
   - unknown: read the root; it is the new one: done; it is not: as refused.
   - after `patience` seconds of losing: give up, having changed nothing; the tree can be swapped in later.
5. Publish. The description of the columns is replaced if they changed.

With `until` step 2 merges only events up to that time: what came later is to be left out, and stays in the journal.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ledger.change import fold
from ledger.checkpoint import raise_highest
from ledger.csvw import DESCRIPTION_TYPE, describe
from ledger.errors import BadEvent, Damaged, ManifestLost, NotFound, Refused, Unknown
from ledger.journal import list_segments
from ledger.keys import DESCRIPTION_KEY, ROOT_COPIES, ROOT_KEY, root_copies_of, segment_key, version_of_copy
from ledger.ledger import Ledger
from ledger.manifest import REBUILT, Root, decode_root, encode_root
from ledger.objects import PAGE_TYPE
from ledger.publish import publish
from ledger.row import RowEncoder
from ledger.slices import merge_slice, next_slice
from operations.errors import NotSwapped
from operations.live.keep_alive import make_sure
from operations.live.late_events import is_recent, late_changes
from operations.rebuild.plan import Told, heeded, read_events
from operations.rebuild.statements import changes_told

PATIENCE_SECONDS = 600.0
# Segments merged at a time: their events are in memory.
_SEGMENTS_AT_ONCE = 8
_LONGEST_WAIT_SECONDS = 2.0
# Beyond so many versions, listing the journal again takes fewer requests than reading the copies of the roots.
_MOST_COPIES = 1000


@dataclass(slots=True)
class Swapped:
    """What a swap did.

    Attributes:
        root: that stands now.
        replaced: version of the root that was swapped out; -1 if there was none.
        caught_up: segments merged since the journal was listed.
        refused: swaps that an exporter won.
    """

    root: Root
    replaced: int
    caught_up: int = 0
    refused: int = 0
    _attempts: set[str] = field(default_factory=set)


def swap(
    ledger: Ledger,
    rebuilt: Root,
    listed: Callable[[], Iterator[str]],
    *,
    until: str = "",
    patience: float = PATIENCE_SECONDS,
    report: Callable[[str], None] = lambda line: None,
) -> Swapped:
    """Swap in a rebuilt tree by the protocol above.

    Args:
        ledger: whose root is to be replaced.
        rebuilt: the tree, and as `version` that of the live root when the listing of the journal began.
        listed: gives the keys of the segments in the rebuilt tree, in key order.
        until: time of the last events to heed; empty for all.
        patience: seconds until it gives up losing against exporters.
        report: is told, in a line, what goes on.

    Raises:
        NotSwapped: exporters won until patience ran out.
        Damaged: an object of the rebuilt tree is gone: build it again.
        Unavailable, Unknown: the store did not answer; run it again.
    """
    started = ledger.monotonic()
    done = Swapped(rebuilt, rebuilt.version)
    safe: set[str] = set()
    make_sure(ledger, rebuilt, live_root(ledger)[0], safe)  # all of it: too long to be done between read and swap
    while True:
        live, etag = live_root(ledger)
        rebuilt = catch_up(ledger, rebuilt, live, listed, until, done, report)
        make_sure(ledger, rebuilt, live, safe)
        candidate = _candidate(ledger, rebuilt, live, until)
        done._attempts.add(candidate.commit_id)
        if put_root(ledger, candidate, etag):
            done.root, done.replaced = candidate, live.version if live else -1
            write_description(ledger, candidate)
            publish(ledger)
            return done
        done.refused += 1
        report(f"an exporter was faster (version {rebuilt.version + 1}), catching up")
        if ledger.monotonic() - started > patience:
            raise NotSwapped(f"exporters were faster {done.refused} times; nothing was changed, try again")
        ledger.sleep(min(_LONGEST_WAIT_SECONDS, 0.05 * 2 ** min(done.refused, 6)) * ledger.chance())


def live_root(ledger: Ledger) -> tuple[Root | None, str | None]:
    """Read the root and its ETag; None if there is none although there are shards."""
    try:
        return ledger.load_root()
    except ManifestLost:
        return None, None


def put_root(ledger: Ledger, candidate: Root, etag: str | None) -> bool:
    """Write a root's copy, then swap the root; say whether it stands now."""
    body = encode_root(candidate)
    ledger.objects.write({}, {}, {candidate.copy_key: body})
    try:
        new_etag = ledger.store.put_if_match(ROOT_KEY, body, etag, PAGE_TYPE, {})
    except (Refused, NotFound, Unknown):
        return live_root(ledger)[0] == candidate
    ledger.remember_root(candidate, new_etag)
    return True


def catch_up(
    ledger: Ledger,
    rebuilt: Root,
    live: Root | None,
    listed: Callable[[], Iterator[str]],
    until: str,
    done: Swapped,
    report: Callable[[str], None],
) -> Root:
    """Merge into the rebuilt tree what the live root has taken from the journal since `rebuilt.version`.

    Step 2 of the protocol. `done` counts, and knows the attempts of this swap.
    """
    if live is None or live.version == rebuilt.version:
        return rebuilt
    names = _named(ledger, rebuilt.version + 1, live.version, done._attempts)
    if names is None:
        report("listing the journal again")
        keys: Iterable[str] = _only_second(listed(), (one.key for one in list_segments(ledger.store)))
    else:
        keys = names
    rebuilt, count = merge_segments(ledger, rebuilt, keys, until)
    done.caught_up += count
    return replace(rebuilt, version=live.version)


def _named(ledger: Ledger, first: int, last: int, own: set[str]) -> list[str] | None:
    """Name the segments that the roots of these versions took; None if the copies do not tell.

    Copies of this swap's own attempts that lost tell nothing new.
    """

    def copies(version: int) -> list[Root]:
        keys = [listed.key for listed in ledger.store.list(root_copies_of(version))]
        found = [decode_root(stored.body) for key in keys if (stored := ledger.store.get(key)) is not None]
        return [root for root in found if root.commit_id not in own]

    names: dict[str, None] = {}
    if last - first >= _MOST_COPIES:
        return None
    try:
        for found in ledger.store.map(copies, range(first, last + 1)):
            if not found or any(root.segments == REBUILT for root in found):
                return None
            names.update((segment_key(name), None) for root in found for name in root.segments)
    except (NotFound, Damaged):
        return None
    return list(names)


def _only_second(first: Iterator[str], second: Iterator[str]) -> Iterator[str]:
    """Give what only the second of two listings has; both are in the same order."""
    known = next(first, None)
    for key in second:
        while known is not None and known < key:
            known = next(first, None)
        if key != known:
            yield key


def merge_segments(ledger: Ledger, rebuilt: Root, keys: Iterable[str], until: str) -> tuple[Root, int]:
    """Merge segments of the journal into a tree that is not live, and write what it then consists of.

    Returns:
        The tree and the number of segments.
    """
    count = 0
    waiting: list[str] = []
    for key in keys:
        waiting.append(key)
        if len(waiting) == _SEGMENTS_AT_ONCE:
            rebuilt, count = _merge(ledger, rebuilt, waiting, until), count + len(waiting)
            waiting = []
    return _merge(ledger, rebuilt, waiting, until), count + len(waiting)


def _merge(ledger: Ledger, rebuilt: Root, keys: list[str], until: str) -> Root:
    told = Told(newest_event=rebuilt.checkpoint.newest_event, streams=dict(rebuilt.checkpoint.streams))
    events = [event for event in read_events(ledger.store, keys) if heeded(event, until, told)]
    late = [event for event in events if not is_recent(event.time, told.newest_event)]
    encoder = RowEncoder(rebuilt.columns)
    changes = late_changes(ledger, late, rebuilt.columns) if late else []
    for event in events:
        with suppress(BadEvent):
            if is_recent(event.time, told.newest_event):
                changes += changes_told(event, encoder)
    checkpoint = replace(rebuilt.checkpoint, newest_event=told.newest_event, streams=told.streams)
    todo = fold(changes)
    while todo:
        part, todo = next_slice(ledger.objects, rebuilt, todo)
        merged = merge_slice(ledger.objects, rebuilt, part, told.newest_event)
        ledger.objects.write(merged.pages, merged.shards, {})
        rebuilt = replace(rebuilt, rows=merged.rows, removals=merged.removals)
    return replace(rebuilt, checkpoint=checkpoint)


def _candidate(ledger: Ledger, rebuilt: Root, live: Root | None, until: str) -> Root:
    """Make the root to swap in."""
    commit_id = ledger.new_id()
    if live is None:
        return replace(rebuilt, version=next_version(ledger), commit_id=commit_id, segments=REBUILT)
    checkpoint = replace(rebuilt.checkpoint, changes=live.checkpoint.changes, gaps=live.checkpoint.gaps)
    if not until:  # all that the live checkpoint speaks of is in the tree
        streams = dict(checkpoint.streams)
        for stream, number in live.checkpoint.streams.items():
            raise_highest(streams, stream, number)
        newest = max(checkpoint.newest_event, live.checkpoint.newest_event)
        checkpoint = replace(checkpoint, newest_event=newest, streams=streams)
    return replace(
        rebuilt,
        version=live.version + 1,
        commit_id=commit_id,
        merged=live.merged,
        segments=REBUILT,
        checkpoint=checkpoint,
    )


def next_version(ledger: Ledger) -> int:
    """Give a version above that of every root that ever was."""
    versions = (version_of_copy(listed.key) for listed in ledger.store.list(ROOT_COPIES))
    return 1 + max((version for version in versions if version is not None), default=0)


def write_description(ledger: Ledger, root: Root) -> None:
    """Make the description beside the CSV fit its columns."""
    body = describe(root.columns)
    try:
        stored = ledger.store.get(DESCRIPTION_KEY)
        assert stored is not None
        if stored.body != body:
            ledger.store.put_if_match(DESCRIPTION_KEY, body, stored.etag, DESCRIPTION_TYPE, {})
    except NotFound:
        ledger.store.put_new(DESCRIPTION_KEY, body, DESCRIPTION_TYPE)
