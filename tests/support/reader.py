"""Reads a ledger as its users do, and checks on the way what must always hold."""

import gzip
from typing import Any

from infra.doubles.memory_store import MemoryStore
from ledger.errors import NotFound
from ledger.journal import load_record, read_segments
from ledger.keys import CSV_KEY, ROOT_KEY, page_key, plain_key, segment_key, shard_key
from ledger.manifest import Root, Tree, decode_page, decode_root, sha256
from ledger.row import header, key_of
from ledger.store import Store


def read_root(store: MemoryStore) -> Root:
    """Read manifest.json."""
    return decode_root(read_body(store, ROOT_KEY))


def read_tree(store: MemoryStore, tree: Tree) -> bytes:
    """Read all lines of a tree, checking every hash, count, order and cut on the way."""
    lines: list[bytes] = []
    for page in tree.pages:
        body = read_body(store, page_key(page.sha256))
        assert sha256(body) == page.sha256
        shards = decode_page(body)
        assert (sum(shard.rows for shard in shards), sum(shard.bytes for shard in shards)) == (page.rows, page.bytes)
        assert shards[0].first == page.first
        for shard in shards:
            content = read_shard(store, shard.sha256)
            assert sha256(content) == shard.sha256
            assert (content.count(b"\n"), len(content)) == (shard.rows, shard.bytes)
            assert key_of(content) == shard.first
            lines += content.splitlines(keepends=True)
    keys = [key_of(line) for line in lines]
    assert keys == sorted(set(keys)), "keys are in order and none is there twice"
    return b"".join(lines)


def read_shard(store: Store, digest: str) -> bytes:
    """Read the lines of a shard as any reader of gzip does, or as an older version wrote them."""
    key = shard_key(digest)
    try:
        return gzip.decompress(read_body(store, key))
    except NotFound:
        return read_body(store, plain_key(key))


def read_rows(store: MemoryStore) -> bytes:
    """Read header and rows as the root names them."""
    root = read_root(store)
    return header(root.columns) + read_tree(store, root.rows)


def read_csv(store: MemoryStore) -> bytes:
    """Read image-data.csv, checking that its metadata names what it shows."""
    stored = store.get(CSV_KEY)
    assert int(stored.metadata["rows"]) == stored.body.count(b"\n") - 1
    return stored.body


def read_segment(store: Store, name: str) -> list[Any]:
    """Read the records of a segment of the journal."""
    key = segment_key(name)
    return [load_record(key, line) for _, lines in read_segments(store, [key]) for line in lines]


def read_body(store: Store, key: str) -> bytes:
    """Read an object."""
    return store.get(key).body
