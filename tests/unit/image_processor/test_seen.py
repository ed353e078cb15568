"""An object that somebody has seen is settled by looking, whatever the tables say: in a bucket, with the function."""

import copy
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from image_processor import handler as handler_module
from image_processor import intake as intake_module
from image_processor.columns.reader import READER
from image_processor.intake import Intake
from image_processor.sources import Sources
from tests.support.bucket_world import PHOTOS, Lines, World
from tests.support.kms_keys import OWNER, KmsKeys, key_of


def seen(key: str, etag: str | None = None, **detail: Any) -> str:
    """Make the message that an object was seen, as a comparison of bucket and tables sends it."""
    described = {"key": key} | ({"etag": etag} if etag else {})
    return json.dumps(
        {
            "source": "skyledger",
            "detail-type": "Object Seen",
            "time": "2026-11-26T12:00:00Z",
            "detail": {"bucket": {"name": "photos"}, "object": described, "reason": "verify", **detail},
        }
    )


def etag_of(record: dict[str, Any]) -> str:
    return str(record["s3"]["object"]["eTag"])


def rows(world: World) -> dict[str, tuple[str, str]]:
    """Name and count of the objects that rows are about."""
    return {row["key"]["S"]: (row["copies"]["N"], row["revision"]["N"]) for row in world.images.values()}


def test_a_photo_of_which_nobody_told_becomes_the_row_that_its_event_makes(
    world: World, counted: Callable[[], dict[str, float]], lines: Lines
) -> None:
    """Missing: the row is the one that the photo's event makes, and any real event is later; the line says why."""
    record = world.put("a.jpg", PHOTOS[0])
    assert world.invoke(seen("a.jpg")) == []
    (row,) = world.images.values()
    assert world.objects["photos/a.jpg"]["sequencer"]["S"] == "0"
    counts = counted()
    assert (counts["ImagesProcessed"], counts["ImagesAdded"]) == (1, 1)
    (line,) = lines.records
    assert (vars(line)["seen_for"], vars(line)["outcome"]) == ("verify", "added")
    assert world.deliver(record) == []
    assert world.objects["photos/a.jpg"]["sequencer"]["S"] == record["s3"]["object"]["sequencer"]
    assert world.images == {row["etag"]["S"]: row}


