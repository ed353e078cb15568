"""The records of GetRecords as events, a stream whose iterators get lost, and one that is switched off and on."""

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from infra.local.mapping import DynamoStream, StreamMapping, to_event
from infra.waiting import until


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


class FakeAws:
    """An emulator with one stream of one shard, one mapping, and a function that notes what it gets.

    Attributes:
        data: folder that outlives it.
        written: records of the stream.
        delivered: ids of records that the function got.
    """

    def __init__(self, data: Path, *, taken_over: bool = False) -> None:
        self.data, self.taken_over = data, taken_over
        self.written: list[dict[str, Any]] = []
        self.delivered: list[str] = []
        self.state = "Enabled"

    def client(self, service: str, **_: Any) -> Any:
        return self

    def write(self, *numbers: int) -> None:
        self.written += [stream_record(number) for number in numbers]

    def get_event_source_mapping(self, UUID: str) -> dict[str, Any]:  # noqa: N803
        arns = {"FunctionArn": "arn:function", "EventSourceArn": "arn:stream"}
        return {"UUID": UUID, "State": self.state, "BatchSize": 2, **arns}

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:  # noqa: N803
        self.state = "Enabled" if Enabled else "Disabled"

    def describe_stream(self, **_: Any) -> dict[str, Any]:
        return {"StreamDescription": {"Shards": [{"ShardId": "one"}]}}

    def get_shard_iterator(self, **_: Any) -> dict[str, Any]:
        return {"ShardIterator": "0"}

    def get_records(self, ShardIterator: str) -> dict[str, Any]:  # noqa: N803
        records = self.written[int(ShardIterator) :][:3]
        return {"Records": records, "NextShardIterator": str(int(ShardIterator) + len(records))}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        self.delivered += [record["eventID"] for record in json.loads(Payload)["Records"]]
        return {"Payload": BytesIO(b"null"), "ResponseMetadata": {}}


def mapping_of(aws: FakeAws) -> StreamMapping:
    return StreamMapping(aws, SimpleNamespace(stream_mapping_id="mapping"))  # type: ignore[arg-type]


def ids(*numbers: int) -> list[str]:
    return [f"id-{number}" for number in numbers]


def test_a_stream_that_is_switched_off_waits_also_for_the_next_run(tmp_path: Path) -> None:
    """The emulator forgets its stream when it stops; what waits in it then comes first when it is followed again."""
    aws = FakeAws(tmp_path)
    aws.write(1)
    mapping = mapping_of(aws)
    until(mapping.is_idle, "idle mapping")
    aws.state = "Disabled"
    assert mapping.is_idle()  # and so what was under way has ended
    aws.write(2, 3, 4, 5, 6, 7)
    assert mapping.is_idle()
    mapping.stop()
    assert aws.delivered == ids(1)

    later = FakeAws(tmp_path)
    later.state = "Disabled"
    later.write(8)
    mapping = mapping_of(later)
    assert (mapping.is_idle(), mapping.enabled) == (True, False)
    assert (tmp_path / "stream.jsonl").read_text().count("\n") == 6, "kept also if this run is killed"
    mapping.stop()
    assert later.delivered == []

    last = FakeAws(tmp_path)
    last.state = "Disabled"
    last.write(9)
    mapping = mapping_of(last)
    last.state = "Enabled"
    until(lambda: mapping.is_idle() and len(last.delivered) == 8, "records that waited")
    mapping.stop()
    assert last.delivered == ids(2, 3, 4, 5, 6, 7, 8, 9)
    assert [*tmp_path.iterdir()] == []


def test_who_never_switched_the_stream_off_has_it_on(tmp_path: Path) -> None:
    """The stack's earlier versions left the mapping disabled; a run that was killed is gone on with as it was."""
    earlier, killed = FakeAws(tmp_path), FakeAws(tmp_path, taken_over=True)
    for aws in (earlier, killed):
        aws.state = "Disabled"
        mapping_of(aws).stop()
    assert (earlier.state, killed.state) == ("Enabled", "Disabled")
