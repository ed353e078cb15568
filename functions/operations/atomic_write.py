"""Write a file beside its place and move it there, which is one step: nobody ever sees half of it.

Others may write to the same folder, and might have put a link where we are about to write. So what is unfinished lies
in a folder of its own: `mkdtemp` makes it, under a name that nobody can foretell and for this user alone, or fails, and
never follows a link. The move replaces a link at the file's place, and does not follow it either (rename(2)). What is
left: where everybody may rename what is another's (a shared folder without the sticky bit), somebody quick may put
another folder in its place.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from operations.disk import telling_full

UNFINISHED_SUFFIX = ".unfinished"


@contextmanager
def unfinished_folder(folder: Path, name: str) -> Iterator[Path]:
    """Give a folder for what is unfinished, which is gone in the end with all that lies in it.

    Args:
        folder: that what is finished is moved to: on the same disk.
        name: of what is written; part of the folder's own.
    """
    unfinished = Path(mkdtemp(UNFINISHED_SUFFIX, f".{name}.", folder))
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def atomic_write(path: Path, needed: int = 0) -> Iterator[Path]:
    """Give a path to write to; what stands there at the end replaces the file, and after an error nothing does.

    Args:
        path: of the file to make or replace. Its folder must be there.
        needed: bytes that it takes, about; 0 if that is not known.

    Raises:
        DiskFull: whoever writes it finds the disk full.
    """
    with telling_full(path.parent, needed), unfinished_folder(path.parent, path.name) as folder:
        yield folder / path.name
        (folder / path.name).replace(path)
