"""Buckets that were there before the stack: what happens in them shows in the CSV, as it does for the stack's own."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator import Emulator, make_environment
from infra.local.stack import LocalStack
from infra.survey.photos import survey
from infra.waiting import until
from operations.cli.exit_codes import DIFFERENT
from tests.support.deployed_command import skyledger
from tests.support.paths import PHOTOS
from tests.support.template import FOLLOWING

PLAIN, VERSIONED = FOLLOWING["ExistingBuckets"][::-1]
OTHERS_PREFIX, OLD_PREFIX = "incoming/", "old/"
Row = dict[str, str]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A running stack that follows two buckets; one has photos, and a notification of somebody else, already."""
    data = tmp_path_factory.mktemp("stack")
    with Emulator(make_environment(), data) as emulator:
        s3 = emulator.client("s3")
        for bucket in (PLAIN, VERSIONED):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=VERSIONED, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=PLAIN, NotificationConfiguration={"QueueConfigurations": [_others_notification(emulator)]}
        )
        for key, body in photos_of_old().items():
            s3.put_object(Bucket=PLAIN, Key=key, Body=body)
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


def test_work_in_either_lane_is_work(stack: LocalStack) -> None:
    """Whoever waits until the CSV is current waits for seen objects, too; and both lanes have dead letters."""
    sqs, deployment = stack.emulator.client("sqs"), stack.deployment
    stack._let_processor_run(False)
    sqs.send_message(QueueUrl=deployment.seen_queue_url, MessageBody="{}")
    sqs.send_message(QueueUrl=deployment.seen_dead_letters_url, MessageBody="{}")
    assert (stack.backlog().waiting, stack.dead_letters()) == (1, 1)
    for url in (deployment.seen_queue_url, deployment.seen_dead_letters_url):
        sqs.purge_queue(QueueUrl=url)
    stack._let_processor_run(True)
    assert (stack.backlog().waiting, stack.dead_letters()) == (0, 0)


def test_photos_that_were_there_before_the_stack_come_in_as_if_they_were_uploaded(
    stack: LocalStack, tmp_path: Path
) -> None:
    """One `ingest`, and every cell but the bucket and two times is that of an upload; the next one finds nothing."""
    photos, place = photos_of_old(), f"s3://{PLAIN}/{OLD_PREFIX}"
    assert rows(stack, OLD_PREFIX) == {}
    told = skyledger(stack, tmp_path, "ingest", place, "--dry-run")
    assert (told["missing"], told["sent"]) == (len(photos), 0)
    assert skyledger(stack, tmp_path, "ingest", place)["sent"] == len(photos)
    ingested = rows(stack, OLD_PREFIX)
    assert ingested
    assert skyledger(stack, tmp_path, "ingest", place)["to_send"] == 0

    for key in photos:
        stack.s3.delete_object(Bucket=PLAIN, Key=key)
    assert rows(stack, OLD_PREFIX) == {}
    own = stack.deployment.images_bucket
    for key, body in photos.items():
        put(stack, own, key, body)
    assert _timeless(ingested) == _timeless(rows(stack, OLD_PREFIX))
    assert stack.dead_letters() == 0


def photos_of_old() -> dict[str, bytes]:
    """Give photos by the keys of a folder, no two alike: some of the development photos, or made ones without them."""
    files = sorted(path for path in PHOTOS.rglob("*") if path.is_file() and "expected" not in path.parts)[::6]
    found = {path.relative_to(PHOTOS).as_posix(): path.read_bytes() for path in files}
    found = found or {photo.key: photo.body for photo in survey(20, seed=24)}
    keys = {body: f"{OLD_PREFIX}{name}" for name, body in found.items()}
    return {key: body for body, key in keys.items()}


def _timeless(found: dict[tuple[str, str], Row]) -> dict[str, Row]:
    """Take out what an object's bucket and its arrival say."""
    return {
        key: {name: cell for name, cell in row.items() if name not in ("bucket", "ingested_at", "last_modified")}
        for (_, key), row in found.items()
    }


def test_whatever_was_lost_is_named_and_mended(stack: LocalStack, tmp_path: Path) -> None:
    """Events of a bucket that was off the list, whose rows stay meanwhile; a row and a record deleted by hand."""
    skyledger(stack, tmp_path, "ingest")  # what was there before the stack is nothing that was lost
    photos = [photo.body for photo in survey(8, seed=25)]
    places = [(VERSIONED, f"lost/{name}.jpg") for name in ("gone", "changed", "row", "record", "well")]
    held = {place: put(stack, *place, body) for place, body in zip(places, photos, strict=False)}
    gone, changed, row, record, _ = places
    assert etags(stack, "lost/") == held

    assert stack.follow(PLAIN).image_buckets[1:] == (PLAIN,)
    stack.s3.delete_object(Bucket=VERSIONED, Key=gone[1])
    unheard = {
        changed: put(stack, *changed, photos[5]),
        (VERSIONED, "lost/new.jpg"): put(stack, VERSIONED, "lost/new.jpg", photos[6]),
    }
    heard = {(PLAIN, "lost/heard.jpg"): put(stack, PLAIN, "lost/heard.jpg", photos[7])}
    assert etags(stack, "lost/") == held | heard
    assert stack.follow(PLAIN, VERSIONED).image_buckets[1:] == (PLAIN, VERSIONED)

    tables = stack.emulator.client("dynamodb")
    tables.delete_item(TableName=stack.deployment.images_table, Key={"etag": {"S": held[row]}})
    tables.delete_item(TableName=stack.deployment.objects_table, Key={"object": {"S": "/".join(record)}})
    assert row not in rows(stack, "lost/")

    wrong = {"missing": ("new", "record", "row"), "phantom": ("gone", "record"), "stale": ("changed",)}
    named = [(kind, VERSIONED, f"lost/{name}.jpg") for kind, names in wrong.items() for name in names]
    found = verify_bucket(stack, tmp_path, "--repair", code=DIFFERENT)
    assert sorted({(one["kind"], one["bucket"], one["key"]) for one in found["differences"]}) == named
    del held[gone]
    assert etags(stack, "lost/") == held | heard | unheard
    assert all(row["copies"] == "1" for row in rows(stack, "lost/").values())
    assert verify_bucket(stack, tmp_path)["good"]


def verify_bucket(stack: LocalStack, home: Path, *arguments: str, code: int = 0) -> Any:
    """Check the buckets, as if nothing were on its way."""
    return skyledger(stack, home, "verify", "bucket", "--in-flight", "0", *arguments, code=code)["bucket"]
