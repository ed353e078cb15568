"""How many events one core takes in: through the whole exporter on a store in memory, journal and publish included.

usage: ./infra/bench commit [--rows N] [--batches N]

A ledger of --rows rows stands. For batches of 100, 1,000 and 10,000 events, --batches of each kind are exported:
inserts, modifies of recent rows, modifies all over the table, removals all over the table. Counted are the seconds of
the processor, not those of the clock, without what the store does in S3's place; of the batches the median. The records
are those of `infra.survey.items`: what ImageProcessor really extracts from a drone's photo, with a photo editor's XMP.
The last line is one JSON object: inserts_per_second, modifies_per_second (recent rows), removals_per_second, at batches
of 1,000.
"""

import json
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from infra.benchmarks._export import cpu_seconds
from infra.benchmarks._report import arguments_of, console
from infra.doubles.counting_store import CountingStore
from infra.doubles.sparse_store import SparseStore
from infra.survey import items
from ledger.keys import shard_key
from ledger.ledger import Ledger

SIZES = (100, 1_000, 10_000)
FILLING = 5_000  # events of a batch by which the ledger is filled

Events = list[dict[str, Any]]


class Survey:
    """A ledger and what is in it: makes the next batch of each kind."""

    def __init__(self, rows: int) -> None:
        self._store = CountingStore(SparseStore())
        self.ledger = Ledger(self._store, makes_first_root=True)
        self.last = 0
        self.revisions: dict[int, int] = {}
        self._chance = random.Random(1)
        for start in track(range(0, rows, FILLING), "filling the ledger", console=console, transient=True):
            self.export(self.inserts(min(FILLING, rows - start)))

    def export(self, events: Events) -> float:
        """Export a batch; give the seconds of the processor."""
        seconds = cpu_seconds(self.ledger, self._store, events)
        self._forget()
        return seconds

    def _forget(self) -> None:
        """Drop the shards that the tree no longer has: batches all over the table would fill the memory."""
        root, _ = self.ledger.load_root()
        pages = self.ledger.objects.pages([*root.rows.pages, *root.removals.pages])
        kept = {shard_key(shard.sha256) for page in pages.values() for shard in page}
        if left := [listed.key for listed in self._store.list("shards/") if listed.key not in kept]:
            self._store.delete(left)

    def inserts(self, count: int) -> Events:
        """Make records of new images, one after the other."""
        numbers = range(self.last, self.last + count)
        self.last += count
        self.revisions.update(dict.fromkeys(numbers, 1))
        return [items.insert(number) for number in numbers]

    def recent(self, count: int) -> Events:
        """Make records of images that came last and are written again."""
        return [self._modify(number) for number in sorted(self.revisions)[-count:]]

    def uniform(self, count: int) -> Events:
        """Make records of images all over the table that are written again."""
        return [self._modify(number) for number in self._any(count)]

    def removals(self, count: int) -> Events:
        """Make records of images all over the table that go."""
        return [items.remove(number, self.revisions.pop(number)) for number in self._any(count)]

    def _any(self, count: int) -> list[int]:
        return self._chance.sample(sorted(self.revisions), count)

    def _modify(self, number: int) -> dict[str, Any]:
        self.revisions[number] += 1
        return items.modify(number, self.revisions[number])


def main(argv: Sequence[str]) -> int:
    """Run the benchmark, print a table and the JSON line."""
    parser = arguments_of("commit", __doc__)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    arguments = parser.parse_args(argv)
    survey = Survey(max(arguments.rows, 2 * max(arguments.sizes) * arguments.batches))
    kinds: dict[str, Callable[[int], Events]] = {
        "inserts": survey.inserts,
        "modifies, recent": survey.recent,
        "modifies, uniform": survey.uniform,
        "removals, uniform": survey.removals,
    }
    table = Table("events", *(f"{size:,} a batch" for size in arguments.sizes), "bytes an event", box=None)
    rates: dict[tuple[str, int], float] = {}
    for kind, size, rate, bytes_each in _measured(survey, kinds, arguments.sizes, arguments.batches):
        rates[kind, size] = rate
        if size == arguments.sizes[-1]:
            table.add_row(kind, *(f"{rates[kind, each]:,.0f}/s" for each in arguments.sizes), f"{bytes_each:,.0f}")
    Console(highlight=False).print(table)
    size = 1_000 if 1_000 in arguments.sizes else arguments.sizes[-1]
    names = {"inserts": "inserts", "modifies": "modifies, recent", "removals": "removals, uniform"}
    print(json.dumps({f"{name}_per_second": round(rates[kind, size]) for name, kind in names.items()}))
    return 0


def _measured(
    survey: Survey, kinds: dict[str, Callable[[int], Events]], sizes: Sequence[int], batches: int
) -> Iterator[tuple[str, int, float, float]]:
    for kind, make in kinds.items():
        for size in sizes:
            # Small batches are over soon: as many of them that their sum can be measured.
            made = [make(size) for _ in track(range(batches * max(1, 1_000 // size)), f"{kind}, {size:,}",
                                              console=console, transient=True)]  # fmt: skip
            seconds = statistics.median([survey.export(events) for events in made])
            yield kind, size, size / seconds, sum(map(items.event_bytes, made[0])) / size
