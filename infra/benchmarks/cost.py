"""What a million images cost at several rates, from counted requests: a page in Markdown, beside two other ways.

usage: ./infra/bench cost [--rates 1/min 10/s 10/s:10 1000/s] [--rows N] [--prices FILE] [--date DATE]

A rate may name how many seconds of changes a batch gathers (StreamWindowSeconds, otherwise 1). ImageProcessor's own
code reads synthetic photos and writes tables in memory: its requests and the write units of its items are counted.
CsvExporter's own code runs in the simulation of `./infra/bench contention`, on a ledger of --rows rows, with as many
stream shards as the table's partitions then are (each takes 1,000 write units a second); its requests and the seconds
of its invocations are counted there. What is assumed stands below the page. --prices names a JSON file with other
prices than PRICES, by the same names. The last line is one JSON object: for each rate per_million_RATE (USD for a
million images) and predecessor_ratio_RATE (at a table of 10^6 rows), per_million_1_min_1e5 (at 1/min, a ledger of
100,000 rows), and monthly_fixed (alarms, metrics, dashboard).
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_processor.catalog.catalog import Catalog
from image_processor.intake import Intake
from image_processor.notification import parse
from image_processor.sources import Sources
from infra.benchmarks import _monthly, _pace
from infra.benchmarks._monthly import Rate
from infra.benchmarks._report import arguments_of, console, percentile
from infra.benchmarks.contention import COMPUTE
from infra.benchmarks.scan import READ_UNIT
from infra.doubles.capacity import item_bytes, write_units
from infra.doubles.counting_store import READS
from infra.doubles.exporters import PREPARE, Exporters, Traffic
from infra.doubles.memory_bucket import BUCKET, MemoryBucket
from infra.doubles.memory_tables import MemoryTables
from infra.doubles.simulated_store import Network
from infra.survey.photos import survey
from ledger.keys import ROOT_KEY
from ledger.manifest import decode_root
from operations.bucket import prices as prices_of_requests
from operations.bucket.prices import PRICES_DATE, PROCESSOR_BATCH, PROCESSOR_GB, PROCESSOR_SECONDS

# The command names prices of some requests, too: they stand where it finds them. Prices change: --prices takes yours.
PRICES = prices_of_requests.PRICES | {
    "incremental_export_gb": 0.10,
    "table_gb": 0.25,  # a month; aws.amazon.com/dynamodb/pricing/on-demand
    "recovery_gb": 0.20,  # point-in-time recovery
    "s3_gb": 0.023,  # S3 Standard, the first 50 TB
    "logs_gb": 0.50,  # taken in; aws.amazon.com/cloudwatch/pricing
    "kept_logs_gb": 0.03,
    "alarm_metric": 0.10,  # a month; an alarm costs as much for each metric that its expression reads
    "metric": 0.30,  # "prorated by the hour and metered only when you send metrics"
    "dashboard": 3.00,
}
EXPORTER_GB = 0.5  # the function's default
VCPU_GB = 1769 / 1024  # gives one whole processor; less gives a part of one
PARTITION_UNITS = 1_000  # write units a second of one partition, and so of one stream shard
SCAN_BYTES = 10e6  # that the predecessor scans and deserialises in a second
SCAN_ROWS = (10**5, 10**6, 10**7)
SCAN_BATCH = 1_000  # stream records of one invocation of the predecessor, at most
LONGEST = 900.0  # seconds that Lambda lets a function run
EXPORT_MINUTES = 15  # the shortest window of an incremental export, and
EXPORT_BYTES = 10e6  # the least that it is billed for
PHOTOS = 50
SMALLER = 100_000  # rows of the ledger that is priced at the first rate, too
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class PerImage:
    """What ImageProcessor takes for a new image."""

    gets: float
    write_units: float
    item_bytes: float


@dataclass(frozen=True, slots=True)
class PerEvent:
    """What CsvExporter takes for a stream record.

    Attributes:
        puts, gets, invocations, seconds: the parts of them that fall to it.
        age: how old it is when the CSV shows it, 99th percentile in seconds.
        row_bytes: of its row in the CSV.
        journal_bytes: of its record in the journal, packed.
        written_bytes: of shards, pages and roots, most of which the next commit replaces.
    """

    puts: float
    gets: float
    invocations: float
    seconds: float
    age: float
    row_bytes: float = 0.0
    journal_bytes: float = 0.0
    written_bytes: float = 0.0


def processed(count: int = PHOTOS) -> PerImage:
    """Count what ImageProcessor asks for."""
    bucket, tables = MemoryBucket(), MemoryTables()
    units = 0

    def before(name: str, arguments: dict[str, Any]) -> None:
        nonlocal units
        if name == "transact_write_items":
            units += sum(map(write_units, arguments["TransactItems"]))

    tables.before = before
    intake = Intake(bucket, Catalog(tables, "images-table", "objects-table"), Sources({BUCKET}))
    for number, photo in enumerate(survey(count, seed=5)):
        for event in parse(bucket.put(f"site/DJI_{number:06d}.JPG", photo.body)).events:
            intake.take(event, lambda: 60.0)
    sizes = [item_bytes(item) for item in tables.images.values()]
    return PerImage(bucket.gets / count, units / count, sum(sizes) / count)


def exported(rate: float, window: float, write_units: float, rows: int) -> PerEvent:
    """Count what CsvExporter asks for at a rate (images per second), with batches of so many seconds."""
    shards = max(1, math.ceil(rate * write_units / PARTITION_UNITS))
    seconds = max(15.0, 100 / rate, 10 * window)
    slow = max(1.0, VCPU_GB / EXPORTER_GB)
    traffic = Traffic(shards, rate / shards, window=window, seconds=seconds, rows=rows, prepare=PREPARE * slow)
    exporters = Exporters(traffic, Network(compute={folder: each * slow for folder, each in COMPUTE.items()}))
    outcome = exporters.run(30.0)
    events = sum(len(batch.arrived) for batch in outcome.batches)
    done = [batch for batch in outcome.batches if batch.done is not None and batch.seen is not None]
    ages = [batch.seen - arrived for batch in done for arrived in batch.arrived if batch.seen is not None]
    calls = {"puts": 0, "gets": 0}
    for call, count in outcome.calls.items():
        verb = call.partition(" ")[0]
        if not verb.startswith(("delete", "abort")):  # these are free
            calls["gets" if verb in READS else "puts"] += count
    root = decode_root(exporters.store.get(ROOT_KEY).body)
    return PerEvent(
        calls["puts"] / events,
        calls["gets"] / events,
        len(outcome.batches) / events,
        sum(batch.done - batch.begun for batch in done if batch.done is not None) / events,
        percentile(ages, 99),
        root.rows.bytes / root.rows.rows,
        outcome.moved["put_new journal"] / events,
        sum(outcome.moved[f"put_new {folder}"] for folder in ("shards", "manifest", "roots")) / events,
    )


def processor_usd(rate: float, image: PerImage, prices: Mapping[str, float]) -> float:
    """Price ImageProcessor's part of one image."""
    batch = min(PROCESSOR_BATCH, max(1.0, rate))
    return (
        image.gets * prices["s3_get"]
        + image.write_units * prices["write_unit"]
        + (1 + 2 / batch) * prices["sqs_request"]  # sent one by one, received and deleted in batches
        + lambda_usd(1 / batch, PROCESSOR_SECONDS / batch, PROCESSOR_GB, prices)
    )