def test_an_object_that_is_as_the_record_says_is_read_and_its_row_stays(world: World) -> None:
    """The row may be an older reader's or gone, so the bytes are read; the look counts, and the row does not change."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    before = world.images
    world.s3.calls.clear()
    for _ in range(2):
        assert world.invoke(seen("a.jpg")) == []
    assert sorted(world.s3.calls) == ["get_object", "get_object", "head_object", "head_object"]
    assert world.images == before
    assert world.objects["photos/a.jpg"]["looks"]["N"] == "2"


def test_a_row_that_an_older_reader_made_says_what_this_one_reads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is what rereading is: a new revision, if something is new."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    newer = Intake(world.s3, world.intake._catalog, Sources({"photos"}), _anew)
    monkeypatch.setattr(handler_module, "intake", lambda: newer)
    assert world.invoke(seen("a.jpg", reason="reread")) == []
    (row,) = world.images.values()
    assert row["model"]["S"] == "read anew"
    assert rows(world) == {"a.jpg": ("1", "2")}


def _anew(source: Any) -> Any:
    record = copy.deepcopy(intake_module.extract(source))
    assert record is not None
    record.attributes["model"] = {"S": "read anew"}
    return record


def test_what_the_bucket_holds_takes_the_place_of_what_the_record_says(versioned: World) -> None:
    """Stale: overwritten, and the event was lost; with versions the present one is read."""
    versioned.deliver(versioned.put("a.jpg", PHOTOS[0]), versioned.put("b.jpg", PHOTOS[1]))
    lost = versioned.put("a.jpg", PHOTOS[1])
    versioned.delete("b.jpg")
    assert versioned.invoke(seen("a.jpg", etag_of(lost)), seen("b.jpg")) == []
    assert list(rows(versioned)) == ["a.jpg"]
    record = versioned.objects["photos/a.jpg"]
    assert (record["etag"]["S"], record["version_id"]["S"]) == (etag_of(lost), lost["s3"]["object"]["versionId"])
    assert "expires_at" in versioned.objects["photos/b.jpg"]


def test_an_object_that_is_gone_or_empty_leaves_its_row(world: World, lines: Lines) -> None:
    """Phantom: the removal was lost; a tombstone stays, which expires. An empty object is no image, and never was."""
    world.deliver(world.put("a.jpg", PHOTOS[0]), world.put("b.jpg", PHOTOS[1]))
    world.delete("a.jpg")
    world.put("b.jpg", b"")
    assert world.invoke(seen("a.jpg"), seen("b.jpg")) == []
    assert world.images == {}
    for key in ("photos/a.jpg", "photos/b.jpg"):
        assert set(world.objects[key]) == {"object", "sequencer", "looks", "expires_at"}
    assert sorted(line.getMessage() for line in lines.records[2:]) == ["gone", "no image"]


# ---- what foreign hands did -----------------------------------------------------------------------------------------


def put_row(world: World, like: str, **changes: str) -> None:
    """Put a row in by hand, like another one."""
    row = {**world.images[like], **{name: {"S": value} for name, value in changes.items()}}
    world.dynamodb.client.put_item(TableName="images-table", Item=row)


@pytest.mark.parametrize("now", ["nothing", "an image", "no image", "another object is named, too"])
def test_a_row_that_no_record_lists_goes(now: str, world: World) -> None:
    """Phantom: the message names it, by the object that it names and its ETag; what the object holds now is written."""
    world.deliver(first := world.put("a.jpg", PHOTOS[0]))
    tail = "photos/c.jpg" if "another" in now else "photos/b.jpg"
    put_row(world, etag_of(first), etag="f" * 32, key="b.jpg", newest_object=tail)
    if "image" in now:
        world.put("b.jpg", PHOTOS[1] if now == "an image" else b"no image")
    assert world.invoke(seen("b.jpg", "f" * 32)) == []
    assert sorted(rows(world)) == (["a.jpg", "b.jpg"] if now == "an image" else ["a.jpg"])
    assert "f" * 32 not in world.images


@pytest.mark.parametrize(
    "lacking", [["newest_object"], ["bucket", "key"], ["ingested_at", "revision", "newest_object"]]
)
def test_a_row_put_in_by_hand_may_lack_anything(lacking: list[str], world: World) -> None:
    """Whoever has only the CSV has no `newest_object`: the photo that comes later begins the row anew."""
    world.deliver(first := world.put("a.jpg", PHOTOS[0]))
    row = {name: value for name, value in world.images[etag_of(first)].items() if name not in lacking}
    other = world.put("b.jpg", PHOTOS[1])
    item = row | {"etag": {"S": etag_of(other)}} | ({"key": {"S": "b.jpg"}} if "key" in row else {})
    world.dynamodb.client.put_item(TableName="images-table", Item=item)
    assert world.invoke(seen("b.jpg", etag_of(other), wrong_row="2026")) == []
    assert rows(world) == {"a.jpg": ("1", "1"), "b.jpg": ("1", "1")}
    assert world.images[etag_of(other)]["newest_object"]["S"] == "photos/b.jpg"


def test_a_row_that_is_right_is_not_taken_for_a_phantom(world: World) -> None:
    """A late or double message: by now the record lists it, or another object's row has that ETag."""
    world.deliver(first := world.put("a.jpg", PHOTOS[0]), world.put("b.jpg", PHOTOS[0]))
    world.deliver(world.put("c.jpg", PHOTOS[1]))
    before = world.images
    for key in ("a.jpg", "b.jpg", "c.jpg", "never.jpg"):
        assert world.invoke(seen(key, etag_of(first), wrong_row="2026-01-01T00:00:00.000000Z")) == []
    assert world.images == before


