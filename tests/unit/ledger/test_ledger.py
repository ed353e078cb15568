"""Loading the root: first run, warm, lost, emptied, damaged, newer."""

import json
from datetime import timedelta

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.errors import Damaged, ManifestLost, NewerFormat, NotFound, Refused, RootDamaged, Unavailable, Unknown
from ledger.keys import ROOT_KEY, root_copy_key
from ledger.ledger import no_limit
from ledger.manifest import Root, Targets
from tests.support.factories import START, insert, make_ledger
from tests.support.reader import read_root
from tests.support.store_calls import WatchedStore, first, land_and_lose, refuse


def rewrite_root(store: MemoryStore, body: bytes) -> None:
    store.put_if_match(ROOT_KEY, body, store.head(ROOT_KEY).etag, "application/json", {})


def test_a_new_ledger_gets_an_empty_root(store: MemoryStore) -> None:
    root, etag = make_ledger(store, targets=Targets(5, 6)).load_root()
    assert (root.version, root.rows.rows, root.targets) == (0, 0, Targets(5, 6))
    assert (read_root(store), store.head(ROOT_KEY).etag) == (root, etag)


def test_a_root_that_is_known_is_not_sent_again(store: MemoryStore) -> None:
    """A warm function asks by ETag, and takes the answer 'not modified' for what it knows."""
    watched = WatchedStore(store)
    ledger = make_ledger(watched)  # type: ignore[arg-type]
    known = ledger.load_root()
    answers: list[object] = []
    watched.on("get", ROOT_KEY, lambda proceed: answers.append(proceed()) or answers[-1])
    assert ledger.load_root() == known
    assert answers == [None]
    commit(make_ledger(store, 2), [insert(1)])
    assert ledger.load_root()[0] == read_root(store) != known[0]
    commit(ledger, [insert(2)])
    watched.on("get", ROOT_KEY, lambda proceed: answers.append(proceed()) or answers[-1])
    assert ledger.load_root()[0] == read_root(store)
    assert answers[-1] is None, "what it wrote itself is known, too"


def test_of_two_who_start_together_one_makes_the_root(store: MemoryStore) -> None:
    """If-None-Match: the other finds the first one's root and takes it."""
    watched = WatchedStore(store)
    watched.on("put_if_match", ROOT_KEY, first(lambda: make_ledger(store, 2).load_root()))
    root, _ = make_ledger(watched).load_root()  # type: ignore[arg-type]
    assert root == read_root(store)
    assert watched.verbs(ROOT_KEY) == ["get", "put_if_match", "get"]


@pytest.mark.parametrize("lose", [refuse, land_and_lose])
def test_a_first_root_whose_answer_was_lost_is_no_loss(lose: object, store: MemoryStore) -> None:
    """Nothing was promised: the batch fails and comes again, onto whichever root then stands."""
    watched = WatchedStore(store)
    watched.on("put_if_match", ROOT_KEY, lose(Unknown("lost")))  # type: ignore[operator]
    ledger = make_ledger(watched)  # type: ignore[arg-type]
    with pytest.raises(Unknown):
        commit(ledger, [insert(1)])
    commit(ledger, [insert(1)])
    assert read_root(store).rows.rows == 1


@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("beside", ["shards/x.csv", "roots/1-x.json"])
def test_a_root_that_is_gone_or_empty_beside_a_tree_is_an_alarm(beside: str, gone: bool, store: MemoryStore) -> None:
    """X12: never a first run, never an empty table over the old one."""
    ledger = make_ledger(store)
    ledger.load_root()
    store.put_new(beside, b"x", "text/csv")
    if gone:
        store.delete([ROOT_KEY])
    else:
        rewrite_root(store, b" \n")
    for one in (ledger, make_ledger(store)):
        with pytest.raises(ManifestLost if gone else RootDamaged, match=ROOT_KEY):
            one.load_root()
    assert store.objects.get(ROOT_KEY) is None or not store.objects[ROOT_KEY][0].body.strip()