def exporter_usd(event: PerEvent, prices: Mapping[str, float]) -> float:
    """Price CsvExporter's part of one image."""
    requests = event.puts * prices["s3_put"] + event.gets * prices["s3_get"]
    return requests + lambda_usd(event.invocations, event.seconds, EXPORTER_GB, prices)


def predecessor_usd(rate: float, rows: int, item: float, prices: Mapping[str, float]) -> float | None:
    """Price the scanning predecessor's export of one image; None if a scan does not end while Lambda lets it run."""
    seconds = rows * item / SCAN_BYTES
    if seconds > LONGEST:
        return None
    batch = min(SCAN_BATCH, max(1.0, rate * max(1.0, seconds)))  # what comes during one scan waits for the next
    units = rows * item / READ_UNIT / 2
    return (units * prices["read_unit"] + prices["s3_put"] + lambda_usd(1, seconds, PROCESSOR_GB, prices)) / batch


def incremental_usd(rate: float, item: float, prices: Mapping[str, float]) -> float:
    """Price DynamoDB's incremental export of one image, four times an hour; it makes no CSV."""
    images_each = rate * EXPORT_MINUTES * 60
    return max(EXPORT_BYTES, images_each * item) / 1e9 * prices["incremental_export_gb"] / images_each


def lambda_usd(requests: float, seconds: float, memory: float, prices: Mapping[str, float]) -> float:
    """Price invocations of a function of so many GB."""
    return requests * prices["lambda_request"] + seconds * memory * prices["lambda_gb_second"]


