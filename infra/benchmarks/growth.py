"""What one batch costs on tables of ten thousand to a hundred million rows: requests, bytes, CPU and memory.

usage: ./infra/bench growth [--built 10000 100000 1000000] [--lazy 100000 10000000 100000000] [--events N] [--batches N]
                            [--memory MB] [--ages 1 10 1000 10000]

Batches of --events events are exported by a warm function, --batches of each kind: new images, the last images once
more, and images all over the table once more. The tables of --built are made row by row through the real commit; those
of --lazy have the same rows, but their shards and their CSV are computed when they are read
(`infra.survey.lazy_table`).
All end at the same row, so that chance, which cuts the shards, is the same for all; at one size both give the same.

Requests are those of commit and publish together, without the copies inside S3, which are told apart: a publish makes
32 of them at most, and one for each 512 MB of a CSV above 16 GB. CPU is the processor's time without that
of the store. Memory is the most that a batch has taken (tracemalloc, its events included) and what an idle exporter
has in the same Python, for a function of --memory MB (256: the least that the template takes). A batch all over the
table touches as many shards as it has rows, or all there are: it costs more on a table that has more shards than the
batch has events, and not after that.

A second table tells, for tables of 10^5 to 10^8 rows and --ages images a second, how old events are when the root holds
them, and when image-data.csv shows them: the 99th percentiles of a simulation with the real code on the network of
`contention`, an exporter for each 250 images a second, and CsvPublisher beside them. What would take too long to
simulate is computed, and marked so: the root's age does not depend on the size, and the file is older than that by two
publishes. The last line is one JSON object: bytes_ratio, requests_ratio, cpu_ratio (the largest table against that of
10^5 rows, the worse of the first two kinds), peak_mb (of these), peak_mb_anywhere.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.progress import track
from rich.table import Table

from infra.benchmarks._ages import measured
from infra.benchmarks._export import cpu_seconds
from infra.benchmarks._report import arguments_of, console, make_table, show
from infra.doubles.counting_store import CountingStore
from infra.doubles.sparse_store import SparseStore
from infra.paths import ROOT
from infra.survey import items
from infra.survey.lazy_table import LAST, LazyTable
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.publish import publish

FILLING = 5_000  # events of a batch by which a table is built
BASE = 100_000  # rows of the table that the largest is compared with
COMPARED = ("new", "last")  # kinds whose cost does not follow the number of shards
IDLE = """
import resource, boto3, csv_exporter.handler
boto3.client("s3", region_name="eu-west-1")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"

Events = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one batch took, as the median of some (seconds: the least, since all else is noise); memory in bytes."""

    requests: float
    copies: float
    written: float
    read: float
    seconds: float
    memory: int = 0


class Survey:
    """A published table, and a warm function that exports batches to it.

    Args:
        rows: of the table.
        events: of a batch.
        built: whether it is really made.
        spill: takes what is written.
    """

    def __init__(self, rows: int, events: int, built: bool, spill: Any) -> None:
        self.rows, self._events = rows, events
        first = LAST - rows + 1
        self._any = sorted(random.Random(rows).sample(range(first, LAST + 1), events))
        self._table = LazyTable(rows, {*self._any, *range(max(first, LAST - 2 * events), LAST + 1)})
        self._store = CountingStore(SparseStore(spill=spill) if built else self._table.store(spill=spill))
        self._ledger = Ledger(self._store, makes_first_root=True)
        self._next, self._revision = LAST + 1, 1
        if built:
            self._build(first)
        self.export(self.new())  # warm

    def _build(self, first: int) -> None:
        for start in track(range(first, LAST + 1, FILLING), f"building {self.rows:,} rows", console=console):
            numbers = range(start, min(start + FILLING, LAST + 1))
            commit(self._ledger, [items.insert(number, self._table.etag(number)) for number in numbers])
        publish(self._ledger)

    def new(self) -> Events:
        """Make records of new images."""
        self._next += self._events
        return [items.insert(number) for number in range(self._next - self._events, self._next)]

    def last(self) -> Events:
        """Make records of the table's last images, written again."""
        return self._again(range(LAST - self._events + 1, LAST + 1))

    def anywhere(self) -> Events:
        """Make records of images all over the table, written again."""
        return self._again(self._any)

    def _again(self, numbers: Sequence[int]) -> Events:
        self._revision += 1
        return [items.modify(number, self._revision, self._table.etag(number)) for number in numbers]

    def export(self, events: Events) -> Cost:
        """Export a batch and count."""
        store = self._store
        seconds = cpu_seconds(self._ledger, store, events)
        copies = store.count("copy_part")
        return Cost(store.requests - copies, copies, store.written, store.read, seconds)

    def memory(self, make: Callable[[], Events]) -> int:
        """Give the most bytes that a batch takes, its events included."""
        tracemalloc.start()
        self.export(make())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak


