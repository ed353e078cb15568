"""Bring the images bucket in line with a folder, and remember what was uploaded from where."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.folder import Found, Stamp, look_at, printable
from infra.local.reconcile import Plan, Upload, is_suspicious, none_seen, others, plan
from infra.local.stack import PART_BYTES, LocalStack
from operations.atomic_write import atomic_write

ROOM_BYTES = 50_000_000  # is left free beside the copies
Task = Callable[[str, int], Callable[[], None]]
"""Begins a task of so many steps, and gives what to call after each."""


@dataclass(slots=True)
class Done:
    """What became of a look at the folder.

    Attributes:
        files: that can be uploaded.
        skipped: what cannot, by its path, and why.
        uploaded: keys whose objects were written.
        deleted: keys whose objects were deleted.
        others: number of those whose files are in another folder, by folder.
        suspicious: all files were gone at once, so that nothing was deleted for it.
    """

    files: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    uploaded: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    suspicious: bool = False

    @property
    def changes(self) -> int:
        """Objects that were written or deleted."""
        return len(self.uploaded) + len(self.deleted)


class Uploads:
    """What was uploaded from a folder, and how the bucket gets what changes there."""

    def __init__(self, stack: LocalStack, folder: Path, *, keep: bool) -> None:
        """Read the record.

        Args:
            stack: to upload to.
            folder: to follow.
            keep: leave alone what was uploaded from other folders.
        """
        self._stack, self._keep = stack, keep
        self._at, self._folder = folder, str(folder.resolve())
        self._path = stack.emulator.data / "uploads.json"  # with the data that it is about, and gone when that is
        self._record = _read(self._path)
        self._seen: Found | None = None

    def follow(self, task: Task) -> Done | None:
        """Look at the folder, and do what it has changed since the last look; None if nothing has."""
        begins, found = self._seen is None, look_at(self._at)
        if found == self._seen:
            return None
        self._seen = found
        suspicious = is_suspicious(self._folder, found, self._record)
        if suspicious:
            found = none_seen(found)
        objects = self._stack.uploaded()
        wanted = plan(self._folder, found, self._record, objects, begins=begins, keep=self._keep)
        done = Done(len(found.files), dict(found.skipped), suspicious=suspicious)
        done.others = others(self._folder, self._record, wanted.delete)
        if wanted:
            self._upload(wanted, found, objects, done, task)
            self._stack.wait_until_known(self._moved(wanted, objects, done))
            self._delete(wanted, done, task)
            self._write()
        return done

    def has(self, key: str) -> bool:
        """Say whether an object was uploaded from the folder."""
        known = self._record.get(key)
        return known is not None and known.folder == self._folder and bool(known.etags)

    def path(self, key: str) -> Path | None:
        """Give the file that a key stands for; None if it is none of the folder's."""
        file = self._seen.files.get(key) if self._seen else None
        return file.path if file else None

    def _upload(self, wanted: Plan, found: Found, objects: dict[str, str], done: Done, task: Task) -> None:
        etags = dict(self._read_files(wanted.read, found, done, task))
        to_write = [key for key, etag in etags.items() if objects.get(key) != etag]
        for key, etag in etags.items():
            before = self._record[key].etags if key in self._record else ()
            if key in to_write or etag in before:
                self._record[key] = Upload(self._folder, None, tuple({*before, etag}))
            else:
                self._record[key] = Upload(self._folder, None, ())
        if to_write:
            check_room(self._path.parent, sum(found.files[key].stamp.size for key in to_write) + ROOM_BYTES)
            self._write()
            step = task("uploading", len(to_write))
            for key, error in self._stack.upload((key, found.files[key].path) for key in to_write):
                step()
                if error:
                    done.skipped[printable(key)] = error
                    del etags[key]
                else:
                    done.uploaded.append(key)
        for key, etag in etags.items():
            ours = (etag,) if self._record[key].etags else ()
            self._record[key] = Upload(self._folder, found.files[key].stamp, ours)

    def _moved(self, wanted: Plan, objects: dict[str, str], done: Done) -> dict[str, str]:
        """Give the uploaded copies, by key with their ETags, of what is to be deleted.

        Events of different keys come in any order: if the deletion came first, the photo would begin a new life.
        """
        gone = {objects.get(key) for key in wanted.delete}
        etags = {key: self._record[key].etags[-1] for key in done.uploaded if self._record[key].etags}
        return {key: etag for key, etag in etags.items() if etag in gone}

    def _read_files(self, keys: Sequence[str], found: Found, done: Done, task: Task) -> Iterator[tuple[str, str]]:
        """Give the ETags that files would have as objects."""
        step = task("comparing files", len(keys)) if keys else lambda: None
        for key in keys:
            try:
                yield key, etag_of(found.files[key].path)
            except FileNotFoundError:
                pass  # the next look sees that
            except OSError as error:
                done.skipped[printable(str(found.files[key].path))] = error.strerror or str(error)
            step()

    def _delete(self, wanted: Plan, done: Done, task: Task) -> None:
        if wanted.delete:
            step = task("deleting", len(wanted.delete))
            for key in self._stack.delete(wanted.delete):
                done.deleted.append(key)
                step()
        for key in wanted.forget:
            del self._record[key]

    def _write(self) -> None:
        with atomic_write(self._path) as unfinished:
            unfinished.write_text(json.dumps(self._record))


def check_room(folder: Path, needed: int) -> None:
    """Refuse what a disk has no room for, before it is begun: an emulator whose disk is full does not end.

    Raises:
        OSError: how much is free where, and how much is needed.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        told = f"{folder} has {free / 1e6:,.0f} MB free, and {needed / 1e6:,.0f} MB are needed"
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {told}")


def _read(path: Path) -> dict[str, Upload]:
    if not path.exists():
        return {}
    record: dict[str, Any] = json.loads(path.read_text())
    return {
        key: Upload(folder, Stamp(*stamp) if stamp else None, tuple(etags))
        for key, (folder, stamp, etags) in record.items()
    }


def etag_of(path: Path) -> str:
    """Give the ETag that S3 gives an uploaded file: the MD5 of its bytes, or of its parts' MD5s with their number."""
    with path.open("rb") as file:
        parts = [_md5(part) for part in iter(lambda: file.read(PART_BYTES), b"")] or [_md5(b"")]
    if path.stat().st_size < PART_BYTES:
        return parts[0].hex()
    return f"{_md5(b''.join(parts)).hex()}-{len(parts)}"


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()
