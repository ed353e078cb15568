"""Two files that were made to have one ETag: the second does not hide behind the row of the first."""

import itertools
import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_processor import handler as handler_module
from image_processor.columns import reader
from image_processor.columns.attributes import ATTRIBUTES
from image_processor.columns.extract import Record, extract
from image_processor.errors import ObjectBroken
from image_processor.handler import handler
from image_processor.intake import Intake
from image_processor.notification import parse
from image_processor.reading.ranged import BytesSource
from image_processor.report import Report
from image_processor.sources import Sources
from infra.doubles.memory_bucket import BUCKET, WRITTEN, MemoryBucket
from infra.doubles.memory_tables import MemoryTables
from infra.survey.photos import survey
from ledger.columns import COLUMNS
from tests.support.bucket_world import Lines, sqs_message
from tests.support.catalog_model import catalog_of, check_lists
from tests.support.lambda_context import LambdaContext

ETAG = "9b2cf535f27731c974343645a3985328"
_PHOTOS = [photo.body for photo in survey(2, seed=3)]
# Of one length, as made pairs mostly are; what stands behind a JPEG's end is nobody's.
FIRST, SECOND = (photo.ljust(max(map(len, _PHOTOS)), b"\0") for photo in _PHOTOS)
RECORDS = {body: extract(BytesSource(body)) for body in (FIRST, SECOND)}


class Pair:
    """A bucket whose objects have one ETag, the function's intake, and the tables."""

    def __init__(self) -> None:
        self.bucket, self.tables = MemoryBucket(), MemoryTables()
        self.intake = Intake(self.bucket, catalog_of(self.tables), Sources({BUCKET}))

    def put(self, key: str, body: bytes, **metadata: str) -> str:
        return self.bucket.put(key, body, ETAG, metadata)

    def deliver(self, *messages: str) -> list[Report]:
        return [self.intake.take(event, lambda: 60.0) for body in messages for event in parse(body).events]

    def reading_with(self, read: Callable[[Any], Record | None]) -> AbstractContextManager[Any]:
        """Let the function read with another reader."""
        return patch.object(self, "intake", self.intake.reading_with(read))

    def upload(self, key: str, body: bytes, **metadata: str) -> Report:
        (report,) = self.deliver(self.put(key, body, **metadata))
        return report

    def remove(self, key: str) -> None:
        self.deliver(self.bucket.delete(key))

    def break_in(self, transaction: int, come: Callable[[], object]) -> None:
        """Let something else come first when the transaction of this number, from 0, is about to be carried out."""
        sent = itertools.count()

        def before(name: str, _: dict[str, Any]) -> None:
            if name == "transact_write_items" and next(sent) == transaction:
                self.tables.before = lambda *_: None
                come()

        self.tables.before = before

    @property
    def row(self) -> dict[str, Any]:
        check_lists(self.tables)
        (row,) = self.tables.images.values()
        return {**row}  # later writes change it in place

    @property
    def warnings(self) -> list[str]:
        found: list[str] = json.loads(self.row.get("warnings", {"S": "[]"})["S"])
        return found

    def says(self, body: bytes) -> bool:
        """Whether the row says of contents what these bytes say, whatever else it warns of."""
        record = RECORDS[body]
        assert record
        said = {name: value for name, value in record.attributes.items() if name != "warnings"}
        return said == {name: self.row[name] for name in ATTRIBUTES if name in self.row and name != "warnings"}


@pytest.fixture
def pair() -> Pair:
    return Pair()


def came(key: str) -> str:
    return f"object: another object came with this ETag and other contents: s3://photos/{key}"


