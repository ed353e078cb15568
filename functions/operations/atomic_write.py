"""Write a file beside its place and move it there, which is one step: nobody ever sees half of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED_SUFFIX = ".unfinished"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a path to write to; what stands there at the end replaces the file, and after an error nothing does.

    Args:
        path: of the file to make or replace. Its folder must be there.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED_SUFFIX}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
