"""Root and pages: what the tree consists of, and where it is cut. Pure: bytes in, bytes out."""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import orjson

from ledger.columns import NAMES
from ledger.errors import Damaged, NewerFormat
from ledger.keys import ROOT_KEY, root_copy_key

FORMAT = 1
REBUILT = ("*",)

# Sizes of shards and pages are exponential around these (see `starts_shard`): a shard is what a commit rewrites at
# the tail, a page what it rewrites per touched shard. They are part of the tree hash; another value is another tree.
TARGET_SHARD_BYTES = 1 << 20
TARGET_PAGE_SHARDS = 1000
_PAGE_SALT = b"page:"
_HASH_SPAN = 1 << 64


@dataclass(frozen=True, slots=True)
class Targets:
    """Where a tree is cut: the expected bytes of a shard and the expected shards of a page."""

    shard_bytes: int = TARGET_SHARD_BYTES
    page_shards: int = TARGET_PAGE_SHARDS


class Entry(NamedTuple):  # a page has a thousand, and a frozen dataclass takes four times as long to make
    """One shard as its page lists it, or one page as the root lists it.

    Attributes:
        first: key of its first line.
        rows: number of lines.
        bytes: bytes of the lines (of all its shards).
        sha256: hash of the object's bytes, which is its name.
    """

    first: bytes
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Tree:
    """Shards and pages of one kind of line, as the root holds it: pages in key order."""

    pages: tuple[Entry, ...] = ()

    @property
    def rows(self) -> int:
        """Count the lines."""
        return sum(page.rows for page in self.pages)

    @property
    def bytes(self) -> int:
        """Add up the bytes of all lines."""
        return sum(page.bytes for page in self.pages)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which stream records may have been lost.

    Attributes:
        kind: `new-stream` (the stream was switched off and on, or the table restored) or `late` (records came when the
            stream was about to forget them, so that others may be gone).
        stream: `table/label` of the records that told of it.
        since: time of the newest event merged before; empty if there was none.
        until: time of the oldest event that came after.
    """

    kind: str
    stream: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What has been merged.

    Attributes:
        changes: changes that took effect (a duplicate has none, so redelivery does not count twice).
        removed: those of them that removed a row.
        rebuilt: how often another tree took the place of the live one (replay, restore): what changed then is counted
            nowhere.
        newest_event: time of the newest event merged, ISO 8601 in UTC; empty before the first.
        streams: per stream (`table/label`) the highest sequence number merged.
        gaps: times that a backfill has yet to repair, oldest first.
    """

    changes: int = 0
    removed: int = 0
    rebuilt: int = 0
    newest_event: str = ""
    streams: Mapping[str, str] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Restored:
    """What an operator set the CSV back to.

    Attributes:
        to: the time, or the snapshot's name.
        undo: the snapshot that holds what was replaced; empty if there was nothing.
    """

    to: str
    undo: str


@dataclass(frozen=True, slots=True)
class Root:
    """`manifest.json`: the only object that is ever replaced.

    Attributes:
        version: counts the commits.
        commit_id: of the writer's attempt, new for each: it names the root's immutable copy, and a root that equals the
            candidate, found after a lost answer, says that this attempt had won.
        columns: names in order; exporters write these, whatever list their own code has.
        targets: where the trees are cut.
        rows, removals: the two trees.
        merged: the last segments that were merged by another exporter than the one that journaled them.
        segments: what this commit alone took from the journal, wholly or in part; `REBUILT` if that was all of it. The
            copies of successive roots so tell a replay what was merged since it listed the journal.
        oldest_event: time of the oldest event of this commit alone; empty if that is not known: of a swap, of a repair,
            of what an older Skyledger wrote.
        checkpoint: what has been merged.
        restored: what the CSV was set back to, until that is undone; commits hand it on.
    """

    version: int = 0
    commit_id: str = ""
    columns: tuple[str, ...] = NAMES
    targets: Targets = Targets()
    rows: Tree = Tree()
    removals: Tree = Tree()
    merged: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    oldest_event: str = ""
    checkpoint: Checkpoint = Checkpoint()
    restored: Restored | None = None

    @property
    def name(self) -> str:
        """Name this root's immutable copy, without folder."""
        return f"{self.version}-{self.commit_id}"

    @property
    def copy_key(self) -> str:
        """Give the key of this root's immutable copy."""
        return root_copy_key(self.name)

    @property
    def tree_hash(self) -> str:
        """Name the exact content of the CSV: SHA-256 over format, targets, columns and the pages of the rows tree."""
        content = {
            "format": FORMAT,
            "targets": [self.targets.shard_bytes, self.targets.page_shards],
            "columns": list(self.columns),
            "pages": [page.sha256 for page in self.rows.pages],
        }
        return sha256(orjson.dumps(content))

    def successor(self, commit_id: str, **changed: Any) -> "Root":
        """Give the next version, with some fields changed; what a commit says of itself is empty unless it is given."""
        own = {"segments": (), "oldest_event": ""}
        return replace(self, version=self.version + 1, commit_id=commit_id, **{**own, **changed})


