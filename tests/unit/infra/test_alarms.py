"""Every alarm of the template: it looks at a metric that exists, and it fires when what it is for happens."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from csv_exporter import handler as exporter
from image_processor import handler as processor
from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Unavailable
from ledger.keys import ROOT_KEY
from ledger.manifest import encode_root
from ledger.publish import publish
from tests.support.alarm_model import Alarm, Metrics, evaluate
from tests.support.bucket_world import PHOTOS, World, sqs_message
from tests.support.factories import START, event, item, make_ledger
from tests.support.lambda_context import LambdaContext
from tests.support.paths import ROOT
from tests.support.store_calls import WatchedStore, refuse
from tests.support.template import TEMPLATE

STACK = "skyledger"
ALARMS = [name for name, one in TEMPLATE["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"]
BEGIN = int(START.timestamp())
MINUTE = 60

# AWS documents these: "Types of metrics for Lambda functions" (the last two need MetricsConfig of the mapping), and
# "Available CloudWatch metrics for Amazon SQS".
AWS_METRICS = {
    ("AWS/Lambda", "FunctionName"): {"Invocations", "Errors", "Throttles", "Duration", "IteratorAge"},
    ("AWS/Lambda", "EventSourceMappingUUID"): {"OnFailureDestinationDeliveredEventCount", "DroppedEventCount"},
    ("AWS/SQS", "QueueName"): {"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"},
}
DIMENSION_OF = {
    "FunctionName": {"ImageProcessor", "CsvExporter", "Collector"},
    "EventSourceMappingUUID": {"CsvExporterImagesStream"},
    "QueueName": {"ImageQueue.QueueName", "ImageDeadLetters.QueueName"},
}


def resolve(node: Any) -> Any:
    """Resolve references: parameters to their defaults, resources to their names."""
    if isinstance(node, list):
        return [resolve(one) for one in node]
    if not isinstance(node, Mapping):
        return node
    if set(node) == {"Ref"}:
        return _named(node["Ref"])
    if set(node) == {"Fn::GetAtt"}:
        return ".".join(node["Fn::GetAtt"])
    if set(node) == {"Fn::Sub"}:
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(_named(match[1])), node["Fn::Sub"])
    return {name: resolve(one) for name, one in node.items()}


def _named(name: str) -> Any:
    if name in TEMPLATE["Parameters"]:
        return TEMPLATE["Parameters"][name]["Default"]
    return {"AWS::StackName": STACK, "AWS::Region": "eu-west-1"}.get(name, name)


def alarm(name: str) -> Alarm:
    return Alarm(resolve(TEMPLATE["Resources"][name]["Properties"]))


def service(function: str) -> str:
    variables = TEMPLATE["Resources"][function]["Properties"]["Environment"]["Variables"]
    return str(resolve(variables["POWERTOOLS_SERVICE_NAME"]))


class System:
    """Both functions, and the metrics that come of calling them.

    Attributes:
        photo_printed: what ImageProcessor printed of one new photo.
    """

    def __init__(self, store: WatchedStore, photo_printed: str) -> None:
        self.store = store
        self.photo_printed = photo_printed
        self.metrics = Metrics()
        self.now = float(BEGIN)

    def photo(self, **how: Any) -> None:
        """Let ImageProcessor say what it said of a new photo."""
        self.process(lambda: print(self.photo_printed), **how)

    def process(self, call: Callable[[], Any], **how: Any) -> None:
        self.metrics.invoke(self.now, "ImageProcessor", call, **how)

    def export(self, *events: Any, late: float = 0.0, **how: Any) -> None:
        """Let CsvExporter see changes; without any, one that is `late` by so many seconds."""
        batch = list(events) or [event("INSERT", item(int(self.now) - BEGIN), seconds=int(self.now - late) - BEGIN)]
        self.metrics.invoke(
            self.now, "CsvExporter", lambda: exporter.handler({"Records": batch}, LambdaContext()), **how
        )

    def sweep(self) -> None:
        """Let CsvExporter be called by its schedule."""
        call = {"source": exporter.SCHEDULE}
        self.metrics.invoke(self.now, "CsvExporter", lambda: exporter.handler(call, LambdaContext()))

    def healthy(self, minutes: int) -> None:
        """Photos come, one a minute, and nothing is wrong."""
        for _ in range(minutes):
            self.photo()
            self.export()
            self.aws("AWS/Lambda", "IteratorAge", 900, FunctionName="CsvExporter")
            self.aws("AWS/SQS", "ApproximateAgeOfOldestMessage", 2, QueueName="ImageQueue.QueueName")
            self.aws("AWS/SQS", "ApproximateNumberOfMessagesVisible", 0, QueueName="ImageDeadLetters.QueueName")
            self.now += MINUTE

    def aws(self, namespace: str, name: str, value: float, **dimensions: str) -> None:
        """Add what AWS itself measures."""
        self.metrics.add(self.now, namespace, name, value, **dimensions)

    def during(self, minutes: int, each: Callable[[], Any]) -> None:
        """Do something every minute."""
        for _ in range(minutes):
            each()
            self.now += MINUTE

    def strange_message(self) -> None:
        """Let ImageProcessor get a message that is no event of S3."""
        batch = {"Records": [sqs_message(1, "no event")]}
        self.process(lambda: processor.handler(batch, LambdaContext()))

    def store_is_down(self) -> None:
        self.store.on("get", ROOT_KEY, refuse(Unavailable("SlowDown")))
        self.export()

    def close_gaps(self) -> None:
        """Do to the root what a backfill does when it has repaired them."""
        ledger = exporter.ledger()
        root, etag = ledger.load_root()
        mended = root.successor("mended", checkpoint=replace(root.checkpoint, gaps=()))
        self.store.put_if_match(ROOT_KEY, encode_root(mended), etag, "application/json", {})


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name namespace and services as the template does."""
    namespace = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
    for function, module in (("ImageProcessor", processor), ("CsvExporter", exporter)):
        monkeypatch.setattr(module.metrics.provider, "namespace", namespace)
        monkeypatch.setattr(module.metrics.provider, "service", service(function))
        module.metrics.provider.clear_metrics()


