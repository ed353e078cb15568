"""The merge: changes into a tree. Pure: the pages and shards that it needs are named first, then given.

The merge is commutative, associative and idempotent; redelivery, reordering, two exporters and a replay in parallel
all rest on that. A line starts a shard by its own key alone (`tree_writer`), so a change moves only the cut at its own
line: it can split its shard, or join it with the one before, which is why `touched_pages` and `touched_shards` also
name the neighbour of an entry whose first line is touched.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.change import Change, removed_at
from ledger.lines import line_at, offset_of
from ledger.manifest import Entry, Targets, Tree, entry_of
from ledger.row import revision_of
from ledger.tree_writer import Decide, Prune, TreeWriter


@dataclass(slots=True)
class Counts:
    """What became of the changes."""

    put: int = 0
    removed: int = 0
    stale: int = 0
    foreign: int = 0
    after_removal: int = 0

    def add(self, other: "Counts") -> None:
        """Add what became of other changes."""
        for name in Counts.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Edited:
    """A tree after an edit, and the new objects that it names."""

    tree: Tree
    pages: dict[str, bytes] = field(default_factory=dict)
    shards: dict[str, bytes] = field(default_factory=dict)

    def add_page(self, digest: str, body: bytes) -> None:
        """Take a new page."""
        self.pages[digest] = body

    def add_shard(self, digest: str, body: bytes) -> None:
        """Take a new shard."""
        self.shards[digest] = body


@dataclass(frozen=True, slots=True)
class Loaded:
    """The pages and shards that an edit needs, by hash."""

    pages: Mapping[str, Sequence[Entry]]
    shards: Mapping[str, bytes]


def touched_pages(tree: Tree, keys: Sequence[bytes]) -> list[Entry]:
    """Name the pages whose entries an edit of these keys (in order) needs."""
    return [tree.pages[index] for index in sorted(_touched(tree.pages, keys))]


def touched_shards(tree: Tree, pages: Mapping[str, Sequence[Entry]], keys: Sequence[bytes]) -> list[Entry]:
    """Name the shards whose lines an edit of these keys (in order) needs; `pages` holds the touched pages."""
    shards = [shard for page in tree.pages if page.sha256 in pages for shard in pages[page.sha256]]
    return [shards[index] for index in sorted(_touched(shards, keys))]


def _touched(entries: Sequence[Entry], keys: Sequence[bytes]) -> set[int]:
    touched = set()
    done = 0
    while entries and done < len(keys):
        index = entry_of(entries, keys[done])
        touched.add(index)
        if index and entries[index].first == keys[done]:
            touched.add(index - 1)  # without its first line, the entry may join the one before
        # All keys before the next entry touch this one, too.
        done = bisect_left(keys, entries[index + 1].first, lo=done) if index + 1 < len(entries) else len(keys)
    return touched


def find(tree: Tree, loaded: Loaded, keys: Iterable[bytes]) -> dict[bytes, bytes]:
    """Look up lines by key in a tree whose touched pages and shards are loaded."""
    found: dict[bytes, bytes] = {}
    for key in keys if tree.pages else ():
        shards = loaded.pages[tree.pages[entry_of(tree.pages, key)].sha256]
        body = loaded.shards[shards[entry_of(shards, key)].sha256]
        line = line_at(body, offset_of(body, key), key)
        if line is not None:
            found[key] = line
    return found


def merge_rows(
    tree: Tree, loaded: Loaded, changes: Sequence[Change], removals: Mapping[bytes, bytes], targets: Targets
) -> tuple[Edited, Counts]:
    """Merge changes (one per key, in key order) into the rows tree.

    Args:
        tree: the rows tree.
        loaded: its touched pages and shards.
        changes: what is to become of each key.
        removals: the remembered removals of these keys; a put is dropped unless its revision is greater.
        targets: where the tree is cut.
    """
    counts = Counts()

    def decide(change: Change, line: bytes | None) -> bytes | None:
        removal = removals.get(change.key)
        if change.line is not None and removal is not None and revision_of(removal) >= change.revision:
            counts.after_removal += 1
            return line
        return _decide_row(change, line, counts)

    return _edit(tree, loaded, changes, decide, targets), counts


def _decide_row(change: Change, line: bytes | None, counts: Counts) -> bytes | None:
    if line is not None:
        revision = revision_of(line)
        equal = revision == change.revision
        foreign = equal and change.line is not None and change.line != line and line in change.replaces
        if change.line == line or revision > change.revision or (equal and change.line is not None and not foreign):
            counts.stale += 1
            return line
        counts.foreign += foreign
    if change.line is None:
        counts.removed += line is not None
        return None
    counts.put += 1
    return change.line


def merge_removals(
    tree: Tree, loaded: Loaded, changes: Sequence[Change], oldest: bytes, targets: Targets
) -> tuple[Edited, Counts]:
    """Remember removals (changes without a line, in key order) in the removals tree.

    A removal seen twice keeps the higher revision, then the later time. In the shards touched, removals before
    `oldest` (ISO 8601) are forgotten: no delivery can be that late.
    """
    counts = Counts()

    def decide(change: Change, line: bytes | None) -> bytes | None:
        new = change.removal_line
        if line is not None and (revision_of(line), line) >= (change.revision, new):
            counts.stale += 1
            return line
        counts.put += 1
        return new

    def forget(lines: list[bytes]) -> list[bytes]:
        return [line for line in lines if removed_at(line) >= oldest]

    return _edit(tree, loaded, changes, decide, targets, forget), counts


def _edit(
    tree: Tree,
    loaded: Loaded,
    changes: Sequence[Change],
    decide: Decide,
    targets: Targets,
    prune: Prune | None = None,
) -> Edited:
    """Apply changes to a tree: shard by shard, then cut the pages again."""
    edited = Edited(tree)
    out = TreeWriter(targets, edited)
    waiting = list(changes)
    if not tree.pages:
        out.lines(line for change in waiting if (line := decide(change, None)) is not None)
    start = 0
    for number, page in enumerate(tree.pages):
        shards = loaded.pages.get(page.sha256)
        if shards is None:
            out.page(page)
            continue
        for index, shard in enumerate(shards):
            after = _next_first(tree, number, shards, index)
            end = start
            while end < len(waiting) and (after is None or waiting[end].key < after):
                end += 1
            body = loaded.shards.get(shard.sha256)
            if body is None:
                out.shard(shard)
            elif end == start:
                out.shard(shard, body)
            else:
                first_of_all = number == 0 and index == 0
                out.edit(shard, body, waiting[start:end], decide, prune, first_of_all)
            start = end
    edited.tree = out.close()
    return edited


def _next_first(tree: Tree, number: int, shards: Sequence[Entry], index: int) -> bytes | None:
    if index + 1 < len(shards):
        return shards[index + 1].first
    return tree.pages[number + 1].first if number + 1 < len(tree.pages) else None
