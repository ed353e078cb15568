"""Keep a local copy of image-data.csv, and its description: fetch only the shards that changed since the last time.

Beside the copy a state file names its pages and shards, so that what is unchanged is copied from the old file on this
machine. Every byte of the new file is checked against the hash of its shard, the shards against their page and the
pages against the tree hash, also those that were here already; then the new file takes the old one's place in one
step. A state file that does not fit the copy (a crash between the two, an edit by hand) costs downloads, nothing else.

The state file names the bucket, too: no other one's CSV takes the copy's place. A bucket's name is nobody else's in its
partition of AWS (S3 User Guide, "General purpose buckets naming rules"), so bucket and endpoint name a ledger. Under
another endpoint (the local stack has a port of its own each time), and where the state file is of an older Skyledger
that noted no bucket, the same rows must have been there: one shard that begins with the same row proves it, since a
row's key has the time of its ingestion and a hash.

A copy is called current only after it was read, at over 1 GB a second: its time and size do not prove its bytes. A tool
may set the time back, and a file that is written twice within a tick of the kernel's clock keeps it (Git, "Use of index
and Racy Git problem").
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from ledger.assemble import size_of
from ledger.csvw import describe
from ledger.errors import Damaged
from ledger.keys import CSV_KEY, DESCRIPTION_KEY, shard_key
from ledger.ledger import Ledger
from ledger.manifest import Entry, Root, decode_page, encode_page
from ledger.objects import Objects
from ledger.row import header
from ledger.store import READ_AHEAD
from operations.atomic_write import atomic_write
from operations.batches import batched
from operations.disk import make_room
from operations.errors import NotPulled, OtherLedger
from operations.progress import Progress, silent

STATE_SUFFIX = ".state.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull did.

    Attributes:
        version, tree, rows, bytes: of the copy.
        columns: of the copy.
        path: of the copy.
        changed: False if the copy was current already.
        fetched_shards: shards that came over the network.
        fetched_bytes: bytes that came over the network, compressed as they are, pages included.
        reused_bytes: bytes taken from the old copy.
    """

    version: int
    tree: str
    rows: int
    bytes: int
    columns: tuple[str, ...]
    path: Path
    changed: bool
    fetched_shards: int = 0
    fetched_bytes: int = 0
    reused_bytes: int = 0


class Origin(NamedTuple):
    """Where a copy comes from: a bucket, and the endpoint if it is another than AWS's."""

    bucket: str
    endpoint: str = ""

    def __str__(self) -> str:
        return f"{self.bucket} at {self.endpoint}" if self.endpoint else self.bucket


@dataclass(frozen=True, slots=True)
class _LocalCopy:
    """The copy on this machine: its pages in order, where its shards lie in the file, and where it came from."""

    header_bytes: int
    pages: dict[str, tuple[Entry, ...]]
    origin: Origin | None

    def offsets(self) -> dict[str, int]:
        """Say where each shard starts."""
        offsets: dict[str, int] = {}
        offset = self.header_bytes
        for shards in self.pages.values():
            for shard in shards:
                offsets[shard.sha256] = offset
                offset += shard.bytes
        return offsets


def pull(
    ledger: Ledger,
    folder: Path,
    root: Root | None = None,
    progress: Progress = silent,
    report: Callable[[str], None] = lambda line: None,
    *,
    origin: Origin | None = None,
) -> PullReport:
    """Make `folder/image-data.csv` equal to a root's tree.

    The new file is written beside the old one, so the disk holds both for a moment.

    Args:
        ledger: where from.
        folder: where to; made if it is not there.
        root: the live one, if not given.
        progress: is told the rows written.
        report: is told, in a line, how much will be written.
        origin: where the ledger is; if it is given, a copy of another ledger is refused.

    Raises:
        OtherLedger: the folder has a copy of another ledger, which stays as it is.
        DiskFull: the new file does not fit beside the old one.
        NotPulled: the folder cannot be written.
        Damaged, Unavailable: the tree could not be read.
    """
    root = root or ledger.load_root()[0]
    path = folder / CSV_KEY
    objects = Objects(ledger.store, cache_bytes=0)
    try:
        old = _load_state(path)
        known = old.pages if old else {}
        if old and origin:
            _check_bucket(folder, old.origin, origin)
        missing = [page for page in root.rows.pages if page.sha256 not in known]
        if old and not missing and _is_current(path, root, known, progress):
            if origin != old.origin:
                _save_state(path, root, known, origin or old.origin)
            return _report(root, path, None)
        pages = known | {name: tuple(shards) for name, shards in objects.pages(missing).items()}
        if old and origin and origin != old.origin:
            _check_rows(folder, old, origin, [shard for page in root.rows.pages for shard in pages[page.sha256]])
        folder.mkdir(parents=True, exist_ok=True)
        size = size_of(root)
        make_room(folder, size, report)
        with atomic_write(path, size) as unfinished, unfinished.open("wb") as file:
            transfer = _write(file, path, old, root, pages, objects, progress)
            file.flush()
            os.fsync(file.fileno())
        _replace(path.with_name(DESCRIPTION_KEY), describe(root.columns))
        _save_state(path, root, pages, origin or (old.origin if old else None))
    except OSError as error:
        raise NotPulled(f"{path}: {error.strerror}") from error
    transfer.fetched = objects.read
    return _report(root, path, transfer)


