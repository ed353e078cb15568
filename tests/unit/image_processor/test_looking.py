"""An event that does not fit what S3 has is settled by looking, never by believing."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from image_processor.catalog.facts import Outcome
from image_processor.columns.extract import Record
from image_processor.errors import CatalogContended, CatalogUnavailable, ObjectDenied, ObjectUnavailable
from image_processor.intake import LOOKS, READ_RESERVE_S, Intake
from image_processor.notification import parse
from image_processor.report import Report, Result
from image_processor.sources import Sources
from infra.doubles.memory_bucket import BUCKET, MemoryBucket
from infra.doubles.memory_tables import MemoryTables, refusal
from tests.support.catalog_model import Waits, catalog_of, check_lists

OWNERS_KEY = ["object: encrypted with a key that only its owner has, not read"]


class World:
    """A bucket, the tables, and the function's intake; what begins with an `i` is an image."""

    def __init__(self) -> None:
        self.bucket, self.tables, self.waits = MemoryBucket(), MemoryTables(), Waits()
        self.intake = Intake(self.bucket, catalog_of(self.tables, waits=self.waits), Sources({BUCKET}), _read)

    def deliver(self, message: str, left: float = 60.0, name: str = "", **changes: Any) -> Report:
        """Deliver an event whose object is described otherwise; None takes a field out."""
        notified = json.loads(message)
        notified["Records"][0]["eventName"] = name or notified["Records"][0]["eventName"]
        described = notified["Records"][0]["s3"]["object"]
        described |= changes
        for field in [field for field, value in changes.items() if value is None]:
            described.pop(field, None)
        (event,) = parse(json.dumps(notified)).events
        left += sum(self.waits)
        report = self.intake.take(event, lambda: left - sum(self.waits))
        check_lists(self.tables)
        return report

    def put(self, key: str, body: bytes) -> Report:
        return self.deliver(self.bucket.put(key, body))

    @property
    def rows(self) -> dict[str, str]:
        """What the rows say by the key that they name."""
        return {row["key"]["S"]: row.get("make", row.get("warnings"))["S"] for row in self.tables.images.values()}

    def record(self, key: str) -> tuple[str | None, str, str | None]:
        """Give what a record is ordered by: etag, sequencer, looks."""
        item = self.tables.objects[f"{BUCKET}/{key}"]
        return item.get("etag", {}).get("S"), item["sequencer"]["S"].lstrip("0") or "0", item.get("looks", {}).get("N")


def _read(source: Any) -> Record | None:
    body = source.read(0, 100)
    return Record("image/jpeg", {"make": {"S": body.decode()}}) if body[:1] == b"i" else None


@pytest.fixture
def world() -> World:
    return World()


SPOILT: list[dict[str, Any]] = [
    {"size": 0},
    {"eTag": None},
    {"eTag": ""},
    {"size": 0, "eTag": None},
    {"eTag": "0" * 32},
    {"sequencer": None},
    {"sequencer": "no number"},
    {"sequencer": None, "size": 0, "eTag": None},
]


@pytest.mark.parametrize("spoilt", SPOILT, ids=str)
def test_an_event_that_describes_its_object_wrongly_is_no_reason_to_lose_a_row(
    spoilt: dict[str, Any], world: World
) -> None:
    """Empty, without ETag, with another one, without sequencer: S3 is asked, and its bytes are read.

    Servers that speak like S3 send these (rustfs issue 1609, seaweedfs issue 7274), also of objects that have a row.
    """
    world.deliver(world.bucket.put("a.jpg", b"i one"), **spoilt)
    assert world.rows == {"a.jpg": "i one"}
    report = world.deliver(world.bucket.put("a.jpg", b"i two"), **spoilt)
    assert world.rows == {"a.jpg": "i two"}
    assert report.result is Result.IMAGE
    assert world.record("a.jpg")[1:] == (("0", "2") if "sequencer" in spoilt else ("2", "2"))
    world.deliver(world.bucket.put("a.jpg", b"no more"), **spoilt)
    assert world.rows == {}
    world.put("a.jpg", b"i again")
    assert world.rows == {"a.jpg": "i again"}


