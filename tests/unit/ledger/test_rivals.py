"""A rival acts before any one of our store calls: nothing is lost, nothing goes back."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any
from unittest import mock

import pytest

from infra.doubles import memory_store
from infra.doubles.memory_store import MemoryStore
from ledger import layout, slices
from ledger.batch import StreamBatch
from ledger.commit import commit
from ledger.errors import Refused
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.pending import Waiting, encode
from ledger.publish import publish
from tests.support.factories import events_of, insert, item, make_ledger, model_csv, modify
from tests.support.reader import read_csv, read_root, read_rows
from tests.support.store_calls import RivalStore, WatchedStore, refuse

publishing = import_module("ledger.publish")  # the module: the package gives the function

ROWS = 150  # a CSV far above PUT_BELOW in the small limits below


@pytest.fixture
def small_limits() -> Iterator[None]:
    """S3's limits and our threshold in small: a part has 2,000 bytes at least, a CSV above 4,000 is made of parts."""
    with (
        mock.patch.object(memory_store, "SMALLEST_PART", 2000),
        mock.patch.object(layout, "SMALLEST_PART", 2000),
        mock.patch.object(layout, "UPLOAD_PART", 3000),
        mock.patch.object(publishing, "PUT_BELOW", 4000),
    ):
        yield


def at_every_call(
    prepare: Callable[[], MemoryStore],
    act: Callable[[Ledger], Any],
    rival: Callable[[Ledger], Any],
    look: Callable[[MemoryStore], Any],
) -> Iterator[tuple[MemoryStore, list[Any], str]]:
    """Let a rival act before each of our calls in turn; give the store, what was seen after each call, and where."""
    number, acted = 0, True
    while acted:
        number, acted = number + 1, False
        store = prepare()
        seen: list[Any] = []

        def overtake(store: MemoryStore = store) -> None:
            nonlocal acted
            acted = True
            rival(make_ledger(store, 7))

        def see(store: MemoryStore = store, seen: list[Any] = seen) -> None:
            seen.append(look(store))

        watched = RivalStore(store, number, overtake, see)
        act(make_ledger(watched, 2))  # type: ignore[arg-type]
        if acted:
            yield store, seen, f"before call {number}, {watched.calls[number - 1]}"
    assert number > 3, "so many calls there are at least"


def test_a_commit_of_a_rival_at_any_moment_costs_nobody_a_row() -> None:
    """Both batches are in the tree, the root's version only ever goes up, and no marker is left."""

    def prepare() -> MemoryStore:
        store = MemoryStore()
        commit(make_ledger(store), [insert(number) for number in range(20)])
        return store

    expected = [*(item(number, 1 + (number in (3, 4))) for number in range(20)), item(50), item(51)]
    for store, seen, where in at_every_call(
        prepare,
        lambda ours: commit(ours, [insert(51), modify(4, 2)]),
        lambda theirs: commit(theirs, [insert(50), modify(3, 2)]),
        lambda store: read_root(store).version,
    ):
        assert read_rows(store) == model_csv(expected), where
        assert seen == sorted(seen), where
        assert read_root(store).version == 3, where
        assert not list(store.list("pending/")), where


@pytest.mark.parametrize("usable", [True, False], ids=["self-copy", "from shards"])
@pytest.mark.parametrize("rows", [2, ROWS], ids=["put", "parts"])
def test_a_newer_csv_is_never_taken_back_whenever_it_comes(rows: int, usable: bool, small_limits: None) -> None:
    """A rival commits and publishes: image-data.csv's version only ever goes up, and the rows end up in it."""

    def prepare() -> MemoryStore:
        store = MemoryStore()
        ledger = make_ledger(store)
        commit(ledger, [insert(number) for number in range(rows)])
        publish(ledger)
        commit(ledger, [modify(1, 2)])
        if not usable:
            store.delete([listed.key for listed in store.list("roots/")])
        return store

    def overtake(theirs: Ledger) -> None:
        commit(theirs, [insert(1000)])
        publish(theirs)

    def version(store: MemoryStore) -> int:
        return int(store.head(CSV_KEY).metadata["version"])

    expected = model_csv([*(item(number, 1 + (number == 1)) for number in range(rows)), item(1000)])
    for store, seen, where in at_every_call(prepare, publish, overtake, version):
        assert seen == sorted(seen), where
        assert version(store) == read_root(store).version == 3, where
        assert read_csv(store) == expected, where


@pytest.mark.parametrize("rows", [2, ROWS], ids=["put", "parts"])
@pytest.mark.parametrize("batch", [[insert(0)], [insert(1), insert(2000)]], ids=["redelivered", "new"])
def test_a_whole_invocation_takes_no_newer_csv_back(batch: list[dict[str, Any]], rows: int, small_limits: None) -> None:
    """What a commit read of root and CSV may be of two moments: publishing on it must not go back, either."""

    def prepare() -> MemoryStore:
        store = MemoryStore()
        invoke(make_ledger(store), [insert(number) for number in range(rows)])
        return store

    def invoke(ledger: Ledger, events: list[dict[str, Any]]) -> None:
        report = commit(ledger, events)
        assert not report.unfinished
        publish(ledger, report=report)

    def version(store: MemoryStore) -> int:
        return int(store.head(CSV_KEY).metadata["version"])

    added = [item(1000)] + [item(2000)] * (len(batch) - 1)
    expected = model_csv([*map(item, range(rows)), *added])
    for store, seen, where in at_every_call(
        prepare, lambda ours: invoke(ours, batch), lambda theirs: invoke(theirs, [insert(1000)]), version
    ):
        assert seen == sorted(seen), where
        assert read_csv(store) == read_rows(store) == expected, where
        assert version(store) == read_root(store).version, where
        for prefix in ("pending/", "leading/", "publishing/"):
            assert not list(store.list(prefix)), where


def test_a_leader_names_what_it_took_along_only_when_all_of_it_is_merged(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leads in slices, and the time ends after the first: what waits is neither named nor deleted."""
    monkeypatch.setattr(slices, "SLICE_BYTES", 3000)
    monkeypatch.setattr(slices, "SLICES_PER_COMMIT", 1)
    commit(make_ledger(store, 7), [insert(number) for number in range(100)])
    waiting = StreamBatch(events_of([modify(99, 7)]), None)
    columns = Root().columns
    store.put_new("pending/waiting", encode(Waiting("waiting", columns, waiting.changes(columns))), "text/plain")
    watched = WatchedStore(store)
    watched.on("put_if_match", ROOT_KEY, refuse(Refused("PreconditionFailed")))
    ours = make_ledger(watched, 2)  # type: ignore[arg-type]
    wide = [modify(number, 2, sequence=number + 1000) for number in range(0, 100, 5)]

    def left() -> float:
        return 60.0 if read_root(store).version < 2 else 1.0

    report = commit(ours, wide, left)
    assert report.commits == 1
    assert read_root(store).merged == ()
    assert "pending/waiting" in [listed.key for listed in store.list("pending/")]

    watched.on("put_if_match", ROOT_KEY, refuse(Refused("PreconditionFailed")))
    commit(ours, [event.record for event in report.unfinished])
    assert "waiting" in read_root(store).merged
    assert item(99, 7)["etag"]["S"].encode() + b",7," in read_rows(store)
    assert not list(store.list("pending/"))
