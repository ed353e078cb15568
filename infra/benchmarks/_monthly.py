"""What a running stack costs in a month beside its requests: counted in the template and in what the functions print.

Alarms are billed by the metrics that they read, an expression's each (CloudWatch pricing, "alarm metrics"); a metric of
our own for the hours in which it got a value; a log by the bytes of its lines.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from cfnlint.decode import decode

from csv_exporter import handler as exporter
from image_processor import handler as processor
from image_processor.intake import Intake
from infra.doubles.memory_store import MemoryStore
from infra.paths import ROOT
from infra.survey import items
from infra.survey.photos import survey
from ledger.ledger import Ledger
from ledger.manifest import TARGET_SHARD_BYTES
from ledger.packing import pack

SECONDS = 365 / 12 * 86_400
HOUR = 3600
SUPERSEDED_HOURS = 29  # that a shard is kept which no root names any longer: 26, and half of the collector's interval
ITEM_OVERHEAD = 100  # bytes that DynamoDB's storage takes for an item beside its own
OBJECT_BYTES = 250  # of an object's item: names, etag, sequencer, time
LAMBDA_LINES = 350  # bytes of START, END and REPORT, which Lambda prints of each invocation
SHORT_BATCH, LONG_BATCH = 1, 10
# Of the mapping, EventCount: polled, filtered out, invoked, failed, dropped, put aside (Lambda Developer Guide, "Event
# source mapping metrics"). AWS does not say whether those that stay zero are billed: all of them are counted.
MAPPING_METRICS = 6


class Rate(NamedTuple):
    """What a rate of images comes to.

    Attributes:
        name: of the rate.
        images: a month.
        usd: of requests and compute, for an image.
        per_invocation: images of an invocation of ImageProcessor, and of CsvExporter.
        item_bytes, row_bytes, journal_bytes, written_bytes: of an image, as in the cost page.
    """

    name: str
    images: float
    usd: float
    per_invocation: tuple[float, float]
    item_bytes: float
    row_bytes: float
    journal_bytes: float
    written_bytes: float


@dataclass(frozen=True, slots=True)
class Printed:
    """What the functions print of images without trouble.

    Attributes:
        metrics: names of the metrics that get a value.
        invocation, image: bytes that both functions print for an invocation, and on top for an image in it.
    """

    metrics: frozenset[tuple[str, str]]
    invocation: tuple[float, float]
    image: tuple[float, float]


def alarm_metrics() -> int:
    """Count the metrics that the template's alarms read, a metric once for each alarm."""
    template, faults = decode(str(ROOT / "template.yaml"))
    assert template is not None, faults
    alarms = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    return sum(sum("MetricStat" in query for query in one.get("Metrics", ())) or 1 for one in alarms)


def fixed(printed: Printed, prices: Mapping[str, float]) -> list[tuple[str, float]]:
    """Price what does not depend on the images, name by name."""
    alarms, metrics = alarm_metrics(), len(printed.metrics)
    return [
        (f"alarms: {alarms} metrics read", alarms * prices["alarm_metric"]),
        (f"metrics: {metrics} of the functions' own", metrics * prices["metric"]),
        (f"metrics of the stream's mapping: {MAPPING_METRICS}", MAPPING_METRICS * prices["metric"]),
        ("dashboard", prices["dashboard"]),
    ]


def measured(intake: Intake, bodies: Sequence[str]) -> Printed:
    """Let both functions handle new images, and a schedule, and read what they print.

    Args:
        intake: of ImageProcessor.
        bodies: of messages, at least SHORT_BATCH + LONG_BATCH.
    """
    messages = [{"messageId": f"{n:036}", "eventSource": "aws:sqs", "body": body} for n, body in enumerate(bodies)]
    ledger = Ledger(MemoryStore(), makes_first_root=True)
    records = [items.insert(number) for number in range(SHORT_BATCH + LONG_BATCH)]
    with patch.object(processor, "intake", lambda: intake), patch.object(exporter, "_ledger", ledger):
        of_processor = _both(processor, "skyledger-image-processor", messages)
        of_exporter = _both(exporter, "skyledger-csv-exporter", records)
    metrics = frozenset((name, metric) for name, text, *_ in (of_processor, of_exporter) for metric in _metrics(text))
    (*_, first, first_image), (*_, second, second_image) = of_processor, of_exporter
    return Printed(metrics, (first, second), (first_image, second_image))


def _both(module: ModuleType, name: str, records: Sequence[Any]) -> tuple[str, str, float, float]:
    """Call a function with a short and with a long batch; give its name, all it printed, and the two shares."""
    short = _printed(module, name, {"Records": records[:SHORT_BATCH]})
    long = _printed(module, name, {"Records": records[SHORT_BATCH : SHORT_BATCH + LONG_BATCH]})
    image = (len(long) - len(short)) / (LONG_BATCH - SHORT_BATCH)
    return name, short + long, len(short) - SHORT_BATCH * image + LAMBDA_LINES, image


