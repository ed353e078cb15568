"""Sorting more than memory holds: sorted runs of statement lines in scratch, merged as streams.

A run is a sequence of parts, each an object of some megabytes. Whoever merges holds one block of every run, and never
more than `FAN_IN` runs: beyond that, runs are merged into longer ones first.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

from operations.rebuild.scratch import Scratch
from operations.rebuild.statements import groups, settle

PART_BYTES = 16 << 20
BLOCK_BYTES = 256 << 10
FAN_IN = 64

Part = tuple[str, int]


def write_run(scratch: Scratch, name: str, lines: Iterable[bytes]) -> None:
    """Write sorted lines as the run of this name."""
    part: list[bytes] = []
    size = number = 0
    for line in lines:
        part.append(line)
        size += len(line)
        if size >= PART_BYTES:
            scratch.write(f"{name}/{number:06d}", b"".join(part))
            part, size, number = [], 0, number + 1
    if part:
        scratch.write(f"{name}/{number:06d}", b"".join(part))


def read_run(scratch: Scratch, parts: Sequence[Part]) -> Iterator[bytes]:
    """Read the lines of a run, block by block."""
    for name, size in parts:
        rest = b""
        for first in range(0, size, BLOCK_BYTES):
            block = scratch.read_range(name, first, min(first + BLOCK_BYTES, size) - 1)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield line + b"\n"


def merge_runs(scratch: Scratch, folder: str) -> Iterator[list[bytes]]:
    """Merge all runs of statement lines below a folder; give the settled statements of each key, in key order."""
    return _settled(merge_lines(scratch, folder, lambda lines: (one for group in _settled(lines) for one in group)))


def merge_lines(
    scratch: Scratch, folder: str, shorten: Callable[[Iterator[bytes]], Iterator[bytes]] = iter
) -> Iterator[bytes]:
    """Merge all runs below a folder into one sequence of lines.

    Args:
        scratch: where the runs are.
        folder: that has them, under `runs/`.
        shorten: leaves out of sorted lines what need not be kept, where runs are merged into longer ones first.
    """
    runs = _runs(scratch, f"{folder}/runs")
    level = 0
    while len(runs) > FAN_IN:
        longer = []
        for start in range(0, len(runs), FAN_IN):
            name = f"{folder}/longer-{level}/{start:06d}"
            write_run(scratch, name, shorten(_merged(scratch, runs[start : start + FAN_IN])))
            longer.append(scratch.names(name))
        runs, level = longer, level + 1
    return _merged(scratch, runs)


def _settled(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    return (settle(group) for group in groups(lines))


def _runs(scratch: Scratch, folder: str) -> list[list[Part]]:
    runs: dict[str, list[Part]] = {}
    for name, size in scratch.names(folder):
        runs.setdefault(name.rpartition("/")[0], []).append((name, size))
    return list(runs.values())


def _merged(scratch: Scratch, runs: Sequence[Sequence[Part]]) -> Iterator[bytes]:
    return heapq.merge(*(read_run(scratch, parts) for parts in runs))
