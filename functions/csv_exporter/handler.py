"""The CsvExporter function: stream records in, one commit and one publish, a report out."""

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ledger.change import Event, sequence_number
from ledger.commit import Report, commit
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.publish import Published, publish
from ledger.store import S3Store

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
    """Merge a batch of stream records and publish the CSV.

    Returns:
        The lowest sequence number that was not committed in the time left, if any: Lambda delivers the batch again
        from there.

    Raises:
        LedgerError: nothing can be promised of this batch (S3 is down, or the ledger needs an operator): Lambda
            delivers all of it again.
    """
    return export(ledger(), event, lambda: context.get_remaining_time_in_millis() / 1000)


def export(to: Ledger, event: dict[str, Any], time_left: Any) -> dict[str, Any]:
    """Do what the handler does, on any ledger."""
    events: list[Event] = event.get("Records", [])
    metrics.add_metric("Events", MetricUnit.Count, len(events))
    if not events:
        return {"batchItemFailures": []}
    try:
        report = commit(to, events, time_left, arrived=to.now())
        published = publish(to, time_left) if not report.unfinished else None
    except LedgerError as error:
        metrics.add_metric("BatchesFailed", MetricUnit.Count, 1)
        logger.exception("batch failed", error=type(error).__name__, events=len(events))
        raise
    _observe(report, published)
    return {"batchItemFailures": _failures(report)}


def _failures(report: Report) -> list[dict[str, str]]:
    """Name the lowest sequence number not committed; everything from it on is delivered again."""
    numbers = [sequence_number(event) for event in report.unfinished]
    if not numbers:
        return []
    if not all(number.isascii() and number.isdigit() for number in numbers):
        return [{"itemIdentifier": ""}]  # AWS takes an empty one as a failure of the whole batch
    return [{"itemIdentifier": min(numbers, key=int)}]


def _observe(report: Report, published: Published | None) -> None:
    counts = report.counts
    for name, value in {
        "RowsPut": counts.put,
        "RowsRemoved": counts.removed,
        "StaleChanges": counts.stale,
        "ForeignWrites": counts.foreign,
        "PutsAfterRemoval": counts.after_removal,
        "EventsQuarantined": len(report.quarantined),
        "Conflicts": report.conflicts,
        "SegmentsCombined": report.led + report.combined,
        "EventsUnfinished": len(report.unfinished),
        "GapsOpen": len(report.root.checkpoint.gaps),
        "Rows": report.root.rows.rows,
    }.items():
        metrics.add_metric(name, MetricUnit.Count, value)
    metrics.add_metric("CsvBytes", MetricUnit.Bytes, report.root.rows.bytes)
    logger.info(
        "batch committed",
        segment=report.segment,
        version=report.root.version,
        commits=report.commits,
        published=published.version if published else None,
        uploaded=published.uploaded if published else 0,
        copied=published.copied if published else 0,
    )