@pytest.mark.parametrize("spoilt", SPOILT, ids=str)
def test_an_event_that_describes_its_object_wrongly_takes_away_what_is_gone(
    spoilt: dict[str, Any], world: World
) -> None:
    """Its removal's event may be lost: what S3 says now is written, as a removal."""
    world.put("a.jpg", b"i one")
    message = world.bucket.put("a.jpg", b"i two")
    world.bucket.delete("a.jpg")
    assert world.deliver(message, **spoilt).result is Result.GONE
    assert world.rows == {}
    assert world.record("a.jpg") == (None, "1" if "sequencer" in spoilt else "2", "1")


@pytest.mark.parametrize(("key", "result"), [("a.jpg", Result.NO_IMAGE), ("a/", Result.PLACEHOLDER)])
def test_an_object_that_is_empty_indeed_leaves_its_row(key: str, result: Result, world: World) -> None:
    """One HEAD says so, and nothing is read."""
    world.put(key, b"i one")
    assert world.put(key, b"").result is result
    assert world.rows == {}
    assert (world.bucket.gets, world.bucket.heads) == (1, 1)
    removal = world.bucket.delete(key)
    world.bucket.put(key, b"")
    assert world.deliver(removal).result is result
    assert (world.bucket.gets, world.bucket.heads) == (1, 2)


@pytest.mark.parametrize("changes", [{}, {"sequencer": None}], ids=["told in order", "without sequencer"])
@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"])
def test_a_removal_takes_nothing_away_that_is_there(name: str, changes: dict[str, Any], world: World) -> None:
    """The creation after it may be what was lost. Should it come all the same, it is the later event."""
    world.put("a.jpg", b"i one")
    removal = world.bucket.delete("a.jpg")
    creation = world.bucket.put("a.jpg", b"i two")
    report = world.deliver(removal, name=name, **changes)
    assert (report.result, world.rows) == (Result.IMAGE, {"a.jpg": "i two"})
    assert world.record("a.jpg")[1] == ("1" if changes else "2")
    world.deliver(creation)
    assert world.rows == {"a.jpg": "i two"}
    assert world.record("a.jpg")[1] == "3"
    world.bucket.delete("a.jpg")
    report = world.deliver(removal.replace("000002", "000009"), name=name, **changes)
    assert (report.result, world.rows) == (Result.REMOVED, {})


def test_what_a_removal_finds_is_not_read_if_its_image_has_a_row(world: World) -> None:
    """Mostly it is an old version that goes, and the object is what it was."""
    world.put("a.jpg", b"i one")
    world.put("b.jpg", b"i one")
    removal = world.bucket.delete("b.jpg")
    world.bucket.put("b.jpg", b"i one")
    world.deliver(removal)
    assert (world.bucket.gets, world.bucket.heads) == (2, 1)
    assert world.tables.images[world.bucket.objects["a.jpg"][1]]["copies"]["N"] == "2"


def test_a_late_event_costs_no_look(world: World) -> None:
    """Its record says that it is late."""
    first = world.bucket.put("a.jpg", b"i one")
    second = world.bucket.delete("a.jpg")
    world.put("a.jpg", b"i two")
    for message, outcome in ((second, Outcome.STALE), (first, Outcome.STALE)):
        report = world.deliver(message)
        assert report.result is Result.LATE
        assert report.effect
        assert report.effect.outcome is outcome
    assert world.bucket.heads == 0
    assert world.rows == {"a.jpg": "i two"}


def test_an_object_of_which_no_event_told_yields_to_any_event(world: World) -> None:
    """What was found by looking has the lowest sequencer there is, also where nothing was found."""
    lost = world.bucket.put("a.jpg", b"i one")
    world.deliver(lost, sequencer=None)
    assert world.record("a.jpg")[1:] == ("0", "1")
    world.deliver(lost, sequencer="1")
    assert world.record("a.jpg")[1:] == ("1", "2")
    gone = world.bucket.delete("a.jpg")
    nothing = World()
    nothing.deliver(gone, sequencer=None)
    assert nothing.record("a.jpg") == (None, "0", "1")
    nothing.put("a.jpg", b"i one")
    assert nothing.rows == {"a.jpg": "i one"}


def test_a_look_counts_itself_where_it_finds_nothing_new(world: World) -> None:
    """So that what another function was told before it is not written after it."""
    message = world.bucket.put("a.jpg", b"i one")
    world.deliver(message)
    before = dict(world.tables.images)
    for looks in ("1", "2"):
        report = world.deliver(message, sequencer=None)
        assert report.effect
        assert (report.effect.outcome, report.effect.image_removed) == (Outcome.REFRESHED, False)
        assert world.record("a.jpg")[1:] == ("1", looks)
    assert world.tables.images == before


