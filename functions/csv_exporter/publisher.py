"""The CsvPublisher function: what takes S3 long to copy, one version after another, while exporters go on committing.

It is called by CsvExporter, for a claim, and by the schedule, each minute; then it renews the lists of shards, too. Its
metrics go out under CsvExporter's name: so one metric tells of a CSV, whoever published it.
"""

from typing import Any

from csv_exporter.handler import ledger, logger, tell_readers
from csv_exporter.measures import measure, measure_publish, metrics
from ledger.age import first_unshown
from ledger.assemble import size_of
from ledger.errors import LedgerError
from ledger.ledger import Ledger, TimeLeft
from ledger.manifest import Root
from ledger.pace import due_in, explained
from ledger.publish import Published, keep_current
from ledger.shard_list import renew_lists

SCHEDULE = "aws.events"  # source of a scheduled event (EventBridge)


@metrics.log_metrics
@logger.inject_lambda_context
def handler(event: dict[str, Any], context: Any) -> None:
    """Publish until the CSV shows the root, or somebody else sees to it, or the time is up.

    Raises:
        LedgerError: Lambda calls again with the same event, a minute later, and two minutes after that (Lambda
            Developer Guide, "How Lambda handles errors and retries with asynchronous invocation").
    """

    def time_left() -> float:
        return float(context.get_remaining_time_in_millis() / 1000)

    keep(ledger(), event, time_left)
    if event.get("source") == SCHEDULE:
        keep_lists(ledger(), time_left)


def keep(to: Ledger, event: dict[str, Any], time_left: TimeLeft) -> None:
    """Do what the handler does, on any ledger.

    A scheduled event has an id as well, and comes again with the same. A ledger without a root has nothing to publish,
    and gets none from here: a deployment that is just being rolled back would not get rid of its bucket any more.
    """
    if event.get("source") == SCHEDULE:
        # The zeros first: `CsvNotPublished` reckons with these metrics, and nothing else sends them while no batch
        # comes. What FILL makes of a metric that never had a value is undocumented (CloudWatch User Guide, "Using math
        # expressions").
        measure("Events", 0)
        measure("BatchesPublished", 0)
        found = to.find_root()
        if found is None:
            return
        _measure_overdue(to, found[0])
        tell_readers(to, time_left)  # of what nobody told
    began = to.monotonic()

    def observe(published: Published) -> None:
        nonlocal began
        seconds, began = to.monotonic() - began, to.monotonic()
        measure("BatchesPublished", 1)
        measure_publish(published, seconds)
        logger.info(
            "published",
            version=published.version,
            uploaded=published.uploaded,
            copied=published.copied,
            rebuilt=published.rebuilt,
            publish_seconds=round(seconds, 3),
            claim=event.get("claim", ""),  # empty: the schedule called
        )
        tell_readers(to, time_left)

    try:
        keep_current(to, time_left, event.get("claim", ""), event.get("id", ""), observe)
    except LedgerError as error:
        logger.exception("publishing failed", error=type(error).__name__)
        raise


def keep_lists(to: Ledger, time_left: TimeLeft) -> None:
    """Renew the lists of shards, if there are any; after what readers of the file wait for."""
    try:
        if renewed := renew_lists(to, time_left):
            logger.info("lists of shards renewed", lists=renewed)
    except LedgerError as error:
        logger.exception("renewing the lists of shards failed", error=type(error).__name__)
        raise


def _measure_overdue(to: Ledger, root: Root) -> None:
    """Tell for how long the CSV has lacked a commit beyond what explains it; nothing if that is nothing.

    The schedule tells it, each minute: a publish may take minutes, or never end. And `CsvNotPublished` is to take a CSV
    that waits for the day's money for one that is looked after.
    """
    present, now = to.present_csv(), to.now()
    first = first_unshown(to, root, present)
    if first is None or first.committed is None:
        return
    overdue = now - first.committed.timestamp() - explained(size_of(root))
    if overdue > 0:
        measure("FileOverdue", overdue)
    elif due_in(size_of(root), present, now):
        measure("BatchesPublished", 1)
