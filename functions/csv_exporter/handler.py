"""The CsvExporter function: stream records in, one commit, a small CSV out or a large one handed over, and a report."""

import os
from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools import Logger

from csv_exporter.call import call_publisher
from csv_exporter.measures import measure, measure_publish, metrics
from ledger.age import seconds_since
from ledger.batch import StreamBatch
from ledger.commit import Report, commit_batch
from ledger.errors import LedgerError, NotCalled, OutOfTime
from ledger.event import Event, read_event
from ledger.ledger import Ledger, TimeLeft
from ledger.publish import CallPublisher, Published, publish
from ledger.s3_store import S3Store

LOGGED_ETAGS = 25
"""So many images of a batch are named in its log line; the journal's segment, which is named too, has all of them."""

logger = Logger()
_ledger: Ledger | None = None


def ledger() -> Ledger:
    """Give this warm function's ledger; its cache lives as long as the function."""
    global _ledger
    if _ledger is None:
        _ledger = Ledger(S3Store(os.environ["EXPORT_BUCKET"]), makes_first_root=True)
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
    batch = StreamBatch(events, to.now())
    try:
        report = _commit(to, time_left, batch)
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
        measure_publish(published, seconds)
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


def _commit(to: Ledger, time_left: TimeLeft, batch: StreamBatch) -> Report:
    """Commit, and tell how old the batch is then; also if it failed, or `RootBehind` would hear of no trouble."""
    try:
        return commit_batch(to, batch, time_left, redelivered=True)
    finally:
        age = seconds_since(to, batch.oldest_event)
        if age is not None:
            measure("RootAge", age)


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