def main(argv: Sequence[str]) -> int:
    """Run the benchmark, print a table and the JSON line."""
    parser = arguments_of("growth", __doc__)
    parser.add_argument("--built", type=int, nargs="*", default=[10**4, 10**5, 10**6])
    parser.add_argument("--lazy", type=int, nargs="*", default=[10**5, 10**7, 10**8])
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--batches", type=int, default=7)
    parser.add_argument("--memory", default="256")
    parser.add_argument("--ages", type=float, nargs="*", default=[1, 10, 1_000, 10_000])
    arguments = parser.parse_args(argv)
    if os.environ.get(MEMORY) != arguments.memory:  # what is kept in memory is fixed when the ledger is imported
        return subprocess.call(
            [sys.executable, "-m", "infra.benchmarks", "growth", *argv],
            cwd=ROOT,
            env={**os.environ, MEMORY: arguments.memory},
        )
    idle = idle_bytes()
    table = make_table("rows", "", "batch", "requests", "copies", "written (MB)", "read (MB)", "CPU (ms)",
                       "memory (MB)", left=("", "batch"), no_wrap=True)  # fmt: skip
    costs: dict[tuple[int, str], Cost] = {}
    for rows, built in [*((rows, True) for rows in arguments.built), *((rows, False) for rows in arguments.lazy)]:
        for kind, cost in _measured(rows, built, arguments.events, arguments.batches):
            costs[rows, kind] = cost
            table.add_row(
                f"{rows:,}", "built" if built else "lazy", kind, f"{cost.requests:,.0f}", f"{cost.copies:,.0f}",
                f"{cost.written / 1e6:,.2f}", f"{cost.read / 1e6:,.2f}", f"{cost.seconds * 1e3:,.1f}",
                f"{(idle + cost.memory) / 2**20:,.0f}",
            )  # fmt: skip
    show(table, *_ages(arguments.ages))
    print(json.dumps(_ratios(costs, idle)))
    return 0


def _ages(rates: Sequence[float]) -> Iterator[Table]:
    if not rates:
        return
    table = make_table("rows", "images/s", "age in the root, p99 (s)", "in the file (s)", "", left=("",))
    with console.status("simulating ages ..."):
        for ages in measured(rates):
            how = "" if ages.simulated else "computed"
            table.add_row(f"{ages.rows:,}", f"{ages.rate:,.0f}", f"{ages.root:.1f}", f"{ages.file:.1f}", how)
    yield table


def _measured(rows: int, built: bool, events: int, batches: int) -> Iterator[tuple[str, Cost]]:
    """Give the cost of a batch of each kind on one table."""
    with tempfile.TemporaryFile() as spill, console.status(f"{rows:,} rows ..."):
        survey = Survey(rows, events, built, spill)
        kinds = {"new": survey.new, "last": survey.last, "anywhere": survey.anywhere}
        for kind, make in kinds.items():
            costs = [survey.export(make()) for _ in range(batches if kind in COMPARED else 1)]
            yield kind, _typical(costs, survey.memory(make))


def _typical(costs: Sequence[Cost], memory: int) -> Cost:
    def median(name: str) -> float:
        return float(statistics.median(getattr(cost, name) for cost in costs))

    seconds = min(cost.seconds for cost in costs)
    return Cost(median("requests"), median("copies"), median("written"), median("read"), seconds, memory)


def _ratios(costs: dict[tuple[int, str], Cost], idle: int) -> dict[str, float]:
    sizes = sorted({rows for rows, _ in costs})
    small, large = min(sizes, key=lambda rows: abs(rows - BASE)), sizes[-1]

    def worst(name: str) -> float:
        ratios = [getattr(costs[large, kind], name) / getattr(costs[small, kind], name) for kind in COMPARED]
        return float(round(max(ratios), 3))

    return {
        "bytes_ratio": worst("written"),
        "requests_ratio": worst("requests"),
        "cpu_ratio": worst("seconds"),
        "peak_mb": round((idle + max(costs[large, kind].memory for kind in COMPARED)) / 2**20),
        "peak_mb_anywhere": round((idle + costs[large, "anywhere"].memory) / 2**20),
    }


def idle_bytes() -> int:
    """Give the bytes of memory that a Python which has loaded the exporter and its SDK takes."""
    idle = subprocess.run([sys.executable, "-c", IDLE], cwd=ROOT / "functions", capture_output=True, check=True)
    return int(idle.stdout) << 10