_photo_printed: list[str] = []


@pytest.fixture
def photo_printed(monkeypatch: pytest.MonkeyPatch) -> str:
    """What ImageProcessor prints of a new photo, really read and written; once for all tests."""
    if not _photo_printed:
        with mock_aws():
            world = World()
            monkeypatch.setattr(processor, "intake", lambda: world.intake)
            record = world.put("1.jpg", PHOTOS[0])
            _photo_printed.append(Metrics().invoke(0, "ImageProcessor", lambda: world.deliver(record)))
    return _photo_printed[0]


@pytest.fixture
def system(store: MemoryStore, photo_printed: str, monkeypatch: pytest.MonkeyPatch) -> System:
    made = System(WatchedStore(store), photo_printed)
    ledger = make_ledger(made.store)  # type: ignore[arg-type]
    ledger.now = lambda: made.now
    monkeypatch.setattr(exporter, "_ledger", ledger)
    monkeypatch.setattr(processor, "intake", lambda: None)  # what comes without an event needs none
    return made


def measured(namespace: str, name: str, value: float, **dimensions: str) -> Callable[[System], None]:
    """Measure this once a minute for half an hour; nothing of our own can make AWS's metric."""
    return lambda system: system.during(30, lambda: system.aws(namespace, name, value, **dimensions))


def nothing_is_exported(system: System) -> None:
    system.during(30, system.photo)


def a_bad_item(system: System) -> None:
    system.export(event("INSERT", item(0, iso={"S": "auto"})), event("INSERT", item(0, ingested_at={"S": "never"})))
    system.now += MINUTE


def a_late_record(system: System) -> None:
    system.export(late=23.5 * 3600)
    system.now += MINUTE


# Minutes are more than any alarm looks at. Where our own code can bring the condition about, it does.
PROVOCATIONS: dict[str, Callable[[System], None]] = {
    "ImagesGivenUp": measured(
        "AWS/SQS", "ApproximateNumberOfMessagesVisible", 1, QueueName="ImageDeadLetters.QueueName"
    ),
    "ImagesFailing": lambda system: system.during(30, system.strange_message),
    "ImagesWaiting": measured("AWS/SQS", "ApproximateAgeOfOldestMessage", 301, QueueName="ImageQueue.QueueName"),
    "ProcessorErrors": lambda system: system.during(
        10, lambda: system.process(lambda: processor.handler({"no": "messages"}, LambdaContext()))
    ),
    "ProcessorThrottled": measured("AWS/Lambda", "Throttles", 1, FunctionName="ImageProcessor"),
    "ProcessorSlow": lambda system: system.during(30, lambda: system.photo(took=50)),
    "ExporterErrors": lambda system: system.during(10, system.store_is_down),
    "ExporterThrottled": measured("AWS/Lambda", "Throttles", 1, FunctionName="CsvExporter"),
    "ExporterSlow": lambda system: system.during(30, lambda: system.export(took=750)),
    "StreamBehind": measured("AWS/Lambda", "IteratorAge", 301_000, FunctionName="CsvExporter"),
    "CsvBehind": lambda system: system.during(10, lambda: system.export(late=301)),
    "CsvNotPublished": nothing_is_exported,
    "EventsQuarantined": a_bad_item,
    "BatchesPutAside": measured(
        "AWS/Lambda", "OnFailureDestinationDeliveredEventCount", 1000, EventSourceMappingUUID="CsvExporterImagesStream"
    ),
    "EventsLost": measured("AWS/Lambda", "DroppedEventCount", 1, EventSourceMappingUUID="CsvExporterImagesStream"),
    "GapDetected": a_late_record,
    "CollectorErrors": measured("AWS/Lambda", "Errors", 1, FunctionName="Collector"),
}


