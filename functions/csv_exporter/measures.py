"""The metrics of CsvExporter and CsvPublisher: one table, and one series of each, whoever of the two publishes."""

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from ledger.publish import Published

METRICS: dict[str, tuple[MetricUnit, str]] = {
    "Events": (MetricUnit.Count, "stream records received"),
    "RootAge": (MetricUnit.Seconds, "from the batch's oldest event until the root holds it, or the batch has failed"),
    "FileAge": (MetricUnit.Seconds, "from the oldest event that image-data.csv did not show until it shows it"),
    "FileOverdue": (
        MetricUnit.Seconds,
        "for which image-data.csv lacks a commit, beyond what its size and pace explain",
    ),
    "BatchesPublished": (MetricUnit.Count, "batches that their exporter published, and publishes of CsvPublisher"),
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
    "EventsUnsent": (MetricUnit.Count, "publishes that EventBridge was not told of, this time"),
    "StaleChanges": (MetricUnit.Count, "changes that the CSV had already, or newer ones"),
    "PutsAfterRemoval": (MetricUnit.Count, "late changes of rows that were removed since"),
    "ForeignWrites": (MetricUnit.Count, "changes by a writer that does not raise the revision"),
    "Conflicts": (MetricUnit.Count, "swaps of the root that another exporter won"),
    "SegmentsCombined": (MetricUnit.Count, "batches that one exporter committed for others, counted at both"),
}
"""Every metric of both functions, with its unit and meaning. Alarms and the dashboard use these names, each of them: a
metric costs as much as three alarms, in every hour in which it gets a value. What else is to be known of a batch
stands in its log line."""

metrics = Metrics()


def measure(name: str, value: float) -> None:
    """Send a value of a metric with the invocation's others."""
    metrics.add_metric(name, METRICS[name][0], value)


def measure_publish(published: Published, seconds: float) -> None:
    """Tell of a publish that wrote the CSV, or found that it shows the root."""
    measure("PublishSeconds", seconds)
    if published.age is not None:
        measure("FileAge", published.age)