def break_in(world: World, request: str, come: Callable[[], object], times: int = 1) -> None:
    """Let something else come before a request to the tables, once or more often."""
    left = iter(range(times))

    def before(name: str, _: dict[str, Any]) -> None:
        if name == request and next(left, None) is not None:
            hook, world.tables.before = world.tables.before, lambda *_: None
            come()
            world.tables.before = hook

    world.tables.before = before


@pytest.mark.parametrize("changes", [{"sequencer": None}, {"size": 0}, {}], ids=["settled", "event", "removal"])
def test_what_s3_said_before_another_look_is_not_written_after_it(changes: dict[str, Any], world: World) -> None:
    """The object changed in between, and the event of that is lost: the later look wins, in whichever function."""
    message = world.bucket.put("a.jpg", b"i one")
    world.deliver(message)
    removal = world.bucket.delete("a.jpg")
    told = world.bucket.put("a.jpg", b"i two")

    def overwrite_and_look() -> None:
        world.bucket.put("a.jpg", b"i three")
        world.deliver(message, sequencer=None)

    break_in(world, "transact_write_items", overwrite_and_look)
    world.deliver(told if changes else removal, **changes)
    assert world.rows == {"a.jpg": "i three"}


def test_what_an_event_told_before_a_look_is_not_written_after_it(world: World) -> None:
    """A photo is read, then overwritten, and the event of that is lost; a look comes before the photo's row."""
    message = world.bucket.put("a.jpg", b"i one")

    def overwrite_and_look() -> None:
        world.bucket.put("a.jpg", b"i two")
        world.deliver(message, sequencer=None)

    break_in(world, "transact_write_items", overwrite_and_look)
    world.deliver(message)
    assert world.rows == {"a.jpg": "i two"}
    assert world.record("a.jpg")[1] == "1"


def test_a_message_whose_looks_are_all_overtaken_comes_again(world: World) -> None:
    """Nothing is left undone silently: it is not known that any other look was the last."""
    message = world.bucket.put("a.jpg", b"i one")
    world.deliver(message)
    break_in(world, "transact_write_items", lambda: world.deliver(message, sequencer=None), times=LOOKS)
    with pytest.raises(CatalogContended, match=r"photos/a\.jpg"):
        world.deliver(message, sequencer=None)
    assert world.record("a.jpg")[2] == str(LOOKS)


def test_a_creation_that_is_looked_at_is_read_though_its_image_has_a_row(world: World) -> None:
    """Another file may have been made to have its ETag: the row is flagged as for any creation."""
    world.deliver(world.bucket.put("a.jpg", b"i one", "0" * 32))
    world.deliver(world.bucket.put("b.jpg", b"i two", "0" * 32), size=0)
    assert world.tables.images["0" * 32]["unlike"]["S"] == "photos/b.jpg"


def test_a_restored_object_is_read_without_a_look(world: World) -> None:
    """Its event says which bytes they are, and those are what the record is about."""
    message = world.bucket.put("a.jpg", b"i one")
    world.deliver(message)
    world.deliver(message, name="ObjectRestore:Completed")
    assert world.bucket.heads == 0
    assert world.record("a.jpg")[2] is None


def test_a_read_that_fails_is_no_reason_to_look(world: World) -> None:
    """S3 did not answer: it is asked again when the message comes again."""
    message = world.bucket.put("a.jpg", b"i one")

    def fail(**_: Any) -> Any:
        raise refusal("SlowDown", 503, request="GetObject")

    world.bucket.get_object = fail  # type: ignore[method-assign]
    with pytest.raises(ObjectUnavailable):
        world.deliver(message)
    assert world.bucket.heads == 0


def test_a_later_event_of_the_same_bytes_stays_the_last_one(world: World) -> None:
    """It comes between the decision of an earlier one and its transaction."""
    world.put("a.jpg", b"i one")
    second, third = world.bucket.put("a.jpg", b"i one"), world.bucket.put("a.jpg", b"i one")
    world.deliver(world.bucket.put("b.jpg", b"i one"))
    sent = iter(range(9))

    def before(name: str, _: dict[str, Any]) -> None:
        if name == "transact_write_items" and next(sent) == 1:  # 0 is the guess
            world.tables.before = lambda *_: None
            world.deliver(third)

    world.tables.before = before
    world.deliver(second)
    assert world.record("a.jpg")[1] == "3"


