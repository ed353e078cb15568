"""Sorting more than memory holds: sorted runs of lines in scratch, merged as streams.

A run is a sequence of parts, each an object of some megabytes. Whoever merges holds one block of every run, and never
more than `FAN_IN` runs: beyond that, runs are merged into longer ones first.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

from operations.batches import batched
from operations.progress import Progress, counted, silent
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import merged_run, run_of, run_part, runs_folder, whole_run
from operations.rebuild.statements import compact, group_by_key

PART_BYTES = 16 << 20
BLOCK_BYTES = 256 << 10
BUFFER_BYTES = 32 << 20  # of lines that are sorted in memory; what holds them takes about as much again
FAN_IN = 64

Part = tuple[str, int]
"""Name and size of a part of a run."""


def scratch_needed(size: int) -> int:
    """Say how much scratch it takes to sort so many bytes: where runs are merged into longer ones, both stay."""
    return size if size <= FAN_IN * BUFFER_BYTES else 2 * size


def write_run(scratch: Scratch, name: str, lines: Iterable[bytes]) -> None:
    """Write sorted lines as the run of this name."""
    part: list[bytes] = []
    size = number = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= PART_BYTES:
            scratch.write(run_part(name, number), b"".join(part))
            part, size, number = [], 0, number + 1
    if part:
        scratch.write(run_part(name, number), b"".join(part))


class Sorter:
    """Takes lines in any order, and writes them as sorted runs below a folder.

    Args:
        scratch: takes the runs.
        folder: that they are to lie in.
    """

    def __init__(self, scratch: Scratch, folder: str) -> None:
        self._scratch, self._folder = scratch, folder
        self._waiting: list[bytes] = []
        self._size = self._runs = 0

    def add(self, line: bytes) -> None:
        """Take a line."""
        self._waiting.append(line)
        self._size += len(line)
        if self._size >= BUFFER_BYTES:
            self.close()

    def close(self) -> None:
        """Write what waits."""
        self._waiting.sort()
        write_run(self._scratch, run_of(self._folder, self._runs), self._waiting)
        self._waiting, self._size, self._runs = [], 0, self._runs + 1


def read_run(scratch: Scratch, parts: Sequence[Part]) -> Iterator[bytes]:
    """Read the lines of a run, block by block."""
    for name, size in parts:
        rest = b""
        for first in range(0, size, BLOCK_BYTES):
            block = scratch.read_range(name, first, min(first + BLOCK_BYTES, size) - 1)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield line + b"\n"


def merge_statements(scratch: Scratch, folder: str) -> Iterator[list[bytes]]:
    """Merge all runs of statement lines below a folder; give the compacted statements of each key, in key order."""

    def shorten(lines: Iterator[bytes]) -> Iterator[bytes]:
        return (line for group in _compacted(lines) for line in group)

    return _compacted(merge_lines(scratch, folder, shorten))


def merge_lines(
    scratch: Scratch,
    folder: str,
    shorten: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
    progress: Progress = silent,
) -> Iterator[bytes]:
    """Merge all runs below a folder into one sequence of lines.

    Where there are too many, the longer ones that they are merged into stay for the next time.

    Args:
        scratch: where the runs are.
        folder: that has them.
        shorten: leaves out of sorted lines what need not be kept, where runs are merged into longer ones first.
        progress: is told how many bytes were merged into these.
    """
    runs = _runs(scratch, folder)
    level = 0
    while len(runs) > FAN_IN:
        longer = []
        for number, some in enumerate(batched(runs, FAN_IN)):
            name = merged_run(folder, level, number)
            if scratch.read(whole_run(name)) is None:
                total = sum(size for run in some for _, size in run)
                told = counted(_merged(scratch, some), f"merging {len(some)} sorted runs", total, progress, len)
                write_run(scratch, name, shorten(told))
                scratch.write(whole_run(name), b"")
            longer.append(scratch.names(name))
        runs, level = longer, level + 1
    return _merged(scratch, runs)


def _compacted(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    return (compact(group) for group in group_by_key(lines))


def _runs(scratch: Scratch, folder: str) -> list[list[Part]]:
    runs: dict[str, list[Part]] = {}
    for name, size in scratch.names(runs_folder(folder)):
        runs.setdefault(name.rpartition("/")[0], []).append((name, size))
    return list(runs.values())


def _merged(scratch: Scratch, runs: Sequence[Sequence[Part]]) -> Iterator[bytes]:
    return heapq.merge(*(read_run(scratch, parts) for parts in runs))
