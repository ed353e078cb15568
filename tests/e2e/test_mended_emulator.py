"""What the emulator does not do and AWS does: whole EventBridge events of S3, and exports that can be read."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.emulator import PROGRAM, Emulator, make_environment
from infra.waiting import until
from ledger.s3_store import S3Store
from operations.errors import ExportFailed
from operations.table_export.files import read_export, read_file
from operations.table_export.request import start_export, wait_for_export

ACCOUNT = "000000000000"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(make_environment(), tmp_path_factory.mktemp("emulator"), check_permissions=True) as running:
        running.client("s3").create_bucket(Bucket="exports")
        yield running


def arn_of(queue: str) -> str:
    return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}"


def make_queue(emulator: Emulator, name: str, rule: str) -> str:
    """Make a queue that takes what this rule sends; give its URL."""
    grant = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn_of(name),
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    return str(emulator.client("sqs").create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"])


def make_rule(emulator: Emulator, name: str, target: dict[str, Any], source: str = "aws.s3") -> None:
    """Make a rule for all events of a source."""
    events = emulator.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=name, Targets=[{"Id": "queue", **target}])


@pytest.fixture(scope="module")
def told(emulator: Emulator) -> Callable[[], dict[str, Any]]:
    """Wait for the next event that EventBridge sends of the bucket `photos`, which keeps versions."""
    s3, sqs = emulator.client("s3"), emulator.client("sqs")
    s3.create_bucket(Bucket="photos")
    s3.put_bucket_versioning(Bucket="photos", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket="photos", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    queue = make_queue(emulator, "events", "all")
    make_rule(emulator, "all", {"Arn": arn_of("events")})

    def take() -> dict[str, Any]:
        taken = until(lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), "event", every=0.05)
        (message,) = taken
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        event: dict[str, Any] = json.loads(message["Body"])
        return event

    return take


def test_events_name_the_version_and_hold_what_s3_knows(emulator: Emulator, told: Callable[[], dict[str, Any]]) -> None:
    """Created, hidden by a delete marker, and a version deleted for good."""
    s3 = emulator.client("s3")
    version = s3.put_object(Bucket="photos", Key="a b+c/é.jpg", Body=b"photo")["VersionId"]
    created = told()
    assert len(created["time"]) == len("2026-11-25T03:09:00Z")
    assert created["detail"]["object"].pop("sequencer")
    etag = "5ae0c1c8a5260bc7b6648f6fbd115c35"
    assert created["detail"]["object"] == {"key": "a b+c/é.jpg", "size": 5, "etag": etag, "version-id": version}

    marker = s3.delete_object(Bucket="photos", Key="a b+c/é.jpg")["VersionId"]
    hidden = told()["detail"]
    assert (hidden["deletion-type"], hidden["object"]["version-id"]) == ("Delete Marker Created", marker)
    assert hidden["object"].keys() == {"key", "version-id", "sequencer"}

    s3.delete_object(Bucket="photos", Key="a b+c/é.jpg", VersionId=version)
    gone = told()["detail"]
    assert (gone["deletion-type"], gone["object"]["version-id"]) == ("Permanently Deleted", version)


def test_a_restoration_has_no_place_in_the_order(emulator: Emulator, told: Callable[[], dict[str, Any]]) -> None:
    """It changes no bytes."""
    s3 = emulator.client("s3")
    s3.put_object(Bucket="photos", Key="old.jpg", Body=b"photo", StorageClass="GLACIER")
    assert told()["detail-type"] == "Object Created"
    s3.restore_object(Bucket="photos", Key="old.jpg", RestoreRequest={"Days": 1})
    restored = told()
    while restored["detail-type"] != "Object Restore Completed":
        restored = told()
    assert restored["detail"]["object"].keys() == {"key", "size", "etag"}


def test_a_queue_refuses_rules_that_its_policy_does_not_name(emulator: Emulator) -> None:
    """The rule's dead letters take what it refuses, if they may; else it is gone."""
    sqs = emulator.client("sqs")
    queues = {name: make_queue(emulator, name, rule) for name, rule in (("theirs", "another"), ("given-up", "ours"))}
    dead = {"DeadLetterConfig": {"Arn": arn_of("given-up")}}
    make_rule(emulator, "ours", {"Arn": arn_of("theirs"), **dead}, "tests")
    make_rule(emulator, "nobodys", {"Arn": arn_of("theirs"), **dead}, "tests")
    entry = {"Source": "tests", "DetailType": "Said", "Detail": '{"word": 1}', "EventBusName": "default"}
    assert emulator.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    def bodies(name: str) -> list[str]:
        found = sqs.receive_message(QueueUrl=queues[name], MaxNumberOfMessages=10).get("Messages", ())
        return [json.loads(message["Body"])["detail-type"] for message in found]

    assert until(lambda: bodies("given-up"), "dead letter") == ["Said"]
    assert bodies("theirs") == bodies("given-up") == []


