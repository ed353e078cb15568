"""Many images as S3 events through both functions' own code, in one process at full speed, and the CSV compared.

usage: ./infra/bench load [--images N]

A bucket in memory sees N uploads of distinct synthetic photos; on the way 2 % are overwritten and 2 % deleted. Of the
events, 5 % are delivered twice and 5 % late, out of order. ImageProcessor's code reads the photos and writes the
tables (in memory, with DynamoDB's conditions and a stream), CsvExporter's code exports the stream in batches of 1,000
to a store in memory. In the end image-data.csv must be what a plain model makes of the bucket and the table. The last
line is one JSON object: images, events, seconds, images_per_second, rows, equal.
"""

import json
import random
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from image_processor.catalog.catalog import Catalog
from image_processor.intake import Intake
from image_processor.notification import parse
from image_processor.sources import Sources
from infra.benchmarks._export import export_batch
from infra.benchmarks._report import arguments_of
from infra.doubles.memory_bucket import BUCKET, MemoryBucket
from infra.doubles.memory_tables import MemoryTables
from infra.doubles.sparse_store import SparseStore
from infra.survey.photos import survey
from infra.survey.stream_records import stream_record
from ledger.keys import CSV_KEY
from ledger.ledger import Ledger
from ledger.row import RowEncoder, header

OVERWRITTEN, DELETED, TWICE, LATE = 0.02, 0.02, 0.05, 0.05
BATCH = 1_000
LATE_BY = 2_000  # events that overtake a late one, at most
SHOTS = 2_000  # photos that are made; the images are these with a few bytes more behind their end

console = Console(highlight=False)


def main(argv: Sequence[str]) -> int:
    """Run the load, compare, print a table and the JSON line."""
    parser = arguments_of("load", __doc__)
    parser.add_argument("--images", type=int, default=50_000)
    images = parser.parse_args(argv).images
    bucket, tables, store = MemoryBucket(), MemoryTables(), SparseStore()
    intake = Intake(bucket, Catalog(tables, "images-table", "objects-table"), Sources({BUCKET}))
    records = _stream(tables)
    ledger = Ledger(store, makes_first_root=True)
    events, exported = 0, 0
    began = time.perf_counter()
    for message in _delivered(track(_life(bucket, images), "uploading", total=images, console=console), images):
        for event in parse(message).events:
            intake.take(event, lambda: 60.0)
            events += 1
        while len(records) >= BATCH:
            exported += _export(ledger, records, BATCH)
    while records:
        exported += _export(ledger, records, min(BATCH, len(records)))
    seconds = time.perf_counter() - began
    equal = _is_right(store, tables, bucket)
    table = Table(
        "images", "S3 events", "stream records", "rows", "seconds", "images/s", "equal to the model", box=None
    )
    rows = len(tables.images)
    table.add_row(f"{images:,}", f"{events:,}", f"{exported:,}", f"{rows:,}", f"{seconds:.1f}",
                  f"{images / seconds:,.0f}", "yes" if equal else "NO")  # fmt: skip
    console.print(table)
    result = {"images": images, "events": events, "seconds": round(seconds, 1)}
    print(json.dumps(result | {"images_per_second": round(images / seconds), "rows": rows, "equal": equal}))
    return 0 if equal else 1


def _life(bucket: MemoryBucket, images: int) -> Iterator[list[str]]:
    """Upload, overwrite and delete; give the messages of each step."""
    chance = random.Random(1)
    shots = [photo.body for photo in survey(min(SHOTS, images), seed=3)]
    keys: list[str] = []
    for number in range(images):
        keys.append(f"site {number % 7}/DJI_{number:06d}.JPG")
        messages = [bucket.put(keys[-1], shots[number % len(shots)] + b"%d" % number)]
        if chance.random() < OVERWRITTEN:
            messages.append(bucket.put(chance.choice(keys), shots[number % len(shots)] + b"again %d" % number))
        if chance.random() < DELETED:
            place = chance.randrange(len(keys))
            keys[place], keys[-1] = keys[-1], keys[place]
            messages.append(bucket.delete(keys.pop()))
        yield messages


def _delivered(steps: Iterable[list[str]], images: int) -> Iterator[str]:
    """Deliver messages as S3 and SQS may: some twice, some late."""
    chance = random.Random(2)
    late: deque[tuple[int, str]] = deque()
    for number, messages in enumerate(steps):
        for message in messages:
            if chance.random() < LATE:
                late.append((number + chance.randint(1, LATE_BY), message))
            else:
                yield message
            if chance.random() < TWICE:
                late.append((number + chance.randint(0, LATE_BY), message))
        for _ in range(len(late)):
            due, message = late.popleft()
            if due <= number or number == images - 1:
                yield message
            else:
                late.append((due, message))


def _stream(tables: MemoryTables) -> deque[dict[str, Any]]:
    """Gather the table's stream records."""
    records: deque[dict[str, Any]] = deque()
    count = 0

    def tell(old: dict[str, Any] | None, new: dict[str, Any] | None) -> None:
        nonlocal count
        count += 1
        name = "REMOVE" if new is None else "INSERT" if old is None else "MODIFY"
        at = int(time.time())
        records.append(stream_record(name, new, old, event_id=f"{count:032x}", at=at, sequence=f"{count:021d}"))

    tables.stream = tell
    return records


def _export(ledger: Ledger, records: deque[dict[str, Any]], count: int) -> int:
    batch = [records.popleft() for _ in range(count)]
    export_batch(ledger, batch)
    return count


def _is_right(store: SparseStore, tables: MemoryTables, bucket: MemoryBucket) -> bool:
    """Compare the CSV with the table's items, and these with the bucket."""
    encoder = RowEncoder(ledger_columns := Ledger(store).load_root()[0].columns)
    model = header(ledger_columns) + b"".join(sorted(encoder.line(item) for item in tables.images.values()))
    published = store.get(CSV_KEY)
    held = [etag for _, etag in bucket.objects.values()]
    copies = sum(int(item["copies"]["N"]) for item in tables.images.values())
    return published.body == model and set(held) == set(tables.images) and len(held) == copies
