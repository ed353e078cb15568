"""Make sure that what a root is about to name exists, and stays.

Shards and pages are named by their content, so a rebuild may find an object already there that no root names any more,
and that collection is about to delete because it is a day old. Such an object is written again, which makes it young;
whatever the live root names is safe as it is.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from ledger.errors import Damaged, NotFound, Refused
from ledger.ledger import Ledger
from ledger.manifest import Root, page_key, shard_key
from ledger.objects import PAGE_TYPE, SHARD_TYPE
from ledger.store import Listed

# Half of the age at which collection deletes what nothing names: time enough for the swap that follows.
YOUNG = timedelta(hours=12)
# From so many objects on, listing all of them takes fewer requests than asking for each.
_LIST_FROM = 2000


def make_sure(ledger: Ledger, root: Root, live: Root | None, safe: set[str]) -> None:
    """Make sure of all objects that a root names and the live one does not.

    Args:
        ledger: whose objects.
        root: that is to be swapped in, or pinned.
        live: the present root.
        safe: keys that were made sure of before; grows.

    Raises:
        Damaged: an object is gone.
        Unavailable: the store did not answer.
    """
    wanted = [key for key in _own_objects(ledger, root, live) if key not in safe]
    limit = datetime.now(UTC) - YOUNG
    if len(wanted) < _LIST_FROM:
        ages = ledger.store.map(lambda key: _modified(ledger, key), wanted)
        old = [key for key, modified in zip(wanted, ages, strict=True) if modified < limit]
    else:
        old = _old(wanted, [*ledger.store.list("manifest/"), *ledger.store.list("shards/")], limit)
    ledger.store.map(lambda key: _rewrite(ledger, key), old)
    safe.update(wanted)


def _own_objects(ledger: Ledger, root: Root, live: Root | None) -> Iterator[str]:
    """Name the pages, and the shards of these pages, that a root has and the live one has not."""
    for tree, other in ((root.rows, live.rows if live else None), (root.removals, live.removals if live else None)):
        theirs = {page.sha256 for page in other.pages} if other else set()
        ours = [page for page in tree.pages if page.sha256 not in theirs]
        mine = {page.sha256 for page in ours}
        changed = (
            [page for page in other.pages if page.sha256 not in {page.sha256 for page in tree.pages}] if other else []
        )
        known = {shard.sha256 for page in changed for shard in ledger.objects.pages([page])[page.sha256]}
        for digest in mine:
            yield page_key(digest)
        for page in ours:
            for shard in ledger.objects.pages([page])[page.sha256]:
                if shard.sha256 not in known:
                    yield shard_key(shard.sha256)


def _modified(ledger: Ledger, key: str) -> datetime:
    try:
        modified = ledger.store.head(key).modified
    except NotFound as error:
        raise Damaged(f"{key} is gone although the rebuilt tree names it: build it again") from error
    return modified or datetime.now(UTC)


def _old(wanted: Iterable[str], listing: Iterable[Listed], limit: datetime) -> list[str]:
    ages = {listed.key: listed.modified for listed in listing}
    old = []
    for key in wanted:
        if key not in ages:
            raise Damaged(f"{key} is gone although the rebuilt tree names it: build it again")
        if ages[key] < limit:
            old.append(key)
    return old


def _rewrite(ledger: Ledger, key: str) -> None:
    """Write an object again as it is."""
    try:
        stored = ledger.store.get(key)
        assert stored is not None
        content_type = SHARD_TYPE if key.startswith("shards/") else PAGE_TYPE
        ledger.store.put_if_match(key, stored.body, stored.etag, content_type, {})
    except NotFound as error:
        raise Damaged(f"{key} is gone although the rebuilt tree names it: build it again") from error
    except Refused:
        return  # somebody else has just written it
