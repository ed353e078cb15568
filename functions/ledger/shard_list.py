"""Lists of shards, by which engines read one moment of the CSV.

Who reads a large object in several requests, or on several machines, mixes two versions of it if it is replaced in
between and the requests are not pinned to one ETag: Trino's are not, and each of Spark's tasks opens the file anew. But
shards never change. So there may be lists of all shards of one root, each one object that one PUT replaces as a whole:

    engines/shards/list.txt    an address a line, as Hive's SymlinkTextInputFormat reads it: Athena, Trino, Spark
    engines/redshift.json      the manifest of Redshift's COPY

An engine reads a list once, when it plans a query, and what the list names stays for a day longer than the list does
(`operations.collection`). It is a moment of the root: no list waits for image-data.csv to be copied.

An operator makes a list (`skyledger ddl`); without one nothing is written. CsvPublisher's schedule renews those that
there are, each minute: so what they cost does not follow the commits. Who wants a list no longer deletes it.

1. Look at the lists first, then read the root: it is as new as what they show, or newer.
2. A list shows the root's tree: done with it.
3. Read the root's pages, and put the list under If-Match on the ETag that was seen. Refused, gone or unknown: somebody
   else wrote or deleted it, or the answer was lost. The next run looks again.

A list names compressed shards alone. What an older version wrote plain, whoever makes a list finds
(`operations.readers.engine_list`); from then on all that a root names is compressed, as every writer compresses.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

import orjson

from ledger.assemble import metadata_of
from ledger.errors import NotFound, Refused, Unknown
from ledger.keys import COPY_MANIFEST_KEY, SYMLINKS_KEY, shard_key
from ledger.layout import PAGES_AT_ONCE
from ledger.ledger import Ledger, TimeLeft, no_limit
from ledger.manifest import Root

# What a list of a hundred million rows takes (315 pages read, 45 MB written), several times over.
RENEWING_SECONDS = 60.0
_BUCKET = "bucket"  # in a list's user metadata: the store of a ledger does not tell
Format = Callable[[Sequence[str]], bytes]


def symlinks(addresses: Sequence[str]) -> bytes:
    """Write addresses of objects for SymlinkTextInputFormat: one a line, and no empty line, which would be a path."""
    return "".join(f"{address}\n" for address in addresses).encode()


def copy_manifest(addresses: Sequence[str]) -> bytes:
    """Write addresses of objects for COPY ... MANIFEST, which is to fail if one is missing.

    Without `mandatory` it leaves such a one out (Redshift Developer Guide, "Using a manifest to specify data files").
    """
    return orjson.dumps({"entries": [{"url": address, "mandatory": True} for address in addresses]})


LISTS: Mapping[str, tuple[Format, str]] = {
    SYMLINKS_KEY: (symlinks, "text/plain; charset=utf-8"),
    COPY_MANIFEST_KEY: (copy_manifest, "application/json"),
}
"""Every list there may be, by its key: how it is written, and its type."""


def renew_lists(ledger: Ledger, time_left: TimeLeft = no_limit) -> int:
    """Make the lists that there are show the root; count those that were written.

    Raises:
        Damaged, ManifestLost, Unavailable: root, pages or lists could not be read.
    """
    present = {key: seen for key in LISTS if (seen := ledger.present(key)) is not None}
    left = time_left()
    if not present or (left is not None and left < RENEWING_SECONDS):
        return 0
    root, _ = ledger.load_root()
    old = {key: seen for key, seen in present.items() if seen.metadata.get("tree") != root.tree_hash}
    shards = list(shards_of(ledger, root)) if old else []
    return sum(
        put_list(ledger, root, shards, key, seen.metadata.get(_BUCKET, ""), seen.etag) for key, seen in old.items()
    )


def shards_of(ledger: Ledger, root: Root) -> Iterator[str]:
    """Give the keys of all shards of a root's rows, in the order of the rows.

    Raises:
        Damaged, Unavailable: a page could not be read.
    """
    pages = root.rows.pages
    for start in range(0, len(pages), PAGES_AT_ONCE):
        for shards in ledger.objects.pages(pages[start : start + PAGES_AT_ONCE]).values():
            yield from (shard_key(shard.sha256) for shard in shards)


def put_list(ledger: Ledger, root: Root, shards: Iterable[str], key: str, bucket: str, etag: str | None) -> bool:
    """Put a list in place of the one with this ETag; say whether that is known to be done.

    Args:
        ledger: whose.
        root: that the list is to show.
        shards: keys of all its shards.
        key: of the list.
        bucket: where the shards are.
        etag: of the list as it was seen; None if there was none.

    Raises:
        Unavailable: nothing was written.
    """
    write, kind = LISTS[key]
    body = write([f"s3://{bucket}/{shard}" for shard in shards])
    with suppress(Refused, NotFound, Unknown):
        ledger.store.put_if_match(key, body, etag, kind, metadata_of(root) | {_BUCKET: bucket})
        return True
    return False
