"""How old the CSV is: found by the copies of the roots that it does not show, whoever committed them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.age import first_unshown, oldest_unshown, seconds_since
from ledger.commit import commit
from ledger.errors import Unavailable
from ledger.keys import CSV_KEY
from ledger.ledger import Ledger
from ledger.manifest import encode_root as encode
from ledger.publish import publish
from tests.support.clock import Clock
from tests.support.factories import START, event, insert, item, leave_waiting, make_ledger, remove
from tests.support.reader import read_root
from tests.support.store_calls import WatchedStore, refuse


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watched(clock: Clock) -> WatchedStore:
    return WatchedStore(MemoryStore(now=clock))


@pytest.fixture
def ledger(watched: WatchedStore) -> Ledger:
    """A ledger whose CSV shows one row."""
    made = make_ledger(watched)  # type: ignore[arg-type]
    commit(made, [insert(0)])
    publish(made)
    return made


def _insert(ledger: Ledger, number: int, minute: int) -> None:
    """Commit an image whose event was in a minute after START."""
    commit(ledger, [event("INSERT", item(number), sequence=number + 1, seconds=60 * minute)])


def _come_and_go(ledger: Ledger, number: int, minute: int) -> None:
    """Commit an image that came and went within a batch: no row changes, the root does."""
    commit(ledger, [insert(number), remove(number, sequence=number + 2, seconds=60 * minute)])


def _look(ledger: Ledger) -> tuple[int, str, datetime | None] | None:
    """Find it as a function does that has seen none of the commits."""
    stranger = make_ledger(ledger.store)  # type: ignore[arg-type]
    return first_unshown(stranger, stranger.load_root()[0], stranger.present_csv())


def _oldest(ledger: Ledger) -> str:
    return oldest_unshown(ledger, ledger.load_root()[0], ledger.present_csv())


def test_a_commit_says_how_old_its_oldest_event_is(ledger: Ledger, watched: WatchedStore) -> None:
    """Its own alone, wherever in the batch that stands; a record without a time says nothing."""
    first, second = event("INSERT", item(1), seconds=9), event("INSERT", item(2), sequence=2, seconds=7)
    commit(ledger, [{"eventName": "INSERT"}, first, second])
    assert read_root(watched).oldest_event == "2026-11-25T08:00:07Z"
    _insert(ledger, 3, minute=5)
    assert read_root(watched).oldest_event == "2026-11-25T08:05:00Z"
    root = read_root(watched)
    assert root.successor("a repair").oldest_event == ""
    assert replace(root, oldest_event="").tree_hash == root.tree_hash


def test_what_a_leader_takes_along_counts_for_its_commit(ledger: Ledger, watched: WatchedStore) -> None:
    """Otherwise an event that waited for its leader would be as young as the leader's own."""
    leave_waiting(make_ledger(watched, seed=2), [event("INSERT", item(1), sequence=2, seconds=60)])  # type: ignore[arg-type]
    ledger.met_others()
    _insert(ledger, 2, minute=3)
    assert len(read_root(watched).segments) == 2
    assert read_root(watched).oldest_event == "2026-11-25T08:01:00Z"


def test_the_first_commit_that_the_csv_does_not_show_tells_its_age(ledger: Ledger, clock: Clock) -> None:
    """Not the last one, whose author publishes."""
    assert _look(ledger) is None, "the CSV is current"
    for number in (1, 2, 3):
        clock.now += timedelta(minutes=number)
        _insert(ledger, number, minute=number)
    assert _look(ledger) == (2, "2026-11-25T08:01:00Z", START + timedelta(minutes=1))
    publish(ledger)
    assert _look(ledger) is None


def test_a_commit_that_changed_no_row_makes_no_csv_old(ledger: Ledger, watched: WatchedStore) -> None:
    """The CSV shows its tree, however long ago it was; and of many such commits not each is read."""
    for number in range(1, 51):
        _come_and_go(ledger, number, minute=number)
    assert read_root(watched).version == 51
    assert _look(ledger) is None
    _insert(ledger, 51, minute=1000)
    _insert(ledger, 52, minute=1001)
    watched.calls.clear()
    first = _look(ledger)
    assert first is not None
    assert first[:2] == (52, "2026-11-26T00:40:00Z")
    assert watched.verbs("roots/").count("list") <= 8


def test_the_successor_of_the_csv_is_known_without_a_request(ledger: Ledger, watched: WatchedStore) -> None:
    """As after every commit of a function that meets nobody."""
    _insert(ledger, 1, minute=1)
    watched.calls.clear()
    assert _oldest(ledger) == "2026-11-25T08:01:00Z"
    assert watched.verbs("roots/") == []
    _insert(ledger, 2, minute=2)
    assert _oldest(ledger) == "2026-11-25T08:01:00Z"
    assert watched.verbs("roots/") == ["put_new", "list"], "what this function wrote itself it need not read"


