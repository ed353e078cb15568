"""The CsvExporter function: stream records in, one commit, a small CSV out or a large one handed over, and a report."""

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from csv_exporter.call import call_publisher
from ledger.batch import StreamBatch
from ledger.commit import Report, commit_batch
from ledger.errors import LedgerError, NotCalled, OutOfTime
from ledger.event import Event, read_event
from ledger.ledger import Ledger, TimeLeft
from ledger.publish import CallPublisher, Published, publish
from ledger.s3_store import S3Store

METRICS: dict[str, tuple[MetricUnit, str]] = {
    "Events": (MetricUnit.Count, "stream records received"),
    "BatchesPublished": (MetricUnit.Count, "batches that their exporter published, and publishes of CsvPublisher"),
    "PublishLag": (MetricUnit.Seconds, "from the batch's oldest event until image-data.csv shows it"),
    "GapsOpen": (MetricUnit.Count, "times of which records may have been lost, not yet repaired"),
    "CommitSeconds": (MetricUnit.Seconds, "time that the commit took"),
    "PublishSeconds": (MetricUnit.Seconds, "time that the publish took"),
    "Rows": (MetricUnit.Count, "rows of the CSV"),
    "CsvBytes": (MetricUnit.Bytes, "bytes of the CSV's rows"),
    "RowsPut": (MetricUnit.Count, "rows that came or changed"),
    "RowsRemoved": (MetricUnit.Count, "rows that went"),
    "EventsQuarantined": (MetricUnit.Count, "events that cannot become a row, put aside"),
    "FieldsUnusable": (MetricUnit.Count, "fields that a foreign writer filled with no value of their column: empty"),
    "EventsUnfinished": (MetricUnit.Count, "events that the time left did not allow: delivered again"),
    "StaleChanges": (MetricUnit.Count, "changes that the CSV had already, or newer ones"),
    "PutsAfterRemoval": (MetricUnit.Count, "late changes of rows that were removed since"),
    "ForeignWrites": (MetricUnit.Count, "changes by a writer that does not raise the revision"),
    "Conflicts": (MetricUnit.Count, "swaps of the root that another exporter won"),
    "SegmentsCombined": (MetricUnit.Count, "batches that one exporter committed for others, counted at both"),
}
"""Every metric of this function, with its unit and meaning. Alarms and the dashboard use these names, each of them: a
metric costs as much as three alarms, in every hour in which it gets a value. What else is to be known of a batch
stands in its log line."""

LOGGED_ETAGS = 25
"""So many images of a batch are named in its log line; the journal's segment, which is named too, has all of them."""

logger = Logger()
metrics = Metrics()
_ledger: Ledger | None = None