@pytest.mark.parametrize(("first", "second"), [(FIRST, SECOND), (SECOND, FIRST)], ids=["in order", "the other way"])
def test_the_second_of_two_files_with_one_etag_flags_the_row_of_the_first(
    first: bytes, second: bytes, pair: Pair
) -> None:
    """The row stays what the first made it, and says that it is not about all of its objects; once for all."""
    messages = [pair.put("a.jpg", first), pair.put("b.jpg", second)]
    *_, report = pair.deliver(*messages)
    assert report.effect
    assert report.effect.flagged
    assert pair.says(first)
    assert not pair.says(second)
    assert pair.warnings[-1] == came("b.jpg")
    assert (pair.row["key"]["S"], pair.row["copies"]["N"], pair.row["revision"]["N"]) == ("a.jpg", "2", "2")
    before = json.dumps(pair.tables.tables)
    assert not any(report.effect and report.effect.flagged for report in pair.deliver(*messages[::-1], *messages))
    assert json.dumps(pair.tables.tables) == before


def test_copies_with_other_user_metadata_are_alike_and_cost_no_read_more() -> None:
    """They are what is said of an object, not what it holds; also if an entry could not be given, and looked at."""
    pair = Pair()
    pair.upload("a.jpg", FIRST, job="Brücke")
    for _ in range(3):
        pair.upload("b.jpg", FIRST, job="7")
    assert pair.bucket.gets == 4
    assert pair.row["user_metadata"] == {"S": '{"job":"Brücke"}'}
    assert "unlike" not in pair.row
    assert pair.row["revision"] == {"N": "2"}
    with patch.object(pair.bucket, "head_object", lambda **_: {**_head(FIRST), "MissingMeta": 2}):
        pair.deliver(pair.bucket._message("ObjectRemoved:Delete", "a.jpg", {"versionId": "old"}))
    assert pair.row["user_metadata"] == {"S": '{"x-amz-missing-meta":"2"}'}


def _head(body: bytes) -> dict[str, Any]:
    return {"ETag": f'"{ETAG}"', "ContentLength": len(body), "LastModified": WRITTEN, "Metadata": {}}


def test_when_the_described_file_goes_the_row_says_nothing_of_the_other(pair: Pair) -> None:
    """Nobody knows yet what the other holds: no metadata is better than that of a file that is gone."""
    pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", SECOND)
    pair.remove("a.jpg")
    assert (pair.row["key"]["S"], pair.row["copies"]["N"]) == ("b.jpg", "1")
    assert pair.row["content_type"]["S"] == "application/octet-stream"
    assert [name for name in ATTRIBUTES if name in pair.row] == ["warnings"]
    assert pair.warnings[0] == came("b.jpg")
    assert "not read since" in pair.warnings[1]
    pair.upload("b.jpg", SECOND)
    assert pair.says(SECOND)
    assert pair.row["content_type"]["S"] == "image/jpeg"
    assert not any("ETag" in warning for warning in pair.warnings)
    assert "unlike" not in pair.row


def test_when_the_other_file_goes_the_row_stays(pair: Pair) -> None:
    """It is about the file that is left, and that another one came remains true."""
    pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", SECOND)
    pair.remove("b.jpg")
    assert pair.says(FIRST)
    assert pair.warnings[-1] == came("b.jpg")
    pair.remove("a.jpg")
    assert pair.tables.images == {}


def test_a_file_of_another_size_is_flagged_without_a_look_at_the_first(pair: Pair) -> None:
    """Other sizes are other bytes; the row that loses its object has the size of the one that is left."""
    pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", SECOND + b"more")
    assert pair.warnings[-1] == came("b.jpg")
    assert pair.bucket.gets == 2
    pair.remove("a.jpg")
    assert pair.row["size_bytes"]["N"] == str(len(SECOND) + 4)


def test_true_copies_cost_what_they_did(pair: Pair) -> None:
    """One GET and two transactions each, and no read of a table: 300 copies at once are the worst case already."""
    for key in ("a.jpg", "b.jpg", "c.jpg"):
        pair.upload(key, FIRST)
    assert pair.bucket.gets == 3
    assert pair.tables.calls == ["transact_write_items"] * 5
    assert "unlike" not in pair.row