def test_an_emptied_root_is_an_alarm_also_in_an_empty_bucket(store: MemoryStore) -> None:
    """Somebody emptied it: what it named is not known to be nothing."""
    make_ledger(store).load_root()
    rewrite_root(store, b"")
    with pytest.raises(RootDamaged, match="empty"):
        make_ledger(store).load_root()


def test_a_journal_alone_is_no_tree(store: MemoryStore) -> None:
    """The first commit ever journals its segment while the root is made."""
    store.put_new("journal/x.jsonl.gz", b"", "application/gzip")
    assert make_ledger(store).load_root()[0].version == 0


def test_a_root_of_a_newer_format_is_refused_and_kept(store: MemoryStore) -> None:
    """An older function that still runs beside a newer one must not write by rules that it does not know."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    newer = json.dumps(json.loads(store.objects[ROOT_KEY][0].body) | {"format": 2}).encode()
    rewrite_root(store, newer)
    for one in (ledger, make_ledger(store)):
        with pytest.raises(NewerFormat):
            commit(one, [insert(2)])
    assert store.objects[ROOT_KEY][0].body == newer


def test_a_damaged_root_is_refused_and_kept(store: MemoryStore) -> None:
    make_ledger(store).load_root()
    rewrite_root(store, b'{"format": 1, "version": 3}')
    with pytest.raises(Damaged):
        commit(make_ledger(store), [insert(1)])
    assert store.objects[ROOT_KEY][0].body == b'{"format": 1, "version": 3}'


def test_a_store_that_does_not_answer_is_no_first_run(store: MemoryStore) -> None:
    watched = WatchedStore(store)
    watched.on("get", ROOT_KEY, refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        make_ledger(watched).load_root()  # type: ignore[arg-type]
    watched.on("list", "shards/", refuse(Unavailable("SlowDown")))
    with pytest.raises(Unavailable):
        make_ledger(watched).load_root()  # type: ignore[arg-type]
    assert not store.objects


def test_a_copy_of_a_root_is_what_its_name_says(store: MemoryStore) -> None:
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    root = read_root(store)
    assert ledger.load_copy(root.name) == root
    with pytest.raises(NotFound):
        ledger.load_copy("9-x")
    store.put_new("roots/8-x.json", store.objects[root.copy_key][0].body, "application/json")
    with pytest.raises(Damaged, match=root.name):
        ledger.load_copy("8-x")


def test_the_last_roots_are_remembered_and_no_others(store: MemoryStore) -> None:
    """The CSV's own root is nearly always one of them; a warm function does not keep all that it ever wrote."""
    watched = WatchedStore(store)
    ledger = make_ledger(watched)  # type: ignore[arg-type]
    names = [commit(ledger, [insert(number)]).root.name for number in range(20)]
    watched.calls.clear()
    for name in names:
        ledger.load_copy(name)
    read = [key for _, key in watched.calls]
    assert read == [root_copy_key(name) for name in names[: len(read)]]
    assert 20 - 10 <= len(read) <= 20 - 4


def test_the_first_error_of_two_things_at_once_is_raised(store: MemoryStore) -> None:
    def fail() -> None:
        raise Refused("second")

    ledger = make_ledger(store)
    assert ledger.together(lambda: 1, lambda: "two") == (1, "two")
    with pytest.raises(Refused, match="second"):
        ledger.together(lambda: 1, fail)


def test_no_limit_is_not_zero() -> None:
    assert no_limit() is None
    assert Root().version == 0


def test_a_ledgers_objects_go_by_its_clock(store: MemoryStore) -> None:
    """One clock says what is young, what waits too long and what claim is nobody's: tests and simulations set it."""
    ledger = make_ledger(store)
    ledger.now = lambda: START.timestamp() + 90
    assert ledger.objects.now() == START + timedelta(seconds=90)
