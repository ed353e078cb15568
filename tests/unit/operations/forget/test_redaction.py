"""A redacted record says that its image is gone, and nothing else of it."""

from typing import Any

import orjson
import pytest

from ledger.change import changes_of
from ledger.columns import NAMES
from ledger.errors import BadEvent
from ledger.event import read_event
from ledger.row import RowEncoder, item_key
from operations.forget.redaction import FORGOTTEN, Life, note_lives, redact
from operations.rebuild.statements import BACKFILL, etags_in
from tests.support.factories import Item, event, item
from tests.support.forgotten_person import ETAG, VALUES, person

OTHER_LIFE = {"ingested_at": {"S": "2026-11-26T08:00:00.000000Z"}}
LACKING = f"2026-11-25T08:00:00.007000Z,{ETAG}"


def _backfill(**content: Any) -> dict[str, Any]:
    return {"eventName": BACKFILL, "dynamodb": {"ApproximateCreationDateTime": 1_800_000_000, **content}}


RECORDS = {
    "insert": event("INSERT", person()),
    "modify": event("MODIFY", person(5), person(4)),
    "foreign write": event("MODIFY", person(4, title={"S": "Zoe"}), person(4)),
    "remove": event("REMOVE", old=person(4)),
    "another life": event("MODIFY", person(1) | OTHER_LIFE, person(4)),
    "backfilled": _backfill(NewImage=person(2), Replaces="2026-11-25T08:00:00.007000Z,Zoe"),
    "lacking": _backfill(Lacking=LACKING, Revision=3),
    "bad column": event("INSERT", person(make={"N": "1"})),
    "no key": event("INSERT", person() | {"ingested_at": {"S": "Zoe"}}),
    "no revision": event("REMOVE", old=person() | {"revision": {"S": "Zoe"}}),
    "keys only": {**event("INSERT", person()), "dynamodb": {"Keys": {"etag": {"S": ETAG}}, "Note": "Zoe"}},
    "ttl": event("REMOVE", old=person(4)) | {"userIdentity": {"principalId": "Zoe", "type": "Service"}},
}


@pytest.mark.parametrize("name", RECORDS)
def test_no_value_is_left_and_time_and_number_stay(name: str) -> None:
    """Of any record about the image; redacting it again changes nothing."""
    record = RECORDS[name]
    left = redact(record, {ETAG})
    assert left
    written = orjson.dumps(left)
    assert not [value for value in (*VALUES, "Zoe") if value.encode() in written]
    for one in left:
        before, after = read_event(record), read_event(one)
        assert (after.time, after.sequence_number, after.stream) == (
            before.time,
            before.sequence_number,
            before.stream,
        )
        assert redact(one, {ETAG}) == [one]
        assert [*etags_in(orjson.dumps(one))][:1] == [ETAG.encode()]


def test_a_row_that_an_export_lacked_is_named_by_its_key() -> None:
    """Who searches the journal for an image finds also what a backfill took away."""
    lacking = {"eventName": BACKFILL, "dynamodb": {"Lacking": f"2026-11-25T08:00:00.000000Z,{ETAG}", "Revision": 1}}
    assert [*etags_in(orjson.dumps(lacking))] == [ETAG.encode()]


def _removals(records: list[Any]) -> list[tuple[bytes, int]]:
    changes = [change for one in records for change in changes_of(read_event(one), RowEncoder(NAMES))]
    assert all(change.line is None for change in changes)
    return [(change.key, change.revision) for change in changes]


@pytest.mark.parametrize(
    ("name", "revisions"),
    [
        ("insert", [1]),
        ("modify", [5]),
        ("foreign write", [4]),
        ("remove", [4]),
        ("another life", [1, 4]),
        ("backfilled", [2]),
        ("lacking", [3]),
        ("bad column", [1]),
    ],
)
def test_a_record_becomes_the_removal_of_its_lives(name: str, revisions: list[int]) -> None:
    """At the highest revision that it shows of each."""
    keys = [item_key(person() | OTHER_LIFE), item_key(person())] if len(revisions) > 1 else [item_key(person())]
    assert _removals(redact(RECORDS[name], {ETAG})) == [*zip(keys, revisions, strict=True)]


@pytest.mark.parametrize("name", ["no key", "no revision", "keys only"])
def test_a_record_that_never_could_become_a_change_still_cannot(name: str) -> None:
    """A replay counts it as it did."""
    (left,) = redact(RECORDS[name], {ETAG})
    assert left["eventName"] == FORGOTTEN
    for record in (left, RECORDS[name]):
        with pytest.raises(BadEvent):
            changes_of(read_event(record), RowEncoder(NAMES))


@pytest.mark.parametrize(
    "record",
    [
        event("INSERT", item(1, comment={"S": f'"etag":{{"S":"{ETAG}"}}'})),
        {},
        [],
        1,
        None,
        {"dynamodb": []},
        {"dynamodb": {"Keys": 1, "NewImage": [], "OldImage": {"etag": {"S": 1}}, "Lacking": None}},
        {"dynamodb": {"NewImage": {"etag": "x"}, "OldImage": {"etag": {}}}},
    ],
)
def test_every_other_record_stays_as_it_is(record: Any) -> None:
    """Those of other images, even if they name this one in a text; and what is no record."""
    assert redact(record, {ETAG}) == [record]
    lives: dict[bytes, Life] = {}
    note_lives(record, {ETAG}, lives)
    assert lives == {}


def _life(*records: Any) -> Life:
    lives: dict[bytes, Life] = {}
    for record in records:
        note_lives(record, {ETAG}, lives)
    return lives[item_key(person())]


def test_a_life_is_over_when_its_last_revision_is_removed() -> None:
    """Removed by an event, by the next life, or by a backfill; not by an older removal."""
    new: Item = person(4)
    assert not _life(event("INSERT", new)).is_over
    assert not _life(event("INSERT", person(0))).is_over, "the lowest revision that there is"
    assert not _life(event("MODIFY", person(5), new), event("REMOVE", old=new)).is_over
    assert _life(event("REMOVE", old=person(5)), event("MODIFY", person(5), new)).is_over
    assert _life(event("INSERT", person()), RECORDS["lacking"]).is_over
    assert _life(event("INSERT", person(4)), RECORDS["another life"]).is_over
    assert not _life(_backfill(NewImage=person(4)), RECORDS["lacking"]).is_over
    assert _life(event("REMOVE", old=person(5)), event("REMOVE", old=person(4)), event("INSERT", person(5))).is_over


@pytest.mark.parametrize(
    "record",
    [
        event("INSERT", person() | {"revision": "Zoe"}),  # type: ignore[dict-item]
        _backfill(Lacking=LACKING, Revision="Zoe"),
        _backfill(Lacking=f"Zoe,{ETAG}", Revision=3),
    ],
)
def test_a_record_of_another_shape_has_no_life(record: Any) -> None:
    """It is about the image all the same, and nothing of it stays."""
    (left,) = redact(record, {ETAG})
    assert (left["eventName"], b"Zoe" in orjson.dumps(left)) == (FORGOTTEN, False)
    lives: dict[bytes, Life] = {}
    note_lives(record, {ETAG}, lives)
    assert lives == {}
