"""The folder in which a command works, one command at a time.

It is the command's own, for this bucket, and cleared when it is done: `--work` names where it is made, for it may be
a folder with files of the user's.

What lies in it is believed after a crash, and may be swapped in. So nobody else may have made it: `--work` may name a
place where others can put things first, a link included.
"""

import fcntl
import os
from pathlib import Path
from stat import S_ISREG
from typing import IO

from operations.cli.deployment import Deployment
from operations.errors import Busy, NotOurs
from operations.rebuild.scratch import FolderScratch

_held: dict[Path, IO[bytes]] = {}  # a lock ends with its file, that is, with this process, however it ends


def hold_work_folder(deployment: Deployment, work: Path | None, command: str) -> FolderScratch:
    """Give the scratch of a command, held against other commands until this process ends; it may ask for it again.

    Args:
        deployment: whose bucket it is for.
        work: where it is to be made; None for this user's cache.
        command: whose folder it is.

    Raises:
        Busy: another process works in it.
        NotOurs: it is another user's, or a link of another user leads there.
    """
    folder = (work / f"skyledger-{deployment.folder_name}-{command}" if work else deployment.cache(command)).absolute()
    if folder in _held:
        return FolderScratch(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = _open_lock(folder.with_name(f"{folder.name}.lock"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (_is_ours(folder.lstat()) and _is_ours(folder.stat())):
            raise NotOurs(f"{folder} is another user's: give --work another folder")
    except BlockingIOError as error:
        lock.close()
        raise Busy(f"another skyledger works in {folder}: wait for it, or give --work another folder") from error
    except BaseException:
        lock.close()
        raise
    _held[folder] = lock
    return FolderScratch(folder)


def left_behind() -> list[tuple[Path, int]]:
    """Name the folders that this process holds and that are not empty, each with its bytes."""
    sizes = ((folder, sum(size for _, size in FolderScratch(folder).names(""))) for folder in _held)
    return [(folder, size) for folder, size in sizes if size]


def clear_held() -> None:
    """Delete what is in the folders that this process holds."""
    for folder in _held:
        FolderScratch(folder).clear()


def _open_lock(path: Path) -> IO[bytes]:
    """Open a file to lock, and neither follow a link nor change what is there."""
    try:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise NotOurs(f"{path}: {error.strerror}: give --work another folder") from error
    lock = os.fdopen(opened, "r+b", buffering=0)
    if S_ISREG(os.fstat(opened).st_mode) and _is_ours(os.fstat(opened)):
        return lock
    lock.close()
    raise NotOurs(f"{path} is another user's: give --work another folder")


def _is_ours(what: os.stat_result) -> bool:
    """Say whether this user made it, or root, who need not deceive anybody."""
    return what.st_uid in (os.geteuid(), 0)
