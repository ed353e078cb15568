"""The function: batches of SQS messages in, a report of those that failed out."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from image_processor import handler as handler_module
from image_processor.catalog.catalog import RESERVE_S
from image_processor.columns.extract import extract
from image_processor.errors import (
    BadNotification,
    CatalogContended,
    CatalogDamaged,
    CatalogRefused,
    CatalogUnavailable,
    NotConfigured,
    ObjectBroken,
    ObjectDenied,
    ObjectUnavailable,
    OutOfTime,
    ReaderFailed,
    ReaderNotStarted,
    UnexpectedInvocation,
)
from image_processor.handler import LAST_RECEIVE, THREADS, handler
from image_processor.intake import READ_RESERVE_S
from image_processor.isolation import READ_SECONDS, START_SECONDS, Isolation
from infra.waiting import PATIENCE_SECONDS
from tests.support.bucket_world import PHOTOS, Lines, World, refused, sqs_message
from tests.support.lambda_context import LambdaContext
from tests.support.paths import BROKEN_READERS, EVENTS
from tests.support.template import TEMPLATE

NOTHING = dict.fromkeys(("ImagesAdded", "ImagesRemoved"), 0)
"""What an invocation counts in which no row came or went."""


def test_three_messages_the_second_broken(world: World, counted: Callable[[], dict[str, float]], lines: Lines) -> None:
    """The first and third are done, only the second is reported."""
    bodies = [
        message["body"]
        for message in json.loads((EVENTS / "sqs_three_messages_second_broken.json").read_text())["Records"]
    ]
    for key, photo in (("a.jpg", PHOTOS[0]), ("c.jpg", PHOTOS[1])):
        world.put(key, photo)
    bodies = [
        body.replace("b21b84d653bb07b05b1e6b33684dc11b", etag) for body, etag in zip(bodies, _etags(world), strict=True)
    ]
    assert world.invoke(*bodies) == ["message-2"]
    assert world.keys == ["a.jpg", "c.jpg"]
    counts = counted()
    assert (counts["ImagesAdded"], counts["MessagesFailed"]) == (2, 1)
    assert len(lines.of(logging.ERROR)) == 1


def _etags(world: World) -> list[str]:
    etag = {key: world.s3.client.head_object(Bucket="photos", Key=key)["ETag"].strip('"') for key in ("a.jpg", "c.jpg")}
    return [etag["a.jpg"], "", etag["c.jpg"]]


def test_three_records_in_one_message_the_second_broken(world: World) -> None:
    """The message is reported; its sound records are done, and coming again changes nothing."""
    broken = world.record("ObjectCreated:Put", "b.jpg", size=-1)
    body = json.dumps({"Records": [world.put("a.jpg", PHOTOS[0]), broken, world.put("c.jpg", PHOTOS[1])]})
    assert world.invoke(body) == ["message-1"]
    assert world.keys == ["a.jpg", "c.jpg"]
    before = world.images
    assert world.invoke(body) == ["message-1"]
    assert world.images == before


def test_three_events_in_one_message_the_second_fails(
    world: World, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """No event waits for the one before it: the first and the third are done, and the message comes again."""

    def unavailable(source: Any) -> Any:
        if source.size == len(PHOTOS[1]):
            raise ObjectUnavailable("503")
        return extract(source)

    world.intake = world.intake.reading_with(unavailable)
    body = json.dumps({"Records": [world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS[:3])]})
    assert world.invoke(body) == ["message-1"]
    assert world.keys == ["0.jpg", "2.jpg"]
    assert lines.of(logging.WARNING) == ["to be delivered again: 503"]
    (line,) = (record for record in lines.records if record.levelno == logging.WARNING)
    assert "of photos/1.jpg, sequencer" in vars(line)["event"]
    counts = counted()
    assert (counts["ImagesAdded"], counts["MessagesFailed"]) == (2, 1)


def test_a_bug_costs_one_message(world: World, counted: Callable[[], dict[str, float]], lines: Lines) -> None:
    """Whatever goes wrong with one object, the others of the batch are done; the log has the place and the object."""

    def buggy(source: Any) -> Any:
        if source.size == len(PHOTOS[1]):
            raise ZeroDivisionError("a bug")
        return extract(source)

    assert len({len(photo) for photo in PHOTOS[:3]}) == 3
    world.intake = world.intake.reading_with(buggy)
    failed = world.deliver(*(world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS[:3])))
    assert failed == ["message-2"]
    assert world.keys == ["0.jpg", "2.jpg"]
    assert counted()["MessagesFailed"] == 1
    assert lines.of(logging.ERROR) == ["failed: a bug"]
    assert "in buggy" in lines.text
    assert "photos/1.jpg" in lines.text


@pytest.mark.parametrize(
    ("error", "level"),
    [
        *((error, logging.WARNING) for error in (CatalogContended, CatalogUnavailable, ObjectUnavailable, OutOfTime)),
        *((error, logging.ERROR) for error in (CatalogRefused, CatalogDamaged, ObjectDenied)),
        *((error, logging.ERROR) for error in (ReaderFailed, ReaderNotStarted)),
    ],
)
def test_only_what_another_delivery_may_cure_is_no_error(
    error: type[Exception], level: int, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """An operator reads the errors, and is to find those only that wait for somebody to act."""

    def take(*_: Any) -> None:
        raise error("a reason")

    monkeypatch.setattr(handler_module, "intake", lambda: SimpleNamespace(take=take))
    monkeypatch.setattr(handler_module.metrics.provider, "namespace", "Skyledger")
    message = sqs_message(1, (EVENTS / "s3_put.json").read_text())
    assert handler({"Records": [message]}, LambdaContext()) == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}
    assert [record.levelno for record in lines.records] == [level]


def test_a_batch_that_fails_as_a_whole_names_every_message(world: World) -> None:
    """DynamoDB is away: an answer that names all, so that the function's own errors stay meaningful."""
    world.dynamodb.before["transact_write_items"] = refused("AccessDeniedException", 400)
    failed = world.deliver(*(world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS)))
    assert failed == ["message-1", "message-2", "message-3", "message-4"]


