"""Trees as a faulty writer would leave them: every object has the hash of its name, and what they say is wrong."""

from collections.abc import Callable
from dataclasses import replace

from infra.doubles.memory_store import MemoryStore
from ledger.keys import ROOT_KEY, page_key, shard_key
from ledger.manifest import Entry, Tree, decode_page, decode_root, encode_page, encode_root, sha256
from ledger.packing import PACKED_TYPE, pack
from ledger.row import key_of
from tests.support.reader import read_shard

Shard = tuple[Entry, bytes]  # what its page says, and its lines
Pages = list[list[Shard]]


def shard_of(lines: list[bytes]) -> Shard:
    """Make a shard of lines, and say the truth about it."""
    body = b"".join(lines)
    return Entry(key_of(body), len(lines), len(body), sha256(body)), body


def lines_of(shard: Shard) -> list[bytes]:
    """Give the lines of a shard."""
    return shard[1].splitlines(keepends=True)


def alter_rows(
    store: MemoryStore,
    change: Callable[[Pages], object],
    change_root: Callable[[list[Entry]], object] = lambda pages: None,
) -> None:
    """Change pages and shards of the rows tree, and what the root says of its pages; then name all by their hashes."""
    stored, content_type = store.objects[ROOT_KEY]
    root = decode_root(stored.body)
    pages = [
        [(entry, read_shard(store, entry.sha256)) for entry in decode_page(store.get(name).body)]
        for name in (page_key(page.sha256) for page in root.rows.pages)
    ]
    firsts = [page.first for page in root.rows.pages]
    change(pages)
    entries = []
    for number, shards in enumerate(pages):
        said = [entry._replace(sha256=sha256(body)) for entry, body in shards]
        for entry, (_, body) in zip(said, shards, strict=True):
            store.put_new(shard_key(entry.sha256), pack(body), PACKED_TYPE)
        page = encode_page(said)
        store.put_new(page_key(sha256(page)), page, "application/json")
        first = said[0].first if said else firsts[number]
        rows, size = sum(entry.rows for entry in said), sum(entry.bytes for entry in said)
        entries.append(Entry(first, rows, size, sha256(page)))
    change_root(entries)
    body = encode_root(replace(root, rows=Tree(tuple(entries))))
    store.objects[ROOT_KEY] = (replace(stored, body=body, size=len(body), etag=sha256(body)), content_type)