def test_numbers_are_compared_as_numbers(pair: Pair) -> None:
    """DynamoDB gives 1.50 back as 1.5: no copy is looked at twice for that."""
    pair.upload("a.jpg", FIRST)
    (row,) = pair.tables.images.values()
    row["gps_latitude_deg"] = {"N": row["gps_latitude_deg"]["N"] + "00"}
    pair.upload("b.jpg", FIRST)
    assert pair.bucket.gets == 2


def older_reader(source: Any) -> Record | None:
    """A reader that did not know all columns, and read one of them wrongly."""
    record = extract(source)
    assert record is not None
    known = {name: value for name, value in record.attributes.items() if name != "relative_altitude_m"}
    return Record(record.content_type, known | {"iso": {"N": "1"}})


def test_a_copy_read_by_a_better_reader_is_no_other_file(pair: Pair) -> None:
    """What differs is the reader: both objects are read by this one before anything is said of them."""
    with pair.reading_with(older_reader):
        pair.upload("a.jpg", FIRST)
    old = pair.row
    pair.upload("b.jpg", FIRST)
    assert pair.bucket.gets == 3
    assert pair.row == old | {"copies": {"N": "2"}, "revision": {"N": "2"}, "newest_object": {"S": "photos/b.jpg"}}
    pair.upload("a.jpg", FIRST)
    assert pair.says(FIRST)
    assert "unlike" not in pair.row


def newer_reader(source: Any) -> Record | None:
    """A reader of the next version, which says the same of these photos."""
    record = extract(source)
    assert record is not None
    return Record(record.content_type, record.attributes | {"reader_version": {"N": str(reader.READER + 1)}})


def test_a_copy_read_by_a_newer_reader_that_says_the_same_costs_what_it_did(pair: Pair) -> None:
    """A version is no difference: nothing else is read, nothing is flagged, and the row's own object was not read."""
    pair.upload("a.jpg", FIRST)
    old = pair.row
    with pair.reading_with(newer_reader):
        pair.upload("b.jpg", FIRST)
        assert pair.row == old | {"copies": {"N": "2"}, "revision": {"N": "2"}, "newest_object": {"S": "photos/b.jpg"}}
        row = pair.row
        pair.upload("b.jpg", FIRST)
        assert pair.row == row
    assert pair.bucket.gets == 3


def test_the_described_object_read_by_a_newer_reader_names_it_once(pair: Pair) -> None:
    """One revision, and no other object is read for it; the same reader once more writes nothing into the row."""
    pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", FIRST)
    old = pair.row
    for _ in range(2):
        with pair.reading_with(newer_reader):
            pair.upload("a.jpg", FIRST)
        assert pair.row == old | {"reader_version": {"N": str(reader.READER + 1)}, "revision": {"N": "3"}}
    assert pair.bucket.gets == 4


def test_a_flagged_row_names_the_reader_of_its_described_object(pair: Pair) -> None:
    """Its flag stays, since nobody says anything else of the other object; when that one is read, nothing changes."""
    pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", SECOND)
    old = pair.row
    with pair.reading_with(newer_reader):
        pair.upload("b.jpg", SECOND)
        assert pair.row == old
        pair.upload("a.jpg", FIRST)
    assert pair.row == old | {"reader_version": {"N": str(reader.READER + 1)}, "revision": {"N": "3"}}