def test_a_message_that_hangs_does_not_hold_up_the_report_of_its_neighbours(
    world: World, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """It is reported as failed before the invocation ends, the others are done; the next batch has all its threads."""
    batch = TEMPLATE["Parameters"]["QueueBatchSize"]["MaxValue"]
    wait_for, works = asyncio.wait_for, list[asyncio.Future[Any]]()

    async def until_the_others_are_done(work: asyncio.Future[Any], seconds: float) -> Any:
        assert seconds == 60 - handler_module.REPORT_RESERVE_S
        works.append(work)
        while len(works) < 3 or sum(not each.done() for each in works) > 1:
            await asyncio.sleep(0.005)
        return await wait_for(work, 0)

    held, meeting = threading.Event(), threading.Barrier(batch, timeout=PATIENCE_SECONDS)
    hanging_threads: list[threading.Thread] = []

    def hanging(source: Any) -> Any:
        if source.size == len(PHOTOS[1]):
            hanging_threads.append(threading.current_thread())
            held.wait(PATIENCE_SECONDS)
        return extract(source)

    def meet(source: Any) -> Any:
        meeting.wait()
        return extract(source)

    sound = world.intake
    try:
        world.intake = sound.reading_with(hanging)
        records = [world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS[:3])]
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "wait_for", until_the_others_are_done)
            assert world.deliver(*records) == ["message-2"]
        assert world.keys == ["0.jpg", "2.jpg"]
        assert lines.of(logging.WARNING) == ["to be delivered again: not done at the end of the invocation"]
        world.intake = sound.reading_with(meet)
        assert world.deliver(*(world.put(f"again/{number}.jpg", PHOTOS[0]) for number in range(batch))) == []
    finally:
        held.set()
        for thread in hanging_threads:
            thread.join(PATIENCE_SECONDS)  # it goes on, and must not write into the tables of the next test


