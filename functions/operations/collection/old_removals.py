"""Forget removals that are past their time, also where no batch touches their shard."""

from collections.abc import Iterator

from ledger.change import removed_at
from ledger.ledger import Ledger
from ledger.manifest import Entry
from ledger.merge import Edited
from ledger.slices import oldest_kept
from ledger.tree_writer import TreeWriter
from operations.live.root import put_root

# Of the removals tree, the pages that are in memory at once; what lies behind them waits for a later run.
_MOST_BYTES = 32 << 20


def forget_removals(ledger: Ledger) -> int:
    """Write the removals tree without the lines that are past their time, and swap the root, once.

    Whoever commits just then wins, and the next run forgets. The merge heeds no such line in any case, so it makes no
    difference to any row when this is done.

    Returns:
        How many lines were forgotten.

    Raises:
        Damaged, ManifestLost, NewerFormat, Unavailable: as for a commit.
    """
    root, etag = ledger.load_root()
    oldest = oldest_kept(root.checkpoint.newest_event)
    first = _fitting(root.removals.pages)
    lines = [line for body in _bodies(ledger, first) for line in body.splitlines(keepends=True)]
    kept = [line for line in lines if removed_at(line) >= oldest]
    if len(kept) == len(lines):
        return 0
    edited = Edited(root.removals)
    writer = TreeWriter(root.targets, edited)
    writer.lines(kept)
    # A later page starts with a key that starts a page by itself, whatever stands before it.
    for page in root.removals.pages[len(first) :]:
        writer.page(page)
    tree = writer.close()
    ledger.objects.write(edited.pages, edited.shards, {})
    won = put_root(ledger, root.successor(ledger.new_id(), removals=tree), etag)
    return len(lines) - len(kept) if won else 0


def _fitting(pages: tuple[Entry, ...]) -> list[Entry]:
    """Give the first pages that fit into memory; at least one, if there is any."""
    size = 0
    fitting: list[Entry] = []
    for page in pages:
        size += page.bytes
        if fitting and size > _MOST_BYTES:
            break
        fitting.append(page)
    return fitting


def _bodies(ledger: Ledger, pages: list[Entry]) -> Iterator[bytes]:
    shards = [shard for page in ledger.objects.pages(pages).values() for shard in page]
    loaded = ledger.objects.shards(shards)
    return (loaded[shard.sha256] for shard in shards)