def test_a_row_whose_list_is_damaged_is_begun_anew_by_the_first_message_and_joined_by_the_others(world: World) -> None:
    """Three copies, and the record of one was deleted by hand: its event cannot tell, and a comparison can."""
    records = [world.put(key, PHOTOS[0]) for key in ("a.jpg", "b.jpg", "c.jpg")]
    for record in records:
        world.deliver(record)
    etag = etag_of(records[0])
    world.dynamodb.client.delete_item(TableName="objects-table", Key={"object": {"S": "photos/b.jpg"}})
    world.deliver(records[1])
    assert world.images[etag]["copies"]["N"] == "4"
    life = world.images[etag]["ingested_at"]["S"]
    for key in ("c.jpg", "a.jpg", "b.jpg", "c.jpg"):
        assert world.invoke(seen(key, etag, wrong_row=life)) == []
    (row,) = world.images.values()
    assert (row["copies"]["N"], row["key"]["S"], row["newest_object"]["S"]) == ("3", "c.jpg", "photos/b.jpg")
    assert {record["ingested_at"]["S"] for record in world.objects.values()} == {row["ingested_at"]["S"]} != {life}
    for record in (world.delete(key) for key in ("c.jpg", "a.jpg", "b.jpg")):
        assert world.deliver(record) == []
    assert world.images == {}


# ---- no images ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False], ids=["by its event", "by a look"])
def test_an_object_that_is_no_image_is_known_as_long_as_it_is_there(told: bool, world: World) -> None:
    """So that a comparison does not find it missing each time; removed, it leaves a tombstone as an image does."""
    record = world.put("a.txt", b"no image")
    assert (world.deliver(record) if told else world.invoke(seen("a.txt"))) == []
    known = world.objects["photos/a.txt"]
    assert (known["refused"]["S"], known["reader"]["N"]) == (etag_of(record), str(READER))
    assert not {"etag", "expires_at"} & set(known)
    assert world.deliver(world.delete("a.txt")) == []
    assert set(world.objects["photos/a.txt"]) - {"looks"} == {"object", "sequencer", "expires_at"}
    assert world.invoke(seen("a.txt")) == []
    assert "refused" not in world.objects["photos/a.txt"]


