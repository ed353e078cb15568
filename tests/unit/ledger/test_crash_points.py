"""One batch, killed between any two store calls and delivered again, ends in the same bytes (more in tests/faults)."""

from collections.abc import Callable
from importlib import import_module
from typing import Any
from unittest import mock

import pytest

from infra.doubles import memory_store
from infra.doubles.memory_store import MemoryStore
from ledger import layout
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.publish import publish
from tests.support.factories import event, insert, item, make_ledger, model_csv, modify, remove
from tests.support.reader import read_csv, read_root, read_rows
from tests.support.store_calls import WatchedStore

publishing = import_module("ledger.publish")  # the module: the package gives the function

BEFORE = [insert(number) for number in range(60)]
BATCH = [
    modify(7, 2, sequence=101),
    remove(20, sequence=102),
    event("INSERT", item(99, make={"N": "1"}), sequence=103),  # cannot become a row
    *(insert(number, sequence=number + 100) for number in range(70, 80)),
]
AFTER = model_csv([item(number, 1 + (number == 7)) for number in [*range(60), *range(70, 80)] if number != 20])


class Killed(BaseException):
    """The process is gone: nothing that it would still do is done."""


class MortalStore(WatchedStore):
    """Dies at one call, before it reaches the store or after; from then on no call gets through."""

    def __init__(self, store: MemoryStore, number: int, lands: bool) -> None:
        super().__init__(store)
        self._number, self._lands = number, lands

    def _rule(self, verb: str, key: str) -> Callable[[Callable[[], Any]], Any]:
        def die(proceed: Callable[[], Any]) -> Any:
            if len(self.calls) == self._number and self._lands:
                proceed()
            raise Killed

        return die if 0 < self._number <= len(self.calls) else super()._rule(verb, key)


def _export(ledger: Ledger, events: list[dict[str, Any]]) -> None:
    assert not commit(ledger, events).unfinished
    publish(ledger)


def _deliver(store: MemoryStore, seed: int, number: int = 0, lands: bool = False) -> int:
    """Deliver the batch to a cold exporter that dies at a call (0: never); give the number of its calls."""
    mortal = MortalStore(store, number, lands)
    try:
        _export(make_ledger(mortal, seed), BATCH)  # type: ignore[arg-type]
    except Killed:
        assert number
    return len(mortal.calls)


def _table() -> MemoryStore:
    store = MemoryStore()
    _export(make_ledger(store), BEFORE)
    return store


def _lasting(store: MemoryStore) -> dict[str, bytes]:
    """What a run leaves that does not carry its ids: all but roots, and shards and pages that a dead run wrote."""
    kept = ("journal/", "quarantine/", "pending/", "image-data.csv")
    return {key: stored.body for key, (stored, _) in store.objects.items() if key.startswith(kept)}


@pytest.mark.parametrize("lands", [False, True], ids=["before", "after"])
def test_death_between_any_two_store_calls_costs_and_doubles_nothing(lands: bool) -> None:
    """For every call: die there, deliver again; CSV, tree, checkpoint, journal and quarantine are the calm run's."""
    limits = {"SMALLEST_PART": 2000, "UPLOAD_PART": 3000}
    with (
        mock.patch.multiple(layout, **limits),
        mock.patch.object(memory_store, "SMALLEST_PART", 2000),
        mock.patch.object(publishing, "PUT_BELOW", 4000),
    ):
        calm = _table()
        calls = _deliver(calm, 2)
        assert read_csv(calm) == AFTER
        assert calls > 20
        for number in range(1, calls + 1):
            store = _table()
            _deliver(store, 2, number, lands)
            assert read_csv(store) in (model_csv(item(one) for one in range(60)), AFTER), "never torn"
            _deliver(store, 3)
            assert read_csv(store) == read_rows(store) == AFTER
            root, wanted = read_root(store), read_root(calm)
            assert (root.version, root.tree_hash, root.checkpoint, root.removals) == (
                wanted.version,
                wanted.tree_hash,
                wanted.checkpoint,
                wanted.removals,
            )
            assert _lasting(store) == _lasting(calm)
