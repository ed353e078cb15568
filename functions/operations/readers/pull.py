"""Keep a local copy of image-data.csv, and its description: fetch only the shards that changed since the last time.

Beside the copy a state file names its pages and shards, so that what is unchanged is copied from the old file on this
machine. Every byte of the new file is checked against the hash of its shard, the shards against their page and the
pages against the tree hash, also those that were here already; then the new file takes the old one's place in one
step. A state file that does not fit the copy (a crash between the two, an edit by hand) costs downloads, nothing else.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import orjson

from ledger.csvw import describe
from ledger.errors import Damaged
from ledger.keys import CSV_KEY, DESCRIPTION_KEY, shard_key
from ledger.ledger import Ledger
from ledger.manifest import Entry, Root, decode_page, encode_page
from ledger.objects import Objects
from ledger.row import header
from operations.errors import NotPulled
from operations.progress import Progress, silent

STATE_SUFFIX = ".state.json"
_FORMAT = 1
_AHEAD = 16  # shards in memory at a time


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull did.

    Attributes:
        version, tree, rows, bytes: of the copy.
        columns: of the copy.
        path: of the copy.
        changed: False if the copy was current already.
        fetched_shards: shards that came over the network.
        fetched_bytes: bytes that came over the network, pages included.
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
class _Copy:
    """The copy that is here: its tree, its pages in order, and where its shards lie in the file."""

    tree: str
    header_bytes: int
    pages: dict[str, tuple[Entry, ...]]

    def offsets(self) -> dict[str, int]:
        """Say where each shard starts."""
        found: dict[str, int] = {}
        offset = self.header_bytes
        for shards in self.pages.values():
            for shard in shards:
                found[shard.sha256] = offset
                offset += shard.bytes
        return found


def pull(ledger: Ledger, folder: Path, root: Root | None = None, progress: Progress = silent) -> Pulled:
    """Make `folder/image-data.csv` equal to a root's tree.

    Args:
        ledger: where from.
        folder: where to; made if it is not there.
        root: the live one, if not given.
        progress: is told the rows written.

    Raises:
        NotPulled: the folder cannot be written.
        Damaged, Unavailable: the tree could not be read.
    """
    root = root or ledger.load_root()[0]
    path = folder / CSV_KEY
    old = _load_state(path)
    if old is not None and old.tree == root.tree_hash and path.stat().st_size == old.header_bytes + root.rows.bytes:
        return _pulled(root, path, changed=False)
    objects = Objects(ledger.store, cache_bytes=0)
    known = old.pages if old else {}
    missing = [page for page in root.rows.pages if page.sha256 not in known]
    pages = {
        page.sha256: tuple(known.get(page.sha256) or objects.pages([page])[page.sha256]) for page in root.rows.pages
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
        try:
            with unfinished.open("wb") as file:
                written = _write(file, path, old, root, pages, objects, progress)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        _replace(path.with_name(DESCRIPTION_KEY), describe(root.columns))
        _save_state(path, root, pages)
    except OSError as error:
        raise NotPulled(f"{path}: {error.strerror}") from error
    page_bytes = sum(len(encode_page(pages[page.sha256])) for page in missing)
    return _pulled(
        root,
        path,
        changed=True,
        fetched_shards=written.shards,
        fetched_bytes=written.fetched + page_bytes,
        reused_bytes=written.reused,
    )


def _pulled(root: Root, path: Path, **more: int | bool) -> Pulled:
    size = len(header(root.columns)) + root.rows.bytes
    return Pulled(
        root.version,
        root.tree_hash,
        root.rows.rows,
        size,
        root.columns,
        path,
        **more,  # type: ignore[arg-type]
    )


@dataclass(slots=True)
class _Written:
    shards: int = 0
    fetched: int = 0
    reused: int = 0


def _write(
    file: BinaryIO,
    path: Path,
    old: _Copy | None,
    root: Root,
    pages: dict[str, tuple[Entry, ...]],
    objects: Objects,
    progress: Progress,
) -> _Written:
    """Write the new copy: header, then shard after shard, from the old copy or from the bucket."""
    done = _Written()
    rows = 0
    file.write(header(root.columns))
    with _OldCopy(path, old) as here:
        shards = iter([shard for page in root.rows.pages for shard in pages[page.sha256]])
        while ahead := list(islice(shards, _AHEAD)):
            bodies = {shard.sha256: body for shard in ahead if (body := here.read(shard)) is not None}
            fetch = [shard for shard in ahead if shard.sha256 not in bodies]
            fetched = objects.shards(fetch)
            for shard in ahead:
                body = bodies.get(shard.sha256) or fetched[shard.sha256]
                if len(body) != shard.bytes:
                    raise Damaged(f"{shard_key(shard.sha256)} does not have the bytes that its page says")
                file.write(body)
                rows += shard.rows
            done.shards += len(fetch)
            done.fetched += sum(shard.bytes for shard in fetch)
            done.reused += sum(map(len, bodies.values()))
            progress("writing rows", rows, root.rows.rows)
    return done


class _OldCopy:
    """Reads shards from the old copy, as far as it still holds them."""

    def __init__(self, path: Path, state: _Copy | None) -> None:
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


def _load_state(path: Path) -> _Copy | None:
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
        return _Copy(content["tree"], content["header_bytes"], pages)
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
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    unfinished.write_bytes(body)
    unfinished.replace(path)


def follow(ledger: Ledger, seconds: float) -> Iterator[Root]:
    """Give the live root whenever its tree is another one, looking every so many seconds, for ever."""
    shown = ""
    while True:
        root, _ = ledger.load_root()
        if root.tree_hash != shown:
            shown = root.tree_hash
            yield root
        ledger.sleep(seconds)
