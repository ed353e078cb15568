"""One batch the way of the scanning predecessor, and ours, on the same emulator, for tables of growing size.

usage: ./infra/bench scan [--sizes 1000 10000 100000] [--events 1000 1]

The predecessor read the whole table at each batch (Scan, in pages of 1 MB, deserialised with boto3) and wrote the whole
CSV (csv.DictWriter, one PutObject). Ours merges the batch's stream records and publishes, journal included. Both run
warm in this process against the same emulated DynamoDB and the same S3 (SeaweedFS, which copies parts by itself as S3
does, what the emulator does not). --events names the new images of a batch; a size is the rows after the last batch.

The clock is not fair. For each page the emulator sorts all keys of the table, so that a scan of ten times the rows
takes it up to a hundred times as long; DynamoDB does no such thing. And SeaweedFS moves every byte that it copies over
this machine's disk and cores. Therefore "without the wait" takes off, on either side, the time in which nothing goes on
but a server's own work on the whole table: Scan's answers for the predecessor, copies inside S3 for us. What is left is
this process at work and all other requests, uploads of changed bytes here and of the whole CSV there. Stricter still is
least_ratio: only the predecessor gets its table for nothing, we pay for SeaweedFS's copies. Seconds of the clock and of
the processor stand beside it, and what no server has a part in: requests, bytes that the process moved (an item as
DynamoDB counts it; not the stream records, which both are given), and the table's read units (4 KB of a page,
eventually consistent: half a unit). Neither server's time stands for that of AWS.

The last line is one JSON object with, for each size: ratio_SIZE (without the wait), least_ratio_SIZE, clock_ratio_SIZE,
cpu_ratio_SIZE and bytes_ratio_SIZE, the predecessor's against ours, at the first of --events; the others' names end in
_events_N.
"""

import csv
import gc
import io
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from rich.progress import track

from infra.benchmarks._export import export_batch
from infra.benchmarks._report import arguments_of, console, make_table, show
from infra.doubles.capacity import item_bytes
from infra.doubles.counting_store import CountingStore
from infra.local.emulator import Emulator, make_environment
from infra.local.seaweed import SeaweedFS
from infra.survey import items
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.keys import CSV_KEY
from ledger.ledger import Ledger
from ledger.publish import publish
from ledger.s3_store import S3Store

TABLE = "Images"
BUCKET, OLD_BUCKET = "export", "predecessor"
READ_UNIT = 4096  # bytes; a page's sum is rounded up, not each item (AWS, read consumption of Scan)
WRITERS = 8
FILLING = 2_500  # events of a batch by which the ledger is built


@dataclass(frozen=True, slots=True)
class Cost:
    """What one batch took.

    Attributes:
        seconds: of the clock.
        cpu: seconds of the processor in this process.
        requests: to DynamoDB and S3.
        moved: bytes in and out of this process.
        waited: seconds of waiting for nothing but Scan's answers, or copies inside S3.
        read_units: of the table.
    """

    seconds: float
    cpu: float
    requests: int
    moved: int
    waited: float
    read_units: float = 0.0

    @property
    def own(self) -> float:
        """Give the seconds that are left if that took no time."""
        return self.seconds - self.waited