def ledger() -> Ledger:
    """Give this warm function's ledger; its cache lives as long as the function."""
    global _ledger
    if _ledger is None:
        _ledger = Ledger(S3Store(os.environ["EXPORT_BUCKET"]))
    return _ledger


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Merge a batch of stream records, and publish the CSV or hand that over.

    Returns:
        The lowest sequence number that was not committed in the time left, if any: Lambda delivers the batch again
        from there.

    Raises:
        LedgerError: nothing can be promised of this batch (S3 is down, or the ledger needs an operator): Lambda
            delivers all of it again.
    """
    call = call_publisher if "PUBLISHER" in os.environ else None
    return export(ledger(), event, lambda: context.get_remaining_time_in_millis() / 1000, call)


def export(to: Ledger, event: dict[str, Any], time_left: TimeLeft, call: CallPublisher | None = None) -> dict[str, Any]:
    """Do what the handler does, on any ledger, and with any way to call who publishes."""
    events = [read_event(record) for record in event.get("Records", [])]
    measure("Events", len(events))
    if not events:
        return {"batchItemFailures": []}
    began = to.monotonic()
    try:
        batch = StreamBatch(events, to.now())
        report = commit_batch(to, batch, time_left, redelivered=True)
        committed = to.monotonic()
        _observe_commit(report, batch.unusable.total(), committed - began)
        published = _publish(to, time_left, report, call) if not report.unfinished else None
    except LedgerError as error:
        measure("BatchesPublished", 0)
        logger.exception("batch failed", error=type(error).__name__, events=len(events), **_ids(events))
        raise
    seconds = to.monotonic() - committed
    measure("BatchesPublished", int(published is not None and not published.handed_over))
    if published and not published.handed_over:
        _observe_publish(seconds, events, to.now())
    logger.info(
        "batch committed",
        segment=report.segment,
        version=report.root.version,
        commits=report.commits,
        published=published.version if published and not published.handed_over else None,
        uploaded=published.uploaded if published else 0,
        copied=published.copied if published else 0,
        unfinished=len(report.unfinished),
        quarantined=report.quarantined,
        unusable=dict(batch.unusable),
        events=len(events),
        commit_seconds=round(committed - began, 3),
        publish_seconds=round(seconds, 3),
        **_ids(events),
    )
    return {"batchItemFailures": _failures(report)}


def _publish(to: Ledger, time_left: TimeLeft, report: Report, call: CallPublisher | None) -> Published | None:
    """Publish what was committed; None if the time does not suffice, or the publisher could not be called.

    Then the batch is acknowledged all the same: it is committed, and delivering it again would only block its stream,
    cut it in two and in the end put it aside. The schedule publishes.
    """
    try:
        return publish(to, time_left, report, call)
    except (NotCalled, OutOfTime) as error:
        logger.warning("publishing is left to the schedule", reason=str(error), version=report.root.version)
        return None


def _failures(report: Report) -> list[dict[str, str]]:
    """Name the lowest sequence number not committed; everything from it on is delivered again."""
    if not report.unfinished:
        return []
    if not all(event.has_number for event in report.unfinished):
        return [{"itemIdentifier": ""}]  # AWS takes an empty one as a failure of the whole batch
    return [{"itemIdentifier": min((event.sequence_number for event in report.unfinished), key=int)}]


def _observe_commit(report: Report, unusable: int, seconds: float) -> None:
    counts = report.counts
    measure("CommitSeconds", seconds)
    measure("GapsOpen", len(report.root.checkpoint.gaps))  # the zero ends the alarm
    measure("Rows", report.root.rows.rows)
    measure("CsvBytes", report.root.rows.bytes)
    for name, value in {
        "RowsPut": counts.put,
        "RowsRemoved": counts.removed,
        "StaleChanges": counts.stale,
        "ForeignWrites": counts.foreign,
        "PutsAfterRemoval": counts.after_removal,
        "EventsQuarantined": len(report.quarantined),
        "FieldsUnusable": unusable,
        "Conflicts": report.conflicts,
        "SegmentsCombined": report.led + report.combined,
        "EventsUnfinished": len(report.unfinished),
    }.items():
        if value:  # nearly always zero: a metric costs nothing in hours without a value
            measure(name, value)


def _observe_publish(seconds: float, events: Sequence[Event], now: float) -> None:
    measure("PublishSeconds", seconds)
    if first := events[0].time:  # a batch comes in stream order, so its first event is its oldest
        measure("PublishLag", max(0.0, now - datetime.fromisoformat(first).timestamp()))


def _ids(events: Sequence[Event]) -> dict[str, Any]:
    """Name what a photo is followed by: its etag is in ImageProcessor's log lines too."""
    return {
        "first_sequence_number": events[0].sequence_number,
        "last_sequence_number": events[-1].sequence_number,
        "etags": [_etag(event) for event in events[:LOGGED_ETAGS]],
    }


def _etag(event: Event) -> str:
    try:
        return str(event.record["dynamodb"]["Keys"]["etag"]["S"])
    except (KeyError, TypeError):
        return ""


def measure(name: str, value: float) -> None:
    """Add a value of a metric."""
    metrics.add_metric(name, METRICS[name][0], value)
