"""The function: real JPEGs in a bucket, S3's events about them in a batch, and what the tables say afterwards."""

import itertools
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from image_files import heif, png, tiff
from image_processor import handler as handler_module
from image_processor import intake as intake_module
from image_processor.catalog import Catalog
from image_processor.errors import BadNotification, UnexpectedInvocation
from image_processor.handler import METRICS, handler
from image_processor.intake import READ_RESERVE_S, UNREADABLE, Intake
from image_processor.record import extract
from infra.local.photos import survey
from memory_tables import KEYS

EVENTS = Path(__file__).parents[2] / "events"
PHOTOS = [photo.body for photo in survey(4)]
PADDING = b"\xff" * (5 * 1024 * 1024)  # behind a JPEG's end: makes a part that S3 takes


@dataclass
class Context:
    """What Lambda tells a function about its invocation."""

    left_ms: int = 60_000
    function_name: str = "image-processor"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:image-processor"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


class Watched:
    """A client whose calls are counted, and may fail or come after something else."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls: list[str] = []
        self.before: dict[str, Callable[..., None]] = {}
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            self.before.get(name, lambda **_: None)(**arguments)
            if name != "transact_write_items":
                return method(**arguments)
            with self._lock:  # moto's transactions are not atomic across threads
                return method(**arguments)

        return call


def refused(code: str, status: int) -> Callable[..., None]:
    """A request that S3 answers with this error."""

    def refuse(**_: Any) -> None:
        response = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, "GetObject")  # type: ignore[arg-type]

    return refuse


@cache
def client(service: str) -> Any:
    """Clients are slow to make; moto's patches stay in those that were made under it."""
    return boto3.client(service, region_name="us-east-1")


