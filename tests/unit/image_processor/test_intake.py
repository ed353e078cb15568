"""One event after another: real JPEGs in a bucket, S3's events about them, and what the tables say afterwards."""

import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from image_processor.notification import parse
from infra.doubles.image_files import heif, png, tiff
from infra.doubles.memory_tables import KEYS
from infra.survey.photos import survey
from tests.support.bucket_world import PADDING, PHOTOS, Lines, World, refused
from tests.support.kms_keys import OWNER, STRANGER, KmsKeys, key_of

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
        "ImagesProcessed": 1,
        "ImagesAdded": 1,
        "ImagesRemoved": 0,
        "BytesRead": len(PHOTOS[0]),
    }
    (line,) = lines.records
    assert line.getMessage() == "image"
    assert vars(line)["key"] == "survey/DJI_0001.JPG"
    assert vars(line)["outcome"] == "added"
    assert (vars(line)["transactions"], vars(line)["requests"]) == (1, 1)
    assert vars(line)["message_id"] == "message-1"


def test_what_the_uploader_says_of_a_photo_is_in_its_row_for_the_same_get(world: World) -> None:
    """User metadata, decoded; a copy onto itself is how one changes them, and the bytes are the same."""
    said = {"Job": "7", "site": "=?UTF-8?B?QnLDvGNrZQ==?="}
    world.deliver(world.put("a.jpg", PHOTOS[0], Metadata=said))
    world.deliver(world.put("copy.jpg", PHOTOS[0], Metadata={"of": "a"}))
    assert world.s3.calls == ["get_object"] * 2
    (row,) = world.images.values()
    assert json.loads(row["user_metadata"]["S"]) == {"job": "7", "site": "Brücke"}
    assert (row["copies"]["N"], "warnings" in row) == ("2", False)
    world.deliver(world.put("a.jpg", PHOTOS[0], name="ObjectCreated:Copy"))
    (row,) = world.images.values()
    assert "user_metadata" not in row
    world.deliver(world.delete("a.jpg"))
    (row,) = world.images.values()
    assert row["user_metadata"]["S"] == '{"of":"a"}'


def test_what_the_log_says_of_a_photo_is_not_its_contents(world: World, lines: Lines) -> None:
    """Photos are private, and items are long: the log has ids and counts."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    (row,) = world.images.values()
    assert row["model"]["S"] not in lines.text
    assert row["gps_latitude_deg"]["N"] not in lines.text


def test_the_same_batch_again_changes_nothing(world: World, lines: Lines) -> None:
    """SQS delivers at least once."""
    records = [world.put(f"{number}.jpg", photo) for number, photo in enumerate(PHOTOS)]
    records.append(world.delete("0.jpg"))
    world.deliver(*records)
    before = world.images, world.objects
    lines.records.clear()
    assert world.deliver(*records) == []
    assert (world.images, world.objects) == before
    assert [vars(line)["outcome"] for line in lines.records].count("duplicate") == 4
    assert [vars(line)["outcome"] for line in lines.records].count("stale") == 1
    assert lines.of(logging.INFO).count("late") == 2


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
    """A slash and no bytes: a folder. No bytes: one HEAD, and no read. A slash and a photo: a photo."""
    records = [world.put("survey/", b""), world.put("survey/a.jpg", b""), world.put("survey/b.jpg/", PHOTOS[0])]
    assert world.deliver(*records) == []
    assert world.keys == ["survey/b.jpg/"]
    assert sorted(world.s3.calls) == ["get_object", "head_object", "head_object"]
    counts = counted()
    assert (counts["ImagesRefused"], counts["ImagesProcessed"]) == (1, 1)


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


def test_a_removal_costs_one_look_at_the_bucket(world: World, counted: Callable[[], dict[str, float]]) -> None:
    """Its event carries neither etag nor size: the row is found by the object's name. Told again, it costs nothing."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    world.s3.calls.clear()
    world.dynamodb.calls.clear()
    removal = world.delete("a.jpg")
    assert world.deliver(removal) == []
    assert world.images == {}
    assert world.deliver(removal) == []
    assert world.s3.calls == ["head_object"]
    assert world.dynamodb.calls == ["get_item", "transact_write_items", "get_item"]
    assert counted()["ImagesRemoved"] == 1


