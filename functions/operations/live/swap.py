"""Swap a rebuilt tree in while exporters run, so that nothing they committed meanwhile is lost.

What makes it possible: an exporter writes its segment to the journal before it swaps the root, and every root names the
segments that its commit took (`segments`); the immutable copies of successive roots so tell what was merged since any
earlier version.

1. Before the journal was listed (`operations.rebuild.plan`), version v of the live root was read. Whatever v holds was
   in the journal then, and so is in the rebuilt tree.
2. Read the live root, of version w. Read the copies of the roots v+1 to w (of attempts that lost as well: what they
   name is journaled, and merging it does no harm) and merge the segments that they name into the rebuilt tree, by the
   same merge as exporters use. Then the rebuilt tree holds all that w holds. Outcomes:
   - a copy is gone, or names all of the journal (another rebuild was swapped in), or a segment that is gone (an image
     was forgotten since), or there are too many: list the journal again, and merge every segment that the first
     listing did not have;
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

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ledger.checkpoint import raise_highest
from ledger.ledger import Ledger
from ledger.manifest import REBUILT, Restored, Root
from operations.errors import NotSwapped
from operations.live.backoff import back_off
from operations.live.catch_up import RebuiltTree, catch_up
from operations.live.keep_alive import make_sure
from operations.live.publishing import publish_watched
from operations.live.root import live_root, next_version, put_root, swap_id, write_description
from operations.progress import Progress, silent

PATIENCE_SECONDS = 600.0


@dataclass(slots=True)
class SwapReport:
    """What a swap did.

    Attributes:
        root: that stands now.
        replaced: version of the root that was swapped out; -1 if there was none.
        caught_up: segments merged since the journal was listed.
        refused: swaps that an exporter won.
    """

    root: Root
    replaced: int
    caught_up: int
    refused: int


def swap(
    ledger: Ledger,
    rebuilt: Root,
    listed: Callable[[], Iterator[str]],
    *,
    until: str = "",
    undo: str = "",
    patience: float = PATIENCE_SECONDS,
    report: Callable[[str], None] = lambda line: None,
    progress: Progress = silent,
) -> SwapReport:
    """Swap in a rebuilt tree by the protocol above.

    Args:
        ledger: whose root is to be replaced.
        rebuilt: the tree, and as `version` that of the live root when the listing of the journal began.
        listed: gives the keys of the segments in the rebuilt tree, in key order.
        until: time of the last events to heed; empty for all. The new root then says that it was restored to it.
        undo: snapshot of what that replaces.
        patience: seconds until it gives up losing against exporters.
        report: is told, in a line, what goes on.
        progress: is told how far making sure and publishing are.

    Raises:
        NotSwapped: exporters won until patience ran out.
        Damaged: an object of the rebuilt tree is gone: build it again.
        Unavailable, Unknown: the store did not answer; run it again.
    """
    started = ledger.monotonic()
    rebuilt = replace(rebuilt, restored=Restored(until, undo) if until else None)
    tree = RebuiltTree(rebuilt, ledger.objects, listed, until)
    safe: set[str] = set()
    refused = 0
    # All of it: too long to be done between read and swap.
    make_sure(ledger, rebuilt, live_root(ledger)[0], safe, progress)
    while True:
        live, etag = live_root(ledger)
        catch_up(ledger, tree, live, report)
        make_sure(ledger, tree.root, live, safe)
        candidate = _candidate(ledger, tree.root, live, until)
        tree.attempts.add(candidate.commit_id)
        if put_root(ledger, candidate, etag):
            write_description(ledger, candidate)
            publish_watched(ledger, progress)
            return SwapReport(candidate, live.version if live else -1, tree.caught_up, refused)
        refused += 1
        report(f"an exporter was faster (version {tree.root.version + 1}), catching up")
        if ledger.monotonic() - started > patience:
            raise NotSwapped(f"exporters were faster {refused} times; nothing was changed, try again")
        back_off(ledger, refused)


def _candidate(ledger: Ledger, rebuilt: Root, live: Root | None, until: str) -> Root:
    """Make the root to swap in."""
    commit_id = swap_id(ledger)
    if live is None:
        return replace(rebuilt, version=next_version(ledger), commit_id=commit_id, segments=REBUILT)
    checkpoint = replace(
        rebuilt.checkpoint,
        changes=live.checkpoint.changes,
        removed=live.checkpoint.removed,
        rebuilt=live.checkpoint.rebuilt + 1,
        gaps=live.checkpoint.gaps,
    )
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