def make_table(emulator: Emulator, name: str, items: list[dict[str, Any]]) -> Any:
    """Make a table with items and a stream; give its client."""
    dynamodb = emulator.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "object", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "object", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for item in items:
        dynamodb.put_item(TableName=name, Item=item)
    return dynamodb


def test_an_export_holds_every_item_of_the_table(emulator: Emulator) -> None:
    """Below the prefix that was asked for, in several files and no order, read by the code that reads AWS's."""
    items = [{"object": {"S": f"photos/{number}"}, "size_bytes": {"N": str(number)}} for number in range(10, 40)]
    dynamodb = make_table(emulator, "objects", items)
    key = wait_for_export(dynamodb, start_export(dynamodb, "objects", "exports"), lambda *_: None)
    store = S3Store("exports", **emulator.credentials)
    export = read_export(store, key)
    assert key.startswith("table-exports/AWSDynamoDB/")
    assert (export.kind, export.items, len(export.files)) == ("full", 30, 2)
    files = [[line["Item"] for line in read_file(store, file)] for file in export.files]
    assert all(one != sorted(one, key=_name) for one in files)
    assert sorted(chain.from_iterable(files), key=_name) == items


def _name(item: dict[str, Any]) -> str:
    return str(item["object"]["S"])


def test_an_export_that_is_asked_for_again_is_the_same_one(emulator: Emulator) -> None:
    """By its token, whatever was written to the table meanwhile."""
    dynamodb = make_table(emulator, "again", [{"object": {"S": "photos/1"}}])
    wanted = {
        "TableArn": dynamodb.describe_table(TableName="again")["Table"]["TableArn"],
        "S3Bucket": "exports",
        "ClientToken": "once",
    }
    first = dynamodb.export_table_to_point_in_time(**wanted)["ExportDescription"]["ExportArn"]
    dynamodb.put_item(TableName="again", Item={"object": {"S": "photos/2"}})
    assert dynamodb.export_table_to_point_in_time(**wanted)["ExportDescription"]["ExportArn"] == first
    key = wait_for_export(dynamodb, first, lambda *_: None)
    assert read_export(S3Store("exports", **emulator.credentials), key).items == 1


def test_an_incremental_export_holds_what_became_of_each_item(emulator: Emulator) -> None:
    """Its image before the first change and after the last; what came and went, and what is later, is not in it."""
    first, second, third = ({"object": {"S": f"photos/{number}"}, "size": {"N": "1"}} for number in range(3))
    dynamodb = make_table(emulator, "changes", [first, second, third])
    dynamodb.put_item(TableName="changes", Item=first | {"size": {"N": "2"}})
    dynamodb.delete_item(TableName="changes", Key={"object": third["object"]})
    middle = datetime.fromtimestamp(int(time.time()) + 1, UTC)  # the stream knows whole seconds
    until(lambda: datetime.now(UTC) > middle, "next second")
    dynamodb.delete_item(TableName="changes", Key={"object": first["object"]})
    dynamodb.put_item(TableName="changes", Item=second | {"size": {"N": "3"}})
    store = S3Store("exports", **emulator.credentials)

    def exported(since: datetime, end: datetime) -> list[dict[str, Any]]:
        key = wait_for_export(dynamodb, start_export(dynamodb, "changes", "exports", (since, end)), lambda *_: None)
        export = read_export(store, key)
        assert (export.kind, export.since) == ("incremental", since.strftime("%Y-%m-%dT%H:%M:%SZ"))
        lines = [line for file in export.files for line in read_file(store, file)]
        assert len(lines) == export.items
        for line in lines:
            micros = int(line.pop("Metadata")["WriteTimestampMicros"]["N"])
            assert since.timestamp() <= micros / 1e6 < end.timestamp()
        return sorted(lines, key=lambda line: str(line["Keys"]))

    def line(item: dict[str, Any], old: str | None, new: str | None) -> dict[str, Any]:
        images = {"OldImage": old, "NewImage": new}
        sized = {name: item | {"size": {"N": size}} for name, size in images.items() if size}
        return {"Keys": {"object": item["object"]}, **sized}

    hour = timedelta(hours=1)
    assert exported(middle - hour, middle) == [line(first, None, "2"), line(second, None, "1")]
    assert exported(middle, middle + hour) == [line(first, "2", None), line(second, "1", "3")]
    assert exported(middle - hour, middle + hour) == [line(second, None, "3")]


