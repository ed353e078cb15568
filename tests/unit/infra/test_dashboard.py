"""The dashboard, and the metrics that it and the alarms look at."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from csv_exporter import measures as exporter
from image_processor import handler as processor
from infra.doubles.memory_store import MemoryStore
from operations.bucket.distributed import lambda_steps as checker
from tests.support.alarm_model import Series, evaluate
from tests.support.alarm_world import ALARMS, STACK, System, alarm, make_system, resolve, service
from tests.support.factories import event, item
from tests.support.template import TEMPLATE

# AWS documents these: "Types of metrics for Lambda functions" (the last two need MetricsConfig of the mapping), and
# "Available CloudWatch metrics for Amazon SQS".
AWS_METRICS = {
    ("AWS/Lambda", "FunctionName"): {
        "Invocations",
        "Errors",
        "Throttles",
        "Duration",
        "IteratorAge",
        "AsyncEventsDropped",
    },
    ("AWS/Lambda", "EventSourceMappingUUID"): {"OnFailureDestinationDeliveredEventCount", "DroppedEventCount"},
    ("AWS/States", "StateMachineArn"): {"ExecutionsFailed"},
    ("AWS/SQS", "QueueName"): {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
}
DIMENSION_OF = {
    "FunctionName": {"ImageProcessor", "CsvExporter", "CsvPublisher", "Collector"},
    "EventSourceMappingUUID": {"CsvExporterImagesStream"},
    "StateMachineArn": {"BucketCheck"},
    "QueueName": {
        "ImageQueue.QueueName",
        "ImageDeadLetters.QueueName",
        "SeenQueue.QueueName",
        "SeenDeadLetters.QueueName",
    },
}
# Each says how it stands, or how long it took: added up over the batches of a minute it would be a multiple of itself.
LEVELS = {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage", "IteratorAge", "GapsOpen", "Rows"}
LEVELS |= {"BucketChecked", "BucketDifferences"}
LEVELS |= {
    "CsvBytes",
    "RootAge",
    "FileAge",
    "FileOverdue",
    "CommitSeconds",
    "PublishSeconds",
    "EventSeconds",
    "Duration",
    "BytesRead",
}


@pytest.fixture
def system(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> System:
    return make_system(store, monkeypatch)


def test_alarms_look_at_metrics_that_exist(system: System) -> None:
    """Name, namespace and dimensions are those of what the functions print, or of what AWS documents."""
    system.healthy(1)
    system.export(event("INSERT", item(0, iso={"S": "auto"})), event("INSERT", item(0, ingested_at={"S": "never"})))
    system.strange_message()
    system.check_buckets(0)
    system.file_is_overdue(1)
    system.event_is_not_taken()
    emitted = set(system.metrics.values)
    looked_at = {series for name in ALARMS for series, _, _ in alarm(name).series}
    assert len(looked_at) >= len(ALARMS)
    for namespace, name, dimensions in looked_at | dashboard_series():
        ((dimension, value),) = dimensions
        if namespace == "Skyledger":
            names = {processor: "ImageProcessor", exporter: "CsvExporter", checker: "BucketWorker"}
            (module,) = [module for module, function in names.items() if service(function) == value]
            assert dimension == "service"
            assert name in module.METRICS
        else:
            assert name in AWS_METRICS[namespace, dimension]
            assert value in DIMENSION_OF[dimension]
    ours = {series for series in looked_at if series[0] == "Skyledger"}
    assert ours <= emitted, "what the functions print is another series"


def test_every_metric_that_is_paid_for_is_looked_at() -> None:
    """By an alarm, or by the dashboard: whatever else is to be known stands in the log."""
    shown = {series for name in ALARMS for series, _, _ in alarm(name).series} | dashboard_series()
    functions = ((processor, "ImageProcessor"), (exporter, "CsvExporter"), (checker, "BucketWorker"))
    for module, function in functions:
        dimensions = frozenset({("service", service(function))})
        assert set(module.METRICS) == {name for _, name, found in shown if found == dimensions}


def test_what_is_nearly_always_zero_is_sent_only_when_it_is_not(system: System) -> None:
    """A metric is billed for the hours in which it got a value; these have one in hours of trouble alone."""
    system.healthy(1)
    service_of = frozenset({("service", service("CsvExporter"))})
    sent = {name for _, name, dimensions in system.metrics.values if dimensions == service_of}
    rare = {
        "FileOverdue",
        "EventsQuarantined",
        "FieldsUnusable",
        "EventsUnfinished",
        "EventsUnsent",
        "StaleChanges",
        "PutsAfterRemoval",
        "ForeignWrites",
    }
    assert set(exporter.METRICS) - sent == rare | {"Conflicts", "SegmentsCombined", "RowsRemoved"}


def test_two_stacks_of_one_account_have_metrics_of_their_own() -> None:
    """The service's name, which is the dimension, holds the stack's."""
    assert service("ImageProcessor").startswith(f"{STACK}-")
    assert len({service("ImageProcessor"), service("CsvExporter")}) == 2


def dashboard() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(resolve(TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]))
    return body


def dashboard_lines() -> Iterator[tuple[Series, str]]:
    """Give each line that is drawn, or reckoned with: its series and its statistic."""
    for widget in dashboard()["widgets"]:
        for metric in widget["properties"].get("metrics", ()):
            if isinstance(metric[0], str):
                namespace, name, dimension, value, *options = metric
                (how,) = options or [{}]
                series = namespace, name, frozenset({(dimension, value)})
                yield series, how.get("stat", widget["properties"]["stat"])


def dashboard_series() -> set[Series]:
    return {series for series, _ in dashboard_lines()}


def test_the_dashboard_shows_every_alarm_and_what_each_looks_at() -> None:
    """Whoever is called sees on one page what the alarm saw; widgets stand side by side, 24 columns wide."""
    widgets = dashboard()["widgets"]
    (overview,) = [widget for widget in widgets if widget["type"] == "alarm"]
    here = "arn:AWS::Partition:cloudwatch:eu-west-1:AWS::AccountId:alarm:"
    assert sorted(overview["properties"]["alarms"]) == sorted(f"{here}{STACK}-{name}" for name in ALARMS)
    seen = {(series, statistic) for name in ALARMS for series, statistic, _ in alarm(name).series}
    assert seen <= set(dashboard_lines())
    cells = [
        (widget["x"] + x, widget["y"] + y)
        for widget in widgets
        for x in range(widget["width"])
        for y in range(widget["height"])
    ]
    assert len(set(cells)) == len(cells), "one lies over another"
    assert max(x for x, _ in cells) < 24
    assert {widget["properties"].get("region", "eu-west-1") for widget in widgets} == {"eu-west-1"}


def test_each_line_of_the_dashboard_says_what_its_metric_means() -> None:
    """Counts are added up, and how things stand is not; no line is drawn twice; an age is shown in seconds."""
    lines = list(dashboard_lines())
    assert len(lines) == len(set(lines))
    for (_, name, _), statistic in lines:
        assert (statistic == "Sum") == (name not in LEVELS), name
        assert statistic in {"Sum", "Maximum", "p50", "p99"}
    shown = [metric for widget in dashboard()["widgets"] for metric in widget["properties"].get("metrics", ())]
    (reckoned,) = [metric[0] for metric in shown if isinstance(metric[0], dict)]
    (age,) = [metric for metric in shown if isinstance(metric[-1], dict) and metric[-1].get("id")]
    assert age[1] == "IteratorAge"
    assert age[-1]["visible"] is False
    assert evaluate(reckoned["expression"], {age[-1]["id"]: 2000.0}) == 2
