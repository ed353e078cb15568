"""The queue of S3's events, its dead letters, and the function on it: what each number of the template rests on."""

import re
from typing import Any

import pytest
from botocore.config import Config

from image_processor import handler as processor
from image_processor.catalog.catalog import RESERVE_S
from image_processor.catalog.items import TOMBSTONE_DAYS
from image_processor.intake import READ_RESERVE_S
from tests.support.paths import ROOT
from tests.support.template import parameter, properties, stack, statements_of

DAY = 24 * 3600
RUN_BOOK = (ROOT / "infra" / "README.md").read_text(encoding="utf-8")
NUMBERS = {"four": 4, "five": 5, "ten": 10, "14": 14}
QUEUES = {"ImageQueue": "ImageDeadLetters", "SeenQueue": "SeenDeadLetters"}


def stated(pattern: str) -> int:
    """Give the number that the run-book names."""
    found = re.search(pattern, RUN_BOOK)
    assert found, pattern
    return NUMBERS[found[1]]


def test_a_message_is_hidden_six_times_as_long_as_the_function_may_take() -> None:
    """AWS asks for that, so that a slow batch is not read by two functions."""
    for queue in QUEUES:
        assert properties(queue)["VisibilityTimeout"] >= 6 * properties("ImageProcessor")["Timeout"]


def test_the_queue_hands_a_message_out_as_often_as_the_function_reckons_with() -> None:
    """With its last receive a photo that breaks its reader gets a row; fewer, and it would be a dead letter.

    Less than five would give up for a passing trouble (Lambda Developer Guide, "Configuring an SQS queue for use with
    Lambda").
    """
    for queue in QUEUES:
        receives = properties(queue)["RedrivePolicy"]["maxReceiveCount"]
        assert receives == processor.LAST_RECEIVE == stated(r"the message comes again, (\w+) times")
        assert receives >= 5


def test_what_never_goes_through_becomes_a_dead_letter_before_the_queue_forgets_it() -> None:
    """All receives, each hidden for the whole time, and days to spare: a weekend's outage loses nothing.

    What was seen may wait for days behind all else that was, and somebody is told days before it is forgotten.
    """
    days = {"ImageQueue": r"the queue keeps events for (\w+) days", "SeenQueue": r"forgets them after (\w+) days"}
    for name, dead in QUEUES.items():
        queue = properties(name)
        assert queue["MessageRetentionPeriod"] == stated(days[name]) * DAY
        assert (
            queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
            < queue["MessageRetentionPeriod"] - 3 * DAY
        )
        assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [dead, "Arn"]}
    assert DAY < properties("SeenWaiting")["Threshold"] <= properties("SeenQueue")["MessageRetentionPeriod"] - 3 * DAY


def test_dead_letters_are_kept_longer_than_the_queue_keeps_its_messages() -> None:
    """A message's age counts from its first send, in the dead-letter queue too."""
    for queue, dead in QUEUES.items():
        kept = properties(dead)["MessageRetentionPeriod"]
        assert kept > properties(queue)["MessageRetentionPeriod"]
        assert kept == stated(r"Messages stay (\w+) days") * DAY


def test_a_tombstone_outlives_every_event_that_may_still_come() -> None:
    """An event is as old as dead letters get, and a redrive counts its age anew: then it may lie there once more.

    SQS Developer Guide, "Learn how to configure a dead-letter queue redrive": redriven messages count as new ones.
    """
    assert 2 * properties("ImageDeadLetters")["MessageRetentionPeriod"] < TOMBSTONE_DAYS * DAY


def test_queues_have_nothing_that_holds_a_message_back() -> None:
    """A photo is a row within seconds: no delay, no order to keep, no batching window."""
    common = {"MessageRetentionPeriod", "SqsManagedSseEnabled"}
    for queue, dead in QUEUES.items():
        assert set(properties(dead)) == common
        assert set(properties(queue)) == common | {"VisibilityTimeout", "RedrivePolicy"}


