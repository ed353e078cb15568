"""The ImageProcessor function: SQS messages in, their objects read side by side, a report of what failed out."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.config import Config

from image_processor.catalog.catalog import Catalog
from image_processor.errors import (
    BadNotification,
    CatalogContended,
    CatalogUnavailable,
    ObjectUnavailable,
    OutOfTime,
)
from image_processor.intake import Intake
from image_processor.isolation import Isolation
from image_processor.notification import parse, require_sqs
from image_processor.report import Report, Result
from image_processor.sources import sources_of

METRICS: dict[str, tuple[MetricUnit, str]] = {
    "MessagesFailed": (MetricUnit.Count, "messages that will be delivered again"),
    "ImagesProcessed": (MetricUnit.Count, "events of images that the tables now know"),
    "ImagesAdded": (MetricUnit.Count, "rows that came to be"),
    "ImagesRemoved": (MetricUnit.Count, "rows that went"),
    "ImagesWarned": (MetricUnit.Count, "images of which something was unusable"),
    "ImagesUnreadable": (
        MetricUnit.Count,
        "objects in the tables without metadata: archived, foreign key, broken reader",
    ),
    "ImagesRefused": (MetricUnit.Count, "objects that are no image by their content, empty, or of a foreign bucket"),
    "BytesRead": (MetricUnit.Bytes, "bytes of objects that were read"),
    "EventSeconds": (MetricUnit.Seconds, "time that one event took"),
}
"""Every metric of this function, with its unit and meaning. Alarms and the dashboard use these names, each of them: a
metric costs as much as three alarms, in every hour in which it gets a value. What else is to be known of an event
stands in its log line."""

ALWAYS = ("ImagesAdded", "ImagesRemoved")
"""Sent with every invocation, zeros too: `CsvNotPublished` reckons with them, and what FILL makes of a metric that
never had a value is undocumented (CloudWatch User Guide, "Using math expressions")."""

TRANSIENT = (CatalogContended, CatalogUnavailable, ObjectUnavailable, OutOfTime)
"""Failures that another delivery is expected to cure: a warning. Any other is for an operator: an error."""

# What a request may take at its worst has to fit the reserves at the end of the invocation (`READ_RESERVE_S`,
# `RESERVE_S`). S3 advises to ask again after two seconds, then after four (whitepaper "Best Practices Design Patterns:
# Optimizing Amazon S3 Performance"); of DynamoDB the catalog asks again by itself.
S3_CONFIG = Config(
    connect_timeout=1,
    read_timeout=3,
    max_pool_connections=32,
    retries={"mode": "standard", "total_max_attempts": 3},
)
DYNAMODB_CONFIG = Config(
    connect_timeout=1,
    read_timeout=1.5,
    max_pool_connections=32,
    retries={"mode": "standard", "total_max_attempts": 2},
)

_RESULTS = {
    Result.IMAGE: "ImagesProcessed",
    Result.UNREADABLE: "ImagesUnreadable",
    Result.BROKEN: "ImagesUnreadable",
    Result.NO_IMAGE: "ImagesRefused",
    Result.FOREIGN: "ImagesRefused",
}

THREADS = 10
"""One for each message of a batch, QueueBatchSize at its most. asyncio's own pool has four more than the machine has
processors: the last messages would begin when the first are done, with what those have left of the time."""

REPORT_RESERVE_S = 2.0
"""Seconds at the end of the invocation in which no message is waited for: those that are done are reported."""

LAST_RECEIVE = 5
"""Receives of a message before the queue gives it up: maxReceiveCount in the template."""

Taken = tuple[list[Report], list[Exception]]
"""What became of the events of one message: those that were taken in, and the failures of the others."""

logger = Logger()
metrics = Metrics()
# Whether one message failed or all, the answer names those that did: an invocation that failed as a whole would say no
# more, and hide that the function itself is well.
processor = AsyncBatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@cache
def intake() -> Intake:
    """Give this warm function's intake: clients keep their connections as long as the function lives."""
    sources = sources_of(os.environ)
    catalog = Catalog(
        boto3.client("dynamodb", config=DYNAMODB_CONFIG), os.environ["IMAGES_TABLE"], os.environ["OBJECTS_TABLE"]
    )
    return Intake(boto3.client("s3", config=S3_CONFIG), catalog, sources)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Bring the tables up to a batch of S3 events, several objects at a time.

    Returns:
        The ids of the messages that failed: SQS delivers these again, and puts them into the dead-letter queue after
        some deliveries.

    Raises:
        UnexpectedInvocation: the function was not called by its queue.
        NotConfigured: its environment does not say which buckets count.
    """
    for name in ALWAYS:
        metrics.add_metric(name, METRICS[name][0], 0)
    require_sqs(event)
    if not event["Records"]:
        return {"batchItemFailures": []}
    intake()  # what the deployment lacks is an error of the function, and of no message

    def time_left() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    again = any(_receives(message) > 1 for message in event["Records"])
    isolation = Isolation(int(context.memory_limit_in_mb) * 1024 * 1024 // 2, time_left)
    # Its own threads: one that hangs must not be missed by the next invocation.
    threads = ThreadPoolExecutor(THREADS)

    async def one(record: SQSRecord) -> None:
        # Metrics and failures are gathered here, in one thread; the work itself waits for S3 and DynamoDB in others.
        to = intake()
        if again:
            last = _receives(record.raw_event) >= LAST_RECEIVE
            to = to.reading_with(partial(isolation.extract, last=last))
        work = asyncio.get_running_loop().run_in_executor(threads, take_message, to, record.body, time_left)
        reports, failures = await _in_time(work, time_left() - REPORT_RESERVE_S)
        for report in reports:
            _log_report(report, record.message_id)
        if failures:
            _log_failures(failures, record.message_id)
            raise failures[0]

    try:
        return async_process_partial_response(event=event, record_handler=one, processor=processor, context=context)
    finally:
        threads.shutdown(wait=False)


def _receives(message: Mapping[str, Any]) -> int:
    """How often the queue has handed a message out, this time included (SQS API Reference, ReceiveMessage).

    One that comes again may be what ended its last invocation, or that one's neighbour. So that it never again is in
    one process with another, its whole batch is read in isolation.
    """
    return int(message.get("attributes", {}).get("ApproximateReceiveCount", 1))


def take_message(to: Intake, body: str, time_left: Callable[[], float]) -> Taken:
    """Take in every event of one message: one that fails must not keep the others waiting."""
    reports: list[Report] = []
    try:
        notification = parse(body)
    except BadNotification as error:
        return reports, [error]
    failures: list[Exception] = list(notification.broken)
    for event in notification.events:
        try:
            reports.append(to.take(event, time_left))
        except Exception as error:
            error.add_note(f"{event.name} of {event.bucket}/{event.key}, sequencer {event.sequencer}")
            failures.append(error)
    if notification.test:
        logger.info("test event of S3: the bucket's notification works")
    return reports, failures


async def _in_time(work: Awaitable[Taken], seconds: float) -> Taken:
    """Wait for a message's thread; one that hangs is left alone, and its message comes again."""
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        return [], [OutOfTime("not done at the end of the invocation")]


