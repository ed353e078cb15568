"""What long work asks of whoever started it: to hear its progress, and in how many processes it may go on."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from ledger.store import Store

T = TypeVar("T")
_LOOK_SECONDS = 0.5
Progress = Callable[[str, int, int], None]
"""Is told a step, how much of it is done, and how much there is to do; 0 if that is not known."""

OpenStore = Callable[[], Store]
"""Opens the export bucket; in another process, too, so it must be one that can be pickled."""


def silent(step: str, done: int, total: int) -> None:
    """Show no progress."""


def counted(
    items: Iterable[T], step: str, total: int, progress: Progress, weigh: Callable[[T], int] = lambda item: 1
) -> Iterator[T]:
    """Give items on, and tell how far that is, a thousand times in all.

    Args:
        items: to be given on.
        step: that goes on.
        total: what all items weigh.
        progress: is told.
        weigh: says what an item counts for.
    """
    done = told = 0
    for item in items:
        yield item
        done += weigh(item)
        if (done - told) * 1000 >= total:
            told = done
            progress(step, min(done, total), total)


@contextmanager
def watching(look: Callable[[], None]) -> Iterator[None]:
    """Look again and again, in another thread, how far something is that keeps this one and does not say."""
    ended = Event()

    def go_on() -> None:
        while not ended.wait(_LOOK_SECONDS):
            look()

    thread = Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def watching_folder(folder: Path, step: str, progress: Progress) -> Iterator[None]:
    """Tell how many bytes a library writes to the files of a folder, whatever it deletes there."""
    before, written = _sizes(folder), 0

    def look() -> None:
        nonlocal before, written
        sizes = _sizes(folder)
        written += sum(max(0, size - before.get(name, 0)) for name, size in sizes.items())
        before = sizes
        progress(step, written, 0)

    with watching(look):
        yield
    look()
    progress(step, written, written)


def _sizes(folder: Path) -> dict[str, int]:
    sizes = {}
    for entry in os.scandir(folder):
        with suppress(FileNotFoundError):
            sizes[entry.name] = entry.stat().st_size
    return sizes


# What a command may take in all its processes together, and what this one and another one of a rebuild take at most
# (`./infra/bench operations`).
MEMORY_MB = 500
_HERE_MB = 110
_OTHER_MB = 160


def processes() -> int:
    """Count the processes to work in: as many as there are cores, and no more than memory is meant for."""
    return max(1, min(cores(), (MEMORY_MB - _HERE_MB) // _OTHER_MB))


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
