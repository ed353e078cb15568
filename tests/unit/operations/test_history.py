"""`history` tells an image's life from the journal."""

from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.journal import write_segment
from ledger.ledger import Ledger
from operations.history import read_history
from tests.support.factories import START, event, insert, item, segment_with


@pytest.fixture
def lived(ledger: Ledger) -> Ledger:
    """Image 1 was ingested, described, moved, and removed; a batch came twice; others lived beside it."""
    first, second, third = item(1), item(1, 2, title={"S": "bridge"}), item(1, 3, key={"S": "new/name 1.jpg"})
    events = [
        event("INSERT", first, sequence=9, seconds=1),
        insert(2, sequence=10),
        event("MODIFY", second, first, sequence=11, seconds=5),
    ]
    commit(ledger, events)
    commit(ledger, events[1:])
    commit(ledger, [event("MODIFY", third, second, sequence=100, seconds=5)])
    commit(ledger, [event("REMOVE", old=third, sequence=101, seconds=9)])
    return ledger


@pytest.mark.parametrize("name", [f"{1:032x}", "site/1.jpg", "photos/new/name 1.jpg"])
def test_an_image_is_found_by_etag_key_or_object(name: str, lived: Ledger) -> None:
    """Every event once, in stream order, whatever name the image is asked for by."""
    found = read_history(lived, name)
    whole = [
        ("2026-11-25T08:00:01Z", "INSERT", "1"),
        ("2026-11-25T08:00:05Z", "MODIFY", "2"),
        ("2026-11-25T08:00:05Z", "MODIFY", "3"),
        ("2026-11-25T08:00:09Z", "REMOVE", "3"),
    ]
    expected = {"site/1.jpg": whole[:3], "photos/new/name 1.jpg": whole[2:]}.get(name, whole)
    assert [(step.time, step.what, step.revision) for step in found.steps] == expected
    assert found.rows == []


def test_changes_are_told_with_both_values(lived: Ledger) -> None:
    """A modification says what it changed, and not that the revision did."""
    steps = read_history(lived, f"{1:032x}").steps
    assert steps[0].changed == {}
    assert steps[1].changed == {"title": (None, "bridge")}
    assert steps[2].changed == {"key": ("site/1.jpg", "new/name 1.jpg"), "title": ("bridge", None)}
    assert steps[3].object == "photos/new/name 1.jpg"


def test_the_row_of_now_is_shown(lived: Ledger, store: MemoryStore) -> None:
    """An image that lives has its row, read from the tree."""
    found = read_history(lived, "photos/site/2.jpg")
    assert [(row["etag"], row["key"]) for row in found.rows] == [(f"{2:032x}", "site/2.jpg")]
    assert all(step.segment.startswith("journal/date=2026-11-25/hour=08/") for step in found.steps)


def test_names_that_json_escapes_are_found_too(ledger: Ledger) -> None:
    """Quotes, backslashes and letters beyond ASCII in a key."""
    surrogate = {"S": "\ud800"}  # a foreign sender's: such a record is journaled with all but ASCII escaped
    for number, key in enumerate(['a"b.jpg', "a\\b.jpg", "Brücke/測量.jpg", "測量.jpg", "tab\t.jpg"]):
        commit(ledger, [insert(number, key={"S": key}, odd=surrogate if key == "測量.jpg" else {"S": ""})])
        assert len(read_history(ledger, key).steps) == 1


def _journal(store: MemoryStore, *records: Any) -> None:
    assert write_segment(store, segment_with(records))


def _backfilled(seconds: int, **content: Any) -> dict[str, Any]:
    at = START.timestamp() + seconds
    return {"eventName": "BACKFILL", "dynamodb": {"ApproximateCreationDateTime": int(at), **content}}


def test_what_a_backfill_did_is_told_in_its_place(ledger: Ledger, store: MemoryStore) -> None:
    """Its records have no number: none is another's double. They stand where their time does."""
    lacking = f"{item(1)['ingested_at']['S']},{1:032x}"
    _journal(store, event("INSERT", item(1), sequence=1, seconds=1), event("MODIFY", item(1, 2), item(1), seconds=9))
    _journal(store, _backfilled(5, NewImage=item(1, 3)), _backfilled(5, NewImage=item(1, 4)))
    _journal(store, _backfilled(6, Lacking=lacking, Revision=4))
    steps = read_history(ledger, f"{1:032x}").steps
    assert [(step.what, step.revision) for step in steps] == [
        ("INSERT", "1"),
        ("BACKFILL", "3"),
        ("BACKFILL", "4"),
        ("BACKFILL", "4"),
        ("MODIFY", "2"),
    ]


def test_two_streams_may_have_the_same_numbers(ledger: Ledger, store: MemoryStore) -> None:
    """A stream that is made anew counts anew: that is no double."""
    other = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images/stream/2026-11-26T07:00:00.000"
    _journal(store, event("INSERT", item(1), sequence=7), event("INSERT", item(1), sequence=7, stream=other))
    assert len(read_history(ledger, "site/1.jpg").steps) == 2


def test_what_is_no_record_is_passed_over(ledger: Ledger, store: MemoryStore) -> None:
    """A foreign sender's lines mention the image, and stand in nobody's way."""
    name = "site/1.jpg"
    strange = [{"dynamodb": {which: name}} for which in ("NewImage", "OldImage")]
    _journal(store, insert(1), name, [name], *strange)
    assert [step.what for step in read_history(ledger, name).steps] == ["INSERT"]


def test_since_leaves_out_earlier_days(ledger: Ledger) -> None:
    """The day is that under which the journal files the batch."""
    commit(ledger, [event("INSERT", item(1), sequence=1, seconds=0)])
    commit(ledger, [event("MODIFY", item(1, 2), item(1), sequence=2, seconds=86400)])
    commit(ledger, [event("REMOVE", old=item(1), sequence=1, seconds=2 * 86400)])
    assert [step.revision for step in read_history(ledger, f"{1:032x}", since="2026-11-26").steps] == ["2", "1"]
    late = read_history(ledger, f"{1:032x}", since="2026-11-27")
    assert ([step.what for step in late.steps], len(late.rows)) == (["REMOVE"], 1), "too old to remove the row"
    assert read_history(ledger, "unknown").steps == []