def main(argv: Sequence[str]) -> int:
    """Count, and print the page and the JSON line."""
    parser = arguments_of("cost", __doc__)
    parser.add_argument("--rates", nargs="+", default=["1/min", "10/s", "10/s:10", "1000/s"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--prices", type=Path)
    parser.add_argument("--date", default=PRICES_DATE)
    arguments = parser.parse_args(argv)
    prices = PRICES | (json.loads(arguments.prices.read_text()) if arguments.prices else {})
    with console.status("reading photos ..."):
        image = processed()
    found: list[tuple[str, float, PerEvent]] = []
    for name in arguments.rates:
        with console.status(f"{name} ..."):
            rate, window = rate_of(name)
            label = name.partition(":")[0] + (f", window {window:g} s" if window != 1 else "")
            found.append((label, rate, exported(rate, window, image.write_units, arguments.rows)))
    rate, window = rate_of("1/min")
    with console.status(f"1/min, {SMALLER:,} rows ..."):
        smaller = processor_usd(rate, image, prices)
        smaller += exporter_usd(exported(rate, window, image.write_units, SMALLER), prices)
    bucket = MemoryBucket()
    intake = Intake(bucket, Catalog(MemoryTables(), "images-table", "objects-table"), Sources({BUCKET}))
    printed = _monthly.measured(intake, _monthly.bodies(bucket.put))
    print("\n".join(page(found, image, prices, arguments.rows, arguments.date)))
    print(f"\nAt 1/min on a ledger of {SMALLER:,} rows: {_usd(smaller)}.\n")
    rates = [_monthly_rate(label, rate, event, image, prices) for label, rate, event in found]
    print("\n".join(_monthly.page(rates, printed, prices)))
    print("\n".join(["", *_pace.page()]))
    fixed = sum(usd for _, usd in _monthly.fixed(printed, prices))
    figures = dict(_figures(found, image, prices)) | {"per_million_1_min_1e5": round(smaller * MILLION, 2)}
    print(json.dumps(figures | {"monthly_fixed": round(fixed, 2)}))
    return 0


def _monthly_rate(label: str, rate: float, event: PerEvent, image: PerImage, prices: Mapping[str, float]) -> Rate:
    return Rate(
        label,
        rate * _monthly.SECONDS,
        processor_usd(rate, image, prices) + exporter_usd(event, prices),
        (min(PROCESSOR_BATCH, max(1.0, rate)), 1 / event.invocations),
        image.item_bytes,
        event.row_bytes,
        event.journal_bytes,
        event.written_bytes,
    )


def rate_of(name: str) -> tuple[float, float]:
    """Read a rate: images per second, and seconds of a batch."""
    count, unit, window = re.fullmatch(r"(\d+)/(s|min|h):?(\d*)", name).groups()  # type: ignore[union-attr]
    return float(count) / {"s": 1, "min": 60, "h": 3600}[unit], float(window or 1)


def page(
    found: Sequence[tuple[str, float, PerEvent]], image: PerImage, prices: Mapping[str, float], rows: int, date: str
) -> Iterator[str]:
    """Write the page."""
    yield f"USD per million new images, list prices of us-east-1 as of {date}, a ledger of {rows:,} rows:"
    yield ""
    scans = " | ".join(f"scan of {size:,} rows" for size in SCAN_ROWS)
    yield f"| images | Skyledger | of it ImageProcessor | CsvExporter | CSV's age, p99 | {scans} | incremental export |"
    yield "|---|---" + "|---" * (len(SCAN_ROWS) + 4) + "|"
    for name, rate, event in found:
        first = processor_usd(rate, image, prices)
        second = exporter_usd(event, prices)
        scanned = [predecessor_usd(rate, size, image.item_bytes, prices) for size in SCAN_ROWS]
        cells = [name, *map(_usd, (first + second, first, second)), f"{event.age:.1f} s"]
        cells += ["never ends" if usd is None else _usd(first + usd) for usd in scanned]
        yield "| " + " | ".join([*cells, _usd(first + incremental_usd(rate, image.item_bytes, prices))]) + " |"
    yield ""
    yield (
        f"Counted: {image.gets:.2f} GETs and {image.write_units:.1f} write units an image (an item of "
        f"{image.item_bytes / 1e3:.1f} KB and one of its object, in a transaction), and of CsvExporter "
        + "; ".join(
            f"at {name} {event.puts:.2f} PUTs, {event.gets:.2f} GETs and {event.seconds * 1e3:.0f} ms"
            for name, _, event in found
        )
        + " an image."
    )
    yield (
        f"Assumed: functions of {PROCESSOR_GB:g} and {EXPORTER_GB:g} GB on arm64, the latter with so much less of a "
        f"processor, {PROCESSOR_SECONDS * 1e3:.0f} ms an invocation of "
        f"ImageProcessor, up to {PROCESSOR_BATCH} events in it; S3's latencies as in `./infra/bench contention`; the "
        f"predecessor scans {SCAN_BYTES / 1e6:.0f} MB a second, up to {SCAN_BATCH:,} records at once, and Lambda ends "
        f"it after {LONGEST:.0f} s; DynamoDB's export runs every {EXPORT_MINUTES} minutes (at least "
        f"{EXPORT_BYTES / 1e6:.0f} MB are billed), so that it is as old, and makes no CSV. Both are priced with our "
        f"ImageProcessor. Storage, logs, metrics and alarms are below."
    )


def _usd(usd: float) -> str:
    each = usd * MILLION
    return f"{each:,.2f}" if each < 100 else f"{each:,.0f}"


def _figures(
    found: Sequence[tuple[str, float, PerEvent]], image: PerImage, prices: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    for name, rate, event in found:
        label = re.sub(r"\W+", "_", name)
        ours = processor_usd(rate, image, prices) + exporter_usd(event, prices)
        yield f"per_million_{label}", round(ours * MILLION, 2)
        scanned = predecessor_usd(rate, 10**6, image.item_bytes, prices)
        if scanned is not None:
            yield f"predecessor_ratio_{label}", round((processor_usd(rate, image, prices) + scanned) / ours, 1)
