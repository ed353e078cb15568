"""Every alarm of the template: it fires when what it is for happens, waits out what passes, and ends."""

import re
from collections.abc import Callable

import pytest

from csv_exporter import handler as exporter
from image_processor import handler as processor
from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.publish import publish
from tests.support.alarm_model import Alarm, Metrics, evaluate
from tests.support.alarm_world import (
    ALARMS,
    BEGIN,
    MINUTE,
    STACK,
    System,
    alarm,
    make_system,
    measured,
    resolve,
    service,
)
from tests.support.factories import event, item
from tests.support.lambda_context import LambdaContext
from tests.support.paths import ROOT
from tests.support.template import TEMPLATE, properties, stack


@pytest.fixture
def system(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> System:
    return make_system(store, monkeypatch)


def the_processor_breaks(system: System) -> None:
    system.process(lambda: processor.handler({"no": "messages"}, LambdaContext()))


def a_bad_item(system: System) -> None:
    system.export(event("INSERT", item(0, iso={"S": "auto"})), event("INSERT", item(0, ingested_at={"S": "never"})))


# What one minute of trouble is, how many such minutes an alarm is to wait out, and with which it fires: what fails is
# tried again, a wave of photos passes, and what is put aside or lost does not. Where our own code can bring the trouble
# about, it does. Whatever else goes well in that minute must not hide it.
TROUBLES: dict[str, tuple[Callable[[System], None], int, int]] = {
    "ImagesGivenUp": (
        measured("AWS/SQS", "ApproximateNumberOfMessagesVisible", 1, QueueName="ImageDeadLetters.QueueName"),
        0,
        1,
    ),
    "ImagesFailing": (System.strange_message, 10, 15),
    "ImagesWaiting": (
        measured("AWS/SQS", "ApproximateAgeOfOldestMessage", 301, QueueName="ImageQueue.QueueName"),
        4,
        5,
    ),
    "SeenGivenUp": (
        measured("AWS/SQS", "ApproximateNumberOfMessagesVisible", 1, QueueName="SeenDeadLetters.QueueName"),
        0,
        1,
    ),
    "SeenWaiting": (
        measured("AWS/SQS", "ApproximateAgeOfOldestMessage", 7 * 86400, QueueName="SeenQueue.QueueName"),
        0,
        5,
    ),
    "BucketDiffers": (lambda system: system.check_buckets(1), 0, 1),
    "BucketCheckFailed": (measured("AWS/States", "ExecutionsFailed", 1, StateMachineArn="BucketCheck"), 0, 1),
    "ProcessorErrors": (the_processor_breaks, 1, 2),
    "ProcessorThrottled": (measured("AWS/Lambda", "Throttles", 1, FunctionName="ImageProcessor"), 10, 15),
    "ProcessorSlow": (lambda system: system.photo(took=50), 5, 10),
    "ExporterErrors": (System.store_is_down, 2, 3),
    "ExporterThrottled": (measured("AWS/Lambda", "Throttles", 1, FunctionName="CsvExporter"), 10, 15),
    "ExporterSlow": (lambda system: system.export(took=750), 5, 10),
    "StreamBehind": (measured("AWS/Lambda", "IteratorAge", 301_000, FunctionName="CsvExporter"), 4, 5),
    "PublisherErrors": (measured("AWS/Lambda", "Errors", 1, FunctionName="CsvPublisher"), 2, 3),
    "PublisherThrottled": (measured("AWS/Lambda", "Throttles", 1, FunctionName="CsvPublisher"), 10, 15),
    "PublisherSlow": (measured("Skyledger", "PublishSeconds", 600, service=service("CsvPublisher")), 15, 30),
    "PublishesDropped": (measured("AWS/Lambda", "AsyncEventsDropped", 1, FunctionName="CsvPublisher"), 0, 1),
    "EventsUnsent": (System.event_is_not_taken, 9, 10),
    "RootBehind": (lambda system: system.export(late=301), 4, 5),
    "FileBehind": (lambda system: system.file_is_overdue(301), 4, 5),
    "CsvNotPublished": (System.photo, 10, 15),
    "EventsQuarantined": (a_bad_item, 0, 1),
    "BatchesPutAside": (
        measured(
            "AWS/Lambda", "OnFailureDestinationDeliveredEventCount", 1, EventSourceMappingUUID="CsvExporterImagesStream"
        ),
        0,
        1,
    ),
    "EventsLost": (
        measured("AWS/Lambda", "DroppedEventCount", 1, EventSourceMappingUUID="CsvExporterImagesStream"),
        0,
        1,
    ),
    "GapDetected": (lambda system: system.export(late=23.5 * 3600), 0, 1),
    "CollectorErrors": (measured("AWS/Lambda", "Errors", 1, FunctionName="Collector"), 2, 3),
}


def test_every_alarm_is_provoked_here() -> None:
    """A new alarm has to show that it fires."""
    assert sorted(TROUBLES) == sorted(ALARMS)


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_waits_out_what_passes_fires_when_it_stays_and_ends_when_it_goes(name: str, system: System) -> None:
    """Quiet while all is well and for what passes, loud in the very minute it is for, quiet again without a word.

    A gap stays open, and its alarm on, until it is repaired, whether anything happens meanwhile or not; and so does
    what a check of the buckets found, until another one finds nothing.
    """
    tested = alarm(name)
    minute_of_trouble, passing, staying = TROUBLES[name]

    def trouble() -> None:
        minute_of_trouble(system)
        if name != "CsvNotPublished":
            system.well()

    system.healthy(5)
    assert _until(tested, system, idle=0) != "ALARM"
    system.during(passing, trouble)
    _until(tested, system, idle=20)
    system.healthy(2)
    _until(tested, system, idle=20)
    assert not tested.fired, "it tells of what passes"
    start = system.now
    system.during(staying, trouble)
    _until(tested, system, idle=0)
    assert len(tested.fired) == 1, "it stayed quiet"
    seconds = max(alarm(name).period, staying * MINUTE)
    assert passing * MINUTE < tested.fired[0] - start <= seconds
    state = _until(tested, system, idle=120)
    if name == "GapDetected":
        assert state == "ALARM", "idle, and the gap still open"
        system.healthy(1)
        assert _until(tested, system, idle=0) == "ALARM", "a batch repairs nothing"
        system.close_gaps()
    elif name == "BucketDiffers":
        assert state == "ALARM", "nobody looked again"
        system.check_buckets(0)
    else:
        assert state == "OK", "an idle system has no trouble"
    system.healthy(2)
    assert _until(tested, system, idle=0) == "OK"
    assert len(tested.fired) == 1


def _until(tested: Alarm, system: System, *, idle: int) -> str:
    """Let some idle minutes pass, and the rest of the period, and say what the alarm is then."""
    minutes = max(idle, 1 + tested.period // MINUTE) if idle else 0
    end = int(system.now) - BEGIN + minutes * MINUTE
    system.now = BEGIN - -end // tested.period * tested.period
    state = tested.run(system.metrics, max(BEGIN, tested.looked_at_until), system.now)
    tested.looked_at_until = system.now
    return state


@pytest.mark.parametrize("name", ALARMS)
def test_an_idle_system_is_no_alarm(name: str) -> None:
    """No photo, no metric: that is a quiet night and not trouble."""
    assert alarm(name).run(Metrics(), BEGIN, BEGIN + 3600) != "ALARM"


@pytest.mark.parametrize(
    ("function", "metric"),
    [("ImageProcessor", "ImagesAdded"), ("ImageProcessor", "ImagesRemoved"), ("CsvExporter", "Events")],
)
def test_whichever_way_images_change_it_is_to_be_published(function: str, metric: str, system: System) -> None:
    """Photos that come alone, photos that go alone, and items that somebody writes into the table by hand."""
    system.healthy(5)
    system.during(15, lambda: system.aws("Skyledger", metric, 1, service=service(function)))
    assert alarm("CsvNotPublished").run(system.metrics, BEGIN, system.now) == "ALARM"


def test_how_far_behind_is_an_alarm_is_for_the_operator_to_say() -> None:
    """In seconds; Lambda tells the age in milliseconds, and CloudFormation cannot multiply."""
    made = stack(AlarmLagSeconds=600)
    assert made["ImagesWaiting"]["Properties"]["Threshold"] == made["RootBehind"]["Properties"]["Threshold"] == 600
    assert made["FileBehind"]["Properties"]["Threshold"] == 600
    assert properties("StreamBehind")["Threshold"] == {"Fn::Sub": "${AlarmLagSeconds}000"}


def test_a_collection_that_failed_with_all_its_tries_did_so_within_one_look() -> None:
    """A schedule's call is tried twice more, a minute and two minutes later, and long before the next one.

    Lambda Developer Guide, "How Lambda handles errors and retries with asynchronous invocation".
    """
    failed = properties("CollectorErrors")
    assert failed["Threshold"] == 1 + 2
    assert 3 * properties("Collector")["Timeout"] + 60 + 120 <= failed["Period"] <= 6 * 3600 // 2


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
