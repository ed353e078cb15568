"""Waiting objects: a segment's changes as finished lines, for whoever leads."""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.doubles.memory_store import MemoryStore
from ledger import pending
from ledger.change import Change, changes_of, fold
from ledger.columns import NAMES
from ledger.errors import Damaged, Unavailable
from ledger.event import read_event
from ledger.manifest import Gap
from ledger.packing import pack
from ledger.pending import LedSegments, Waiting, decode, encode, list_waiting
from ledger.row import RowEncoder, item_key
from tests.support.factories import START, insert, item, modify, remove
from tests.support.store_calls import WatchedStore, first, refuse

ENCODER = RowEncoder(NAMES)
LINES = st.integers(0, 99).map(lambda number: ENCODER.line(item(number, 3, description={"S": f'a "{number}", b'})))


@st.composite
def changes(draw: st.DrawFn) -> Change:
    number = draw(st.integers(0, 99))
    replaces = tuple(draw(st.lists(LINES, max_size=2)))
    if draw(st.booleans()):
        return Change(item_key(item(number)), 3, ENCODER.line(item(number, 3)), replaces=replaces)
    return Change(item_key(item(number)), 3, None, b"2026-11-25T08:00:00Z", replaces)


WAITING = st.builds(
    Waiting,
    st.text(max_size=8),
    st.lists(st.text(max_size=4), max_size=4).map(tuple),
    st.lists(changes(), max_size=6),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    oldest_event=st.text(max_size=20),
)


@given(WAITING)
def test_what_waits_comes_back_from_its_bytes(waiting: Waiting) -> None:
    """A leader merges what the owner would have merged: puts, removals, and what a foreign writer replaced."""
    assert decode(encode(waiting)) == waiting


def test_gaps_wait_with_their_segment() -> None:
    waiting = Waiting("x", NAMES, [], gaps=(Gap("late", "Images/x", "", "2026-11-25T08:00:00Z"),))
    assert decode(encode(waiting)) == waiting


def test_what_waits_since_before_the_ages_is_read() -> None:
    """It does not say how old its events are."""
    plain = gzip.decompress(encode(replace(_some(), oldest_event="2026-11-25T08:00:00Z")))
    head, lines = plain.split(b"\n", 1)
    content = orjson.loads(head)
    del content["oldest_event"]
    assert decode(orjson.dumps(content) + b"\n" + lines) == _some()


def _some() -> Waiting:
    events = [insert(1), modify(2, 2), remove(3)]
    return Waiting("some", NAMES, fold(change for one in events for change in changes_of(read_event(one), ENCODER)))


SOME = gzip.decompress(encode(_some()))


def test_what_an_older_version_left_is_plain_and_is_read_as_it_is() -> None:
    assert decode(SOME) == decode(gzip.compress(SOME, 1)) == _some()
    assert len(encode(_some())) < len(SOME) / 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"[]\n",
        b"{}\n",
        b"1\n",
        SOME[:-1],
        SOME[:-200],
        SOME[: SOME.rindex(b"\n", 0, -1) + 1],
        SOME.replace(b'"++-"', b'"+?-"'),
        SOME.replace(b'"++-"', b'"++"'),
        b"{}\na\n",
    ],
)
def test_an_object_that_is_no_waiting_segment_is_damaged(body: bytes) -> None:
    """Torn or foreign, plain or compressed: never merged in part."""
    for one in (body, pack(body), pack(SOME)[:-1]):
        with pytest.raises(Damaged):
            decode(one)


def _put(store: MemoryStore, name: str, columns: tuple[str, ...] = NAMES) -> None:
    store.put_new(f"pending/{name}", encode(Waiting(name, columns, [])), "text/plain")


def names_taken(store: MemoryStore, now: datetime, own: str, merged: Sequence[str] = ()) -> list[str]:
    taken = LedSegments(own, merged)
    taken.read(store, list_waiting(store, now))
    return [waiting.name for waiting in taken.of(NAMES)]


def test_a_leader_takes_all_but_its_own_that_is_written_for_its_columns(store: MemoryStore) -> None:
    for name in ("a", "b", "own"):
        _put(store, name)
    _put(store, "other-schema", NAMES[:5])
    store.put_new("pending/torn", b"x", "text/plain")
    assert names_taken(store, datetime.now(UTC), "pending/own") == ["a", "b"]


def test_what_another_leader_took_first_is_passed_over(store: MemoryStore) -> None:
    """Listed, then gone: that segment is merged already."""
    _put(store, "a")
    _put(store, "b")
    watched = WatchedStore(store)
    watched.on("get", "pending/a", first(lambda: store.delete(["pending/a"])))
    assert names_taken(watched, datetime.now(UTC), "pending/own") == ["b"]  # type: ignore[arg-type]


