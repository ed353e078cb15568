"""The merge: changes into a tree. Pure: the pages and shards that it needs are named first, then given.

The merge is commutative, associative and idempotent; redelivery, reordering, two exporters and a replay in parallel
all rest on that. A tree is a sequence of lines in key order, cut into shards, and the sequence of its shards, cut into
pages; `Pages` cuts either by the same rule: a member starts a new group by its own key alone (and the first of all
starts one in any case). So a change moves only the cut at its own line: it can split its shard, or join it with the
one before, which is why `needs` also asks for the neighbour of a shard whose first line is touched.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ledger.change import Change
from ledger.lines import count_lines, line_at, place
from ledger.manifest import Entry, Targets, Tree, encode_page, position, sha256, starts_page, starts_shard
from ledger.row import key_of, revision_of

Decide = Callable[[Change, bytes | None], bytes | None]


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
        index = position(entries, keys[done])
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
        shards = loaded.pages[tree.pages[position(tree.pages, key)].sha256]
        body = loaded.shards[shards[position(shards, key)].sha256]
        line = line_at(body, place(body, key), key)
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


def removed_at(line: bytes) -> bytes:
    """Give the time of a removal line."""
    return line[line.rindex(b",") + 1 : -1]


def _edit(
    tree: Tree,
    loaded: Loaded,
    changes: Sequence[Change],
    decide: Decide,
    targets: Targets,
    prune: Callable[[list[bytes]], list[bytes]] | None = None,
) -> Edited:
    """Apply changes to a tree: shard by shard, then cut the pages again."""
    out = Pages(targets)
    waiting = list(changes)
    if not tree.pages:
        lines = [line for change in waiting if (line := decide(change, None)) is not None]
        out.lines(lines, [starts_shard(key_of(line), len(line), targets) for line in lines])
        return out.close()
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
                out.edited(shard, body, waiting[start:end], decide, prune, first_of_all)
            start = end
    return out.close()


def _next_first(tree: Tree, number: int, shards: Sequence[Entry], index: int) -> bytes | None:
    if index + 1 < len(shards):
        return shards[index + 1].first
    return tree.pages[number + 1].first if number + 1 < len(tree.pages) else None


class Pages:
    """Writes a tree from left to right: lines into shards, shards into pages.

    What comes in unchanged goes out under its old hash: `_origin` remembers that the open shard's lines are exactly
    those of a shard that is already stored.

    Args:
        targets: where the tree is cut.
        edited: takes the new objects; a rebuild gives one whose dictionaries store them at once.
    """

    def __init__(self, targets: Targets, edited: Edited | None = None) -> None:
        self._targets = targets
        self._edited = edited or Edited(Tree())
        self._pages: list[Entry] = []
        self._open: list[bytes] = []  # one or more lines each
        self._origin: Entry | None = None
        self._open_shards: list[Entry] = []

    def page(self, page: Entry) -> None:
        """Pass an untouched page on."""
        self._close_shard()
        self._close_page()
        self._pages.append(page)

    def shard(self, shard: Entry, body: bytes | None = None) -> None:
        """Pass an unchanged shard on; with its body if lines of the next one may join it."""
        self._close_shard()
        if body is None:
            self._append_shard(shard)
        else:
            self._open, self._origin = [body], shard

    def edited(
        self,
        shard: Entry,
        body: bytes,
        changes: Sequence[Change],
        decide: Decide,
        prune: Callable[[list[bytes]], list[bytes]] | None,
        first_of_all: bool,
    ) -> None:
        """Apply changes to a shard's lines and pass on what they give."""
        new: list[bytes] = []  # what is kept in between goes over in pieces of many lines
        cuts: list[bool] = []
        done = 0
        touched = False

        def keep(end: int) -> None:
            if done < end:
                new.append(body[done:end])
                # Of the lines that stood here only the first was a cut; the tree's very first may be one by place.
                cuts.append(done == 0 and (not first_of_all or self._cut(body[: body.index(b"\n") + 1])))

        for change in changes:
            at = place(body, change.key, done)
            held = line_at(body, at, change.key)
            line = decide(change, held)
            if line == held:
                continue
            keep(at)
            done, touched = at + len(held or b""), True
            if line is not None:
                new.append(line)
                cuts.append(self._cut(line))
        keep(len(body))
        if not touched:
            self.shard(shard, body)
            return
        if prune is not None:
            new = prune([line for piece in new for line in piece.splitlines(keepends=True)])
            cuts = [self._cut(line) for line in new]
        self.lines(new, cuts)

    def lines(self, lines: Sequence[bytes], cuts: Sequence[bool]) -> None:
        """Pass lines on, each with whether it starts a shard; several that start none may be in one piece."""
        start = 0
        for index, cut in enumerate(cuts):
            if cut:
                self._extend(lines[start:index])
                self._close_shard()
                start = index
        self._extend(lines[start:])

    def close(self) -> Edited:
        """Finish: give the tree and the new objects."""
        self._close_shard()
        self._close_page()
        self._edited.tree = Tree(tuple(self._pages))
        return self._edited

    def _cut(self, line: bytes) -> bool:
        return starts_shard(key_of(line), len(line), self._targets)

    def _extend(self, lines: Sequence[bytes]) -> None:
        if lines:
            self._open.extend(lines)
            self._origin = None

    def _close_shard(self) -> None:
        if self._origin is not None:
            self._append_shard(self._origin)
        elif self._open:
            body = b"".join(self._open)
            digest = sha256(body)
            self._edited.shards[digest] = body
            self._append_shard(Entry(key_of(body), count_lines(body), len(body), digest))
        self._open, self._origin = [], None

    def _append_shard(self, shard: Entry) -> None:
        if self._open_shards and starts_page(shard.first, self._targets):
            self._close_page()
        self._open_shards.append(shard)

    def _close_page(self) -> None:
        shards = self._open_shards
        if not shards:
            return
        body = encode_page(shards)
        digest = sha256(body)
        self._edited.pages[digest] = body
        rows, size = sum(shard.rows for shard in shards), sum(shard.bytes for shard in shards)
        self._pages.append(Entry(shards[0].first, rows, size, digest))
        self._open_shards = []
