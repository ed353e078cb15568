"""Where a rebuild keeps what is too much for memory: a folder on this machine, or a prefix of the export bucket.

Objects are written whole or not at all, and a name is only ever written with the same content, so a step that is
repeated after a crash does no harm.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ledger.errors import NotFound
from ledger.store import Store
from operations.atomic_write import UNFINISHED_SUFFIX, atomic_write
from operations.disk import make_room, telling_full


class Scratch(Protocol):
    """The verbs; names are relative paths."""

    def write(self, name: str, body: bytes) -> None:
        """Write an object."""

    def read(self, name: str) -> bytes | None:
        """Read an object; None if there is none."""

    def read_range(self, name: str, first: int, last: int) -> bytes:
        """Read bytes first..last (inclusive)."""

    def names(self, prefix: str) -> list[tuple[str, int]]:
        """List objects by name, each with its size, in the order of their names."""

    def reserve(self, size: int, report: Callable[[str], None]) -> None:
        """Say that about so many bytes will be written, before any is.

        Args:
            size: of all that will lie here at the same time.
            report: is told, in a line, where they go.

        Raises:
            DiskFull: they do not fit.
        """

    def drop(self, prefix: str) -> None:
        """Say that the objects below a folder are not needed any longer; whether they are deleted now is open."""

    def clear(self) -> None:
        """Delete everything."""


@dataclass(slots=True)
class FolderScratch:
    """Scratch in a folder of this machine.

    Attributes:
        folder: where.
        reserved: bytes that were asked for; 0 if that is not known.
    """

    folder: Path
    reserved: int = 0

    def write(self, name: str, body: bytes) -> None:
        """Write a file, whole or not at all. Raises DiskFull."""
        path = self.folder / name
        with telling_full(self.folder, self.reserved):
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as unfinished:
                unfinished.write_bytes(body)

    def read(self, name: str) -> bytes | None:
        """Read a file."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def read_range(self, name: str, first: int, last: int) -> bytes:
        """Read part of a file."""
        with (self.folder / name).open("rb", buffering=0) as file:
            file.seek(first)
            return file.read(last - first + 1)

    def names(self, prefix: str) -> list[tuple[str, int]]:
        """List the files below a folder."""
        files = (path for path in (self.folder / prefix).rglob("*") if path.is_file())
        finished = (path for path in files if path.parent.suffix != UNFINISHED_SUFFIX)
        return sorted((path.relative_to(self.folder).as_posix(), path.stat().st_size) for path in finished)

    def reserve(self, size: int, report: Callable[[str], None]) -> None:
        """Say how much will be written, and see that it fits beside what is here already."""
        self.reserved = size
        make_room(self.folder, max(0, size - sum(here for _, here in self.names(""))), report)

    def drop(self, prefix: str) -> None:
        """Delete the files below a folder."""
        shutil.rmtree(self.folder / prefix, ignore_errors=True)

    def clear(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class StoreScratch:
    """Scratch under a prefix (ending in a slash) of the export bucket."""

    store: Store
    prefix: str

    def write(self, name: str, body: bytes) -> None:
        """Create an object; one that exists is the same."""
        self.store.put_new(self.prefix + name, body, "application/octet-stream")

    def read(self, name: str) -> bytes | None:
        """Read an object."""
        try:
            stored = self.store.get(self.prefix + name)
        except NotFound:
            return None
        return stored.body

    def read_range(self, name: str, first: int, last: int) -> bytes:
        """Read part of an object."""
        return self.store.get_range(self.prefix + name, first, last)

    def names(self, prefix: str) -> list[tuple[str, int]]:
        """List the objects below a folder."""
        start = len(self.prefix)
        return sorted((listed.key[start:], listed.size) for listed in self.store.list(f"{self.prefix}{prefix}/"))

    def reserve(self, size: int, report: Callable[[str], None]) -> None:
        """Do nothing: a bucket has room."""

    def drop(self, prefix: str) -> None:
        """Do nothing: it costs requests, and goes with the rest."""

    def clear(self) -> None:
        """Delete all objects below the prefix."""
        self.store.delete([listed.key for listed in self.store.list(self.prefix)])
