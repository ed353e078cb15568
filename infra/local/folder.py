"""A folder of photos as it is now: its files by the keys that they get, and what cannot be uploaded and why."""

import errno
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

KEY_BYTES = 1024  # at most (S3 User Guide, "Naming Amazon S3 objects")
NOT_UTF8 = "its name is not UTF-8, which keys in S3 are"
TOO_LONG = f"its key would have more than {KEY_BYTES:,} bytes, which S3 refuses"


class Stamp(NamedTuple):
    """What changes when a file does: its size, and when its content and its entry were changed (nanoseconds)."""

    size: int
    modified: int
    changed: int


@dataclass(frozen=True, slots=True)
class File:
    """A file that can be uploaded: where it is, and its stamp."""

    path: Path
    stamp: Stamp


@dataclass(slots=True)
class Found:
    """What a look at a folder found.

    Attributes:
        files: by key: the folder's name and the path below it.
        skipped: what gets no key: its path in printable characters, and why.
        unseen: the beginnings of keys that the look could not see: files and folders that could not be read.
    """

    files: dict[str, File] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)

    def cannot_see(self, path: str, key: str, error: OSError) -> None:
        """Note a file, or a folder, that could not be read."""
        self.unseen.append(key)
        self.skipped[printable(path)] = error.strerror or str(error)

    def is_unseen(self, key: str) -> bool:
        """Say whether the look could not tell if a key's file is there."""
        return key.startswith(tuple(self.unseen))


def look_at(folder: Path) -> Found:
    """Look at a folder, its folders and so on. What begins with a dot is left out, links to folders are not followed.

    A folder that is gone or cannot be read is one in which nothing was seen, and not one that is empty.
    """
    found = Found()
    to_see = [(os.fspath(folder), f"{folder.resolve().name}/")]
    while to_see:
        path, key = to_see.pop()
        try:
            with os.scandir(path) as entries:
                listed = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            found.cannot_see(path, key, error)
            continue
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                to_see.append((entry.path, f"{key}{entry.name}/"))
            else:
                _take(entry.path, key + entry.name, found)
    found.files = dict(sorted(found.files.items()))
    found.skipped = dict(sorted(found.skipped.items()))
    return found


def _take(path: str, key: str, found: Found) -> None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return  # removed meanwhile, or a link to nothing
    except OSError as error:
        found.cannot_see(path, key, error)
        return
    if not stat.S_ISREG(status.st_mode):
        return
    try:
        size = len(key.encode())
    except UnicodeEncodeError:  # Python's sign for bytes that are no text (PEP 383)
        found.skipped[printable(path)] = NOT_UTF8
        return
    if size > KEY_BYTES:
        found.skipped[printable(path)] = TOO_LONG
    elif not os.access(path, os.R_OK):
        found.cannot_see(path, key, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    else:
        found.files[key] = File(Path(path), Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns))


def printable(text: str) -> str:
    """Write a name on one line: bytes that are no text, and characters that cannot be seen, as escapes."""
    text = os.fsencode(text).decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
