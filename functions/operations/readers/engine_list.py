"""Make the list of shards that an engine reads; then CsvPublisher's schedule renews it (`ledger.shard_list`)."""

from ledger.keys import SHARDS, plain_key
from ledger.ledger import Ledger
from ledger.shard_list import present_list, put_list, shards_of
from operations.errors import PlainShards


def make_list(ledger: Ledger, key: str, bucket: str) -> bool:
    """Make the list with this key for the objects of this bucket; False if there is one, or somebody makes it now.

    Raises:
        PlainShards: the list would name shards that are not there, since an older version wrote them uncompressed.
        Damaged, ManifestLost, Unavailable: root or pages could not be read, or the list not written.
    """
    if present_list(ledger, key) is not None:
        return False
    root, _ = ledger.load_root()
    shards = list(shards_of(ledger, root))
    there = {listed.key for listed in ledger.store.list(SHARDS)}
    if plain := [shard for shard in shards if shard not in there and plain_key(shard) in there]:
        raise PlainShards(f"{len(plain):,} of {len(shards):,} shards lie there uncompressed, such as {plain[0]}")
    return put_list(ledger, root, shards, key, bucket, None)
