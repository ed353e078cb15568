"""Make the list of shards that an engine reads; then CsvPublisher's schedule renews it (`ledger.shard_list`)."""

from collections.abc import Sequence

from ledger.keys import SHARDS, plain_key, shard_digest
from ledger.ledger import Ledger
from ledger.shard_list import put_list, shards_of
from operations.batches import batched
from operations.progress import Progress, silent

_AT_ONCE = 16  # shards that are compressed at a time: each has a megabyte or more in memory


def make_list(ledger: Ledger, key: str, bucket: str, progress: Progress = silent) -> bool:
    """Make the list with this key for the objects of this bucket; False if there is one, or somebody makes it now.

    A list names compressed shards: those that lie there only as an older version wrote them are compressed first.

    Raises:
        Damaged, ManifestLost, Unavailable: root, pages or shards could not be read, or the list not written.
    """
    if ledger.present(key) is not None:
        return False
    root, _ = ledger.load_root()
    shards = list(shards_of(ledger, root))
    _compress(ledger, shards, progress)
    return put_list(ledger, root, shards, key, bucket, None)


def _compress(ledger: Ledger, shards: Sequence[str], progress: Progress) -> None:
    there = {listed.key for listed in ledger.store.list(SHARDS)}
    plain = [shard_digest(shard) for shard in shards if shard not in there and plain_key(shard) in there]
    for number, digests in enumerate(batched(plain, _AT_ONCE)):
        progress("compressing shards of an older version", number * _AT_ONCE, len(plain))
        ledger.objects.write({}, {digest: ledger.objects.shard(digest) for digest in digests})
