"""One batch the way of the scanning predecessor, and ours, on the same emulator, for tables of growing size.

usage: ./infra/bench scan [--sizes 1000 10000 100000] [--events N]

The predecessor read the whole table at each batch (Scan, in pages of 1 MB, deserialised with boto3) and wrote the whole
CSV (csv.DictWriter, one PutObject). Ours merges the batch's stream records and publishes. Both run in this process
against the same emulated DynamoDB and the same S3 (SeaweedFS, which copies parts by itself as S3 does, what the
emulator does not), after a first batch that is not counted; a batch is --events new images.

Seconds are those of the clock, and so the emulator's as well as ours: its Scan is not DynamoDB's. Therefore the
processor's seconds in this process, the bytes that it moved and the table's read units (of 4 KB, eventually consistent:
half a unit) are told apart. The last line is one JSON object with, for each size: ratio_SIZE (seconds), cpu_ratio_SIZE
and bytes_ratio_SIZE, the predecessor's against ours.
"""

import argparse
import csv
import io
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "functions")]

from boto3.dynamodb.types import TypeDeserializer  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from rich.table import Table  # noqa: E402

from csv_exporter.handler import export, logger, metrics  # noqa: E402
from infra.local import images  # noqa: E402
from infra.local.counting_store import CountingStore  # noqa: E402
from infra.local.emulator import Emulator, make_environment  # noqa: E402
from infra.local.seaweed import REGION, SeaweedFS  # noqa: E402
from infra.local.stack import HOME  # noqa: E402
from ledger.columns import NAMES  # noqa: E402
from ledger.commit import commit  # noqa: E402
from ledger.ledger import Ledger, no_limit  # noqa: E402
from ledger.manifest import CSV_KEY  # noqa: E402
from ledger.publish import publish  # noqa: E402
from ledger.store import S3Store  # noqa: E402

TABLE = "Images"
BUCKET, OLD_BUCKET = "export", "predecessor"
SCAN_PAGE = 1 << 20
WRITERS = 8
FILLING = 2_500  # events of a batch by which the ledger is built
WIDTH = 120

console = Console(highlight=False, stderr=True)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one batch took."""

    seconds: float
    cpu: float
    requests: int
    moved: int
    read_units: float = 0.0


class Predecessor:
    """The whole table, read and written at each batch."""

    def __init__(self, tables: Any, s3: Any, item_bytes: int) -> None:
        self._tables, self._s3 = tables, s3
        self._page = max(1, SCAN_PAGE // item_bytes)  # items that 1 MB holds
        self.requests = self.moved = self.rows = 0

    def export(self) -> None:
        """Scan, sort, write."""
        self.requests = self.moved = 0
        deserialise = TypeDeserializer().deserialize
        items = [{name: deserialise(value) for name, value in item.items()} for page in self._pages() for item in page]
        items.sort(key=lambda item: (item["ingested_at"], item["etag"]))
        text = io.StringIO()
        writer = csv.DictWriter(text, NAMES, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(items)
        body = text.getvalue().encode()
        self._s3.put_object(Bucket=OLD_BUCKET, Key=CSV_KEY, Body=body)
        self.requests += 1
        self.moved += len(body)
        self.rows = len(items)

    def _pages(self) -> Any:
        start: dict[str, Any] = {}
        while True:
            answer = self._tables.scan(TableName=TABLE, Limit=self._page, **start)
            self.requests += 1
            self.moved += sum(map(item_bytes, answer["Items"]))
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


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
        keys = {"aws_access_key_id": server.access_key, "aws_secret_access_key": server.secret_key}
        self.store = CountingStore(S3Store(BUCKET, endpoint_url=server.endpoint_url, region_name=REGION, **keys))
        self.ledger = Ledger(self.store)  # type: ignore[arg-type]
        self.rows = 0
        self.item_bytes = item_bytes(images.item(0))
        self.predecessor = Predecessor(self._tables, s3, self.item_bytes)

    def grow(self, rows: int) -> None:
        """Add images until there are so many."""
        starts = range(self.rows, rows, FILLING)
        for start in track(starts, f"filling to {rows:,} rows", console=console, transient=True):
            commit(self.ledger, self.put(min(FILLING, rows - start)))
        publish(self.ledger)

    def put(self, count: int) -> list[dict[str, Any]]:
        """Put new images into the table; give their stream records."""
        events = [images.insert(number) for number in range(self.rows, self.rows + count)]
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
        """Export one batch both ways; the predecessor's cost comes first."""
        batch = self.put(events)
        old = _timed(self.predecessor.export)
        if self.predecessor.rows != self.rows:
            raise AssertionError("the predecessor missed rows")
        self.store.reset()
        new = _timed(lambda: self._export(batch))
        if self.ledger.load_root()[0].rows.rows != self.rows:
            raise AssertionError("we missed rows")
        units = self.rows * -(-self.item_bytes // 4096) / 2
        predecessor, store = self.predecessor, self.store
        return (
            Cost(*old, predecessor.requests, predecessor.moved, units),
            Cost(*new, store.requests - 1, store.written + store.read),
        )

    def _export(self, batch: list[dict[str, Any]]) -> None:
        export(self.ledger, {"Records": batch}, no_limit)
        metrics.clear_metrics()


def item_bytes(item: dict[str, dict[str, str]]) -> int:
    """Give the size of an item as DynamoDB counts it: names and values (a number is half its digits, and two)."""
    return sum(
        len(name.encode()) + (len(value["S"].encode()) if "S" in value else (len(value["N"]) + 1) // 2 + 2)
        for name, value in item.items()
    )


def _timed(do: Callable[[], None]) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    do()
    return time.perf_counter() - began, time.process_time() - cpu


def main(argv: Sequence[str]) -> int:
    """Run the benchmark, print a table and the JSON line."""
    parser = argparse.ArgumentParser(prog="scan", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--events", type=int, default=1_000)
    arguments = parser.parse_args(argv)
    logger.setLevel(logging.WARNING)
    table = Table(box=None, header_style="bold")
    for name in ("rows", "way", "seconds", "CPU (s)", "requests", "moved (MB)", "read units", "ratio", "CPU ratio",
                 "bytes ratio"):  # fmt: skip
        table.add_column(name, justify="left" if name == "way" else "right")
    result: dict[str, float] = {}
    with console.status("starting the emulator ..."):
        program = make_environment(HOME / "emulator")
    with (
        tempfile.TemporaryDirectory() as folder,
        SeaweedFS(Path(folder) / "s3") as server,
        Emulator(program, Path(folder) / "tables") as emulator,
    ):
        survey = Survey(emulator, server)
        for size in arguments.sizes:
            survey.grow(size)
            survey.measure(arguments.events)  # warm
            old, new = survey.measure(arguments.events)
            ratios = {
                f"ratio_{size}": old.seconds / new.seconds,
                f"cpu_ratio_{size}": old.cpu / new.cpu,
                f"bytes_ratio_{size}": old.moved / new.moved,
            }
            result |= {name: round(ratio, 1) for name, ratio in ratios.items()}
            for way, cost, told in (("scan", old, []), ("ours", new, [f"{ratio:,.1f}" for ratio in ratios.values()])):
                table.add_row(
                    f"{survey.rows:,}", way, f"{cost.seconds:,.2f}", f"{cost.cpu:,.2f}", f"{cost.requests:,}",
                    f"{cost.moved / 1e6:,.1f}", f"{cost.read_units:,.0f}", *told,
                )  # fmt: skip
    Console(highlight=False, width=WIDTH).print(table)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
