"""`history` tells an image's life from the journal."""

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.ledger import Ledger
from operations.history import read_history
from tests.support.factories import event, insert, item


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
    for number, key in enumerate(['a"b.jpg', "a\\b.jpg", "Brücke/測量.jpg"]):
        commit(ledger, [insert(number, key={"S": key})])
        assert len(read_history(ledger, key).steps) == 1


def test_since_leaves_out_earlier_days(ledger: Ledger) -> None:
    """The day is that under which the journal files the batch."""
    commit(ledger, [event("INSERT", item(1), sequence=1, seconds=0)])
    commit(ledger, [event("MODIFY", item(1, 2), item(1), sequence=2, seconds=86400)])
    assert [step.revision for step in read_history(ledger, f"{1:032x}", since="2026-11-26").steps] == ["2"]
    assert read_history(ledger, "unknown").steps == []