def test_what_the_emulator_cannot_export_fails(emulator: Emulator) -> None:
    """A bucket that is not there, another time than now, and a window that AWS would refuse, too."""
    dynamodb = make_table(emulator, "images", [])
    arn = dynamodb.describe_table(TableName="images")["Table"]["TableArn"]
    for wanted in ({"S3Bucket": "exports", "ExportTime": 1_795_000_000}, {"S3Bucket": "nowhere"}):
        started = dynamodb.export_table_to_point_in_time(TableArn=arn, **wanted)["ExportDescription"]["ExportArn"]
        with pytest.raises(ExportFailed, match="the export failed"):
            wait_for_export(dynamodb, started, lambda *_: None)
    now = datetime.now(UTC)
    for since, message in ((timedelta(minutes=14), "15 minutes at least"), (timedelta(hours=25), "24 hours at most")):
        with pytest.raises(ClientError, match=message):
            start_export(dynamodb, "images", "exports", (now - since, now))


def test_changes_from_before_the_emulator_began_are_refused(tmp_path: Path) -> None:
    """Of a table that was there already: it forgets its stream, so it would export too little."""
    now = datetime.now(UTC)
    window = (now - timedelta(minutes=20), now)
    with Emulator(make_environment(), tmp_path) as first:
        first.client("s3").create_bucket(Bucket="exports")
        start_export(make_table(first, "old", []), "old", "exports", window)
    time.sleep(1)  # a table's time is of whole seconds
    refused = pytest.raises(ClientError, match=r"InvalidExportTime.* begins with the emulator")
    with Emulator(make_environment(), tmp_path) as second, refused:
        start_export(second.client("dynamodb"), "old", "exports", window)


def test_a_range_of_a_version_is_that_range(emulator: Emulator) -> None:
    """As of an object that has no versions; behind its end there is none."""
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    old, new = (s3.put_object(Bucket="versions", Key="a.jpg", Body=body)["VersionId"] for body in (b"0123", b"abcdef"))
    for version, body in ((old, b"12"), (new, b"bc")):
        answer = s3.get_object(Bucket="versions", Key="a.jpg", VersionId=version, Range="bytes=1-2")
        assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Body"].read()) == (206, body)
    assert answer["ContentRange"] == "bytes 1-2/6"
    assert s3.get_object(Bucket="versions", Key="a.jpg", VersionId=old)["Body"].read() == b"0123"
    with pytest.raises(s3.exceptions.ClientError, match="InvalidRange"):
        s3.get_object(Bucket="versions", Key="a.jpg", VersionId=old, Range="bytes=4-5")


WHAT_TAKES_MEMORY = """
import json, sys
sys.path.insert(0, sys.argv[1])
import mended_emulator as mended
from ministack.core.persistence import _json_default

tables = mended.dynamodb._tables
items = {"a": {"b": {"etag": {"S": "a"}}}}
tables["Photos"] = {"TableName": "Photos", "items": items, mended.dynamodb._INDEX_MEMBERS: {}}
mended.dynamodb._tags["Photos"] = {"k": "v"}
states = mended.get_state(), mended.dynamodb.get_state()
written, copied = (json.dumps(state, default=_json_default) for state in states)
assert written == copied and '"etag"' in written and mended.dynamodb._tables is tables
assert mended.get_state()["tables"]["Photos"]["items"] is items
for number in range(mended.LOGS_KEPT + 5):
    mended.emit_logs({"config": {"FunctionName": "f"}}, f"request {number}", "line", False, 1)
streams = mended.cloudwatch_logs._log_groups["/aws/lambda/f"]["streams"]
assert len(streams) == mended.LOGS_KEPT
assert "request 5 " in str(next(iter(streams.values()))) and "request 1004 " in str([*streams.values()][-1])
"""


def test_tables_are_not_copied_to_be_written_nor_logs_kept_for_ever() -> None:
    """With 20,000 photos the copy took half a gigabyte; what is written is the same."""
    program = [str(make_environment()), "-c", WHAT_TAKES_MEMORY, str(PROGRAM.parent)]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