def test_an_expired_object_leaves_like_a_deleted_one(world: World) -> None:
    """S3 tells of its own removals by another event name."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    world.s3.client.delete_object(Bucket="photos", Key="a.jpg")
    assert world.deliver(world.record("LifecycleExpiration:Delete", "a.jpg")) == []
    assert world.images == {}


def test_deleting_an_old_version_leaves_the_row(versioned: World) -> None:
    """One HEAD each, no GET: the object is what it was. Expired old versions come the same way."""
    old = versioned.put("a.jpg", PHOTOS[0])
    versioned.deliver(old, versioned.put("a.jpg", PHOTOS[1]))
    before = versioned.images
    versioned.s3.calls.clear()
    removal = versioned.delete("a.jpg", old["s3"]["object"]["versionId"])
    assert removal["eventName"] == "ObjectRemoved:Delete"
    assert versioned.deliver(removal) == []
    expired = versioned.record("LifecycleExpiration:Delete", "a.jpg", old["s3"]["object"]["versionId"])
    assert versioned.deliver(expired) == []
    assert versioned.images == before
    assert versioned.s3.calls == ["head_object"] * 2


def test_a_delete_marker_hides_the_object_and_its_removal_shows_it_again(versioned: World) -> None:
    """The row goes, and comes back with the bytes that are visible then."""
    versioned.deliver(versioned.put("a.jpg", PHOTOS[0]))
    hidden = versioned.delete("a.jpg")
    assert hidden["eventName"] == "ObjectRemoved:DeleteMarkerCreated"
    versioned.deliver(hidden)
    assert versioned.images == {}
    versioned.s3.calls.clear()
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
    assert versioned.objects["photos/a.jpg"]["version_id"]["S"] != hidden["s3"]["object"]["versionId"]


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


def test_an_object_that_is_gone_leaves_its_row(world: World, lines: Lines) -> None:
    """404: the event that removed it may be on its way, or lost. An info line, no failure, a tombstone."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    record = world.put("a.jpg", PHOTOS[1])
    world.s3.client.delete_object(Bucket="photos", Key="a.jpg")
    assert world.deliver(record) == []
    assert world.images == {}
    assert world.objects["photos/a.jpg"]["sequencer"]["S"] == record["s3"]["object"]["sequencer"]
    assert lines.of(logging.INFO) == ["image", "gone"]


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
    world.s3.before |= {"get_object": refused(code, status), "head_object": refused(str(status), status)}
    assert world.deliver(record) == []
    assert "etag" not in world.objects["photos/a.jpg"]
    assert world.images == {}


def test_an_overwritten_object_is_written_as_it_is_now(world: World) -> None:
    """The ETag is another than the event's, and the newer event may be lost: the row is about what S3 has.

    It is written under the event's own sequencer, so that the newer one is known as newer, should it come.
    """
    old, new = world.put("a.jpg", PHOTOS[0]), world.put("a.jpg", PHOTOS[1])
    assert world.deliver(old) == []
    assert set(world.images) == {new["s3"]["object"]["eTag"]}
    assert world.objects["photos/a.jpg"]["sequencer"]["S"] == old["s3"]["object"]["sequencer"]
    assert world.deliver(new) == []
    assert world.objects["photos/a.jpg"]["sequencer"]["S"] == new["s3"]["object"]["sequencer"]
    world.s3.calls.clear()
    assert world.deliver(old) == []
    assert world.s3.calls == ["get_object"]  # it is late, so nothing more is asked


