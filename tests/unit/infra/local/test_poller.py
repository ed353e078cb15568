"""The documented contract of Lambda's event source mapping for a DynamoDB stream, on a fake stream and clock."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from infra.local.failed_batch import FailedBatch
from infra.local.invocation import Invocation, Record
from infra.local.mapping_settings import Settings
from infra.local.poller import PAYLOAD_LIMIT, Poller

BEGIN = 1_795_571_896.0
OK = Invocation(response={"batchItemFailures": []})
CRASH = Invocation(function_error="Unhandled", request_id="crash")
THROTTLED = Invocation(throttled=True)


def record(number: int, key: str = "", at: float = BEGIN, size: int = 0) -> Record:
    keys = {"etag": {"S": key or str(number)}}
    image = {**keys, "padding": {"S": "x" * size}}
    return {
        "eventID": str(number),
        "eventName": "INSERT",
        "dynamodb": {
            "ApproximateCreationDateTime": at,
            "Keys": keys,
            "NewImage": image,
            "SequenceNumber": str(number),
        },
    }


def numbers(records: Sequence[Record]) -> list[int]:
    return [int(each["dynamodb"]["SequenceNumber"]) for each in records]


def failed_from(number: int) -> Invocation:
    return Invocation(response={"batchItemFailures": [{"itemIdentifier": str(number)}]})


class FakeStream:
    """Shards with their parents; each gives its records in the pieces that it was told, and may have ended."""

    def __init__(self, *records: Record) -> None:
        self.parents: dict[str, str | None] = {"shard-1": None}
        self.pieces: dict[str, list[list[Record]]] = {"shard-1": [list(records)]}
        self.ended: set[str] = set()
        self.reads: list[str] = []

    def add(self, shard: str, *records: Record, parent: str | None = None) -> None:
        self.parents.setdefault(shard, parent)
        self.pieces.setdefault(shard, []).append(list(records))

    def shards(self) -> Mapping[str, str | None]:
        return self.parents

    def read(self, shard: str) -> tuple[Sequence[Record], bool]:
        self.reads.append(shard)
        records = self.pieces[shard].pop(0) if self.pieces[shard] else []
        return records, shard in self.ended and not self.pieces[shard]


class Case:
    """A poller over fakes, with a record of what the function got and of what was given up."""

    def __init__(self, *records: Record, answer: Callable[[list[int]], Invocation] = lambda batch: OK, **settings: Any):
        self.now = BEGIN
        self.stream = FakeStream(*records)
        self.batches: list[list[int]] = []
        self.times: list[float] = []
        self.given_up: list[FailedBatch] = []
        self.answer = answer
        self.settings = Settings("mapping", "arn:function", "arn:stream", on_failure="arn:aws:s3:::export", **settings)
        self.poller = Poller(self.settings, self.stream, self._invoke, self.given_up.append, lambda: self.now)

    def _invoke(self, event: Mapping[str, Any]) -> Invocation:
        batch = numbers(event["Records"])
        self.batches.append(batch)
        self.times.append(self.now - BEGIN)
        return self.answer(batch)

    def run(self, steps: int = 1000) -> "Case":
        """Step until nothing waits, letting time pass as the poller asks."""
        for _ in range(steps):
            due = self.poller.step()
            if due is None:
                return self
            self.now += due
        return self


def test_a_batch_holds_as_many_records_as_the_mapping_says() -> None:
    """BatchSize is the most that one invocation gets."""
    assert Case(*map(record, range(1, 8)), batch_size=3).run().batches == [[1, 2, 3], [4, 5, 6], [7]]


def test_without_a_window_records_go_at_once() -> None:
    """A window of 0 means: whatever is there."""
    case = Case(record(1), batch_size=100).run()
    assert case.batches == [[1]]
    assert case.times == [0]


def test_a_window_gathers_records_from_its_first_one_on() -> None:
    """MaximumBatchingWindowInSeconds counts from the first record that waits."""
    case = Case(record(1), batch_size=100, window_seconds=5)
    assert case.poller.step() == 0
    case.now += 3
    case.stream.add("shard-1", record(2))
    case.run()
    assert case.batches == [[1, 2]]
    assert case.times == [5]


def test_a_full_batch_does_not_wait_for_its_window() -> None:
    """A batch goes when it is full, however long the window."""
    case = Case(record(1), record(2), batch_size=2, window_seconds=300).run()
    assert case.times == [0]


def test_a_batch_ends_before_its_event_passes_the_payload_limit() -> None:
    """The event of an invocation is 6 MB at most."""
    case = Case(*(record(number, size=400_000) for number in range(1, 41)), batch_size=10_000).run()
    assert [number for batch in case.batches for number in batch] == list(range(1, 41))
    sizes = [
        len(json.dumps({"Records": [record(n, size=400_000) for n in batch]}, separators=(",", ":")))
        for batch in case.batches
    ]
    assert len(sizes) == 3
    assert max(sizes) <= PAYLOAD_LIMIT


def test_a_child_shard_waits_until_its_parent_is_done() -> None:
    """A parent shard is processed to its end, failures included, before its child is."""
    case = Case(record(1), batch_size=10, retry_attempts=5)
    case.answer = lambda batch: CRASH if case.batches.count([1]) < 3 and batch == [1] else OK
    case.stream.add("shard-2", record(2), parent="shard-1")
    case.stream.ended.add("shard-1")
    case.run()
    assert case.batches == [[1], [1], [1], [2]]


def test_a_child_is_read_when_its_parent_has_left_the_stream() -> None:
    """After 24 hours a parent is gone from the description, and its child is the oldest there is."""
    case = Case()
    case.stream.add("shard-2", record(2), parent="shard-0")
    assert case.run().batches == [[2]]


def test_shards_do_not_wait_for_each_other() -> None:
    """A failing batch holds up its own shard only."""
    case = Case(record(1), answer=lambda batch: CRASH if batch == [1] else OK)
    case.stream.add("shard-2", record(2))
    case.run(steps=20)
    assert [2] in case.batches


def test_an_error_is_retried_with_the_same_batch() -> None:
    """Without bisect, a failed batch comes again as it was."""
    case = Case(record(1), record(2))
    case.answer = lambda batch: CRASH if len(case.batches) < 3 else OK
    assert case.run().batches == [[1, 2]] * 3


def test_records_behind_a_failing_batch_keep_their_place() -> None:
    """Order holds within a shard: nothing overtakes a batch that is tried again."""
    case = Case(record(1), record(2), batch_size=1)
    case.answer = lambda batch: CRASH if len(case.batches) < 2 else OK
    assert case.run().batches == [[1], [1], [2]]


@pytest.mark.parametrize("poison", range(1, 9))
def test_bisect_finds_the_record_that_fails_and_delivers_the_others_in_order(poison: int) -> None:
    """BisectBatchOnFunctionError halves a failed batch; a split is not counted as a retry."""
    case = Case(
        *map(record, range(1, 9)), bisect=True, retry_attempts=0, answer=lambda batch: CRASH if poison in batch else OK
    ).run()
    assert [numbers(failed.records) for failed in case.given_up] == [[poison]]
    delivered = [number for batch in case.batches if poison not in batch for number in batch]
    assert delivered == [number for number in range(1, 9) if number != poison]


def test_a_batch_is_given_up_after_its_retries() -> None:
    """MaximumRetryAttempts counts the tries after the first one; then the shard goes on."""
    case = Case(record(1), record(2), batch_size=1, retry_attempts=2, answer=lambda b: CRASH if b == [1] else OK).run()
    assert case.batches == [[1], [1], [1], [2]]
    (failed,) = case.given_up
    assert (failed.condition, failed.invocations, failed.function_error) == ("RetryAttemptsExhausted", 3, "Unhandled")


def test_retries_pause_longer_and_longer() -> None:
    """A function that is down is not hammered."""
    case = Case(record(1), retry_attempts=12, answer=lambda batch: CRASH).run()
    pauses = [later - earlier for earlier, later in zip(case.times, case.times[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 2
    assert pauses[-1] == pauses[-2] == 30


def test_a_throttled_function_is_tried_until_the_records_are_too_old() -> None:
    """What keeps the function from being invoked uses no retries, only time."""
    case = Case(record(1), retry_attempts=0, record_age_seconds=60, answer=lambda batch: THROTTLED).run()
    assert len(case.batches) > 10
    (failed,) = case.given_up
    assert failed.condition == "RecordAgeExceeded"
    assert case.now - BEGIN > 60


def test_only_the_old_records_of_a_batch_are_given_up() -> None:
    """MaximumRecordAgeInSeconds is the age of a record: its younger neighbours are delivered."""
    case = Case(record(1, at=BEGIN - 100), record(2, at=BEGIN - 5), record_age_seconds=60).run()
    assert case.batches == [[2]]
    assert [numbers(failed.records) for failed in case.given_up] == [[1]]


def test_a_partial_failure_brings_the_rest_again_and_not_what_was_done() -> None:
    """The emulator loses these records; Lambda does not."""
    case = Case(*map(record, range(1, 5)), partial_failures=True, bisect=True)
    case.answer = lambda batch: failed_from(3) if len(case.batches) == 1 else OK
    assert case.run().batches == [[1, 2, 3, 4], [3, 4]]
    assert not case.given_up


def test_a_function_that_gets_on_by_one_record_a_time_is_not_given_up() -> None:
    """With bisect, a partial failure splits the batch, and a split uses no retries."""
    case = Case(*map(record, range(1, 6)), partial_failures=True, bisect=True, retry_attempts=1)
    case.answer = lambda batch: failed_from(batch[1]) if len(batch) > 1 else OK
    assert case.run().batches == [[1, 2, 3, 4, 5], [2, 3, 4, 5], [3, 4, 5], [4, 5], [5]]
    assert not case.given_up


def test_a_report_of_the_first_record_for_ever_ends_at_the_retry_limit() -> None:
    """No progress is a retry, and what is given up is the failing rest alone."""
    case = Case(*map(record, range(1, 4)), partial_failures=True, bisect=True, retry_attempts=2)
    case.answer = lambda batch: failed_from(2) if 2 in batch else OK
    case.run()
    assert case.batches == [[1, 2, 3], [2, 3], [2, 3], [2, 3]]
    assert [numbers(failed.records) for failed in case.given_up] == [[2, 3]]


def test_a_report_is_ignored_where_the_mapping_does_not_ask_for_it() -> None:
    """Without ReportBatchItemFailures a returning function has succeeded, whatever it says."""
    case = Case(record(1), answer=lambda batch: failed_from(1)).run()
    assert case.batches == [[1]]


def test_parallel_batches_keep_the_order_of_each_item() -> None:
    """With a parallelization factor, records of one item stay in one lane; another lane goes on meanwhile."""
    records = [record(number, key=f"item-{number % 5}") for number in range(1, 41)]
    case = Case(*records, parallel_batches=4, batch_size=3, retry_attempts=-1)
    failures = {"left": 6}

    def answer(batch: list[int]) -> Invocation:
        if 1 in batch and failures["left"]:
            failures["left"] -= 1
            return CRASH
        delivered.extend(batch)
        return OK

    delivered: list[int] = []
    case.answer = answer
    case.run()
    assert sorted(delivered) == list(range(1, 41))
    for item in range(5):
        of_item = [number for number in delivered if number % 5 == item]
        assert of_item == sorted(of_item)
    assert delivered.index(1) > 5


def test_the_stream_is_read_no_further_ahead_than_some_batches() -> None:
    """A stuck shard does not fill the memory."""
    case = Case(record(1), batch_size=1, answer=lambda batch: CRASH)
    for number in range(2, 50):
        case.stream.add("shard-1", record(number))
    case.run(steps=200)
    assert len(case.stream.reads) < 10


def test_settings_are_those_of_the_deployed_mapping() -> None:
    """Names and defaults as GetEventSourceMapping gives them."""
    mapping = {
        "UUID": "u",
        "FunctionArn": "f",
        "EventSourceArn": "s",
        "BatchSize": 1000,
        "MaximumBatchingWindowInSeconds": 1,
        "ParallelizationFactor": 2,
        "BisectBatchOnFunctionError": True,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "MaximumRetryAttempts": 1000,
        "MaximumRecordAgeInSeconds": 72000,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::export"}},
    }
    assert Settings.of_mapping(mapping) == Settings(
        "u", "f", "s", 1000, 1, 2, True, True, 1000, 72000, "arn:aws:s3:::export"
    )
    bare = {"UUID": "u", "FunctionArn": "f", "EventSourceArn": "s", "BatchSize": 100}
    assert Settings.of_mapping(bare) == Settings("u", "f", "s")


def test_a_batch_that_was_given_up_is_written_as_lambda_writes_it() -> None:
    """Key and document of the S3 on-failure destination; the whole event is in it, as JSON text."""
    case = Case(record(7, at=1_795_571_896.0), record(8), retry_attempts=0, answer=lambda batch: CRASH).run()
    (failed,) = case.given_up
    assert failed.key == f"aws/lambda/mapping/shard-1/2026/11/25/2026-11-25T01.58.16-{failed.name}"
    document = json.loads(failed.body)
    assert document["requestContext"] == {
        "requestId": "crash",
        "functionArn": "arn:function",
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 1,
    }
    assert document["responseContext"]["functionError"] == "Unhandled"
    assert document["timestamp"] == "2026-11-25T01:58:16.000Z"
    assert document["DDBStreamBatchInfo"] == {
        "shardId": "shard-1",
        "startSequenceNumber": "7",
        "endSequenceNumber": "8",
        "approximateArrivalOfFirstRecord": "2026-11-25T01:58:16Z",
        "approximateArrivalOfLastRecord": "2026-11-25T01:58:16Z",
        "batchSize": 2,
        "streamArn": "arn:stream",
    }
    assert json.loads(document["payload"])["Records"] == [record(7), record(8)]


def test_without_a_destination_a_batch_that_is_given_up_is_only_counted() -> None:
    """No destination, nothing to write to; the shard goes on all the same."""
    case = Case(record(1), retry_attempts=0, answer=lambda batch: CRASH)
    written: list[FailedBatch] = []
    settings = Settings("mapping", "arn:function", "arn:stream", retry_attempts=0)
    poller = Poller(settings, case.stream, lambda event: CRASH, written.append, lambda: BEGIN)
    while poller.step() is not None:
        pass
    assert len(poller.discarded) == 1
    assert not written


def test_what_is_not_delivered_can_be_taken_for_later() -> None:
    """A failed batch first, then what waits, then what the stream holds beyond; and nothing is delivered after that."""
    case = Case(*map(record, range(1, 4)), answer=lambda batch: CRASH, batch_size=2)
    for number in range(4, 20):
        case.stream.add("shard-1", record(number))
    case.run(steps=3)
    tried = len(case.batches)
    assert numbers(case.poller.take_rest()) == [*range(1, 20)]
    assert case.poller.step() is None
    assert len(case.batches) == tried