def _log_report(report: Report, message_id: str) -> None:
    """Count one event and write its line: the ids to follow a photo by, and never its contents."""
    event, effect = report.event, report.effect
    if name := _RESULTS.get(report.result):
        _count(name)
    if report.warnings and report.result is Result.IMAGE:
        _count("ImagesWarned")
    if effect:
        _count("ImagesAdded", effect.image_added)
        _count("ImagesRemoved", effect.image_removed)
    _count("BytesRead", report.bytes_read)
    metrics.add_metric("EventSeconds", METRICS["EventSeconds"][0], report.seconds)
    about: dict[str, Any] = {"row_flagged": True} if effect and effect.flagged else {}
    log = logger.warning if about or report.result in (Result.UNREADABLE, Result.FOREIGN) else logger.info
    if event.reason:
        about["seen_for"] = event.reason
    if report.broken:
        about |= {"reason": str(report.broken), "trace": "\n".join(getattr(report.broken, "__notes__", []))}
        log = logger.error
    log(
        report.result.value,
        event_name=event.name,
        bucket=event.bucket,
        key=event.key,
        version_id=event.version_id,
        sequencer=event.sequencer,
        etag=report.etag,
        outcome=effect.outcome.value if effect else None,
        transactions=effect.attempts if effect else 0,
        row_added=bool(effect and effect.image_added),
        row_removed=bool(effect and effect.image_removed),
        warnings=report.warnings,
        requests=report.requests,
        bytes_read=report.bytes_read,
        seconds=round(report.seconds, 3),
        message_id=message_id,
        **about,
    )


def _log_failures(failures: list[Exception], message_id: str) -> None:
    """Count one message that failed, and write a line for each of its failures."""
    _count("MessagesFailed")
    for error in failures:
        notes = getattr(error, "__notes__", [])
        about: dict[str, Any] = {
            "error": type(error).__name__,
            "event": notes[-1] if notes else None,
            "message_id": message_id,
        }
        if isinstance(error, BadNotification):
            logger.error(f"unknown message: {error}", **about)
        elif isinstance(error, TRANSIENT):
            logger.warning(f"to be delivered again: {error}", **about)
        else:
            logger.error(f"failed: {error}", exc_info=error, **about)


def _count(name: str, value: float = 1) -> None:
    if value:
        metrics.add_metric(name, METRICS[name][0], value)