def test_lambda_takes_from_the_queues_what_the_parameters_say() -> None:
    """Only what failed comes again; uploads beyond the bound wait in the queue, where nothing is throttled.

    A window would hold photos back, and a filter would delete what it does not let through. What was there already has
    a queue and a bound of its own, so that a million old photos delay no new one.
    """
    assert properties("ImageProcessor")["Events"] == {
        queue: {
            "Type": "SQS",
            "Properties": {
                "Queue": {"Fn::GetAtt": [queue, "Arn"]},
                "BatchSize": {"Ref": "QueueBatchSize"},
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                "ScalingConfig": {"MaximumConcurrency": {"Ref": bound}},
            },
        }
        for queue, bound in (("ImageQueue", "ProcessorConcurrency"), ("SeenQueue", "SeenConcurrency"))
    }
    (taking,) = [one for one in statements_of("ImageProcessorRole") if "sqs:ReceiveMessage" in one["Action"]]
    assert taking["Resource"] == [{"Fn::GetAtt": [queue, "Arn"]} for queue in QUEUES]
    assert parameter("SeenConcurrency")["Default"] * 10 <= parameter("ProcessorConcurrency")["Default"]
    assert parameter("SeenConcurrency")["MinValue"] == 2
    # Lambda's bounds: more than ten need a window, and MaximumConcurrency begins at two.
    assert parameter("QueueBatchSize")["MaxValue"] == 10
    assert (parameter("ProcessorConcurrency")["MinValue"], parameter("ProcessorConcurrency")["MaxValue"]) == (2, 1000)


def longest(config: Config) -> float:
    """Seconds that the SDK may take for a request that hangs: each try, and the longest wait before the next one.

    A try that is throttled is followed by a wait of up to 1, 2, 4, ... seconds (boto/botocore, retries/standard.py).
    """
    retries: dict[str, Any] = config.retries
    assert retries["mode"] == "standard"
    tries = retries["total_max_attempts"]
    return tries * float(config.connect_timeout + config.read_timeout) + sum(2**n for n in range(tries - 1))


def test_a_request_that_hangs_ends_before_the_invocation_does() -> None:
    """Reserves hold the SDK's worst case: the last write before the report, and before it the last read."""
    assert processor.REPORT_RESERVE_S >= 1
    assert longest(processor.DYNAMODB_CONFIG) <= RESERVE_S - processor.REPORT_RESERVE_S
    assert longest(processor.S3_CONFIG) <= READ_RESERVE_S - RESERVE_S
    assert properties("ImageProcessor")["Timeout"] / 2 >= READ_RESERVE_S, "the larger part is for work"


@pytest.mark.parametrize("config", [processor.S3_CONFIG, processor.DYNAMODB_CONFIG], ids=["S3", "DynamoDB"])
def test_no_thread_waits_for_anothers_connection(config: Config) -> None:
    """Each message of a batch has its thread, and each thread a connection that is kept."""
    assert parameter("QueueBatchSize")["MaxValue"] <= processor.THREADS <= config.max_pool_connections


def test_half_of_the_smallest_memory_holds_the_dearest_photo() -> None:
    """Read in isolation, a photo has half of the function's memory; README promises that 100 MB do."""
    assert "no photo that we could make took 1 s of CPU or 100 MB" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert parameter("ProcessorMemoryMB")["MinValue"] / 2 > 100


def test_events_of_a_named_bucket_alone_are_let_into_the_queue() -> None:
    """S3 on behalf of this account, for this bucket; where CloudFormation makes the name up, for its buckets."""
    for name, buckets in (("photos", "${ImagesBucketName}"), ("", "*")):
        grant, *_ = stack(ImagesBucketName=name)["ImageQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
        assert (grant["Effect"], grant["Action"]) == ("Allow", "sqs:SendMessage")
        assert grant["Principal"] == {"Service": "s3.amazonaws.com"}
        assert grant["Resource"] == {"Fn::GetAtt": ["ImageQueue", "Arn"]}
        assert grant["Condition"] == {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{buckets}"}},
        }