def _check_bucket(folder: Path, noted: Origin | None, origin: Origin) -> None:
    if noted and noted.bucket != origin.bucket:
        raise OtherLedger(f"{folder} has a copy of the CSV in bucket {noted}, and this is bucket {origin}")


def _check_rows(folder: Path, old: _LocalCopy, origin: Origin, shards: list[Entry]) -> None:
    """Refuse a tree that shares no row with the copy, as far as the first rows of shards tell."""
    here = {shard.first for page in old.pages.values() for shard in page}
    if here and here.isdisjoint(shard.first for shard in shards):
        of = f" of the CSV in bucket {old.origin}" if old.origin else ""
        raise OtherLedger(f"{folder} has a copy{of} that shares no row with the CSV in bucket {origin}")


@dataclass(slots=True)
class _Transfer:
    """Where the bytes of a new copy came from.

    Attributes:
        shards: that came over the network.
        fetched: bytes that came over the network, compressed as they are.
        reused: bytes taken from the old copy.
    """

    shards: int = 0
    fetched: int = 0
    reused: int = 0


def _report(root: Root, path: Path, transfer: _Transfer | None) -> PullReport:
    """Say what a pull did; without a transfer the copy was current."""
    size = size_of(root)
    report = PullReport(root.version, root.tree_hash, root.rows.rows, size, root.columns, path, changed=False)
    if transfer is None:
        return report
    return replace(
        report,
        changed=True,
        fetched_shards=transfer.shards,
        fetched_bytes=transfer.fetched,
        reused_bytes=transfer.reused,
    )


def _is_current(path: Path, root: Root, pages: dict[str, tuple[Entry, ...]], progress: Progress) -> bool:
    """Say whether copy and description are those of a root, all pages of which are known."""
    start = header(root.columns)
    description = path.with_name(DESCRIPTION_KEY)
    if not description.exists() or description.read_bytes() != describe(root.columns):
        return False
    if path.stat().st_size != size_of(root):
        return False
    rows = 0
    with path.open("rb") as file:
        if file.read(len(start)) != start:
            return False
        for page in root.rows.pages:
            for shard in pages[page.sha256]:
                if hashlib.sha256(file.read(shard.bytes)).hexdigest() != shard.sha256:
                    return False
            rows += page.rows
            progress("checking the copy", rows, root.rows.rows)
    return True


def _write(
    file: BinaryIO,
    path: Path,
    old: _LocalCopy | None,
    root: Root,
    pages: dict[str, tuple[Entry, ...]],
    objects: Objects,
    progress: Progress,
) -> _Transfer:
    """Write the new copy: header, then shard after shard, from the old copy or from the bucket."""
    transfer = _Transfer()
    rows = 0
    file.write(header(root.columns))
    with _OldCopy(path, old) as here:
        shards = [shard for page in root.rows.pages for shard in pages[page.sha256]]
        for ahead in batched(shards, READ_AHEAD):
            bodies = {shard.sha256: body for shard in ahead if (body := here.read(shard)) is not None}
            fetch = [shard for shard in ahead if shard.sha256 not in bodies]
            fetched = objects.shards(fetch)
            for shard in ahead:
                body = bodies.get(shard.sha256) or fetched[shard.sha256]
                if len(body) != shard.bytes:
                    raise Damaged(f"{shard_key(shard.sha256)} does not have the bytes that its page says")
                file.write(body)
                rows += shard.rows
            transfer.shards += len(fetch)
            transfer.reused += sum(map(len, bodies.values()))
            progress("writing rows", rows, root.rows.rows)
    return transfer


class _OldCopy:
    """Reads shards from the old copy, as far as it still holds them."""

    def __init__(self, path: Path, state: _LocalCopy | None) -> None:
        self._offsets = state.offsets() if state else {}
        self._file = path.open("rb") if self._offsets else None

    def read(self, shard: Entry) -> bytes | None:
        """Read a shard; None if it is not here, or not as it was."""
        offset = self._offsets.get(shard.sha256)
        if offset is None or self._file is None:
            return None
        self._file.seek(offset)
        body = self._file.read(shard.bytes)
        return body if hashlib.sha256(body).hexdigest() == shard.sha256 else None

    def __enter__(self) -> "_OldCopy":
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()


def _load_state(path: Path) -> _LocalCopy | None:
    """Read what the state file says of the copy; None if there is no copy, or nothing usable is known of it."""
    try:
        content = orjson.loads(path.with_name(path.name + STATE_SUFFIX).read_bytes())
        if content["format"] != _FORMAT or not path.exists():
            return None
        pages = {}
        for digest, text in content["pages"].items():
            body = text.encode()
            if hashlib.sha256(body).hexdigest() != digest:
                return None
            pages[digest] = decode_page(body)
        noted = content.get("origin")
        return _LocalCopy(content["header_bytes"], pages, Origin(**noted) if noted else None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, Damaged):
        return None


def _save_state(path: Path, root: Root, pages: dict[str, tuple[Entry, ...]], origin: Origin | None) -> None:
    content: dict[str, Any] = {
        "format": _FORMAT,
        "origin": origin._asdict() if origin else None,
        "version": root.version,
        "tree": root.tree_hash,
        "header_bytes": len(header(root.columns)),
        "pages": {page.sha256: encode_page(pages[page.sha256]).decode() for page in root.rows.pages},
    }
    _replace(path.with_name(path.name + STATE_SUFFIX), orjson.dumps(content))


def _replace(path: Path, body: bytes) -> None:
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(body)