@pytest.mark.parametrize("settled", [True, False])
def test_an_object_that_changes_at_each_look_is_left_to_its_newer_event(
    settled: bool, world: World, lines: Lines
) -> None:
    """Two looks; whoever overwrites it without an end has events on their way. At rest within two, it is written."""
    old = world.put("a.jpg", PHOTOS[0])
    others = itertools.cycle(PHOTOS[1:3])
    gets = itertools.count()

    def overwrite(**_: Any) -> None:
        if next(gets) < (2 if settled else 3):
            world.s3.client.put_object(Bucket="photos", Key="a.jpg", Body=next(others))

    world.s3.before["get_object"] = overwrite
    assert world.deliver(old) == []
    assert world.s3.calls.count("head_object") == 2
    assert lines.of(logging.INFO) == ["image" if settled else "changed"]
    held = world.s3.client.head_object(Bucket="photos", Key="a.jpg")["ETag"].strip('"')
    assert set(world.images) == ({held} if settled else set())


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
    assert json.loads(row["warnings"]["S"]) == ["object: archived, not read"]
    assert row["content_type"]["S"] == "application/octet-stream"
    assert row["size_bytes"]["N"] == str(len(PHOTOS[0]))
    assert row["last_modified"]["S"] == "2026-11-25T03:09:00Z"
    assert "model" not in row
    assert counted()["ImagesUnreadable"] == 1
    assert lines.of(logging.WARNING) == ["unreadable"]
    restored = json.loads(json.dumps(record)) | {
        "eventName": "ObjectRestore:Completed",
        "eventTime": "2026-11-26T00:00:00.000Z",
    }
    del restored["s3"]["object"]["sequencer"]
    assert world.deliver(restored) == []  # archived again before it was read
    assert world.images == {row["etag"]["S"]: row}
    world.s3.client.restore_object(Bucket="photos", Key="a.jpg", RestoreRequest={"Days": 1})
    assert world.deliver(restored) == []
    (row,) = world.images.values()
    assert row["content_type"]["S"] == "image/jpeg"
    assert "model" in row
    assert "archived" not in row.get("warnings", {}).get("S", "")
    assert row["revision"]["N"] == "2"


def test_a_restored_object_that_is_no_image_loses_its_row(world: World) -> None:
    """While it was archived, nobody could know."""
    record = world.put("a.zip", b"PK\x03\x04", StorageClass="GLACIER")
    world.deliver(record)
    assert world.keys == ["a.zip"]
    world.s3.client.restore_object(Bucket="photos", Key="a.zip", RestoreRequest={"Days": 1})
    assert world.deliver(record | {"eventName": "ObjectRestore:Completed"}) == []
    assert world.images == {}


@pytest.mark.parametrize("partition", ["aws", "aws-us-gov"])
def test_a_photo_under_a_foreign_key_has_a_row_that_names_the_key(
    partition: str, world: World, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """Its owner chose it, and no operator can grant it: no message fails for it, and its neighbours are read."""
    KmsKeys(world.s3)
    key = key_of(STRANGER).replace("arn:aws:", f"arn:{partition}:")
    foreign = world.put("a.jpg", PHOTOS[0], ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    assert world.deliver(foreign, world.put("b.jpg", PHOTOS[1])) == []
    rows = {row["key"]["S"]: row for row in world.images.values()}
    assert json.loads(rows["a.jpg"]["warnings"]["S"]) == [
        f"object: encrypted with a KMS key of another account, not read: {key}"
    ]
    assert rows["a.jpg"]["size_bytes"]["N"] == str(len(PHOTOS[0]))
    assert "model" not in rows["a.jpg"]
    assert "model" in rows["b.jpg"]
    assert lines.of(logging.WARNING) == ["unreadable"]
    counts = counted()
    assert (counts["ImagesUnreadable"], counts["ImagesProcessed"]) == (1, 1)
    assert "MessagesFailed" not in counts


def test_a_photo_under_a_key_that_is_granted_is_read_like_any_other(world: World) -> None:
    """One GET, and no question of whose key it is."""
    KmsKeys(world.s3).granted.add(key_of(STRANGER))
    world.deliver(world.put("a.jpg", PHOTOS[0], ServerSideEncryption="aws:kms", SSEKMSKeyId=key_of(STRANGER)))
    assert world.keys == ["a.jpg"]
    assert world.s3.calls == ["get_object"]


def test_a_row_under_a_foreign_key_gets_its_columns_when_the_photo_comes_again_readable(world: World) -> None:
    """Whoever copies it onto itself under another key, or gets the key granted and copies it."""
    keys = KmsKeys(world.s3)
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_of(STRANGER)}
    world.deliver(world.put("a.jpg", PHOTOS[0], **options))
    keys.granted.add(key_of(STRANGER))
    assert world.deliver(world.put("a.jpg", PHOTOS[0], **options)) == []
    (row,) = world.images.values()
    assert "model" in row
    assert "KMS" not in row.get("warnings", {}).get("S", "")


@pytest.mark.parametrize("code", ["KMS.DisabledException", "KMS.KMSInvalidStateException", "KMS.NotFoundException"])
def test_a_photo_whose_key_is_off_or_gone_has_a_row_that_says_so(code: str, world: World) -> None:
    """Whosever key it is: while it is so, nothing more is uploaded under it, and nobody can read what was."""
    KmsKeys(world.s3).off[key_of(OWNER)] = code
    record = world.put("a.jpg", PHOTOS[0], ServerSideEncryption="aws:kms", SSEKMSKeyId=key_of(OWNER))
    assert world.deliver(record) == []
    (row,) = world.images.values()
    assert json.loads(row["warnings"]["S"]) == [f"object: its KMS key is disabled or gone, not read: {key_of(OWNER)}"]


@pytest.mark.parametrize("key", [key_of(OWNER), "alias/photos", None], ids=["owner's", "no ARN", "none"])
def test_what_an_operator_can_grant_fails_the_message_until_it_is_granted(
    key: str | None, world: World, lines: Lines
) -> None:
    """The owner's key, which may be the bucket's default, or no right to read: an alarm, and no row without columns."""
    keys = KmsKeys(world.s3)
    keys.readable = key is not None
    options = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}
    record = world.put("a.jpg", PHOTOS[0], **options)
    assert world.deliver(record) == ["message-1"]
    assert world.images == {}
    (line,) = lines.of(logging.ERROR)
    assert "AccessDenied" in line, "what the GET was told: a HEAD has no body to say so"
    assert not key or key in line
    keys.readable = True
    keys.granted.add(key or "")
    assert world.deliver(record) == []
    assert world.keys == ["a.jpg"]


