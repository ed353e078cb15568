"""Writes a tree from left to right: lines into shards, shards into pages.

A tree is a sequence of lines in key order, cut into shards, and the sequence of its shards, cut into pages, both by one
rule: a member starts a new group by its own key alone (`starts_shard`, `starts_page`; and the first of all starts one
in any case).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from ledger.change import Change
from ledger.lines import count_lines, line_at, offset_of
from ledger.manifest import Entry, Targets, Tree, encode_page, sha256, starts_page, starts_shard
from ledger.row import key_of

Decide = Callable[[Change, bytes | None], bytes | None]
"""What becomes of a key: the change and the line that stands (None: there is none) to the line that is to stand."""

Prune = Callable[[list[bytes]], list[bytes]]
"""The lines of an edited shard to those that are kept."""


class NewObjects(Protocol):
    """Takes the objects that a tree consists of and that may not be stored yet."""

    def add_shard(self, digest: str, body: bytes) -> None:
        """Take a shard."""

    def add_page(self, digest: str, body: bytes) -> None:
        """Take a page."""


class TreeWriter:
    """Writes one tree.

    What comes in unchanged goes out under its old hash: `_origin` remembers that the open shard's lines are exactly
    those of a shard that is already stored.

    Args:
        targets: where the tree is cut.
        objects: takes its new objects, as they come.
    """

    def __init__(self, targets: Targets, objects: NewObjects) -> None:
        self._targets = targets
        self._objects = objects
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

    def edit(
        self,
        shard: Entry,
        body: bytes,
        changes: Sequence[Change],
        decide: Decide,
        prune: Prune | None,
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
            at = offset_of(body, change.key, done)
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
        if prune is None:
            self._pieces(new, cuts)
        else:
            self.lines(prune([line for piece in new for line in piece.splitlines(keepends=True)]))

    def lines(self, lines: Iterable[bytes]) -> None:
        """Pass lines on, one by one, so that none but those of the open shard are held."""
        for line in lines:
            if self._cut(line):
                self._close_shard()
            self._extend((line,))

    def close(self) -> Tree:
        """Finish, and give the tree."""
        self._close_shard()
        self._close_page()
        return Tree(tuple(self._pages))

    def _pieces(self, pieces: Sequence[bytes], cuts: Sequence[bool]) -> None:
        """Pass on pieces of one or more lines, each with whether its first line starts a shard; no other line does."""
        start = 0
        for index, cut in enumerate(cuts):
            if cut:
                self._extend(pieces[start:index])
                self._close_shard()
                start = index
        self._extend(pieces[start:])

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
            self._objects.add_shard(digest, body)
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
        self._objects.add_page(digest, body)
        rows, size = sum(shard.rows for shard in shards), sum(shard.bytes for shard in shards)
        self._pages.append(Entry(shards[0].first, rows, size, digest))
        self._open_shards = []