def test_what_was_refused_may_be_an_image_to_a_later_reader(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record then says so, and the object has a row."""
    blind = Intake(world.s3, world.intake._catalog, Sources({"photos"}), lambda source: source.read(0, 1) and None)
    with monkeypatch.context() as patched:
        patched.setattr(handler_module, "intake", lambda: blind)
        world.deliver(world.put("a.jpg", PHOTOS[0]))
    assert world.images == {}
    assert world.invoke(seen("a.jpg")) == []
    assert world.keys == ["a.jpg"]
    assert not {"refused", "reader"} & set(world.objects["photos/a.jpg"])


def test_an_object_that_was_read_before_it_was_archived_stays_what_it_is(world: World) -> None:
    """A photo keeps its metadata. What was no image gets no row; the reader that read it stays named."""
    photo = world.put("a.jpg", PHOTOS[0])
    world.deliver(photo, world.put("a.zip", b"PK\x03\x04"))
    before = world.images
    for key, body in (("a.jpg", PHOTOS[0]), ("a.zip", b"PK\x03\x04")):
        world.put(key, body, StorageClass="GLACIER")
    item = world.objects["photos/a.zip"] | {"reader": {"N": "0"}}
    world.dynamodb.client.put_item(TableName="objects-table", Item=item)
    assert world.invoke(seen("a.jpg"), seen("a.zip")) == []
    assert {etag: row | {"revision": {}, "last_modified": {}} for etag, row in world.images.items()} == {
        etag: row | {"revision": {}, "last_modified": {}} for etag, row in before.items()
    }
    assert world.objects["photos/a.zip"]["reader"]["N"] == "0"
    assert world.objects["photos/a.zip"]["looks"]["N"] == "1"
    other = world.put("a.zip", PHOTOS[1], StorageClass="GLACIER")
    assert world.invoke(seen("a.zip")) == []
    assert world.objects["photos/a.zip"]["etag"]["S"] == etag_of(other), "other bytes than those that were refused"


def test_an_archived_object_whose_row_was_deleted_has_one_again(world: World) -> None:
    """It is not read, so nothing else would ask for the row."""
    record = world.put("a.jpg", PHOTOS[0], StorageClass="GLACIER")
    world.deliver(record)
    world.dynamodb.client.delete_item(TableName="images-table", Key={"etag": {"S": etag_of(record)}})
    assert world.invoke(seen("a.jpg")) == []
    (row,) = world.images.values()
    assert json.loads(row["warnings"]["S"]) == ["object: archived, not read"]


# ---- what an operator has to grant, and what does not count ---------------------------------------------------------


def test_an_object_under_a_key_that_an_operator_can_grant_fails_the_message(world: World, lines: Lines) -> None:
    """It comes again, and ends among the dead letters of its lane: no row loses its metadata, and none goes."""
    world.deliver(world.put("a.jpg", PHOTOS[0]))
    keys = KmsKeys(world.s3)
    world.put("a.jpg", PHOTOS[1], ServerSideEncryption="aws:kms", SSEKMSKeyId=key_of(OWNER))
    before = world.images
    assert world.invoke(seen("a.jpg")) == ["message-1"]
    assert world.images == before
    assert len(lines.of(logging.ERROR)) == 1
    keys.granted.add(key_of(OWNER))
    assert world.invoke(seen("a.jpg")) == []
    assert world.images.keys() != before.keys()


def test_what_is_outside_the_prefixes_is_ignored_and_not_counted_as_refused(
    world: World, counted: Callable[[], dict[str, float]], lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket may hold mostly other things: nothing is asked of them, written, counted or warned of."""
    narrow = Intake(world.s3, world.intake._catalog, Sources({"photos"}, ("survey/", "drone")))
    monkeypatch.setattr(handler_module, "intake", lambda: narrow)
    inside = [world.put(key, PHOTOS[0]) for key in ("survey/a.jpg", "drone-7.jpg")]
    outside = [world.put(key, PHOTOS[1]) for key in ("a.jpg", "surve", "old/survey/a.jpg")]
    outside.append(world.delete("a.jpg"))
    world.s3.calls.clear()
    assert world.deliver(*outside) == []
    assert world.invoke(seen("a.jpg")) == []
    assert (world.s3.calls, world.dynamodb.calls) == ([], [])
    assert {line.getMessage() for line in lines.records} == {"outside"}
    assert lines.of(logging.WARNING) == []
    assert counted().keys() == {"EventSeconds", "ImagesAdded", "ImagesRemoved"}
    assert world.deliver(*inside) == []
    assert world.objects.keys() == {"photos/survey/a.jpg", "photos/drone-7.jpg"}


def test_a_copy_is_not_compared_with_an_object_of_a_bucket_that_is_no_source_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role may not read it: the message of the copy would end among the dead letters."""
    first = world.put("a.jpg", PHOTOS[0])
    world.deliver(first)
    item = world.images[etag_of(first)] | {"bucket": {"S": "retired"}, "newest_object": {"S": "retired/a.jpg"}}
    world.dynamodb.client.put_item(TableName="images-table", Item=item)
    record = world.objects["photos/a.jpg"] | {"object": {"S": "retired/a.jpg"}}
    world.dynamodb.client.put_item(TableName="objects-table", Item=record)
    world.dynamodb.client.delete_item(TableName="objects-table", Key={"object": {"S": "photos/a.jpg"}})
    newer = Intake(world.s3, world.intake._catalog, Sources({"photos"}), _anew)
    monkeypatch.setattr(handler_module, "intake", lambda: newer)
    world.s3.calls.clear()
    assert world.deliver(world.put("b.jpg", PHOTOS[0])) == []
    assert world.s3.calls == ["get_object"]
    assert world.images[etag_of(first)]["copies"]["N"] == "2"
