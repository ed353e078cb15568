"""Buckets that were there before the stack: what happens in them shows in the CSV, as it does for the stack's own."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.emulator import Emulator, make_environment
from infra.local.stack import LocalStack
from infra.survey.photos import survey
from infra.waiting import until
from tests.support.template import FOLLOWING

PLAIN, VERSIONED = FOLLOWING["ExistingBuckets"][::-1]
OTHERS_PREFIX = "incoming/"
Row = dict[str, str]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A running stack that follows two buckets, in one of which somebody else has a notification already."""
    data = tmp_path_factory.mktemp("stack")
    with Emulator(make_environment(), data) as emulator:
        s3 = emulator.client("s3")
        for bucket in (PLAIN, VERSIONED):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=PLAIN, NotificationConfiguration={"QueueConfigurations": [_others_notification(emulator)]}
        )
    with LocalStack(data=data, existing=(PLAIN, VERSIONED), check_permissions=True) as running:
        yield running


def _others_notification(emulator: Emulator) -> dict[str, Any]:
    """Make a queue of somebody else's, and what a bucket says that tells it of new objects."""
    arn = "arn:aws:sqs:us-east-1:000000000000:others"
    principal = {"Service": "s3.amazonaws.com"}
    grant = {"Effect": "Allow", "Principal": principal, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    emulator.client("sqs").create_queue(QueueName="others", Attributes={"Policy": policy})
    return {
        "Id": "thumbnails",
        "QueueArn": arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": OTHERS_PREFIX}]}},
    }


def rows(stack: LocalStack, prefix: str) -> dict[tuple[str, str], Row]:
    """Give the CSV's rows of objects with this prefix, by bucket and key."""
    stack.wait_until_current()
    read = csv.DictReader(io.StringIO(stack.csv().decode(), newline=""))
    return {(row["bucket"], row["key"]): row for row in read if row["key"].startswith(prefix)}


def etags(stack: LocalStack, prefix: str) -> dict[tuple[str, str], str]:
    return {place: row["etag"] for place, row in rows(stack, prefix).items()}


def put(stack: LocalStack, bucket: str, key: str, body: bytes, **more: str) -> str:
    return str(stack.s3.put_object(Bucket=bucket, Key=key, Body=body, **more)["ETag"].strip('"'))


def put_in_parts(stack: LocalStack, bucket: str, key: str, body: bytes) -> str:
    """Upload in two parts (the emulator takes small ones)."""
    where = {"Bucket": bucket, "Key": key}
    upload = {**where, "UploadId": stack.s3.create_multipart_upload(**where)["UploadId"]}
    middle = len(body) // 2
    parts = [
        {"PartNumber": number, "ETag": stack.s3.upload_part(**upload, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate((body[:middle], body[middle:]), start=1)
    ]
    return str(stack.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})["ETag"].strip('"'))


def test_what_happens_in_a_bucket_shows_whichever_it_is(stack: LocalStack) -> None:
    """Created, also in parts, copied in, overwritten, restored, and deleted; with versions, brought back."""
    buckets = stack.deployment.image_buckets
    assert buckets[1:] == (PLAIN, VERSIONED)
    stack.s3.create_bucket(Bucket="elsewhere")
    photos = iter([photo.body for photo in survey(5 * len(buckets), seed=21)])
    expected, overwritten = {}, {}
    for bucket in buckets:
        overwritten[bucket] = put(stack, bucket, "life/a b + é.jpg", next(photos))
        expected[bucket, "life/a b + é.jpg"] = overwritten[bucket]
        expected[bucket, "life/parts.jpg"] = put_in_parts(stack, bucket, "life/parts.jpg", next(photos))
        expected[bucket, "life/copy.jpg"] = put(stack, "elsewhere", "a.jpg", next(photos))
        stack.s3.copy_object(Bucket=bucket, Key="life/copy.jpg", CopySource={"Bucket": "elsewhere", "Key": "a.jpg"})
        archived = put(stack, bucket, "life/archived.jpg", next(photos), StorageClass="GLACIER")
        expected[bucket, "life/archived.jpg"] = archived
    assert etags(stack, "life/") == expected
    assert all("archived" in rows(stack, "life/")[bucket, "life/archived.jpg"]["warnings"] for bucket in buckets)

    for bucket in buckets:
        expected[bucket, "life/a b + é.jpg"] = put(stack, bucket, "life/a b + é.jpg", next(photos))
        stack.s3.delete_object(Bucket=bucket, Key="life/parts.jpg")
        del expected[bucket, "life/parts.jpg"]
        stack.s3.restore_object(Bucket=bucket, Key="life/archived.jpg", RestoreRequest={"Days": 1})

    def all_restored() -> bool:
        now = rows(stack, "life/")
        return all(now[bucket, "life/archived.jpg"]["make"] == "DJI" for bucket in buckets)

    until(all_restored, "restored photos' metadata")  # some seconds after it was asked for
    assert etags(stack, "life/") == expected

    for bucket in buckets:
        stack.s3.delete_object(Bucket=bucket, Key="life/a b + é.jpg")
    last = {bucket: expected.pop((bucket, "life/a b + é.jpg")) for bucket in buckets}
    assert etags(stack, "life/") == expected

    versions = stack.s3.list_object_versions(Bucket=VERSIONED, Prefix="life/a b")
    for marker in versions["DeleteMarkers"]:
        stack.s3.delete_object(Bucket=VERSIONED, Key="life/a b + é.jpg", VersionId=marker["VersionId"])
    assert etags(stack, "life/") == {**expected, (VERSIONED, "life/a b + é.jpg"): last[VERSIONED]}

    (newest,) = (
        version["VersionId"] for version in versions["Versions"] if version["ETag"].strip('"') == last[VERSIONED]
    )
    stack.s3.delete_object(Bucket=VERSIONED, Key="life/a b + é.jpg", VersionId=newest)
    assert etags(stack, "life/") == {**expected, (VERSIONED, "life/a b + é.jpg"): overwritten[VERSIONED]}
    assert stack.dead_letters() == 0


def test_what_a_bucket_told_others_it_goes_on_telling(stack: LocalStack) -> None:
    """Their notification stands as it stood, beside the switch; and they and the stack both hear of a photo."""
    kept = stack.s3.get_bucket_notification_configuration(Bucket=PLAIN)
    assert kept["QueueConfigurations"] == [_others_notification(stack.emulator)]
    assert "EventBridgeConfiguration" in kept
    (photo,) = survey(1, seed=22)
    etag = put(stack, PLAIN, f"{OTHERS_PREFIX}a.jpg", photo.body)
    assert etags(stack, OTHERS_PREFIX) == {(PLAIN, f"{OTHERS_PREFIX}a.jpg"): etag}
    heard = _messages(stack, "others")
    assert f"{OTHERS_PREFIX}a.jpg" in [
        record["s3"]["object"]["key"] for one in heard for record in one.get("Records", ())
    ]


def _messages(stack: LocalStack, queue: str) -> list[dict[str, Any]]:
    sqs = stack.emulator.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    return [json.loads(each["Body"]) for each in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]


def test_a_bucket_that_leaves_the_list_is_heard_no_more_and_keeps_its_rows(stack: LocalStack) -> None:
    """What happens in it then shows when it is on the list again, and something is done to it."""
    first, second, third = (photo.body for photo in survey(3, seed=23))
    kept = {(VERSIONED, "left/a.jpg"): put(stack, VERSIONED, "left/a.jpg", first)}
    assert etags(stack, "left/") == kept

    assert stack.follow(PLAIN).image_buckets[1:] == (PLAIN,)
    stack.s3.delete_object(Bucket=VERSIONED, Key="left/a.jpg")
    put(stack, VERSIONED, "left/b.jpg", second)
    after = {(PLAIN, "left/c.jpg"): put(stack, PLAIN, "left/c.jpg", third)}
    assert etags(stack, "left/") == kept | after

    assert stack.follow(PLAIN, VERSIONED).image_buckets[1:] == (PLAIN, VERSIONED)
    put(stack, VERSIONED, "left/a.jpg", second)
    stack.s3.delete_object(Bucket=VERSIONED, Key="left/a.jpg")
    assert etags(stack, "left/") == after