def test_an_object_that_goes_while_its_refusal_is_looked_into_is_done(world: World, lines: Lines) -> None:
    """Denied, and gone when S3 is asked why; or S3 does not answer, and the message comes again."""
    record = world.put("a.jpg", PHOTOS[0])
    world.s3.before |= {"get_object": refused("AccessDenied", 403), "head_object": refused("404", 404)}
    world.s3.before["head_object"] = refused("503", 503)
    assert world.deliver(record) == ["message-1"]
    assert len(lines.of(logging.WARNING)) == 1
    assert world.objects == {}
    world.s3.before["head_object"] = refused("404", 404)
    assert world.deliver(record) == []
    assert lines.of(logging.INFO) == ["gone"]
    assert "etag" not in world.objects["photos/a.jpg"]


def test_a_key_of_which_nobody_says_whose_it_is_fails_the_message(world: World) -> None:
    """A row without metadata stays; S3's trouble passes."""
    keys, asked = KmsKeys(world.s3), world.s3.before["head_object"]

    def unavailable(**request: Any) -> None:
        if "ExpectedBucketOwner" in request:
            refused("503", 503)()
        asked(**request)

    world.s3.before["head_object"] = unavailable
    record = world.put("a.jpg", PHOTOS[0], ServerSideEncryption="aws:kms", SSEKMSKeyId=key_of(STRANGER))
    assert world.deliver(record) == ["message-1"]
    assert world.images == {}
    keys.granted.add(key_of(STRANGER))
    assert world.deliver(record) == []
    assert world.keys == ["a.jpg"]


# ---- buckets that are no sources ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ObjectCreated:Put", "ObjectRemoved:Delete", "ObjectTagging:Put"])
def test_an_event_of_a_bucket_that_is_no_source_is_dropped(
    name: str, world: World, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """Nothing is asked, nothing is written, and nothing fails: else any bucket of the account could fill the queue."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    before = world.images, world.objects
    counted()
    record = world.record(name, "a.jpg", size=len(PHOTOS[1]), eTag="0" * 32)
    record["s3"]["bucket"]["name"] = "photos-of-somebody-else"
    world.s3.calls.clear()
    world.dynamodb.calls.clear()
    assert world.deliver(record) == []
    assert (world.s3.calls, world.dynamodb.calls) == ([], [])
    assert (world.images, world.objects) == before
    assert lines.of(logging.WARNING) == ["foreign bucket"]
    assert counted()["ImagesRefused"] == 1


# ---- what comes in between ------------------------------------------------------------------------------------------


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


def test_a_removal_that_overtakes_the_read_wins(world: World, lines: Lines) -> None:
    """The photo is read, then deleted, and the deletion's event comes first: its tombstone stops the late row."""
    record = world.put("a.jpg", PHOTOS[0])

    def overtake(**_: Any) -> None:
        world.dynamodb.before.clear()
        world.intake.take(parse(json.dumps({"Records": [world.delete("a.jpg")]})).events[0], lambda: 60.0)

    world.dynamodb.before["transact_write_items"] = overtake
    assert world.deliver(record) == []
    assert world.images == {}
    assert [vars(line)["outcome"] for line in lines.records] == ["stale"]
