"""Start an export of `Objects`, cut the work by it, and sort its records, piece by piece."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from ledger.errors import Damaged
from operations.bucket.distributed.cut import RANGE_OBJECTS, etag_cuts, part_of, quantiles
from operations.bucket.distributed.job import Job
from operations.bucket.distributed.step_names import EXPORT, PLAN, SUMMARY, numbers_name, part_run, sorted_name
from operations.bucket.known import record_line
from operations.bucket.lines import name_of
from operations.errors import ExportFailed
from operations.rebuild.scratch import Scratch
from operations.rebuild.sorted_runs import write_run
from operations.table_export.files import DataFile, Export, read_export, read_file
from operations.table_export.request import finished_export, start_export

RECORDS, LISTED, HOLDERS, ROWS = "records", "listed", "holders", "rows"
_CUTS = {RECORDS: "name_cuts", LISTED: "name_cuts", HOLDERS: "etag_cuts", ROWS: "etag_cuts"}
MOST_SAMPLED = 50_000
# Then the check fails, so that somebody is told.
PATIENCE = timedelta(days=1)
# Of lines in memory; what holds them takes about as much again.
BUFFER_BYTES = 128 << 20


def start(job: Job) -> None:
    """Start the export, unless one was named."""
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
    key = finished_export(job.aws.dynamodb, job.read(EXPORT))
    if key is not None:
        job.once(SUMMARY, lambda: key)
    elif job.ledger.now() - datetime.fromisoformat(job.wishes.started) > PATIENCE:
        raise ExportFailed(f"the export {job.read(EXPORT)} goes on for longer than a day")
    return key is not None


def exported(job: Job) -> Export:
    """Read what the export consists of.

    Raises:
        Damaged: it is not a full one, or lies in another bucket.
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
    export = exported(job)
    parts = -(-export.items // RANGE_OBJECTS)
    name_cuts = quantiles(_sample(job, export), parts)
    return {
        "time": export.time,
        "name_cuts": [cut.decode("latin-1") for cut in name_cuts],
        "etag_cuts": [cut.decode("latin-1") for cut in etag_cuts(parts)],
        "pieces": [{"kind": RECORDS, "files": numbers} for numbers in _grouped(export.files)],
    }


def _sample(job: Job, export: Export) -> list[bytes]:
    """Give names of a data file: the table is spread over them by hash, so any file's are as good as all."""
    largest = max(export.files, key=lambda file: file.items, default=None)
    if largest is None:
        return []
    every = max(1, largest.items // MOST_SAMPLED)
    names = (name_of(record_line(record["Item"])) for record in read_file(job.ledger.store, largest))
    return sorted(name for number, name in enumerate(names) if number % every == 0)


def _grouped(files: tuple[DataFile, ...]) -> Iterator[list[int]]:
    """Put files together that have about a range's records."""
    group: list[int] = []
    items = 0
    for number, file in enumerate(files):
        if file.items:
            group.append(number)
            items += file.items
        if items >= RANGE_OBJECTS:
            yield group
            group, items = [], 0
    if group:
        yield group


def sort(job: Job, number: int) -> dict[str, int]:
    """Sort a piece into the parts that the plan has; give what is counted."""
    plan = job.read(PLAN)
    counted: dict[str, int] = job.once(sorted_name(number), lambda: _sorted(job, plan, number))
    return counted


def _sorted(job: Job, plan: Mapping[str, Any], number: int) -> Mapping[str, int]:
    runs = _Runs(job.scratch, number)
    cuts = {kind: cuts_of(plan, name) for kind, name in _CUTS.items()}
    counts: Counter[str] = Counter()
    for kind, line in _lines(job, plan["pieces"][number], counts):
        runs.add(kind, part_of(cuts[kind], name_of(line)), line)
    runs.close()
    return counts


def cuts_of(plan: Mapping[str, Any], name: str) -> list[bytes]:
    """Read where the plan cuts."""
    return [text.encode("latin-1") for text in plan[name]]


def _lines(job: Job, piece: Mapping[str, Any], counts: Counter[str]) -> Iterator[tuple[str, bytes]]:
    """Give the lines of a piece, each with its kind; what stands before the first NUL says in which part it lies."""
    files = exported(job).files
    for record in (record for number in piece["files"] for record in read_file(job.ledger.store, files[number])):
        try:
            line = record_line(record["Item"])
        except (AttributeError, KeyError, TypeError, ValueError):
            counts["unusable"] += 1
            continue
        if job.every.hold(name_of(line)):
            yield RECORDS, line
        else:
            counts["outside"] += 1


class _Runs:
    """Takes lines for all parts, and writes them as a sorted run for each when there are enough in memory."""

    def __init__(self, scratch: Scratch, piece: int) -> None:
        self._scratch, self._piece = scratch, piece
        self._waiting: dict[tuple[str, int], list[bytes]] = {}
        self._size = self._flushes = 0

    def add(self, kind: str, part: int, line: bytes) -> None:
        self._waiting.setdefault((kind, part), []).append(line)
        self._size += len(line)
        if self._size >= BUFFER_BYTES:
            self.close()

    def close(self) -> None:
        for (kind, part), lines in self._waiting.items():
            write_run(self._scratch, part_run(kind, part, self._piece, self._flushes), sorted(lines))
        self._waiting, self._size, self._flushes = {}, 0, self._flushes + 1


def sorted_counts(job: Job) -> Counter[str]:
    """Add up what was counted while sorting."""
    pieces = len(job.read(PLAN)["pieces"])
    return sum(map(Counter, job.ledger.store.map(job.read, map(sorted_name, range(pieces)))), Counter())