class World:
    """A bucket, the tables, and the function between them."""

    def __init__(self, bucket: str = "photos") -> None:
        self.bucket = bucket
        self.s3 = Watched(client("s3"))
        self.dynamodb = Watched(client("dynamodb"))
        self.sequencer = itertools.count(0x0055AED6DCD90281E5)
        self.s3.client.create_bucket(Bucket=bucket)
        for table, key in KEYS.items():
            self.dynamodb.client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            )
        self.intake = Intake(self.s3, Catalog(self.dynamodb, "images-table", "objects-table", sleep=lambda _: None))

    def put(self, key: str, body: bytes, name: str = "ObjectCreated:Put", **options: Any) -> dict[str, Any]:
        """Upload an object; return S3's record of it."""
        answer = self.s3.client.put_object(Bucket=self.bucket, Key=key, Body=body, **options)
        return self.record(name, key, answer.get("VersionId"), size=len(body), eTag=answer["ETag"].strip('"'))

    def delete(self, key: str, version_id: str | None = None) -> dict[str, Any]:
        """Delete an object or a version; return S3's record of it, which has neither etag nor size."""
        options = {"VersionId": version_id} if version_id else {}
        answer = self.s3.client.delete_object(Bucket=self.bucket, Key=key, **options)
        marker = answer.get("DeleteMarker") and not version_id
        action = "DeleteMarkerCreated" if marker else "Delete"
        return self.record(f"ObjectRemoved:{action}", key, answer.get("VersionId"))

    def record(self, name: str, key: str, version_id: str | None = None, **entity: Any) -> dict[str, Any]:
        sequencer = f"{next(self.sequencer):018X}"
        version = {"versionId": version_id} if version_id else {}
        return {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": "2026-11-25T03:09:00.123Z",
            "eventName": name,
            "s3": {
                "bucket": {"name": self.bucket},
                "object": {"key": quote_plus(key, safe="/"), "sequencer": sequencer, **version, **entity},
            },
        }

    def deliver(self, *records: dict[str, Any], left_ms: int = 60_000) -> list[str]:
        """Invoke the function with one message for each record; return the ids of those that failed."""
        return self.invoke(*(json.dumps({"Records": [record]}) for record in records), left_ms=left_ms)

    def invoke(self, *bodies: str, left_ms: int = 60_000) -> list[str]:
        messages = [sqs_message(number, body) for number, body in enumerate(bodies, start=1)]
        answer = handler({"Records": messages}, Context(left_ms))
        return sorted(failure["itemIdentifier"] for failure in answer["batchItemFailures"])

    @property
    def images(self) -> dict[str, dict[str, Any]]:
        return {item["etag"]["S"]: item for item in self._items("images-table")}

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        return {item["object"]["S"]: item for item in self._items("objects-table")}

    @property
    def keys(self) -> list[str]:
        """The keys that rows name."""
        return sorted(item["key"]["S"] for item in self.images.values())

    def _items(self, table: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.dynamodb.client.scan(TableName=table)["Items"]
        return items


def sqs_message(number: int, body: str) -> dict[str, Any]:
    return {"messageId": f"message-{number}", "eventSource": "aws:sqs", "body": body, "attributes": {}}


class Lines(logging.Handler):
    """Keeps what was logged, as a text and as fields."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, level: int) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno == level]

    @property
    def text(self) -> str:
        formatter = logging.Formatter()  # with the traceback, if there is one
        return "\n".join(formatter.format(record) + str(vars(record)) for record in self.records)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with mock_aws():
        world = World()
        monkeypatch.setattr(handler_module, "intake", lambda: world.intake)
        monkeypatch.setattr(handler_module.metrics.provider, "namespace", "Skyledger")
        monkeypatch.setattr(handler_module.metrics.provider, "service", "image-processor")
        yield world


@pytest.fixture
def versioned(world: World) -> World:
    """The same with versions kept."""
    world.s3.client.put_bucket_versioning(Bucket=world.bucket, VersioningConfiguration={"Status": "Enabled"})
    return world


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    handler_module.logger.addHandler(lines)
    yield lines
    handler_module.logger.handlers.remove(lines)


@pytest.fixture
def counted(capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, float]]:
    """Sums of the metrics emitted since the last look."""

    def look() -> dict[str, float]:
        sums: dict[str, float] = {}
        for line in capsys.readouterr().out.splitlines():
            if '"_aws"' not in line:
                continue
            emitted = json.loads(line)
            (about,) = emitted["_aws"]["CloudWatchMetrics"]
            assert about["Namespace"] == "Skyledger"
            assert about["Dimensions"] == [["service"]]
            for metric in about["Metrics"]:
                assert metric["Unit"] == METRICS[metric["Name"]][0].value
                sums[metric["Name"]] = sums.get(metric["Name"], 0) + sum(emitted[metric["Name"]])
        return sums

    return look


# ---- photos in, rows out --------------------------------------------------------------------------------------------


def test_a_photo_becomes_a_row(world: World, counted: Callable[[], dict[str, float]], lines: Lines) -> None:
    """From the bucket's event to both tables, with what the photo says of itself."""
    record = world.put("survey/DJI_0001.JPG", PHOTOS[0])
    assert world.deliver(record) == []
    (row,) = world.images.values()
    assert row["etag"]["S"] == record["s3"]["object"]["eTag"]
    assert (row["bucket"]["S"], row["key"]["S"]) == ("photos", "survey/DJI_0001.JPG")
    assert row["content_type"]["S"] == "image/jpeg"
    assert row["size_bytes"]["N"] == str(len(PHOTOS[0]))
    assert (row["copies"]["N"], row["revision"]["N"]) == ("1", "1")
    assert (row["width_px"]["N"], row["height_px"]["N"]) == ("320", "240")
    assert float(row["gps_latitude_deg"]["N"]) == pytest.approx(51.92, abs=0.01)
    assert "relative_altitude_m" in row
    assert row["last_modified"]["S"].endswith("Z")
    assert len(row["last_modified"]["S"]) == 20
    assert len(row["ingested_at"]["S"]) == 27
    head = world.s3.client.head_object(Bucket="photos", Key="survey/DJI_0001.JPG")
    assert row["last_modified"]["S"] == head["LastModified"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert world.objects["photos/survey/DJI_0001.JPG"]["sequencer"]["S"] == record["s3"]["object"]["sequencer"]
    assert (world.s3.calls, world.dynamodb.calls) == (["get_object"], ["transact_write_items"])
    counts = counted()
    assert counts.pop("EventSeconds") > 0
    assert counts == {
        "Messages": 1,
        "ImagesProcessed": 1,
        "ImagesAdded": 1,
        "Transactions": 1,
        "ReadRequests": 1,
        "BytesRead": len(PHOTOS[0]),
    }
    (line,) = lines.records
    assert line.getMessage() == "image"
    assert vars(line)["key"] == "survey/DJI_0001.JPG"
    assert vars(line)["outcome"] == "added"
    assert vars(line)["message_id"] == "message-1"


def test_what_the_log_says_of_a_photo_is_not_its_contents(world: World, lines: Lines) -> None:
    """Photos are private, and items are long: the log has ids and counts."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    (row,) = world.images.values()
    assert row["model"]["S"] not in lines.text
    assert row["gps_latitude_deg"]["N"] not in lines.text


def test_the_same_batch_again_changes_nothing(world: World, counted: Callable[[], dict[str, float]]) -> None:
    """SQS delivers at least once."""
    records = [world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS)]
    records.append(world.delete("0.jpg"))
    world.deliver(*records)
    before = world.images, world.objects
    counted()
    assert world.deliver(*records) == []
    assert (world.images, world.objects) == before
    counts = counted()
    assert counts["DuplicateEvents"] == 4
    assert counts["ObjectsGone"] == 1


def test_every_kind_of_creation_and_every_name_is_read_by_content(
    world: World, counted: Callable[[], dict[str, float]]
) -> None:
    """Suffixes and their case say nothing; HTML under the name of a JPEG is refused and counted."""
    records = [
        world.put("DJI_0001.JPG", PHOTOS[0]),
        world.put("a.Jpeg", PHOTOS[1], name="ObjectCreated:Post"),
        world.put("b.HEIC", heif(), name="ObjectCreated:CompleteMultipartUpload"),
        world.put("c.tif", tiff({}), name="ObjectCreated:Copy"),
        world.put("d", png()),
        world.put("e.jpg", b"<!DOCTYPE html><html></html>"),
    ]
    assert world.deliver(*records) == []
    assert {row["key"]["S"]: row["content_type"]["S"] for row in world.images.values()} == {
        "DJI_0001.JPG": "image/jpeg",
        "a.Jpeg": "image/jpeg",
        "b.HEIC": "image/heic",
        "c.tif": "image/tiff",
        "d": "image/png",
    }
    counts = counted()
    assert counts["ImagesRefused"] == 1
    assert counts["ImagesProcessed"] == 5
    assert "MessagesFailed" not in counts


def test_odd_keys_name_the_right_object(world: World) -> None:
    """Decoded once: the object `5%3A00.jpg` exists beside `5:00.jpg`, and each gets its own row."""
    keys = [
        "site 7/a b + c.jpg",
        "100%25.jpg",
        "5%3A00.jpg",
        "5:00.jpg",
        "dt=2024-05-04/x(CE)&#.jpg",
        "Brücke/測量.jpg",
    ]
    photos = [photo.body for photo in survey(len(keys), seed=2)]
    world.deliver(*(world.put(key, photo) for key, photo in zip(keys, photos, strict=True)))
    assert world.keys == sorted(keys)
    world.deliver(world.delete("5%3A00.jpg"))
    assert world.keys == sorted(set(keys) - {"5%3A00.jpg"})


def test_folder_placeholders_empty_objects_and_real_images(
    world: World, counted: Callable[[], dict[str, float]]
) -> None:
    """A slash and no bytes: a folder. No bytes: refused without a read. A slash and a photo: a photo."""
    records = [world.put("survey/", b""), world.put("survey/a.jpg", b""), world.put("survey/b.jpg/", PHOTOS[0])]
    assert world.deliver(*records) == []
    assert world.keys == ["survey/b.jpg/"]
    assert world.s3.calls == ["get_object"]
    counts = counted()
    assert (counts["PlaceholdersIgnored"], counts["ImagesRefused"], counts["ImagesProcessed"]) == (1, 1, 1)


@pytest.mark.parametrize("body", [b"", b"no image at all"], ids=["nothing", "text"])
def test_what_is_no_image_takes_the_row_of_the_image_it_overwrites(
    body: bytes, world: World, counted: Callable[[], dict[str, float]]
) -> None:
    """The bytes are gone, so the row is too; a late delivery of the photo's event does not bring it back."""
    photo = world.put("a.jpg", PHOTOS[0])
    world.deliver(photo)
    assert world.deliver(world.put("a.jpg", body)) == []
    assert world.images == {}
    assert world.deliver(photo) == []
    assert world.images == {}
    assert counted()["ImagesRemoved"] == 1


def test_no_photo_vanishes_while_an_object_holds_it(world: World) -> None:
    """The same bytes put twice share a row; in two parts, or copied from that, they have other ETags and other rows."""
    bytes_ = PHOTOS[0] + PADDING
    upload = world.s3.client.create_multipart_upload(Bucket="photos", Key="c.jpg")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": world.s3.client.upload_part(
                Bucket="photos", Key="c.jpg", UploadId=upload, PartNumber=number, Body=part
            )["ETag"],
        }
        for number, part in enumerate([bytes_[: len(PADDING)], bytes_[len(PADDING) :]], start=1)
    ]
    done = world.s3.client.complete_multipart_upload(
        Bucket="photos", Key="c.jpg", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    records = [
        world.put("a.jpg", bytes_),
        world.put("b.jpg", bytes_),
        world.record("ObjectCreated:CompleteMultipartUpload", "c.jpg", size=len(bytes_), eTag=done["ETag"].strip('"')),
    ]
    assert records[2]["s3"]["object"]["eTag"].endswith("-2")
    assert world.deliver(*records) == []
    assert sorted(row["copies"]["N"] for row in world.images.values()) == ["1", "2"]
    assert world.deliver(world.delete("a.jpg")) == []
    assert world.keys == ["b.jpg", "c.jpg"]
    assert [row["copies"]["N"] for row in world.images.values()] == ["1", "1"]


# ---- removals -------------------------------------------------------------------------------------------------------


def test_a_removal_reads_nothing_from_the_bucket(world: World, counted: Callable[[], dict[str, float]]) -> None:
    """Its event carries neither etag nor size: the row is found by the object's name."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    world.s3.calls.clear()
    assert world.deliver(world.delete("a.jpg")) == []
    assert world.images == {}
    assert world.s3.calls == []
    counts = counted()
    assert (counts["ImagesRemoved"], counts["ObjectsRemoved"]) == (1, 1)


def test_an_expired_object_leaves_like_a_deleted_one(world: World) -> None:
    """S3 tells of its own removals by another event name."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    world.s3.client.delete_object(Bucket="photos", Key="a.jpg")
    assert world.deliver(world.record("LifecycleExpiration:Delete", "a.jpg")) == []
    assert world.images == {}


def test_deleting_an_old_version_leaves_the_row(versioned: World) -> None:
    """One HEAD, no GET: the object is what it was. Expired old versions come the same way."""
    old = versioned.put("a.jpg", PHOTOS[0])
    versioned.deliver(old, versioned.put("a.jpg", PHOTOS[1]))
    before = versioned.images
    versioned.s3.calls.clear()
    removal = versioned.delete("a.jpg", old["s3"]["object"]["versionId"])
    assert removal["eventName"] == "ObjectRemoved:Delete"
    assert versioned.deliver(removal) == []
    assert versioned.deliver(removal | {"eventName": "LifecycleExpiration:Delete"}) == []
    assert versioned.images == before
    assert versioned.s3.calls == ["head_object"] * 2


def test_a_delete_marker_hides_the_object_and_its_removal_shows_it_again(versioned: World) -> None:
    """The row goes, and comes back with the bytes that are visible then."""
    versioned.deliver(versioned.put("a.jpg", PHOTOS[0]))
    hidden = versioned.delete("a.jpg")
    assert hidden["eventName"] == "ObjectRemoved:DeleteMarkerCreated"
    versioned.s3.calls.clear()
    versioned.deliver(hidden)
    assert versioned.images == {}
    assert versioned.s3.calls == []
    shown = versioned.delete("a.jpg", hidden["s3"]["object"]["versionId"])
    assert versioned.deliver(shown) == []
    assert versioned.keys == ["a.jpg"]
    assert versioned.s3.calls == ["head_object", "get_object"]


def test_an_image_that_is_known_is_not_read_when_it_shows_again(versioned: World) -> None:
    """Another object holds the same bytes: their row is there already."""
    versioned.deliver(versioned.put("a.jpg", PHOTOS[0]), versioned.put("b.jpg", PHOTOS[0]))
    hidden = versioned.delete("a.jpg")
    versioned.deliver(hidden)
    versioned.s3.calls.clear()
    versioned.deliver(versioned.delete("a.jpg", hidden["s3"]["object"]["versionId"]))
    (row,) = versioned.images.values()
    assert row["copies"]["N"] == "2"
    assert versioned.s3.calls == ["head_object"]


def test_deleting_the_current_version_brings_the_one_before_it_back(versioned: World) -> None:
    """And deleting the last one removes the row."""
    first, second = versioned.put("a.jpg", PHOTOS[0]), versioned.put("a.jpg", PHOTOS[1])
    versioned.deliver(first, second)
    versioned.deliver(versioned.delete("a.jpg", second["s3"]["object"]["versionId"]))
    assert set(versioned.images) == {first["s3"]["object"]["eTag"]}
    assert versioned.objects["photos/a.jpg"]["version_id"]["S"] == first["s3"]["object"]["versionId"]
    versioned.deliver(versioned.delete("a.jpg", first["s3"]["object"]["versionId"]))
    assert versioned.images == {}


def test_versions_in_any_order_end_in_what_is_visible(versioned: World) -> None:
    """Put, overwrite, hide, show, delete the current version: whatever comes first, the rest is told from S3."""
    first, second = versioned.put("a.jpg", PHOTOS[0]), versioned.put("a.jpg", PHOTOS[1])
    hidden = versioned.delete("a.jpg")
    shown = versioned.delete("a.jpg", hidden["s3"]["object"]["versionId"])
    gone = versioned.delete("a.jpg", second["s3"]["object"]["versionId"])
    for order in list(itertools.permutations([first, second, hidden, shown, gone]))[::10]:
        for table, key in KEYS.items():
            for item in versioned._items(table):
                versioned.dynamodb.client.delete_item(TableName=table, Key={key: item[key]})
        for record in order:
            assert versioned.deliver(record) == []
        assert set(versioned.images) == {first["s3"]["object"]["eTag"]}


def test_an_empty_object_that_shows_again_has_no_row(versioned: World) -> None:
    """No HEAD can say what is an image, but it can say that there is nothing."""
    empty, photo = versioned.put("a.jpg", b""), versioned.put("a.jpg", PHOTOS[0])
    versioned.deliver(empty, photo)
    versioned.deliver(versioned.delete("a.jpg", photo["s3"]["object"]["versionId"]))
    assert versioned.images == {}


# ---- objects that cannot be read ------------------------------------------------------------------------------------


def test_an_object_that_is_gone_is_done(world: World, counted: Callable[[], dict[str, float]], lines: Lines) -> None:
    """404: the event that removed it is on its way. An info line, no failure, nothing written."""
    record = world.put("a.jpg", PHOTOS[0])
    world.s3.client.delete_object(Bucket="photos", Key="a.jpg")
    assert world.deliver(record) == []
    assert (world.images, world.objects) == ({}, {})
    assert counted()["ObjectsGone"] == 1
    assert lines.of(logging.INFO) == ["gone"]


def test_a_version_hidden_by_a_delete_marker_is_still_that_version(versioned: World) -> None:
    """Pinned to its version it can be read; the later marker's event then removes the row, in either order."""
    record, hidden = versioned.put("a.jpg", PHOTOS[0]), versioned.delete("a.jpg")
    versioned.deliver(record)
    assert versioned.keys == ["a.jpg"]
    versioned.deliver(hidden)
    versioned.deliver(record)
    assert versioned.images == {}


@pytest.mark.parametrize(("code", "status"), [("MethodNotAllowed", 405), ("NoSuchVersion", 404), ("NoSuchKey", 404)])
def test_every_answer_that_means_gone_is_done(code: str, status: int, world: World) -> None:
    """405 on a delete marker, 404 for a key or a version."""
    record = world.put("a.jpg", PHOTOS[0])
    world.s3.before["get_object"] = refused(code, status)
    assert world.deliver(record) == []
    assert world.objects == {}


def test_an_overwritten_object_is_left_to_its_newer_event(
    world: World, counted: Callable[[], dict[str, float]]
) -> None:
    """The ETag is another than the event's: reading those bytes would put them under the wrong name."""
    old, new = world.put("a.jpg", PHOTOS[0]), world.put("a.jpg", PHOTOS[1])
    assert world.deliver(old) == []
    assert world.images == {}
    assert counted()["ObjectsChanged"] == 1
    assert world.deliver(new) == []
    assert set(world.images) == {new["s3"]["object"]["eTag"]}


@pytest.mark.parametrize(
    ("code", "status", "level"),
    [
        ("AccessDenied", 403, logging.ERROR),
        ("SlowDown", 503, logging.WARNING),
        ("InternalError", 500, logging.WARNING),
    ],
)
def test_what_another_delivery_may_cure_fails_the_message(
    code: str, status: int, level: int, world: World, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """A missing permission is for an operator, an overloaded S3 is not: the level tells, both are delivered again."""
    record = world.put("a.jpg", PHOTOS[0])
    world.s3.before["get_object"] = refused(code, status)
    assert world.deliver(record) == ["message-1"]
    assert len(lines.of(level)) == 1
    assert "photos/a.jpg" in lines.text
    assert counted()["MessagesFailed"] == 1
    world.s3.before.clear()
    assert world.deliver(record) == []
    assert world.keys == ["a.jpg"]


def test_an_archived_object_has_a_row_that_says_so_until_it_can_be_read(
    world: World, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """InvalidObjectState: a row without metadata and a warning; when it is restored the columns come."""
    record = world.put("a.jpg", PHOTOS[0], StorageClass="GLACIER")
    assert world.deliver(record) == []
    (row,) = world.images.values()
    assert json.loads(row["warnings"]["S"]) == [UNREADABLE]
    assert row["content_type"]["S"] == "application/octet-stream"
    assert row["size_bytes"]["N"] == str(len(PHOTOS[0]))
    assert row["last_modified"]["S"] == "2026-11-25T03:09:00Z"
    assert "model" not in row
    assert counted()["ImagesUnreadable"] == 1
    assert lines.of(logging.WARNING) == ["unreadable"]
    restored = json.loads(json.dumps(record)) | {"eventName": "ObjectRestore:Completed"}
    del restored["s3"]["object"]["sequencer"]
    assert world.deliver(restored) == []  # archived again before it was read
    assert world.images == {row["etag"]["S"]: row}
    world.s3.client.restore_object(Bucket="photos", Key="a.jpg", RestoreRequest={"Days": 1})
    assert world.deliver(restored) == []
    (row,) = world.images.values()
    assert row["content_type"]["S"] == "image/jpeg"
    assert "model" in row
    assert UNREADABLE not in row.get("warnings", {}).get("S", "")
    assert row["revision"]["N"] == "2"


def test_a_restored_object_that_is_no_image_loses_its_row(world: World) -> None:
    """While it was archived, nobody could know."""
    record = world.put("a.zip", b"PK\x03\x04", StorageClass="GLACIER")
    world.deliver(record)
    assert world.keys == ["a.zip"]
    world.s3.client.restore_object(Bucket="photos", Key="a.zip", RestoreRequest={"Days": 1})
    assert world.deliver(record | {"eventName": "ObjectRestore:Completed"}) == []
    assert world.images == {}


def test_a_look_that_s3_refuses_fails_the_message(versioned: World) -> None:
    """A HEAD that is not answered says nothing about the object."""
    old = versioned.put("a.jpg", PHOTOS[0])
    versioned.deliver(old, versioned.put("a.jpg", PHOTOS[1]))
    removal = versioned.delete("a.jpg", old["s3"]["object"]["versionId"])

    def hang(**_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="https://s3.example")

    for trouble in (refused("403", 403), refused("503", 503), hang):
        versioned.s3.before["head_object"] = trouble
        assert versioned.deliver(removal) == ["message-1"]
    assert versioned.keys == ["a.jpg"]


def test_an_object_deleted_between_look_and_read_is_left_to_its_event(versioned: World) -> None:
    """The HEAD saw it, the GET does not: another event is on its way."""
    versioned.deliver(versioned.put("a.jpg", PHOTOS[0]))
    hidden = versioned.delete("a.jpg")
    versioned.deliver(hidden)
    shown = versioned.delete("a.jpg", hidden["s3"]["object"]["versionId"])
    versioned.s3.before["get_object"] = refused("NoSuchVersion", 404)
    assert versioned.deliver(shown) == []
    assert versioned.images == {}


def test_a_removal_that_overtakes_the_read_wins(world: World, counted: Callable[[], dict[str, float]]) -> None:
    """The photo is read, then deleted, and the deletion's event comes first: its tombstone stops the late row."""
    record = world.put("a.jpg", PHOTOS[0])

    def overtake(**_: Any) -> None:
        world.dynamodb.before.clear()
        world.intake.take(
            handler_module.parse(json.dumps({"Records": [world.delete("a.jpg")]})).events[0], lambda: 60.0
        )

    world.dynamodb.before["transact_write_items"] = overtake
    assert world.deliver(record) == []
    assert world.images == {}
    assert counted()["StaleEvents"] == 1


# ---- batches --------------------------------------------------------------------------------------------------------


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
    assert (counts["Messages"], counts["MessagesFailed"], counts["BadNotifications"]) == (3, 1, 1)
    assert len(lines.of(logging.ERROR)) == 1


def _etags(world: World) -> list[str]:
    etag = {key: world.s3.client.head_object(Bucket="photos", Key=key)["ETag"].strip('"') for key in ("a.jpg", "c.jpg")}
    return [etag["a.jpg"], "", etag["c.jpg"]]


def test_three_records_in_one_message_the_second_broken(world: World) -> None:
    """The message is reported; its sound records are done, and coming again changes nothing."""
    broken = world.record("ObjectCreated:Put", "b.jpg")
    del broken["s3"]["object"]["sequencer"]
    body = json.dumps({"Records": [world.put("a.jpg", PHOTOS[0]), broken, world.put("c.jpg", PHOTOS[1])]})
    assert world.invoke(body) == ["message-1"]
    assert world.keys == ["a.jpg", "c.jpg"]
    before = world.images
    assert world.invoke(body) == ["message-1"]
    assert world.images == before


def test_a_bug_costs_one_message(
    world: World, monkeypatch: pytest.MonkeyPatch, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """Whatever goes wrong with one object, the others of the batch are done; the log has the place and the object."""

    def buggy(source: Any) -> Any:
        if source.size == len(PHOTOS[1]):
            raise ZeroDivisionError("a bug")
        return extract(source)

    assert len({len(photo) for photo in PHOTOS[:3]}) == 3
    monkeypatch.setattr(intake_module, "extract", buggy)
    failed = world.deliver(*(world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS[:3])))
    assert failed == ["message-2"]
    assert world.keys == ["0.jpg", "2.jpg"]
    assert counted()["MessagesFailed"] == 1
    assert lines.of(logging.ERROR) == ["failed: a bug"]
    assert "in buggy" in lines.text
    assert "photos/1.jpg" in lines.text


def test_a_batch_that_fails_as_a_whole_names_every_message(world: World) -> None:
    """DynamoDB is away: an answer that names all, so that the function's own errors stay meaningful."""
    world.dynamodb.before["transact_write_items"] = refused("AccessDeniedException", 400)
    failed = world.deliver(*(world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS)))
    assert failed == ["message-1", "message-2", "message-3", "message-4"]


def test_images_of_a_batch_are_read_side_by_side(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading waits for S3 most of the time: three images meet in the middle of their reading."""
    meeting = threading.Barrier(3, timeout=10)

    def slow(source: Any) -> Any:
        meeting.wait()
        return extract(source)

    monkeypatch.setattr(intake_module, "extract", slow)
    assert world.deliver(*(world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS[:3]))) == []
    assert len(world.images) == 3


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
    assert counted() == {"Messages": 1}
    assert len(lines.of(logging.INFO)) == len(lines.records) == (0 if name == "s3_no_records" else 1)


def test_other_events_are_ignored_by_name(world: World, counted: Callable[[], dict[str, float]], lines: Lines) -> None:
    """Tags and the like change nothing that a row says."""
    assert world.invoke((EVENTS / "s3_tagging.json").read_text()) == []
    assert counted()["EventsIgnored"] == 1
    assert vars(lines.records[0])["event_name"] == "ObjectTagging:Put"


@pytest.mark.parametrize("name", ["s3_put", "sns_direct", "eventbridge_created", "s3_test_event"])
def test_a_direct_call_fails_loudly(name: str, world: World, counted: Callable[[], dict[str, float]]) -> None:
    """Who connects the bucket without the queue learns of it by the first event."""
    with pytest.raises(UnexpectedInvocation):
        handler(json.loads((EVENTS / f"{name}.json").read_text()), Context())
    assert counted() == {"InvocationsRefused": 1}


def test_an_empty_batch_is_done(world: World) -> None:
    """Nothing to do is no failure."""
    assert handler({"Records": []}, Context()) == {"batchItemFailures": []}


def test_a_message_of_no_known_shape_is_named_in_the_log(world: World, lines: Lines) -> None:
    """It will end in the dead-letter queue: the log says why, without quoting it."""
    assert world.invoke('{"secret": "words"}') == ["message-1"]
    assert "fields are secret" in lines.of(logging.ERROR)[0]
    assert "words" not in lines.text
    (exception,) = handler_module.processor.exceptions
    assert exception[0] is BadNotification


def test_the_function_makes_its_clients_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for a warm function, with the tables that the template names."""
    monkeypatch.setenv("IMAGES_TABLE", "images-table")
    monkeypatch.setenv("OBJECTS_TABLE", "objects-table")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(handler_module.metrics.provider, "namespace", "Skyledger")
    handler_module.intake.cache_clear()
    with mock_aws():
        world = World()
        assert world.deliver(world.put("a.jpg", PHOTOS[0])) == []
        assert world.keys == ["a.jpg"]
        assert handler_module.intake() is handler_module.intake()
    handler_module.intake.cache_clear()
