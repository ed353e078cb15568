"""Stream record to change, and which of two changes of one key counts."""

import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.change import Change, changes_of, fold, newer
from ledger.columns import NAMES
from ledger.errors import BadEvent
from ledger.event import read_event
from ledger.row import RowEncoder, item_key
from tests.support.factories import event, insert, item, modify, remove

ENCODER = RowEncoder(NAMES)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def put(revision: int, line: bytes, *replaces: bytes) -> Change:
    return Change(b"k", revision, line, replaces=replaces)


def removal(revision: int, at: bytes = b"2026-11-25T08:00:00Z") -> Change:
    return Change(b"k", revision, None, at)


def test_insert_and_modify_put_the_new_row() -> None:
    """`INSERT` and `MODIFY` put NewImage's row at NewImage's key."""
    for one, revision in ((insert(3), 1), (modify(3, 2), 2)):
        (change,) = changes_of(read_event(one), ENCODER)
        image = one["dynamodb"]["NewImage"]
        assert change == Change(item_key(image), revision, ENCODER.line(image))


def test_a_modify_that_moves_the_key_removes_the_old_one() -> None:
    """A table item that lives again (same etag, another ingested_at) leaves its old place."""
    old, new = item(1, 4), item(2, 5, etag=item(1)["etag"])
    removed, added = changes_of(read_event(event("MODIFY", new, old, seconds=7)), ENCODER)
    assert removed == Change(item_key(old), 4, None, b"2026-11-25T08:00:07Z")
    assert added == Change(item_key(new), 5, ENCODER.line(new))


@pytest.mark.parametrize(
    "broken", [{"revision": {"N": "x"}}, {"revision": {}}, {"ingested_at": {"S": "yesterday"}}, {"etag": {"N": "1"}}]
)
def test_an_item_that_is_mended_becomes_a_row_though_its_old_image_could_be_none(broken: dict[str, Any]) -> None:
    """What was no row leaves nothing to remove; quarantined for it, the mended row would never come by the stream."""
    old, new = item(1) | broken, item(1, 2)
    assert changes_of(read_event(event("MODIFY", new, old)), ENCODER) == [Change(item_key(new), 2, ENCODER.line(new))]


def test_a_removal_takes_key_and_revision_from_the_old_image() -> None:
    """X4: REMOVE says what to remove by OldImage; its line in the removals tree says when."""
    (change,) = changes_of(read_event(remove(3, 8, seconds=60)), ENCODER)
    assert change == Change(item_key(item(3)), 8, None, b"2026-11-25T08:01:00Z")
    assert change.removal_line == item_key(item(3)) + b",8,2026-11-25T08:01:00Z\n"


def test_a_removal_by_time_to_live_is_a_removal_like_any_other() -> None:
    """X4: `userIdentity` of the TTL service makes no difference to the CSV."""
    by_service = remove(3) | {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    assert changes_of(read_event(by_service), ENCODER) == changes_of(read_event(remove(3)), ENCODER)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (event("INSERT"), "no NewImage"),
        (event("MODIFY", old=item(1)), "no NewImage"),
        (event("REMOVE"), "no OldImage"),
        (event("REMOVE", new=item(1)), "no OldImage"),
        (event("TRUNCATE", item(1)), "unknown eventName 'TRUNCATE'"),
        (event("INSERT", item(1, etag={"S": ""})), "etag"),
        (event("INSERT", {name: value for name, value in item(1).items() if name != "ingested_at"}), "ingested_at"),
        (event("INSERT", item(1) | {"revision": {"N": "x"}}), "revision"),
        (event("INSERT", item(1) | {"revision": {"N": "9" * 5000}}), "revision"),
        (event("INSERT", item(1) | {"etag": "x"}), "not a stream record"),  # type: ignore[operator]
        (event("MODIFY", item(2), item(1) | {"revision": {"N": "x"}}), "revision"),
        ({}, "not a stream record"),
        ({"eventName": "INSERT", "dynamodb": None}, "not a stream record"),
        ({"eventName": ["INSERT"], "dynamodb": {"NewImage": item(1)}}, "unknown eventName"),
        (None, "not a stream record"),
        ("INSERT", "not a stream record"),
        ({"eventName": "REMOVE", "dynamodb": {"OldImage": item(1)}}, "ApproximateCreationDateTime"),
        (
            {"eventName": "REMOVE", "dynamodb": {"OldImage": item(1), "ApproximateCreationDateTime": 1e300}},
            "ApproximateCreationDateTime is out of range",
        ),
    ],
)
def test_a_record_that_cannot_become_a_change_says_why(bad: Any, reason: str) -> None:
    """Whatever is wrong with a record is one kind of error, with the reason that quarantine keeps."""
    with pytest.raises(BadEvent, match=reason):
        changes_of(read_event(bad), ENCODER)