def test_a_store_that_does_not_answer_stops_the_leader(store: MemoryStore) -> None:
    """Not to be mistaken for nothing waiting."""
    _put(store, "a")
    watched = WatchedStore(store)
    watched.on("get", "pending/a", refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        names_taken(watched, datetime.now(UTC), "pending/own")  # type: ignore[arg-type]


def test_a_leader_takes_no_more_than_it_can_merge(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded in number and in bytes; the rest waits for the next leader."""
    for number in range(10):
        _put(store, f"{number}")
    size = len(gzip.decompress(store.get("pending/0").body))
    monkeypatch.setattr(pending, "TAKE_SEGMENTS", 4)
    assert names_taken(store, datetime.now(UTC), "pending/1") == [
        "0",
        "2",
        "3",
        "4",
    ]
    monkeypatch.setattr(pending, "TAKE_BYTES", 2 * size)
    assert names_taken(store, datetime.now(UTC), "pending/1") == [
        "0",
        "2",
    ]


def test_what_is_taken_is_bounded_by_what_it_unpacks_to(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listing tells other sizes; what would be read in vain is not read, but for a part of the bound."""
    for number in range(10):
        waiting = Waiting(f"{number}", NAMES, [], newest_event="x" * 2000)
        store.put_new(waiting.key, encode(waiting), "application/gzip")
    size, packed = len(gzip.decompress(store.get("pending/0").body)), store.head("pending/0").size
    assert size > 4 * packed
    monkeypatch.setattr(pending, "TAKE_BYTES", 3 * size)
    watched, taken = WatchedStore(store), LedSegments("pending/own", ())
    taken.read(watched, list_waiting(store, datetime.now(UTC)))  # type: ignore[arg-type]
    assert [waiting.name for waiting in taken.of(NAMES)] == ["0", "1", "2"]
    assert taken.is_enough(1000)
    assert len(watched.calls) * packed <= size + packed


@pytest.mark.parametrize("body", [pack(b"x" * 100_000), b"x" * 100_000, pack(b"x" * 100_000)[:-4] + b"\0\0\0\0"])
def test_what_nobody_can_take_stands_in_nobodys_way(
    body: bytes, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too large for any leader, or lying about its size: its owner commits it, and what came later is taken."""
    monkeypatch.setattr(pending, "TAKE_BYTES", 20_000)
    store.put_new("pending/a", body, "")
    _put(store, "b")
    assert names_taken(store, datetime.now(UTC), "pending/own") == ["b"]


def test_what_a_dead_function_left_is_not_taken() -> None:
    """It may be days old: a removal that came after it may be forgotten by now, and its row would come back."""
    moment = START
    store = MemoryStore(lambda: moment)
    _put(store, "dead")
    moment += pending.WAITING_LIVES
    _put(store, "alive")
    assert [listed.key for listed in list_waiting(store, moment)] == ["pending/alive"]


def test_what_waits_longest_is_taken_first() -> None:
    """A stream whose numbers are always the greatest must not wait for ever; a second's worth is taken by name."""
    seconds = iter([30, 10, 20, 10])
    store = MemoryStore(lambda: START + timedelta(seconds=next(seconds)))
    for name in ("a", "d", "c", "b"):
        _put(store, name)
    assert names_taken(store, START, "pending/own") == [
        "b",
        "d",
        "c",
        "a",
    ]


def test_what_the_root_holds_already_is_no_work(store: MemoryStore) -> None:
    """Its leader has swapped and is about to delete it: the next leader must not take it for those that come back."""
    for name in ("a", "b"):
        _put(store, name)
    assert names_taken(store, datetime.now(UTC), "pending/own", merged=["a"]) == ["b"]


def test_a_leader_reads_what_comes_once_and_says_when_it_is_enough(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The own segment counts; whoever can take no more need not wait for more."""
    watched, taken = WatchedStore(store), LedSegments("pending/own", ())
    assert taken.is_enough(1)
    for name in ("a", "b"):
        _put(store, name)
        taken.read(watched, list_waiting(store, datetime.now(UTC)))  # type: ignore[arg-type]
    assert watched.calls == [("get", "pending/a"), ("get", "pending/b")]
    assert (taken.is_enough(3), taken.is_enough(4)) == (True, False)
    monkeypatch.setattr(pending, "TAKE_SEGMENTS", 2)
    _put(store, "c")
    taken.read(store, list_waiting(store, datetime.now(UTC)))
    assert taken.is_enough(1000)
    assert [waiting.name for waiting in taken.of(NAMES)] == ["a", "b"]