def test_every_alarm_is_provoked_here() -> None:
    """A new alarm has to show that it fires."""
    assert sorted(PROVOCATIONS) == sorted(ALARMS)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_fires_when_its_condition_comes_and_ends_when_it_goes(name: str, system: System) -> None:
    """Quiet while all is well, loud while it is not, quiet again afterwards."""
    tested = alarm(name)
    system.healthy(20)
    assert tested.run(system.metrics, BEGIN, system.now) != "ALARM"
    start = BEGIN + (int(system.now) - BEGIN) // tested.period * tested.period
    PROVOCATIONS[name](system)
    end = BEGIN - (BEGIN - int(system.now)) // tested.period * tested.period
    tested.run(system.metrics, start, end)
    assert tested.fired, "it stayed quiet"
    if name == "GapDetected":
        system.now = end
        system.healthy(20)
        assert tested.run(system.metrics, end, system.now) == "ALARM", "a gap is open until it is repaired"
        end = int(system.now)
        system.close_gaps()
    system.now = end
    system.healthy(max(40, tested.period // MINUTE))
    assert tested.run(system.metrics, end, system.now) == "OK"
    assert len(tested.fired) == 1


@pytest.mark.parametrize("name", ALARMS)
def test_an_idle_system_is_no_alarm(name: str) -> None:
    """No photo, no metric: that is a quiet night and not trouble."""
    assert alarm(name).run(Metrics(), BEGIN, BEGIN + 3600) != "ALARM"


def test_a_failing_exporter_is_not_publishing_either(system: System) -> None:
    """CsvNotPublished also where batches come and fail, and not where some of them do."""
    tested = alarm("CsvNotPublished")
    system.during(20, lambda: (system.photo(), system.store_is_down()))
    assert tested.run(system.metrics, BEGIN, system.now) == "ALARM"
    start = system.now
    system.during(20, lambda: (system.photo(), system.store_is_down(), system.export()))
    assert tested.run(system.metrics, start, system.now) == "OK"


def test_a_mapping_that_was_never_on_is_noticed_from_the_first_photo_on(system: System) -> None:
    """No batch was ever exported, no image removed: what the alarm reckons with was sent as zero all the same."""
    tested = alarm("CsvNotPublished")
    publish(exporter.ledger())  # the empty CSV, made at deployment

    def a_minute() -> None:
        system.photo()
        if (system.now - BEGIN) % 300 == 0:
            system.sweep()

    system.during(20, a_minute)
    assert tested.run(system.metrics, BEGIN, system.now) == "ALARM"


def test_a_quiet_night_is_no_alarm_while_the_schedule_runs(system: System) -> None:
    """Its zeros say that nothing was published, which nobody asked for."""
    publish(exporter.ledger())
    system.during(60, system.sweep)
    assert alarm("CsvNotPublished").run(system.metrics, BEGIN, system.now) == "OK"


def test_what_the_schedule_publishes_counts(system: System) -> None:
    """A CSV so large that only the schedule has the time for it is no CSV that nobody publishes."""
    commit(exporter.ledger(), [event("INSERT", item(0))])
    system.sweep()
    system.sweep()
    published = ("Skyledger", "BatchesPublished", frozenset({("service", service("CsvExporter"))}))
    assert [value for _, value in system.metrics.values[published]] == [0, 1, 0]


def test_alarms_look_at_metrics_that_exist(system: System) -> None:
    """Name, namespace and dimensions are those of what the functions print, or of what AWS documents."""
    system.healthy(1)
    a_bad_item(system)
    system.strange_message()
    emitted = set(system.metrics.values)
    looked_at = {series for name in ALARMS for series, _, _ in alarm(name).series}
    assert len(looked_at) >= len(ALARMS)
    for namespace, name, dimensions in looked_at | set(dashboard_series()):
        ((dimension, value),) = dimensions
        if namespace == "Skyledger":
            names = {processor: "ImageProcessor", exporter: "CsvExporter"}
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
    shown = {series for name in ALARMS for series, _, _ in alarm(name).series} | set(dashboard_series())
    for module, function in ((processor, "ImageProcessor"), (exporter, "CsvExporter")):
        dimensions = frozenset({("service", service(function))})
        assert set(module.METRICS) == {name for _, name, found in shown if found == dimensions}


def test_what_is_nearly_always_zero_is_sent_only_when_it_is_not(system: System) -> None:
    """A metric is billed for the hours in which it got a value; these have one in hours of trouble alone."""
    system.healthy(1)
    service_of = frozenset({("service", service("CsvExporter"))})
    sent = {name for _, name, dimensions in system.metrics.values if dimensions == service_of}
    rare = {
        "EventsQuarantined",
        "FieldsUnusable",
        "EventsUnfinished",
        "StaleChanges",
        "PutsAfterRemoval",
        "ForeignWrites",
    }
    assert set(exporter.METRICS) - sent == rare | {"Conflicts", "SegmentsCombined", "RowsRemoved"}


def dashboard() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(resolve(TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]))
    return body


def dashboard_series() -> Iterator[tuple[str, str, frozenset[tuple[str, str]]]]:
    for widget in dashboard()["widgets"]:
        for metric in widget["properties"].get("metrics", ()):
            if isinstance(metric[0], str):
                namespace, name, dimension, value = metric[:4]
                yield namespace, name, frozenset({(dimension, value)})


def test_the_dashboard_shows_every_alarm_and_what_each_looks_at() -> None:
    """Whoever is called sees on one page what the alarm saw; widgets stand side by side, 24 columns wide."""
    widgets = dashboard()["widgets"]
    (overview,) = [widget for widget in widgets if widget["type"] == "alarm"]
    shown = [arn.rpartition(":")[2] for arn in overview["properties"]["alarms"]]
    assert sorted(shown) == sorted(f"{STACK}-{name}" for name in ALARMS)
    assert {series for name in ALARMS for series, _, _ in alarm(name).series} <= set(dashboard_series())
    places = [(widget["x"], widget["y"]) for widget in widgets]
    assert len(set(places)) == len(places)
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_to_do_first_and_tells_the_topic(name: str) -> None:
    """When it comes, and when it goes."""
    properties = TEMPLATE["Resources"][name]["Properties"]
    before, _, first = properties["AlarmDescription"].partition(" First: ")
    assert len(before) > 40
    assert len(first) > 40
    assert len(properties["AlarmDescription"]) <= 1024
    assert properties["AlarmActions"] == properties["OKActions"] == [{"Ref": "AlarmTopic"}]
    assert resolve(properties["AlarmName"]) == f"{STACK}-{name}"


@pytest.mark.parametrize(("name", "function"), [("ProcessorSlow", "ImageProcessor"), ("ExporterSlow", "CsvExporter")])
def test_slow_is_four_fifths_of_the_time_out(name: str, function: str) -> None:
    """In milliseconds."""
    timeout = TEMPLATE["Resources"][function]["Properties"]["Timeout"]
    assert TEMPLATE["Resources"][name]["Properties"]["Threshold"] == timeout * 1000 * 4 // 5


def test_the_stream_mapping_counts_what_it_puts_aside_and_drops() -> None:
    """AWS: these metrics exist only where the mapping asks for them."""
    properties = TEMPLATE["Resources"]["CsvExporter"]["Properties"]["Events"]["ImagesStream"]["Properties"]
    assert properties["MetricsConfig"] == {"Metrics": ["EventCount"]}


def test_two_stacks_of_one_account_have_metrics_of_their_own() -> None:
    """The service's name, which is the dimension, holds the stack's."""
    assert service("ImageProcessor").startswith(f"{STACK}-")
    assert len({service("ImageProcessor"), service("CsvExporter")}) == 2


@pytest.mark.parametrize(
    ("expression", "values", "result"),
    [
        ("age / 1000", {"age": 2000.0}, 2),
        ("age / 1000", {"age": None}, None),
        ("FILL(a, 0) + FILL(b, 0)", {"a": None, "b": 3.0}, 3),
        ("FILL(never, 0) + FILL(b, 0)", {"b": 3.0}, None),
        ("IF((FILL(never, 0) > 0) OR (b > 0), 1, 0)", {"b": 3.0}, None),
        ("IF((a > 0) AND (b == 0), 1, 0)", {"a": 1.0, "b": 0.0}, 1),
        ("IF((a > 0) OR (b == 1), 1, 0)", {"a": 0.0, "b": 0.0}, 0),
    ],
)
def test_metric_math_is_evaluated_as_cloudwatch_does(
    expression: str, values: dict[str, float | None], result: float | None
) -> None:
    assert evaluate(expression, values) == result


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_has_its_section_in_the_run_book(name: str) -> None:
    """Under the very name that the message has."""
    readme = (ROOT / "infra" / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {name}\n(.+?)(?=^#|\Z)", readme, re.MULTILINE | re.DOTALL)
    assert section is not None, f"infra/README.md has no section '### {name}'"
    assert len(section[1].strip()) > 80
