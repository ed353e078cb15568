"""Keep a local copy of image-data.csv, and its description: fetch only the shards that changed since the last time.

Beside the copy a state file names its pages and shards, so that what is unchanged is copied from the old file on this
machine. Every byte of the new file is checked against the hash of its shard, the shards against their page and the
pages against the tree hash, also those that were here already; then the new file takes the old one's place in one
step. A state file that does not fit the copy (a crash between the two, an edit by hand) costs downloads, nothing else.

A copy is called current only after it was read, at over 1 GB a second: its time and size do not prove its bytes. A tool
may set the time back, and a file that is written twice within a tick of the kernel's clock keeps it (Git, "Use of index
and Racy Git problem").
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

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
from operations.errors import NotPulled
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


@dataclass(frozen=True, slots=True)
class _LocalCopy:
    """The copy on this machine: its pages in order, and where its shards lie in the file."""

    header_bytes: int
    pages: dict[str, tuple[Entry, ...]]

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
) -> PullReport:
    """Make `folder/image-data.csv` equal to a root's tree.

    The new file is written beside the old one, so the disk holds both for a moment.

    Args:
        ledger: where from.
        folder: where to; made if it is not there.
        root: the live one, if not given.
        progress: is told the rows written.
        report: is told, in a line, how much will be written.

    Raises:
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
        missing = [page for page in root.rows.pages if page.sha256 not in known]
        if old and not missing and _is_current(path, root, known, progress):
            return _report(root, path, None)
        pages = known | {name: tuple(shards) for name, shards in objects.pages(missing).items()}
        folder.mkdir(parents=True, exist_ok=True)
        size = size_of(root)
        make_room(folder, size, report)
        with atomic_write(path, size) as unfinished, unfinished.open("wb") as file:
            transfer = _write(file, path, old, root, pages, objects, progress)
            file.flush()
            os.fsync(file.fileno())
        _replace(path.with_name(DESCRIPTION_KEY), describe(root.columns))
        _save_state(path, root, pages)
    except OSError as error:
        raise NotPulled(f"{path}: {error.strerror}") from error
    transfer.fetched = objects.read
    return _report(root, path, transfer)


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
        return _LocalCopy(content["header_bytes"], pages)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, Damaged):
        return None


def _save_state(path: Path, root: Root, pages: dict[str, tuple[Entry, ...]]) -> None:
    content = {
        "format": _FORMAT,
        "version": root.version,
        "tree": root.tree_hash,
        "header_bytes": len(header(root.columns)),
        "pages": {page.sha256: encode_page(pages[page.sha256]).decode() for page in root.rows.pages},
    }
    _replace(path.with_name(path.name + STATE_SUFFIX), orjson.dumps(content))


def _replace(path: Path, body: bytes) -> None:
    with atomic_write(path) as unfinished:
        unfinished.write_bytes(body)


def follow(ledger: Ledger, seconds: float) -> Iterator[Root]:
    """Give the live root whenever its tree is another one, looking every so many seconds, for ever."""
    shown = ""
    while True:
        root, _ = ledger.load_root()
        if root.tree_hash != shown:
            shown = root.tree_hash
            yield root
        ledger.sleep(seconds)