@pytest.fixture
def isolated_reads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Note of each read in isolation, with half of the memory, whether it was called the last; nothing is started."""
    reads: list[bool] = []

    def noting(self: Isolation, source: Any, *, last: bool) -> Any:
        assert self._memory_bytes == int(LambdaContext().memory_limit_in_mb) * 2**20 / 2
        reads.append(last)
        return extract(source)

    monkeypatch.setattr(Isolation, "extract", noting)
    return reads


@pytest.mark.parametrize(
    ("receives", "reads"),
    [
        ([1, 1, 1], []),
        ([1, 2, 1], [False, False, False]),
        ([LAST_RECEIVE - 1, 1, LAST_RECEIVE], [False, False, True]),
        ([LAST_RECEIVE + 1, 1, 1], [False, False, True]),
    ],
    ids=["new", "one comes again", "the last time", "after a redrive"],
)
def test_a_batch_with_a_message_that_comes_again_is_read_in_isolation(
    receives: list[int], reads: list[bool], world: World, isolated_reads: list[bool]
) -> None:
    """All of it: what has been once in one process with a stranger never is again."""
    records = [world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS[:3])]
    assert world.deliver(*records, receives=receives) == []
    assert world.keys == ["0.jpg", "1.jpg", "2.jpg"]
    assert sorted(isolated_reads) == reads


def test_an_image_that_breaks_its_reader_has_a_row_until_it_can_be_read(
    world: World, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """The row says what happened, and an operator hears of it; the same photo uploaded once more makes it whole."""

    def broken(source: Any) -> Any:
        source.read(0, 1)
        raise ObjectBroken("reading took longer than 3 s")

    sound, world.intake = world.intake, world.intake.reading_with(broken)
    assert world.deliver(world.put("a.jpg", PHOTOS[0])) == []
    (row,) = world.images.values()
    assert (row["key"]["S"], row["size_bytes"]["N"]) == ("a.jpg", str(len(PHOTOS[0])))
    assert json.loads(row["warnings"]["S"]) == ["metadata: reading took longer than 3 s, not read"]
    counts = counted()
    assert (counts["ImagesUnreadable"], counts["ImagesAdded"]) == (1, 1)
    (line,) = (record for record in lines.records if record.levelno == logging.ERROR)
    assert (line.getMessage(), vars(line)["key"]) == ("broken", "a.jpg")
    assert vars(line)["reason"] == "reading took longer than 3 s"
    world.intake = sound
    assert world.deliver(world.put("a.jpg", PHOTOS[0])) == []
    (whole,) = world.images.values()
    assert (whole["content_type"]["S"], whole["width_px"]["N"]) == ("image/jpeg", "320")
    assert "warnings" not in whole
    assert whole["ingested_at"] == row["ingested_at"]


def test_a_fault_of_the_reader_costs_a_row_its_metadata_when_nobody_tries_again(
    world: World, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """Until then the message fails, as an operator can see; then there is a row instead of a dead letter."""
    monkeypatch.syspath_prepend(str(BROKEN_READERS))
    record = world.put("a.jpg", PHOTOS[0] + b"fails")
    assert world.deliver(record, receives=[2]) == ["message-1"]
    assert lines.of(logging.ERROR) == ["failed: ZeroDivisionError"]
    assert "in fail" in lines.text
    assert vars(lines.records[-1])["event"].startswith("ObjectCreated:Put of photos/a.jpg")
    assert world.deliver(record, receives=[LAST_RECEIVE]) == []
    (row,) = world.images.values()
    assert json.loads(row["warnings"]["S"]) == ["metadata: the reader failed (ZeroDivisionError), not read"]
    assert lines.of(logging.ERROR)[1:] == ["broken"]
    assert "in fail" in vars(lines.records[-1])["trace"]


def test_isolated_reads_of_a_whole_batch_fit_its_invocation() -> None:
    """Ten images that break their limit leave the time to write their rows; the queue's numbers are those of here."""
    batch = TEMPLATE["Parameters"]["QueueBatchSize"]["MaxValue"]
    resources = TEMPLATE["Resources"]
    start = 0.5  # of a process, on half a processor
    timeout = resources["ImageProcessor"]["Properties"]["Timeout"]
    assert batch * (READ_SECONDS + start) <= timeout - READ_RESERVE_S
    assert 10 * start <= START_SECONDS, "a machine may be busy"
    assert START_SECONDS + READ_SECONDS + RESERVE_S <= READ_RESERVE_S, "the last one that begins has its row written"
    assert resources["ImageQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] == LAST_RECEIVE
    assert batch <= THREADS


def test_images_of_a_batch_are_read_side_by_side(world: World) -> None:
    """All of them, on however small a machine: they wait for S3 and DynamoDB, and each needs the whole time."""
    batch = TEMPLATE["Parameters"]["QueueBatchSize"]["MaxValue"]
    meeting = threading.Barrier(batch, timeout=PATIENCE_SECONDS)

    def slow(source: Any) -> Any:
        meeting.wait()
        return extract(source)

    world.intake = world.intake.reading_with(slow)
    photos = [PHOTOS[number % len(PHOTOS)] for number in range(batch)]
    assert world.deliver(*(world.put(f"{number}.jpg", photo) for number, photo in enumerate(photos))) == []
    assert len(world.objects) == batch


def test_no_read_begins_in_the_last_seconds(world: World, lines: Lines) -> None:
    """A function that is killed reports nothing of its whole batch, so it stops in time."""
    record = world.put("a.jpg", PHOTOS[0])
    assert world.deliver(record, left_ms=int(READ_RESERVE_S * 1000) - 1) == ["message-1"]
    assert world.s3.calls == []
    assert len(lines.of(logging.WARNING)) == 1


@pytest.mark.parametrize("name", ["s3_test_event", "s3_test_event_in_sns", "s3_no_records"])
def test_the_test_event_is_a_success(
    name: str, world: World, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """No failure, no metric of one; for the test event one info line."""
    assert world.invoke((EVENTS / f"{name}.json").read_text()) == []
    assert counted() == NOTHING
    assert len(lines.of(logging.INFO)) == len(lines.records) == (0 if name == "s3_no_records" else 1)


def test_other_events_are_ignored_by_name(world: World, lines: Lines) -> None:
    """Tags and the like change nothing that a row says."""
    assert world.invoke((EVENTS / "s3_tagging.json").read_text()) == []
    assert lines.of(logging.INFO) == ["ignored"]
    assert vars(lines.records[0])["event_name"] == "ObjectTagging:Put"


@pytest.mark.parametrize("name", ["s3_put", "sns_direct", "eventbridge_created", "s3_test_event"])
def test_a_direct_call_fails_loudly(name: str, world: World, counted: Callable[[], dict[str, float]]) -> None:
    """Who connects the bucket without the queue learns of it by the first event."""
    with pytest.raises(UnexpectedInvocation):
        handler(json.loads((EVENTS / f"{name}.json").read_text()), LambdaContext())
    assert counted() == NOTHING


def test_an_empty_batch_is_done(world: World, counted: Callable[[], dict[str, float]]) -> None:
    """Nothing to do is no failure; the alarms' zeros are sent all the same."""
    assert handler({"Records": []}, LambdaContext()) == {"batchItemFailures": []}
    assert counted() == NOTHING


def test_a_message_of_no_known_shape_is_named_in_the_log(world: World, lines: Lines) -> None:
    """It will end in the dead-letter queue: the log says why, without quoting it."""
    assert world.invoke('{"secret": "words"}') == ["message-1"]
    assert "fields are secret" in lines.of(logging.ERROR)[0]
    assert "words" not in lines.text
    (exception,) = handler_module.processor.exceptions
    assert exception[0] is BadNotification


@pytest.mark.parametrize("names", [None, "", " , "], ids=["none", "empty", "blank"])
def test_without_a_word_on_which_buckets_count_the_function_does_nothing(
    names: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the function, which has an alarm, and never every bucket: no message is taken for broken."""
    monkeypatch.delenv("IMAGE_BUCKETS", raising=False)
    if names is not None:
        monkeypatch.setenv("IMAGE_BUCKETS", names)
    monkeypatch.setattr(handler_module.metrics.provider, "namespace", "Skyledger")
    handler_module.intake.cache_clear()
    body = (EVENTS / "s3_put.json").read_text()
    with pytest.raises(NotConfigured, match="IMAGE_BUCKETS"):
        handler({"Records": [sqs_message(1, body)]}, LambdaContext())


@pytest.mark.parametrize("prefixes", ["", " , ", "site 7/ ,a"])
def test_the_function_makes_its_clients_from_its_environment(prefixes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for a warm function, with the tables that the template names, and with the limits that its reserves hold."""
    configs, make = dict[str, Any](), boto3.client

    def noting(service: str, **options: Any) -> Any:
        configs[service] = options["config"]
        return make(service, **options)

    monkeypatch.setenv("IMAGES_TABLE", "images-table")
    monkeypatch.setenv("OBJECTS_TABLE", "objects-table")
    monkeypatch.setenv("IMAGE_BUCKETS", "others, photos")
    monkeypatch.setenv("IMAGE_PREFIXES", prefixes)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(handler_module.metrics.provider, "namespace", "Skyledger")
    handler_module.intake.cache_clear()
    with mock_aws():
        world = World()
        monkeypatch.setattr(boto3, "client", noting)
        assert world.deliver(world.put("a.jpg", PHOTOS[0]), world.put("site 7/b.jpg", PHOTOS[1])) == []
        assert world.keys == ["a.jpg", "site 7/b.jpg"]
        assert world.deliver(world.put("b.jpg", PHOTOS[2])) == []
        assert world.keys == ["a.jpg", *([] if "7" in prefixes else ["b.jpg"]), "site 7/b.jpg"]
        assert handler_module.intake() is handler_module.intake()
    assert configs == {"s3": handler_module.S3_CONFIG, "dynamodb": handler_module.DYNAMODB_CONFIG}
    handler_module.intake.cache_clear()