def sha256(body: bytes) -> str:
    """Hash an object's bytes to its name."""
    return hashlib.sha256(body).hexdigest()


def starts_shard(key: bytes, size: int, targets: Targets) -> bool:
    """Say whether a line starts a new shard: in a fraction size/target of all lines, whatever stands around it.

    The expected shard then has the target's size, and a change of one line moves no other cut.
    """
    return _hash(key) * targets.shard_bytes < size * _HASH_SPAN


def starts_page(first: bytes, targets: Targets) -> bool:
    """Say whether the shard with this first key starts a new page."""
    return _hash(_PAGE_SALT + first) * targets.page_shards < _HASH_SPAN


def _hash(key: bytes) -> int:
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big")


def entry_of(entries: Sequence[Entry], key: bytes) -> int:
    """Find the entry whose key range holds a key (its index): the last that starts at or before it, or the first."""
    return max(0, bisect_right(entries, key, key=lambda entry: entry.first) - 1)


def encode_page(shards: Iterable[Entry]) -> bytes:
    """Write a page: equal shards give equal bytes."""
    return orjson.dumps({"shards": [_entry_json(shard) for shard in shards]}) + b"\n"


def decode_page(body: bytes) -> tuple[Entry, ...]:
    """Read a page.

    Raises:
        Damaged: it is not a page.
    """
    try:
        return tuple(_entry(shard) for shard in orjson.loads(body)["shards"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged("a page is not readable") from error


def encode_root(root: Root) -> bytes:
    """Write a root. The version and commit_id in it make its bytes, and so its ETag, unlike any other's."""
    content = {
        "format": FORMAT,
        "version": root.version,
        "commit_id": root.commit_id,
        "tree": root.tree_hash,
        "columns": list(root.columns),
        "targets": {"shard_bytes": root.targets.shard_bytes, "page_shards": root.targets.page_shards},
        "checkpoint": {
            "changes": root.checkpoint.changes,
            "removed": root.checkpoint.removed,
            "rebuilt": root.checkpoint.rebuilt,
            "newest_event": root.checkpoint.newest_event,
            "streams": dict(sorted(root.checkpoint.streams.items())),
            "gaps": [asdict(gap) for gap in root.checkpoint.gaps],
        },
        "rows": _tree_json(root.rows),
        "removals": _tree_json(root.removals),
        "merged": list(root.merged),
        "segments": list(root.segments),
        "oldest_event": root.oldest_event,
        "restored": asdict(root.restored) if root.restored else None,
    }
    return orjson.dumps(content) + b"\n"


def decode_root(body: bytes, key: str = ROOT_KEY) -> Root:
    """Read a root, which lies under this key.

    Raises:
        NewerFormat: a newer Skyledger wrote it.
        Damaged: it is not a root, or its tree hash does not fit its pages.
    """
    try:
        content = orjson.loads(body)
        if content["format"] > FORMAT:
            raise NewerFormat(f"{key} has format {content['format']}, this code knows {FORMAT}")
        checkpoint = content["checkpoint"]
        root = Root(
            version=content["version"],
            commit_id=content["commit_id"],
            columns=tuple(content["columns"]),
            targets=Targets(content["targets"]["shard_bytes"], content["targets"]["page_shards"]),
            rows=Tree(tuple(_entry(page) for page in content["rows"]["pages"])),
            removals=Tree(tuple(_entry(page) for page in content["removals"]["pages"])),
            merged=tuple(content["merged"]),
            segments=tuple(content["segments"]),
            oldest_event=str(content.get("oldest_event", "")),
            checkpoint=Checkpoint(
                changes=checkpoint["changes"],
                removed=checkpoint.get("removed", 0),  # an older Skyledger counts neither
                rebuilt=checkpoint.get("rebuilt", 0),
                newest_event=checkpoint["newest_event"],
                streams=checkpoint["streams"],
                gaps=tuple(Gap(**gap) for gap in checkpoint["gaps"]),
            ),
            restored=Restored(**told) if (told := content.get("restored")) else None,
        )
        intact = content["tree"] == root.tree_hash
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{key} is not a root") from error
    if not intact:
        raise Damaged(f"{key} does not have the tree hash that it names")
    return root


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {"first": entry.first.decode(), "rows": entry.rows, "bytes": entry.bytes, "sha256": entry.sha256}


def _entry(content: Mapping[str, Any]) -> Entry:
    rows, size = content["rows"], content["bytes"]
    if not (isinstance(rows, int) and isinstance(size, int)):
        raise TypeError("an entry counts rows and bytes")
    return Entry(content["first"].encode(), rows, size, content["sha256"])


def _tree_json(tree: Tree) -> dict[str, Any]:
    return {"rows": tree.rows, "bytes": tree.bytes, "pages": [_entry_json(page) for page in tree.pages]}
