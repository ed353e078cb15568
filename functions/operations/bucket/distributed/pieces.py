"""Start an export of `Objects`, cut the work by it, and sort both sides, piece by piece."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ledger.errors import Damaged
from ledger.manifest import decode_root, encode_root
from operations.batches import batched_by_size
from operations.bucket.distributed.cut import ETAG_RECORDS, RANGE_OBJECTS, etag_cuts, part_of, quantiles
from operations.bucket.distributed.job import Job
from operations.bucket.distributed.listed import inventory_of, lines_of, sample
from operations.bucket.distributed.step_names import (
    EXPORT,
    PLAN,
    ROOT,
    SUMMARY,
    numbers_name,
    part_run,
    sorted_name,
)
from operations.bucket.known import read_known
from operations.bucket.lines import name_of
from operations.bucket.rows import row_lines
from operations.errors import ExportFailed
from operations.rebuild.scratch_names import HOLDERS, LISTED, RECORDS, ROWS
from operations.rebuild.sorted_runs import write_run
from operations.table_export.files import DataFile, Export, read_export
from operations.table_export.request import finished_export, start_export

# Of lines in memory; what holds them takes about as much again.
BUFFER_BYTES = 128 << 20
MOST_SAMPLED = 50_000
# Then the check fails, so that somebody is told.
PATIENCE = timedelta(days=1)
_SIDES = {RECORDS: "names", LISTED: "names", HOLDERS: "etags", ROWS: "etags"}

Line = tuple[str, bytes]
"""A line, after the folder that it belongs to."""


def start(job: Job) -> None:
    """Start the export, unless one was named, or nothing is known."""
    if job.wishes.all_new:
        return
    token = hashlib.sha256(job.scratch.prefix.encode()).hexdigest()[:36]
    job.once(
        EXPORT,
        lambda: job.wishes.export or start_export(job.aws.dynamodb, job.aws.objects, job.aws.exports, token=token),
    )


def is_exported(job: Job) -> bool:
    """Say whether the export is finished.

    Raises:
        ExportFailed: it never will be.
    """
    if job.wishes.all_new:
        return True
    key = finished_export(job.aws.dynamodb, job.read(EXPORT))
    if key is not None:
        job.once(SUMMARY, lambda: key)
    elif job.now - datetime.fromisoformat(job.wishes.started) > PATIENCE:
        raise ExportFailed(f"the export {job.read(EXPORT)} goes on for longer than a day")
    return key is not None


def exported(job: Job) -> Export:
    """Read what the export consists of.

    Raises:
        Damaged: it is not a full one, or does not lie in the export bucket.
    """
    export = read_export(job.ledger.store, job.read(SUMMARY))
    if export.kind != "full":
        raise Damaged("an incremental export does not hold the whole table")
    return export


def cut(job: Job) -> int:
    """Cut names and ETags into ranges, and what is to be sorted into pieces; give the number of pieces."""
    plan = job.once(PLAN, lambda: _plan(job))
    pieces = len(plan["pieces"])
    job.once(numbers_name("pieces"), lambda: [*range(pieces)])
    return pieces


def _plan(job: Job) -> dict[str, Any]:
    names, records, time, pieces = _known_side(job)
    buckets = list(job.sources.buckets)
    if job.wishes.inventory:
        _, inventory = inventory_of(job)
        more, objects = sample(job)
        names, records, time = [*names, *more], max(records, objects), min(time, inventory.time)
        pieces += [{"kind": LISTED, "file": number} for number in range(len(inventory.files))]
        buckets = [inventory.bucket]
    if job.wishes.whole and (found := job.ledger.find_root()) is not None:
        root, _ = found
        job.scratch.write(ROOT, encode_root(root))
        pieces += [{"kind": ROWS, "page": number} for number in range(len(root.rows.pages))]
    parts = -(-records // RANGE_OBJECTS)
    return {
        "time": time,
        "buckets": buckets,
        "name_cuts": [cut.decode("latin-1") for cut in quantiles(sorted(names), parts)],
        "etag_cuts": [cut.decode("latin-1") for cut in etag_cuts(-(-records // ETAG_RECORDS))],
        "pieces": pieces,
    }


def _known_side(job: Job) -> tuple[list[bytes], int, str, list[dict[str, Any]]]:
    """Give some names that are known, the number of all, the time of which they are, and what there is to sort."""
    if job.wishes.all_new:
        return [], 0, job.wishes.started, []
    export = exported(job)
    pieces: list[dict[str, Any]] = [{"kind": RECORDS, "files": numbers} for numbers in _grouped(export.files)]
    return _sample(job, export), export.items, export.time, pieces


def _sample(job: Job, export: Export) -> list[bytes]:
    """Give names of a data file: the table is spread over them by hash, so any file's are as good as all."""
    largest = max(export.files, key=lambda file: file.items, default=None)
    if largest is None:
        return []
    every = max(1, largest.items // MOST_SAMPLED)
    lines = (line for kind, line in _known(job, [largest], Counter()) if kind == RECORDS)
    return [name_of(line) for number, line in enumerate(lines) if number % every == 0]


def _grouped(files: tuple[DataFile, ...]) -> Iterator[list[int]]:
    """Put files together that have about a range's records."""
    filled = [number for number, file in enumerate(files) if file.items]
    return batched_by_size(filled, lambda number: files[number].items, RANGE_OBJECTS)


def sort(job: Job, number: int) -> Mapping[str, int]:
    """Sort a piece into the parts that the plan has; give what is counted.

    Raises:
        Damaged, Unavailable: it can be tried again.
    """
    plan = job.read(PLAN)
    counted: Mapping[str, int] = job.once(sorted_name(number), lambda: _sorted(job, plan, number))
    return counted


def _sorted(job: Job, plan: Mapping[str, Any], number: int) -> Mapping[str, int]:
    runs, counts = _Runs(job, plan, number), Counter[str]()
    for folder, line in _lines(job, plan["pieces"][number], counts):
        runs.add(folder, line)
    runs.close()
    return counts


def cuts_of(plan: Mapping[str, Any], kind: str) -> list[bytes]:
    """Read where the plan cuts names, or ETags."""
    return [text.encode("latin-1") for text in plan[kind]]


def _lines(job: Job, piece: Mapping[str, Any], counts: Counter[str]) -> Iterator[Line]:
    if piece["kind"] == ROWS:
        root = decode_root(job.scratch.read(ROOT) or b"")
        page = replace(root, rows=replace(root.rows, pages=root.rows.pages[piece["page"] : piece["page"] + 1]))
        for line in row_lines(job.ledger, page):
            counts["rows"] += 1
            yield ROWS, line
        return
    if piece["kind"] == LISTED:
        yield from ((LISTED, line) for line in lines_of(job, piece["file"]))
        return
    files = exported(job).files
    yield from _known(job, [files[number] for number in piece["files"]], counts)


def _known(job: Job, files: list[DataFile], counts: Counter[str]) -> Iterator[Line]:
    """Give the records of data files, and, where rows are compared, which of them hold what."""
    every, whole = job.every, job.wishes.whole
    for one in (one for file in files for one in read_known(job.ledger.store, file)):
        if one is None:
            counts["unusable"] += 1
            continue
        if every.hold(name_of(one.line)):
            yield RECORDS, one.line
        else:
            counts["outside"] += 1
        if one.etag:
            counts["images"] += 1
            if whole:
                yield HOLDERS, one.holder_line


class _Runs:
    """Takes lines for all parts, and writes them as a sorted run for each when there are enough in memory.

    What stands before a line's first NUL, a name or an ETag, says in which part it lies.
    """

    def __init__(self, job: Job, plan: Mapping[str, Any], piece: int) -> None:
        self._job, self._piece = job, piece
        self._cuts = {"names": cuts_of(plan, "name_cuts"), "etags": cuts_of(plan, "etag_cuts")}
        self._waiting: dict[tuple[str, int], list[bytes]] = {}
        self._size = self._flushes = 0

    def add(self, folder: str, line: bytes) -> None:
        part = part_of(self._cuts[_SIDES[folder]], name_of(line))
        self._waiting.setdefault((folder, part), []).append(line)
        self._size += len(line)
        if self._size >= BUFFER_BYTES:
            self.close()

    def close(self) -> None:
        for (folder, part), lines in self._waiting.items():
            name = part_run(folder, self._piece, self._flushes)
            write_run(self._job.part(_SIDES[folder], part), name, sorted(lines))
        self._waiting, self._size, self._flushes = {}, 0, self._flushes + 1


def sorted_counts(job: Job) -> Counter[str]:
    """Add up what was counted while sorting."""
    pieces = len(job.read(PLAN)["pieces"])
    return sum(map(Counter, job.ledger.store.map(job.read, map(sorted_name, range(pieces)))), Counter())