class Predecessor:
    """The whole table, read and written at each batch.

    Attributes:
        requests, moved, read_units, rows: of the last export, as in `Cost`.
        waited: seconds of waiting for Scan's answers.
        counting: seconds that the processor spent for these figures; they are not the predecessor's.
    """

    def __init__(self, tables: Any, s3: Any) -> None:
        self._tables, self._s3 = tables, s3
        self.requests = self.moved = self.rows = 0
        self.waited = self.counting = self.read_units = 0.0

    def export(self) -> None:
        """Scan all, write all; rows come in the order of the table, for sorting is not what it costs."""
        self.requests = self.moved = 0
        self.waited = self.counting = self.read_units = 0.0
        deserialise = TypeDeserializer().deserialize
        rows = [{name: deserialise(value) for name, value in item.items()} for page in self._pages() for item in page]
        text = io.StringIO()
        writer = csv.DictWriter(text, NAMES, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        body = text.getvalue().encode()
        self._s3.put_object(Bucket=OLD_BUCKET, Key=CSV_KEY, Body=body)
        self.requests += 1
        self.moved += len(body)
        self.rows = len(rows)

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        start: dict[str, Any] = {}
        while True:
            began, cpu = time.perf_counter(), time.thread_time()
            answer = self._tables.scan(TableName=TABLE, **start)
            self.waited += (time.perf_counter() - began) - (time.thread_time() - cpu)
            began = time.thread_time()
            size = sum(map(item_bytes, answer["Items"]))
            self.counting += time.thread_time() - began
            self.requests += 1
            self.moved += size
            self.read_units += -(-size // READ_UNIT) / 2
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


class TimedStore(CountingStore):
    """Counts, and knows for how long copies inside S3 were all that went on."""

    def reset(self) -> None:
        """Count from zero."""
        super().reset()
        self.spans: list[tuple[bool, float, float]] = []  # whether it is a copy, begin, end
        self.own = 0.0  # seconds of the processor for asking for copies

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        call, is_copy = super().__getattr__(verb), verb == "copy_part"

        def timed(*arguments: Any, **named: Any) -> Any:
            began, cpu = time.perf_counter(), time.thread_time()
            try:
                return call(*arguments, **named)
            finally:
                with self._lock:
                    self.spans.append((is_copy, began, time.perf_counter()))
                    self.own += (time.thread_time() - cpu) * is_copy

        return timed

    def waited(self) -> float:
        """Add up the time in which copies were under way and nothing else, less what this process then did."""
        edges = sorted(
            (at, step, is_copy) for is_copy, *span in self.spans for at, step in zip(span, (1, -1), strict=True)
        )
        under_way: Counter[bool] = Counter()
        seconds = before = 0.0
        for at, step, is_copy in edges:
            if under_way[True] and not under_way[False]:
                seconds += at - before
            under_way[is_copy] += step
            before = at
        return max(0.0, seconds - self.own)


class Survey:
    """A table and a ledger of the same images, which grow."""

    def __init__(self, emulator: Emulator, server: SeaweedFS) -> None:
        self._tables, s3 = emulator.client("dynamodb", max_pool_connections=WRITERS), server.client()
        for bucket in (BUCKET, OLD_BUCKET):
            s3.create_bucket(Bucket=bucket)
        self._tables.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "etag", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "etag", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.store = TimedStore(S3Store(BUCKET, **server.credentials))
        self.ledger = Ledger(self.store, makes_first_root=True)
        self.rows = 0
        self.predecessor = Predecessor(self._tables, s3)
        self.measure(1)  # opens the connections

    def grow(self, rows: int) -> None:
        """Add images until there are so many."""
        starts = range(self.rows, rows, FILLING)
        for start in track(starts, f"filling to {rows:,} rows", console=console, transient=True):
            commit(self.ledger, self.put(min(FILLING, rows - start)))
        publish(self.ledger)

    def put(self, count: int) -> list[dict[str, Any]]:
        """Put new images into the table; give their stream records."""
        events = [items.insert(number) for number in range(self.rows, self.rows + count)]
        self.rows += count
        requests = [{"PutRequest": {"Item": event["dynamodb"]["NewImage"]}} for event in events]

        def write(start: int) -> None:
            left = {TABLE: requests[start : start + 25]}
            while left:
                left = self._tables.batch_write_item(RequestItems=left).get("UnprocessedItems", {})

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(write, range(0, count, 25)))
        return events

    def measure(self, events: int) -> tuple[Cost, Cost]:
        """Export one batch both ways; give the cost of the predecessor, then ours."""
        batch = self.put(events)
        self.store.reset()
        new = _timed(lambda: export_batch(self.ledger, batch))
        ours = Cost(*new, self.store.requests, self.store.written + self.store.read, self.store.waited())
        if self.ledger.load_root()[0].rows.rows != self.rows:
            raise AssertionError("we missed rows")
        (seconds, cpu), predecessor = _timed(self.predecessor.export), self.predecessor
        seconds, cpu = seconds - predecessor.counting, cpu - predecessor.counting
        if predecessor.rows != self.rows:
            raise AssertionError("the predecessor missed rows")
        theirs = (predecessor.requests, predecessor.moved, predecessor.waited, predecessor.read_units)
        return Cost(seconds, cpu, *theirs), ours


def _timed(do: Callable[[], None]) -> tuple[float, float]:
    gc.collect()
    began, cpu = time.perf_counter(), time.process_time()
    do()
    return time.perf_counter() - began, time.process_time() - cpu


def main(argv: Sequence[str]) -> int:
    """Run the benchmark, print a table and the JSON line."""
    parser = arguments_of("scan", __doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--events", type=int, nargs="+", default=[1_000, 1])
    arguments = parser.parse_args(argv)
    table = make_table("rows", "batch", "way", "seconds", "without the wait", "CPU (s)", "requests", "moved (MB)",
                       "read units", left=("way",))  # fmt: skip
    result: dict[str, float] = {}
    with console.status("making the emulator's environment ..."):
        python = make_environment()
    with (
        tempfile.TemporaryDirectory() as folder,
        SeaweedFS(Path(folder) / "s3") as server,
        Emulator(python, Path(folder) / "tables") as emulator,
    ):
        for size, rows, events, old, new in _measured(Survey(emulator, server), arguments.sizes, arguments.events):
            ratios = {
                "ratio": old.own / new.own,
                "least_ratio": old.own / new.seconds,
                "clock_ratio": old.seconds / new.seconds,
                "cpu_ratio": old.cpu / new.cpu,
                "bytes_ratio": old.moved / new.moved,
            }
            suffix = "" if events == arguments.events[0] else f"_events_{events}"
            result |= {f"{name}_{size}{suffix}": round(ratio, 1) for name, ratio in ratios.items()}
            for way, cost in (("scan", old), ("ours", new)):
                table.add_row(
                    f"{rows:,}", f"{events:,}", way, f"{cost.seconds:,.2f}", f"{cost.own:,.2f}", f"{cost.cpu:,.2f}",
                    f"{cost.requests:,}", f"{cost.moved / 1e6:,.1f}", f"{cost.read_units:,.0f}",
                )  # fmt: skip
            table.add_row(
                "", "", "ratio", f"{ratios['clock_ratio']:,.1f}", f"{ratios['ratio']:,.1f}",
                f"{ratios['cpu_ratio']:,.1f}", "", f"{ratios['bytes_ratio']:,.1f}", "", end_section=True,
            )  # fmt: skip
    show(table)
    print(json.dumps(result))
    return 0


def _measured(
    survey: Survey, sizes: Sequence[int], batches: Sequence[int]
) -> Iterator[tuple[int, int, int, Cost, Cost]]:
    for size in sorted(sizes):
        survey.grow(size - sum(batches))
        for events in batches:
            with console.status(f"{size:,} rows, a batch of {events:,} ..."):
                old, new = survey.measure(events)
            yield size, survey.rows, events, old, new