# ---- what S3 refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ObjectCreated:Put", "ObjectRemoved:Delete", "ObjectRestore:Completed"])
def test_an_object_under_its_owners_key_has_a_row_that_says_so(name: str, world: World) -> None:
    """HEAD says 400 and nothing else (boto3 issue 1482): the bucket's list names its ETag and size."""
    message = world.bucket.put("a.jpg", b"i one")
    world.bucket.put("a.jp", b"i other")
    world.bucket.put("a.jpg.txt", b"i another")
    world.bucket.sealed = {"a.jpg", "b.jpg"}
    if name == "ObjectRestore:Completed":
        assert world.deliver(message, name=name, eTag=None).result is Result.UNREADABLE
        assert world.tables.objects == {}
        return
    report = world.deliver(message, name=name, size=0, versionId="v1")
    assert (report.result, report.etag) == (Result.UNREADABLE, world.bucket.objects["a.jpg"][1])
    (row,) = world.tables.images.values()
    assert (row["key"]["S"], row["size_bytes"]["N"]) == ("a.jpg", "5")
    assert json.loads(row["warnings"]["S"]) == OWNERS_KEY
    world.bucket.delete("a.jpg")
    assert world.deliver(message.replace("000001", "000009"), size=0).result is Result.GONE
    assert world.rows == {}


def test_an_object_that_goes_between_head_and_list_is_gone(world: World) -> None:
    """The next key in the list is another object."""
    message = world.bucket.put("a.jpg", b"i one")
    world.put("a.jpg.txt", b"i another")
    world.bucket.sealed = {"a.jpg"}
    listing = world.bucket.list_objects_v2

    def vanish(**arguments: Any) -> Any:
        world.bucket.objects.pop("a.jpg", None)
        return listing(**arguments)

    world.bucket.list_objects_v2 = vanish  # type: ignore[method-assign]
    assert world.deliver(message, name="ObjectRemoved:Delete").result is Result.REMOVED
    assert world.rows == {"a.jpg.txt": "i another"}


@pytest.mark.parametrize("changes", [{}, {"sequencer": None}], ids=["with sequencer", "without"])
def test_a_403_takes_no_row_away(changes: dict[str, Any], world: World) -> None:
    """It is what S3 says of a gone object, too, to a role that may not list: an operator has to act, then it goes."""
    world.put("a.jpg", b"i one")
    removal = world.bucket.delete("a.jpg")
    world.bucket.listable = False
    with pytest.raises(ObjectDenied):
        world.deliver(removal, **changes)
    assert world.rows == {"a.jpg": "i one"}
    world.bucket.listable = True
    world.deliver(removal, **changes)
    assert world.rows == {}


def test_a_list_that_s3_refuses_fails_the_message(world: World) -> None:
    """Neither HEAD nor list says what is there."""
    message = world.bucket.put("a.jpg", b"i one")
    world.bucket.sealed = {"a.jpg"}
    world.bucket.listable = False
    with pytest.raises(ObjectDenied):
        world.deliver(message, size=0)
    assert world.tables.objects == {}


def test_no_look_begins_in_the_last_seconds(world: World) -> None:
    """A HEAD that hangs would take the report of the whole batch along."""
    world.put("a.jpg", b"i one")
    removal = world.bucket.delete("a.jpg")
    with pytest.raises(ObjectUnavailable, match="too little time"):
        world.deliver(removal, left=READ_RESERVE_S - 0.1)
    assert world.bucket.heads == 0
    world.deliver(removal, left=READ_RESERVE_S)
    assert world.rows == {}


def test_a_look_waits_for_a_busy_table_as_a_transaction_does(world: World) -> None:
    """The record is read again after a wait; a table that stays busy fails the message."""
    message = world.bucket.put("a.jpg", b"i one")
    busy = iter([True] * 3)

    def refuse(name: str, _: dict[str, Any]) -> None:
        if name == "get_item" and next(busy, False):
            raise refusal("ThrottlingException", 400)

    world.tables.before = refuse
    world.deliver(message, size=0)
    assert world.rows == {"a.jpg": "i one"}
    assert world.waits == pytest.approx([0.05, 0.15, 0.45])
    busy = iter([True] * 1000)
    with pytest.raises(CatalogUnavailable, match=r"busy with photos/a\.jpg"):
        world.deliver(message, sequencer=None)
