"""Prove that image-data.csv is header and rows of the root that it names: check (b) of `operations.verify`.

Its bytes are compared with the shards', many shards at a time. Whoever checks the tree as well has read these shards:
`Beside` then compares them with the CSV as they come by, and `check_csv` is told the result. An ETag does not prove the
bytes: that of an upload in parts, or under SSE-KMS, is no MD5 of them (S3 API reference, "Object").
"""

from collections.abc import Iterable, Iterator
from threading import Lock

from ledger.assemble import size_of
from ledger.errors import Damaged, NotFound, Refused
from ledger.keys import CSV_KEY
from ledger.ledger import Ledger
from ledger.manifest import Entry, Root
from ledger.objects import Objects
from ledger.row import header, key_of
from ledger.store import Stored, read_ahead
from operations.progress import Progress, silent
from operations.rebuild.tree_reader import compare_lines, lines, shards_of
from operations.verify.findings import LISTED, Findings
from operations.verify.ledger import check_tree

_CSV_BLOCK = 4 << 20
_CSV_TRIES = 5  # a publisher may replace the CSV while it is read


class Beside:
    """Compares the CSV with the shards of a root's rows, in any order and from any thread.

    Args:
        ledger: whose CSV.
        root: whose rows.

    Attributes:
        differs: whether any bytes differ, so far; true also if the CSV is not of this root, or was replaced meanwhile.
    """

    def __init__(self, ledger: Ledger, root: Root) -> None:
        self._ledger, self._tree, self._header = ledger, root.tree_hash, header(root.columns)
        self._left, self._lock = root.rows.bytes, Lock()
        stored = ledger.present_csv()
        self._etag = stored.etag if stored else ""
        self.differs = not (stored and stored.metadata.get("tree") == self._tree and stored.size == size_of(root))
        self._compare(0, self._header)

    def shard(self, at: int, body: bytes) -> None:
        """Compare a shard, which stands behind so many bytes of rows."""
        self._compare(len(self._header) + at, body)
        with self._lock:
            self._left -= len(body)

    def proves(self, root: Root, stored: Stored) -> bool:
        """Say whether every byte of this CSV was compared with this root's, and is the same."""
        return not self.differs and not self._left and (self._tree, self._etag) == (root.tree_hash, stored.etag)

    def _compare(self, start: int, body: bytes) -> None:
        if self.differs or not body:
            return
        try:
            there = self._ledger.store.get_range(CSV_KEY, start, start + len(body) - 1, etag=self._etag)
        except (Refused, NotFound):
            there = b""
        if there != body:
            self.differs = True


def check_tree_and_csv(ledger: Ledger, root: Root, progress: Progress = silent) -> tuple[Findings, Findings]:
    """Check every object that a root names (a) and the CSV (b), reading shards once; raises as `check_csv`."""
    beside = Beside(ledger, root)
    tree = check_tree(ledger, root, progress, beside.shard)
    return tree, check_csv(ledger, progress, beside)


def check_csv(ledger: Ledger, progress: Progress = silent, beside: Beside | None = None) -> Findings:
    """Check that image-data.csv is header and rows of the root that it names (b).

    Args:
        ledger: whose CSV.
        progress: is told the bytes compared.
        beside: has compared it with the live root's shards.

    Raises:
        Unavailable, Damaged: the store did not answer, or the tree itself is not whole.
        Refused: it was always another one.
    """
    for _ in range(_CSV_TRIES):
        findings = Findings(("tree", "csv"))
        try:
            stored = ledger.store.head(CSV_KEY)
            root = _published_root(ledger, stored)
            if root is None:
                findings.problems.append(f"{CSV_KEY} does not name a root that is still kept; a publish makes it anew")
                return findings
            findings.checked = {"version": root.version, "bytes": stored.size, "rows": root.rows.rows}
            is_proven = beside is not None and beside.proves(root, stored)
            if not is_proven and not _same_bytes(ledger, root, stored, progress):
                rows = lines(ledger.objects, shards_of(ledger.objects, root.rows.pages))
                findings.add(compare_lines(rows, _csv_lines(ledger, stored, findings)))
                if findings.good:
                    findings.problems.append(
                        f"{CSV_KEY} differs from the tree, but not in its rows: in header or order"
                    )
        except NotFound:
            findings.problems.append(f"there is no {CSV_KEY}")
        except Refused:
            continue  # another version was published meanwhile
        return findings
    raise Refused(f"{CSV_KEY} was replaced {_CSV_TRIES} times while it was read: try again")


def _published_root(ledger: Ledger, stored: Stored) -> Root | None:
    """Find the root that the CSV names; None if it is not kept any longer."""
    live, _ = ledger.load_root()
    if stored.metadata.get("tree") == live.tree_hash:
        return live
    try:
        return ledger.load_copy(stored.metadata.get("root", ""))
    except (NotFound, Damaged):
        return None


def _same_bytes(ledger: Ledger, root: Root, stored: Stored, progress: Progress) -> bool:
    """Say whether the CSV has the tree's bytes."""
    if stored.size != size_of(root):
        return False
    start = header(root.columns)
    if ledger.store.get_range(CSV_KEY, 0, len(start) - 1, etag=stored.etag) != start:
        return False
    objects = Objects(ledger.store, cache_bytes=0)

    def is_same(place: tuple[Entry, int]) -> bool:
        shard, at = place
        body = objects.shard(shard.sha256, shard.bytes)
        return ledger.store.get_range(CSV_KEY, at, at + len(body) - 1, etag=stored.etag) == body

    places = _places(shards_of(objects, root.rows.pages), len(start))
    for (shard, at), same in read_ahead(ledger.store, is_same, places):
        if not same:
            return False
        progress("comparing the CSV", at + shard.bytes, stored.size)
    return True


def _places(shards: Iterable[Entry], start: int) -> Iterator[tuple[Entry, int]]:
    """Say where each shard begins in the CSV."""
    at = start
    for shard in shards:
        yield shard, at
        at += shard.bytes


def _csv_lines(ledger: Ledger, stored: Stored, findings: Findings) -> Iterator[bytes]:
    """Read the rows of the CSV, block by block; a line that is no row is told and left out."""
    rest, number = b"", 0
    for first in range(0, stored.size, _CSV_BLOCK):
        last = min(first + _CSV_BLOCK, stored.size) - 1
        block = rest + ledger.store.get_range(CSV_KEY, first, last, etag=stored.etag)
        *whole, rest = block.split(b"\n")
        if last == stored.size - 1 and rest:
            whole.append(rest)
        for line in whole:
            number += 1
            if number == 1:
                continue
            try:
                key_of(line + b"\n")
            except ValueError:
                if len(findings.problems) < LISTED:
                    findings.problems.append(f"{CSV_KEY} has a line that is no row, line {number}")
                continue
            yield line + b"\n"
