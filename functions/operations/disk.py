"""Room on this machine's disks: asked for before it is used, and a full disk told as what it is.

A disk is full for whoever writes when it is full, when the user's part of it is (quota), or when a file would be larger
than this process may make one (`ulimit -f`). Libraries that write by themselves tell it in words (DuckDB: "IO Error:
Could not write all required bytes", and the system's text).
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import LedgerError
from operations.errors import DiskFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WORDS = tuple(map(os.strerror, _FULL))
# Beyond an estimate: what else grows on a disk meanwhile.
_RESERVE = 64 << 20
# Less is not worth a line.
_TOLD_FROM = 64 << 20


def make_room(folder: Path, needed: int, report: Callable[[str], None]) -> None:
    """Say how much is about to be written where, and see that it fits.

    Args:
        folder: that is written to; it need not be there yet.
        needed: bytes, about.
        report: is told, in a line.

    Raises:
        DiskFull: it does not fit.
    """
    free = free_bytes(folder)
    if needed + _RESERVE > free:
        raise full(folder, needed)
    if needed >= _TOLD_FROM:
        report(f"{folder}: takes about {sized(needed)}, {sized(free)} are free")


def free_bytes(folder: Path) -> int:
    """Count the bytes that this user can still write to a folder, which need not be there yet."""
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free


@contextmanager
def telling_full(folder: Path, needed: int = 0) -> Iterator[None]:
    """Let an error that means a full disk say where it is, and how much is needed there.

    Args:
        folder: that is written to.
        needed: bytes in all, about; 0 if that is not known.

    Raises:
        DiskFull: instead of such an error.
    """
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        raise full(folder, needed) from error


def is_full(error: BaseException) -> bool:
    """Say whether an error means that a disk is full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    if isinstance(error, LedgerError):  # what a server says of its own disk is not about ours
        return isinstance(error, DiskFull)
    return any(word in str(error) for word in _WORDS)


def full(folder: Path, needed: int = 0) -> DiskFull:
    """Make the error that a folder's disk is full, or too small for what is needed."""
    wanted = f"about {sized(needed)} are needed there, " if needed else ""
    return DiskFull(f"{folder}: the disk is full: {wanted}{sized(free_bytes(folder))} are free")


def folder_of(error: BaseException) -> Path:
    """Say where an error happened, as far as it tells: else in the folder that we are in."""
    name = getattr(error, "filename", None)
    return Path(os.fsdecode(name)).parent if isinstance(name, str | bytes) else Path.cwd()


def sized(size: int) -> str:
    """Write a number of bytes for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 100_000_000 else f"{size / 1e6:,.1f} MB"
