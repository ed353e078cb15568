"""The live root, replaced and published by whoever is no exporter."""

from dataclasses import replace
from typing import Any

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.csvw import describe
from ledger.keys import CSV_KEY, DESCRIPTION_KEY, ROOT_KEY, publishing_key
from ledger.publish import publish
from operations.live.root import publish_and_wait, put_root, write_description
from tests.support.factories import insert, item, make_ledger, model_csv
from tests.support.reader import read_csv
from tests.support.store_calls import WatchedStore


def test_who_publishes_for_sure_waits_for_an_exporter_that_claims_to(store: MemoryStore) -> None:
    """A claim is no CSV: its owner may still die, and what was put aside must be shown before it is deleted."""
    ledger = make_ledger(store)
    publish(ledger)
    commit(ledger, [insert(1)])
    store.put_new(publishing_key(store.head(CSV_KEY).metadata["root"]), b"another exporter", "text/plain")
    ledger.met_others()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            publish(make_ledger(store, 2))

    ledger.sleep = sleep
    publish_and_wait(ledger)
    assert read_csv(store) == model_csv([item(1)])
    assert waits == [5.0] * 3


def test_a_root_that_was_written_is_known(store: MemoryStore) -> None:
    """It may be large, so it is not sent back by the next read."""
    watched = WatchedStore(store)
    ledger = make_ledger(watched)  # type: ignore[arg-type]
    root, etag = ledger.load_root()
    answers: list[Any] = []
    watched.on("get", ROOT_KEY, lambda read: answers.append(read()))
    assert put_root(ledger, root.successor("next", merged=("x",)), etag)
    assert ledger.load_root()[0].merged == ("x",)
    assert answers == [None], "not modified"


def test_the_description_comes_to_fit_whatever_there_was(store: MemoryStore) -> None:
    """It is made if it is missing, renewed if it is of other columns, and else left alone."""
    watched = WatchedStore(store)
    ledger = make_ledger(watched)  # type: ignore[arg-type]
    root, _ = ledger.load_root()
    store.delete([DESCRIPTION_KEY])
    for columns, written in ((root.columns, True), (root.columns[:9], True), (root.columns[:9], False)):
        before = len(watched.calls)
        write_description(ledger, replace(root, columns=columns))
        assert store.get(DESCRIPTION_KEY).body == describe(columns)
        assert any(verb.startswith("put") for verb, _ in watched.calls[before:]) == written
