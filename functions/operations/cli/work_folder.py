"""The folder in which a command works, one command at a time."""

import fcntl
from pathlib import Path
from typing import IO

from operations.cli.deployment import Deployment
from operations.errors import Busy
from operations.rebuild.scratch import FolderScratch

_held: dict[Path, IO[str]] = {}  # a lock ends with its file, that is, with this process, however it ends


def hold_work_folder(deployment: Deployment, work: Path | None, command: str) -> FolderScratch:
    """Give the scratch of a command, held against other commands until this process ends; it may ask for it again.

    Args:
        deployment: whose bucket it is for.
        work: the folder asked for; None for one in this user's cache.
        command: whose folder it is there.

    Raises:
        Busy: another process works in it.
    """
    folder = (work or deployment.cache(command)).absolute()
    if folder in _held:
        return FolderScratch(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f"{folder.name}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise Busy(f"another skyledger works in {folder}: wait for it, or give --work another folder") from error
    _held[folder] = lock
    return FolderScratch(folder)
