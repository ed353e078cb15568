"""Make sure that what a root is about to name exists, and stays.

Shards and pages are named by their content, so a rebuild may find an object already there that no root names any more,
and that collection is about to delete because it is a day old. Such an object is touched (`ledger.objects`), which
makes it young, or, if it is a plain shard of an older version, written anew; whatever the live root names is safe as it
is. A rebuild itself touches nothing: nearly all that it makes is live.

Touched is what is older than half a day: a rebuild may take that long, and what it made cannot be written twice in the
one call of a function that swaps. So when the root is replaced again, what it named may be old enough to be collected
although a reader of that root has not had his day. Therefore the commit's id (`root.swap_id`) tells collection of it.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain

from ledger.errors import Damaged, NotFound
from ledger.keys import PAGES, SHARDS, packed_key, page_key, plain_key, shard_digest, shard_key
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.objects import PAGE_TYPE
from ledger.store import PARALLEL_REQUESTS, READ_AHEAD, Listed, read_ahead
from operations.batches import batched
from operations.progress import Progress, counted, silent
from operations.rebuild.tree_reader import shards_of, unshared

# Half a day below the age at which collection deletes what nothing names: time enough for the swap that follows.
YOUNG = timedelta(hours=12)
# From so many objects on, listing all of them takes fewer requests than asking for each.
_LIST_FROM = 2000
_LOOKING = "looking at objects"


def make_sure(ledger: Ledger, root: Root, live: Root | None, safe: set[str], progress: Progress = silent) -> None:
    """Make sure of all objects that a root names and the live one does not.

    Args:
        ledger: whose objects.
        root: that is to be swapped in, or pinned.
        live: the present root.
        safe: keys that were made sure of before; grows.
        progress: is told the objects that were looked at, and those that had to be kept from collection.

    Raises:
        Damaged: an object is gone.
        Unavailable: the store did not answer.
    """
    done = 0
    wanted = [key for key in _own_objects(ledger, root, live) if key not in safe]
    limit = ledger.objects.now() - YOUNG
    if len(wanted) < _LIST_FROM:
        told = counted(wanted, _LOOKING, len(wanted), progress)
        ages = read_ahead(ledger.store, lambda key: _modified(ledger, key), told, PARALLEL_REQUESTS)
        old = [key for key, modified in ages if modified < limit]
    else:
        listing = chain(ledger.store.list(PAGES), ledger.store.list(SHARDS))
        old = _old(wanted, counted(listing, _LOOKING, len(wanted), progress), limit)
    for some in batched(old, READ_AHEAD):
        ledger.store.map(lambda key: _write_again(ledger, key), some)
        done += len(some)
        progress("keeping objects from collection", done, len(old))
    safe.update(wanted)


def _own_objects(ledger: Ledger, root: Root, live: Root | None) -> Iterator[str]:
    """Name the pages, and the shards of these pages, that a root has and the live one has not."""
    present = live or Root()
    for mine, theirs in ((root.rows, present.rows), (root.removals, present.removals)):
        ours, others = unshared(mine.pages, theirs.pages)
        known = {shard.sha256 for shard in shards_of(ledger.objects, others)}
        yield from (page_key(page.sha256) for page in ours)
        for shard in shards_of(ledger.objects, ours):
            if shard.sha256 not in known:
                yield shard_key(shard.sha256)


def _modified(ledger: Ledger, key: str) -> datetime:
    for name in dict.fromkeys((key, plain_key(key))):
        with suppress(NotFound):
            return ledger.store.head(name).modified or ledger.objects.now()
    raise _gone(key)


def _old(wanted: Iterable[str], listing: Iterable[Listed], limit: datetime) -> list[str]:
    # A shard that lies there compressed as well is read, and kept, as that: it stands last in the listing.
    ages = {packed_key(listed.key): listed.modified for listed in listing}
    old = []
    for key in wanted:
        if key not in ages:
            raise _gone(key)
        if ages[key] < limit:
            old.append(key)
    return old


def _write_again(ledger: Ledger, key: str) -> None:
    """Touch an object, so that no collection under way deletes it; a shard is made sure of by its lines."""
    if key.startswith(SHARDS):
        digest = shard_digest(key)
        ledger.objects.write({}, {digest: ledger.objects.shard(digest)})
        return
    try:
        stored = ledger.store.get(key)
    except NotFound as error:
        raise _gone(key) from error
    ledger.objects.put(key, stored.body, PAGE_TYPE)


def _gone(key: str) -> Damaged:
    return Damaged(f"{key} is gone although the tree names it: build it again")