@given(JSON, st.sampled_from(["INSERT", "MODIFY", "REMOVE"]), JSON, JSON)
def test_no_record_whatever_breaks_the_exporter(record: Any, name: str, new: Any, old: Any) -> None:
    """A hostile or broken record is a bad event, never another exception: it must not block the stream."""
    for bad in (record, {"eventName": name, "dynamodb": record, "eventSourceARN": new}):
        with pytest.raises(BadEvent):
            changes_of(read_event(bad), ENCODER)
        _, time, sequence_number, stream = read_event(bad)
        assert isinstance(time, str)
        assert isinstance(sequence_number, str)
        assert isinstance(stream, str)
    images = {"eventName": name, "dynamodb": {"NewImage": new, "OldImage": old, "ApproximateCreationDateTime": record}}
    with pytest.raises(BadEvent):
        changes_of(read_event(images), ENCODER)


def test_revision_orders_whatever_the_numbers_and_times_say() -> None:
    """X3: sequence numbers of unequal length and equal times do not order; `revision` does."""
    story = [
        insert(1, sequence=100),
        modify(1, 2, sequence=9),
        modify(1, 3, sequence=101),
        remove(1, 3, sequence=102),
    ]
    changes = [change for one in story for change in changes_of(read_event(one), ENCODER)]
    for order in itertools.permutations(changes):
        assert [change.line for change in fold(order)] == [None]
    for order in itertools.permutations(changes[:3]):
        assert [change.revision for change in fold(order)] == [3]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans(), st.integers(0, 2)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_folding_depends_neither_on_order_nor_on_repeats(
    drawn: list[tuple[int, int, bool, int]], chance: random.Random
) -> None:
    """Commutative, associative, idempotent: without foreign writers a revision has one line."""
    changes = [
        Change(b"%d" % key, revision, b"line %d\n" % revision)
        if is_put
        else Change(b"%d" % key, revision, None, b"time %d" % time)
        for key, revision, is_put, time in drawn
    ]
    shuffled = changes + changes[: len(changes) // 2]
    chance.shuffle(shuffled)
    cut = chance.randint(0, len(shuffled))
    assert fold(shuffled) == fold(changes) == fold([*fold(shuffled[:cut]), *fold(shuffled[cut:])])
    assert [change.key for change in fold(changes)] == sorted({change.key for change in changes})


def test_a_removal_beats_a_put_of_its_revision_and_loses_to_a_higher_one() -> None:
    """REMOVE carries the revision of the item that it removed; a restored item has a higher one."""
    assert newer(removal(2), put(2, b"x")) == newer(put(2, b"x"), removal(2)) == removal(2)
    assert newer(removal(2), put(3, b"x")) == newer(put(3, b"x"), removal(2)) == put(3, b"x")
    late = removal(2, b"2026-11-25T09:00:00Z")
    assert newer(removal(2), late) == newer(late, removal(2)) == late


def test_of_a_foreign_writers_puts_the_later_in_the_stream_counts() -> None:
    """Equal revision and other bytes: the later one wins, and remembers what it replaced."""
    a, b, c = put(1, b"a"), put(1, b"b", b"a"), put(1, b"c", b"b")
    assert newer(a, b).line == b"b"
    (last,) = fold([a, b, c])
    assert last.line == b"c"
    assert set(last.replaces) == {b"a", b"b"}


def test_only_an_item_of_the_same_revision_is_replaced_by_a_foreign_writer() -> None:
    """And of two deliveries of one write the one that remembers more is kept."""
    (change,) = changes_of(read_event(event("MODIFY", item(1, 2), item(1, 3))), ENCODER)
    assert change.replaces == ()
    more, less = put(1, b"x", b"a", b"b"), put(1, b"x", b"a")
    assert newer(more, less) == newer(less, more) == more


def test_an_old_delivery_does_not_undo_a_foreign_write() -> None:
    """What a put replaced does not come back, however late it is delivered again."""
    a, b, c = put(1, b"a"), put(1, b"b", b"a"), put(1, b"c", b"b")
    for late in (a, b):
        assert newer(newer(newer(a, b), c), late).line == b"c"
    assert newer(b, a).line == b"b"


def test_a_foreign_writer_may_take_back_what_he_wrote() -> None:
    """a, b, a again: each made from the one before; the last in the stream is what the table holds."""
    a, b, again = put(1, b"a"), put(1, b"b", b"a"), put(1, b"a", b"b")
    assert fold([a, b, again])[0].line == b"a"
    assert fold([b, again])[0].line == b"a"
    assert fold([a, b, again, put(1, b"b", b"a")])[0].line == b"b"