def test_an_attempt_that_lost_counts_as_well(ledger: Ledger, watched: WatchedStore, clock: Clock) -> None:
    """Nothing tells it from the one that won, and what it holds waits, too; one of an older Skyledger tells no time."""
    lost = replace(read_root(watched).successor("lost"), oldest_event="2026-11-25T07:00:00Z", columns=("etag",))
    older = replace(lost, commit_id="older", oldest_event="")
    _insert(ledger, 1, minute=1)
    clock.now += timedelta(minutes=5)
    ledger.objects.write({}, {}, {one.copy_key: encode(one) for one in (lost, older)})
    _insert(ledger, 2, minute=2)
    assert _oldest(ledger) == "2026-11-25T07:00:00Z"
    assert _look(ledger) == (2, "2026-11-25T07:00:00Z", START)


@pytest.mark.parametrize("body", [None, b"", b'{"format": 2}'], ids=["gone", "damaged", "of a newer Skyledger"])
def test_a_copy_that_tells_nothing_is_passed_over(body: bytes | None, ledger: Ledger, watched: WatchedStore) -> None:
    """What follows it is younger: the age is at least that."""
    _insert(ledger, 1, minute=1)
    key = read_root(watched).copy_key
    _insert(ledger, 2, minute=2)
    _insert(ledger, 3, minute=3)
    watched.store.delete([key])
    if body is not None:
        watched.store.put_new(key, body, "application/json")
    first = _look(ledger)
    assert first is not None
    assert first[:2] == (3, "2026-11-25T08:02:00Z")


def test_without_any_copy_the_root_alone_tells(ledger: Ledger, watched: WatchedStore) -> None:
    """They are kept for a day; a CSV may be behind for longer, if nothing comes that would publish it."""
    _insert(ledger, 1, minute=1)
    _insert(ledger, 2, minute=2)
    watched.store.delete([one.key for one in watched.store.list("roots/")])
    assert _look(ledger) == (3, "2026-11-25T08:02:00Z", None)


@pytest.mark.parametrize(
    ("metadata", "oldest"),
    [({}, "2026-11-25T08:02:00Z"), ({"version": "new"}, "2026-11-25T08:02:00Z"), ({"version": "9", "tree": "x"}, "")],
    ids=["somebody else's", "no number", "newer than the root that was read"],
)
def test_a_csv_that_does_not_say_what_it_shows_is_as_old_as_the_last_commit(
    metadata: dict[str, str], oldest: str, ledger: Ledger, watched: WatchedStore
) -> None:
    """So is one that is not there: what readers had seen before is not known."""
    _insert(ledger, 1, minute=1)
    _insert(ledger, 2, minute=2)
    root, _ = ledger.load_root()
    assert first_unshown(ledger, root, None) is None
    assert oldest_unshown(ledger, root, None) == "2026-11-25T08:02:00Z"
    watched.store.put_if_match(CSV_KEY, b"mine", watched.head(CSV_KEY).etag, "text/csv", metadata)
    assert _look(ledger) is None
    assert _oldest(ledger) == oldest


def test_a_store_that_does_not_answer_fails_who_asks_and_no_publish(ledger: Ledger, watched: WatchedStore) -> None:
    """A CSV without a known age is better than one that is not published."""
    _insert(ledger, 1, minute=1)
    _insert(ledger, 2, minute=2)
    watched.on("list", "roots/", refuse(Unavailable("SlowDown")), times=2)
    with pytest.raises(Unavailable):
        _look(ledger)
    published = publish(ledger)
    assert (published.written, published.age) == (True, None)


def test_a_publish_says_how_old_the_csv_was(ledger: Ledger) -> None:
    """By the first commit that it had lacked; one that wrote nothing says nothing."""
    _insert(ledger, 1, minute=1)
    _insert(ledger, 2, minute=2)
    ledger.now = (START + timedelta(minutes=3)).timestamp
    assert publish(ledger).age == 120
    assert publish(ledger).age is None


def test_a_large_csv_is_told_the_age_of_as_well(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for while the upload begins; the seconds end when the CSV is there."""
    monkeypatch.setattr(import_module("ledger.publish"), "PUT_BELOW", 0)
    _insert(ledger, 1, minute=1)
    _insert(ledger, 2, minute=2)
    ledger.now = (START + timedelta(minutes=3)).timestamp
    assert publish(ledger).age == 120


def test_an_event_is_never_younger_than_now(ledger: Ledger) -> None:
    """Clocks differ by a little."""
    ledger.now = datetime(2026, 11, 25, 8, 1, tzinfo=UTC).timestamp
    assert seconds_since(ledger, "2026-11-25T08:00:30Z") == 30
    assert seconds_since(ledger, "2026-11-25T08:02:00Z") == 0
    assert seconds_since(ledger, "") is None