def _printed(module: ModuleType, name: str, event: Mapping[str, Any]) -> str:
    context = SimpleNamespace(
        function_name=f"{name}-function-0123456789AB",
        memory_limit_in_mb=1024,
        invoked_function_arn=f"arn:aws:lambda:us-east-1:111122223333:function:{name}-function-0123456789AB",
        aws_request_id="00000000-0000-4000-8000-000000000000",
        get_remaining_time_in_millis=lambda: 60_000,
    )
    module.metrics.provider.namespace, module.metrics.provider.service = "Skyledger", name
    module.logger.setLevel("INFO")  # the template's LogLevel; a benchmark's own is higher
    printed = io.StringIO()
    with redirect_stdout(printed), patch.object(module.logger.registered_handler, "stream", printed):
        module.handler(event, context)
    return printed.getvalue()


def _metrics(printed: str) -> Iterator[str]:
    for line in printed.splitlines():
        content: dict[str, Any] = json.loads(line)
        for directive in content.get("_aws", {}).get("CloudWatchMetrics", ()):
            yield from (metric["Name"] for metric in directive["Metrics"])


def log_bytes(rate: Rate, printed: Printed) -> float:
    """Count what both functions print in a month."""
    return rate.images * sum(
        invocation / images + image
        for invocation, image, images in zip(printed.invocation, printed.image, rate.per_invocation, strict=True)
    )


@lru_cache(maxsize=1)
def packed_share() -> float:
    """Say what part of their bytes the rows of a shard have compressed."""
    lines = b"".join(map(items.line, range(TARGET_SHARD_BYTES // items.ROW_BYTES)))
    return len(pack(lines)) / len(lines)


def storage(rate: Rate, prices: Mapping[str, float], months: float) -> dict[str, float]:
    """Price what is stored in a month when images have come at this rate for so many months."""
    images, gb = rate.images * months, 1e-9
    table = images * (rate.item_bytes + OBJECT_BYTES + 2 * ITEM_OVERHEAD) * gb
    replaced = rate.images / (SECONDS / HOUR) * SUPERSEDED_HOURS * rate.written_bytes * gb
    return {
        "tables": table * prices["table_gb"],
        "point-in-time recovery": table * prices["recovery_gb"],
        "CSV, and its shards": (1 + packed_share()) * images * rate.row_bytes * gb * prices["s3_gb"],
        "shards that were replaced": replaced * prices["s3_gb"],
        "journal": images * rate.journal_bytes * gb * prices["s3_gb"],
    }


def page(rates: Sequence[Rate], printed: Printed, prices: Mapping[str, float]) -> Iterator[str]:
    """Write both tables."""
    yield "| fixed | USD a month |"
    yield "|---|---|"
    parts = fixed(printed, prices)
    for name, usd in [*parts, ("**all of it**", sum(usd for _, usd in parts))]:
        yield f"| {name} | {usd:.2f} |"
    yield ""
    yield "| USD a month at | " + " | ".join(rate.name for rate in rates) + " |"
    yield "|---" * (len(rates) + 1) + "|"
    rows: dict[str, Callable[[Rate], float]] = {
        "requests, compute, writes of the tables": lambda rate: rate.images * rate.usd,
        "logs, kept for a month": lambda rate: (
            log_bytes(rate, printed) / 1e9 * (prices["logs_gb"] + prices["kept_logs_gb"])
        ),
    }
    for kind in storage(rates[0], prices, 1):
        rows[f"{kind}, after a month"] = lambda rate, kind=kind: storage(rate, prices, 1)[kind]  # type: ignore[misc]
    rows["all storage, after a year"] = lambda rate: sum(storage(rate, prices, 12).values())
    yield "| images a month | " + " | ".join(f"{rate.images:,.0f}" for rate in rates) + " |"
    for name, price in rows.items():
        yield f"| {name} | " + " | ".join(f"{price(rate):,.2f}" for rate in rates) + " |"
    yield ""
    yield (
        "Printed: "
        + " and ".join(
            f"{invocation:,.0f} bytes by an invocation of {name}, {image:,.0f} more for an image"
            for name, invocation, image in zip(
                ("ImageProcessor", "CsvExporter"), printed.invocation, printed.image, strict=True
            )
        )
        + "."
    )


def bodies(put: Callable[[str, bytes], str]) -> list[str]:
    """Put photos, and give the messages that tell of them."""
    photos = survey(SHORT_BATCH + LONG_BATCH, seed=7)
    return [put(f"site/2026-11/DJI_{number:06d}.JPG", photo.body) for number, photo in enumerate(photos)]
