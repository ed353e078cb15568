"""The records of GetRecords as events, and a stream whose iterators get lost."""

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from infra.local.mapping import DynamoStream, to_event


def stream_record(number: int) -> dict[str, Any]:
    return {
        "eventID": f"id-{number}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": datetime(2026, 11, 25, 3, 9, 0, tzinfo=UTC),
            "Keys": {"etag": {"S": "a"}},
            "NewImage": {
                "etag": {"S": "a"},
                "raw": {"B": b"\x00\xff"},
                "list": {"L": [{"BS": [b"x"]}, {"NULL": True}]},
            },
            "SequenceNumber": str(number),
            "SizeBytes": 10,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


def test_an_event_is_what_lambda_makes_of_a_record() -> None:
    """Time in seconds, bytes in Base64, the stream's ARN beside the change."""
    event = to_event(stream_record(7), "arn:stream")
    assert event["eventSourceARN"] == "arn:stream"
    assert event["dynamodb"]["ApproximateCreationDateTime"] == 1_795_576_140
    assert event["dynamodb"]["NewImage"]["raw"] == {"B": "AP8="}
    assert event["dynamodb"]["NewImage"]["list"] == {"L": [{"BS": ["eA=="]}, {"NULL": True}]}
    assert "OldImage" not in event["dynamodb"]
    assert "userIdentity" not in event


def test_a_removal_by_time_to_live_keeps_its_author() -> None:
    """The service's identity is written as events write it."""
    identity = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    event = to_event({**stream_record(7), "userIdentity": identity}, "arn:stream")
    assert event["userIdentity"] == {"principalId": "dynamodb.amazonaws.com", "type": "Service"}


class FakeStreams:
    """The DynamoDB Streams API with two shards described a page each, and iterators that can be lost."""

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.answers: list[Any] = []

    def describe_stream(self, **request: Any) -> dict[str, Any]:
        if "ExclusiveStartShardId" not in request:
            page = {"Shards": [{"ShardId": "one"}], "LastEvaluatedShardId": "one"}
        else:
            page = {"Shards": [{"ShardId": "two", "ParentShardId": "one"}]}
        return {"StreamDescription": page}

    def get_shard_iterator(self, **request: Any) -> dict[str, Any]:
        self.opened.append(request)
        return {"ShardIterator": f"iterator-{len(self.opened)}"}

    def get_records(self, **request: Any) -> dict[str, Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_all_pages_of_the_description_are_read() -> None:
    """Shards and their parents."""
    assert DynamoStream(FakeStreams(), "arn").shards() == {"one": None, "two": "one"}


def test_a_lost_iterator_is_opened_behind_the_last_record_that_was_read() -> None:
    """Iterators live 15 minutes; an idle or a slow mapping must lose nothing and repeat nothing."""
    api = FakeStreams()
    lost = ClientError({"Error": {"Code": "ExpiredIteratorException"}}, "GetRecords")
    api.answers = [
        {"Records": [stream_record(7)], "NextShardIterator": "next"},
        lost,
        {"Records": [stream_record(8)], "NextShardIterator": None},
    ]
    stream = DynamoStream(api, "arn")
    reads = [stream.read("one") for _ in range(3)]
    assert [[each["eventID"] for each in records] for records, _ in reads] == [["id-7"], [], ["id-8"]]
    assert [ended for _, ended in reads] == [False, False, True]
    assert [each["ShardIteratorType"] for each in api.opened] == ["TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER"]
    assert api.opened[1]["SequenceNumber"] == "7"