def test_a_row_that_nobody_can_read_names_the_reader_that_tried(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would count as an older reader's for ever; only of the object that it names, and once for a version."""
    with pair.reading_with(broken_reader):
        pair.upload("a.jpg", FIRST)
        pair.upload("b.jpg", FIRST)
        old = pair.row
        assert old["reader_version"] == {"N": str(reader.READER)}
        monkeypatch.setattr(reader, "READER", reader.READER + 1)
        pair.upload("b.jpg", FIRST)
        assert pair.row == old
        for _ in range(2):
            pair.upload("a.jpg", FIRST)
            assert pair.row == old | {"reader_version": {"N": str(reader.READER)}, "revision": {"N": "3"}}


def test_an_object_overwritten_by_its_twin_takes_the_row_along(pair: Pair) -> None:
    """The row is about the object that it names; alone, it has nothing to hide."""
    pair.upload("a.jpg", FIRST)
    pair.upload("a.jpg", SECOND)
    assert pair.says(SECOND)
    assert pair.row["revision"]["N"] == "2"
    assert "unlike" not in pair.row


def test_an_overwritten_object_flags_the_row_that_it_shares(pair: Pair) -> None:
    """Whichever of the two it is."""
    pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", FIRST)
    pair.upload("a.jpg", SECOND)
    assert pair.says(SECOND)
    assert pair.warnings[-1] == came("b.jpg")
    other = Pair()
    other.upload("a.jpg", FIRST)
    other.upload("b.jpg", FIRST)
    other.upload("b.jpg", SECOND)
    assert other.says(FIRST)
    assert other.warnings[-1] == came("b.jpg")


def test_a_row_is_flagged_once(pair: Pair) -> None:
    """Who sends a thousand twins gets one warning for them, and no second read of each."""
    pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", SECOND)
    gets = pair.bucket.gets
    reports = [pair.upload(f"{number}.jpg", SECOND) for number in range(5)]
    assert [warning for warning in pair.warnings if "ETag" in warning] == [came("b.jpg")]
    assert pair.bucket.gets == gets + 5
    assert not any(report.effect and report.effect.flagged for report in reports)


def test_a_warning_of_a_long_key_is_cut(pair: Pair) -> None:
    """An item has bounds."""
    pair.upload("a.jpg", FIRST)
    pair.upload("測" * 341, SECOND)
    assert 290 < len(pair.warnings[-1].encode()) <= 300


def test_an_object_that_cannot_be_compared_is_not_taken_for_a_copy(pair: Pair) -> None:
    """The first is gone when the second is read, its removal still on its way: the row must not pass to the second."""
    first = pair.put("a.jpg", FIRST)
    pair.deliver(first)
    gone = pair.bucket.delete("a.jpg")
    pair.deliver(pair.put("b.jpg", SECOND), gone)
    assert pair.row["key"]["S"] == "b.jpg"
    assert not pair.says(FIRST)


def test_a_photo_that_is_moved_after_an_upgrade_keeps_its_metadata(pair: Pair) -> None:
    """Copied and deleted, and read by a better reader: what to compare it with is gone, and the row is about it."""
    with pair.reading_with(older_reader):
        pair.upload("a.jpg", FIRST)
    moved = pair.put("b.jpg", FIRST), pair.bucket.delete("a.jpg")
    report, _ = pair.deliver(*moved)
    assert not (report.effect and report.effect.flagged)
    assert (pair.row["key"]["S"], pair.row["copies"]["N"]) == ("b.jpg", "1")
    assert pair.says(FIRST)
    assert not any("object" in warning for warning in pair.warnings)


def test_two_twins_at_once_flag_the_row_once(pair: Pair) -> None:
    """Another twin comes between the decision and its transaction: decided anew, one flag, and all are counted."""
    pair.upload("a.jpg", FIRST)
    second, third = pair.put("b.jpg", SECOND), pair.put("c.jpg", SECOND)
    pair.break_in(2, lambda: pair.deliver(third))  # 0 and 1 are guesses, before and after they are compared
    pair.deliver(second)
    assert pair.row["copies"]["N"] == "3"
    assert [warning for warning in pair.warnings if "ETag" in warning] == [came("c.jpg")]


def test_a_copy_that_joins_while_the_row_is_described_anew_is_compared(pair: Pair) -> None:
    """The overwritten object was alone when that was decided, and is not when it is written."""
    pair.upload("a.jpg", FIRST)
    copy = pair.put("b.jpg", FIRST)
    overwritten = pair.put("a.jpg", SECOND)
    pair.break_in(1, lambda: pair.deliver(copy))  # transaction 0 is the guess
    pair.deliver(overwritten)
    assert pair.says(SECOND)
    assert pair.warnings[-1] == came("b.jpg")


def test_a_row_that_is_described_anew_meanwhile_is_not_flagged_for_what_it_said(pair: Pair) -> None:
    """The twin was unlike the row when they were compared; when it is counted, the row is about such a one itself."""
    pair.upload("a.jpg", FIRST)
    pair.break_in(2, lambda: pair.upload("a.jpg", SECOND))  # 0 and 1 are guesses, before and after they are compared
    pair.upload("b.jpg", SECOND)
    assert pair.says(SECOND)
    assert pair.row["copies"]["N"] == "2"
    assert "unlike" not in pair.row


def test_a_row_that_waits_to_be_read_is_read_from_the_object_that_it_names(pair: Pair) -> None:
    """Another one of the list may hold what the row was about before."""
    for key, body in (("a.jpg", FIRST), ("b.jpg", SECOND), ("c.jpg", FIRST)):
        pair.upload(key, body)
    pair.remove("a.jpg")
    pair.upload("c.jpg", FIRST)
    assert not pair.says(FIRST)
    assert pair.row["content_type"]["S"] == "application/octet-stream"
    pair.upload("b.jpg", SECOND)
    assert pair.says(SECOND)
    assert pair.warnings[-1] == came("b.jpg")


def test_a_flag_goes_when_the_last_object_is_read_again(pair: Pair) -> None:
    """There is nothing left that the row is not about."""
    pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", SECOND)
    pair.remove("b.jpg")
    pair.upload("a.jpg", SECOND)
    assert pair.says(SECOND)
    assert "unlike" not in pair.row
    assert not any("ETag" in warning for warning in pair.warnings)


@pytest.mark.parametrize("text", ["no JSON", '"a text"', "null"])
def test_warnings_that_somebody_edited_do_not_hold_up_a_flag(text: str, pair: Pair) -> None:
    """Otherwise the twin's message would end in the dead-letter queue."""
    pair.upload("a.jpg", FIRST)
    (row,) = pair.tables.images.values()
    row["warnings"] = {"S": text}
    del row["size_bytes"]
    pair.upload("b.jpg", SECOND)
    assert pair.warnings == [came("b.jpg")]


def broken_reader(source: Any) -> Record | None:
    """A reader that an image breaks."""
    source.read(0, 1)
    raise ObjectBroken("a limit")


def warning_reader(*words: str) -> Callable[[Any], Record]:
    """A reader that warns of something."""

    def read(source: Any) -> Record:
        record = extract(source)
        assert record is not None
        return Record(record.content_type, record.attributes | {"warnings": {"S": json.dumps(words)}})

    return read


def test_a_flag_stands_behind_the_warnings_of_the_row(pair: Pair) -> None:
    """Of those that it had, and of those that its object gets when it is read again, which flags nothing anew."""
    with pair.reading_with(warning_reader("old")):
        pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", SECOND)
    assert pair.warnings == ["old", came("b.jpg")]
    with pair.reading_with(warning_reader("new")):
        report = pair.upload("a.jpg", FIRST)
    assert pair.warnings == ["new", came("b.jpg")]
    assert report.effect
    assert not report.effect.flagged


def test_what_a_better_reader_says_of_the_described_object_is_written(pair: Pair) -> None:
    """Though all that differs is a warning, or the kind of file."""
    pair.upload("a.jpg", FIRST)
    with pair.reading_with(warning_reader("new")):
        pair.upload("a.jpg", FIRST)
    assert pair.warnings == ["new"]
    with pair.reading_with(lambda source: replace(warning_reader("new")(source), content_type="image/new")):
        pair.upload("a.jpg", FIRST)
    assert pair.row["content_type"]["S"] == "image/new"
    pair.upload("a.jpg", SECOND + b"more")
    assert pair.says(SECOND)
    assert pair.row["size_bytes"]["N"] == str(len(SECOND) + 4)


@pytest.mark.parametrize("key", ["a.jpg", "b.jpg"], ids=["the described object", "a copy"])
def test_an_object_that_cannot_be_read_changes_nothing_that_was_read(key: str, pair: Pair) -> None:
    """Archived, or broken: nobody knows that it holds something else."""
    pair.upload("a.jpg", FIRST)
    row = pair.row

    with pair.reading_with(broken_reader):
        report = pair.upload(key, FIRST)
    assert pair.says(FIRST)
    assert {name: pair.row.get(name) for name in ("warnings", "content_type", "unlike")} == {
        name: row.get(name) for name in ("warnings", "content_type", "unlike")
    }
    assert report.effect
    assert not report.effect.flagged


def test_a_row_that_nobody_could_read_is_read_from_any_of_its_objects(pair: Pair) -> None:
    """No other one has said what it holds."""
    with pair.reading_with(broken_reader):
        pair.upload("a.jpg", FIRST)
    pair.upload("b.jpg", FIRST)
    assert pair.says(FIRST)
    assert pair.row["key"]["S"] == "a.jpg"


def test_a_row_without_a_size_is_of_any_size(pair: Pair) -> None:
    """A true copy is no other file because somebody edited the row."""
    pair.upload("a.jpg", FIRST)
    (row,) = pair.tables.images.values()
    del row["size_bytes"]
    pair.upload("b.jpg", FIRST)
    assert "unlike" not in pair.row


def test_a_moved_photo_does_not_speak_for_the_copies_that_stay(pair: Pair) -> None:
    """What it is to be compared with has left, and others are there, which may hold what the row says."""
    with pair.reading_with(older_reader):
        pair.upload("a.jpg", FIRST)
        pair.upload("c.jpg", FIRST)
    row = pair.row
    moved = pair.put("b.jpg", FIRST)
    pair.bucket.delete("a.jpg")
    pair.deliver(moved)
    assert pair.row["iso"] == row["iso"]
    assert pair.warnings[-1] == came("b.jpg")


def test_the_flag_is_no_column() -> None:
    """It stands in the item; the CSV has the warning."""
    assert "unlike" not in {column.name for column in COLUMNS}


def test_a_flagged_row_is_a_warning_in_the_log_and_counted(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, lines: Lines, counted: Callable[[], dict[str, float]]
) -> None:
    """An operator should see it: nobody makes such files by accident."""
    monkeypatch.setattr(handler_module, "intake", lambda: pair.intake)
    monkeypatch.setattr(handler_module.metrics.provider, "namespace", "Skyledger")
    monkeypatch.setattr(handler_module.metrics.provider, "service", "image-processor")
    pair.upload("a.jpg", FIRST)
    message = sqs_message(1, pair.put("b.jpg", SECOND))
    assert handler({"Records": [message]}, LambdaContext()) == {"batchItemFailures": []}
    assert lines.of(logging.WARNING) == ["image"]
    assert vars(lines.records[0])["row_flagged"] is True
    assert counted()["ImagesWarned"] == 1


steps = st.lists(
    st.tuples(st.sampled_from(["a.jpg", "b.jpg"]), st.sampled_from([FIRST, SECOND, None])), min_size=1, max_size=6
)


@given(changes=steps, data=st.data())
def test_no_row_is_about_what_its_object_does_not_hold(
    changes: list[tuple[str, bytes | None]], data: st.DataObject
) -> None:
    """Whatever happens to two objects with one ETag, in whatever order it is told, once and again."""
    pair = Pair()
    messages = [
        pair.put(key, body)
        if body
        else pair.bucket.delete(key)
        if key in pair.bucket.objects
        else pair.bucket._message("ObjectRemoved:Delete", key, {})
        for key, body in changes
    ]
    with pair.reading_with(lambda source: RECORDS[source.read(0, source.size)]):  # each is read many times
        pair.deliver(*data.draw(st.permutations(messages)))
        pair.deliver(*data.draw(st.permutations(messages)))
    held = {key: body for key, (body, _) in pair.bucket.objects.items()}
    assert bool(pair.tables.images) == bool(held)
    if held:
        assert pair.says(held[pair.row["key"]["S"]]) or pair.row["content_type"]["S"] == "application/octet-stream"
        if len(set(held.values())) == 2:
            assert "unlike" in pair.row
            assert any("ETag" in warning for warning in pair.warnings)
