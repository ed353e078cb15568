"""The replay state machine gives the live tree, whatever order its children run in and however often."""

import random
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.errors import Unavailable
from ledger.manifest import Targets
from operations.live.snapshot import load
from operations.rebuild import plan
from operations.replay import lambda_steps
from tests.support import state_machine
from tests.support.factories import insert, item, make_ledger, model_csv
from tests.support.histories import deliver, history
from tests.support.paths import ROOT
from tests.support.reader import read_csv, read_root, read_rows
from tests.support.state_machine import StateMachine

DEFINITION = ROOT / "infra" / "replay.asl.yaml"


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make chunks and ranges so small that the tests' little data makes many."""
    monkeypatch.setattr(plan, "CHUNK_BYTES", 2500)
    monkeypatch.setattr(plan, "RANGE_BYTES", 1500)


def machine(store: MemoryStore, seed: int = 0, **functions: Any) -> StateMachine:
    """Make the state machine over a bucket; each function has its own ledger, as on machines of their own."""
    numbers = iter(range(100, 10**6))
    made = {
        "worker": lambda event: lambda_steps.do(make_ledger(store, next(numbers)), event),
        "finisher": lambda event: lambda_steps.end(make_ledger(store, next(numbers)), event),
        **functions,
    }
    substitutions = {"Partition": "aws", "ExportBucket": "exports", "Worker": "worker", "Finisher": "finisher"}
    return StateMachine(state_machine.load(DEFINITION, substitutions), made, store, seed)


@pytest.mark.parametrize("seed", range(3))
def test_the_state_machine_gives_the_live_tree(seed: int, store: MemoryStore) -> None:
    """Without wishes it compares, writes nothing that stays, and says that the trees are the same."""
    made = history(seed, 400)
    deliver(make_ledger(store, seed), made, seed)
    before = dict(store.objects)
    running = machine(store, seed)
    result = running.run("first", {})
    assert (result["same"], result["tree"]) == (True, read_root(store).tree_hash)
    assert result["rows"] == len(made.items)
    assert store.objects == before
    assert running.children > 4


def test_it_swaps_the_rebuilt_tree_in_while_exporters_commit(store: MemoryStore) -> None:
    """Batches come between any two children; Finish catches up with them."""
    made = history(5, 500, images=60)
    exporter = make_ledger(store, 1)
    half = len(made.events) // 2
    commit(exporter, made.events[:half])
    waiting = made.events[half:]
    chance = random.Random(1)

    def worker(event: dict[str, Any]) -> Any:
        size = chance.randint(1, 30)
        if waiting:
            commit(exporter, waiting[:size])
            del waiting[:size]
        return lambda_steps.do(make_ledger(store, 2), event)

    result = machine(store, worker=worker).run("swap", {"swap": True, "columns": "live", "shard_bytes": 700})
    if waiting:
        commit(exporter, waiting)
    assert result["caught_up"] > 0
    assert read_root(store).targets == Targets(700, 4)
    assert read_rows(store) == model_csv(made.items.values())
    assert not list(store.list("replay/"))


def test_children_that_fail_are_tried_again(store: MemoryStore) -> None:
    """S3 being away for a moment costs a retry; a step that never succeeds fails the execution and swaps nothing."""
    deliver(make_ledger(store), history(6, 200))
    calls = 0

    def flaky(event: dict[str, Any]) -> Any:
        nonlocal calls
        calls += 1
        result = lambda_steps.do(make_ledger(store, calls), event)
        if calls % 3 == 0:
            raise Unavailable("the answer was lost")
        return result

    running = machine(store, worker=flaky)
    assert running.run("flaky", {"snapshot": "proof"})["same"]
    assert running.retries
    assert "snapshots/proof.json" in store.objects
    root = read_root(store)

    def broken(event: dict[str, Any]) -> Any:
        raise Unavailable("down")

    with pytest.raises(state_machine.Failed):
        machine(store, worker=broken).run("broken", {"swap": True})
    assert read_root(store) == root


def test_until_and_current_columns_are_wishes_too(store: MemoryStore) -> None:
    """The same as the command's options; what a point in time replaces is pinned, so that it can be undone."""
    made = history(7, 200)
    deliver(make_ledger(store), made)
    before = read_root(store)
    result = machine(store).run("until", {"swap": True, "until": "2026-11-25T08:00:40Z", "columns": "current"})
    assert read_csv(store) == model_csv(made.items_at(40), NAMES)
    assert result["version"] == read_root(store).version
    assert load(make_ledger(store), result["undo"]) == before


def test_an_empty_journal_needs_no_children(store: MemoryStore) -> None:
    """A Distributed Map over nothing would fail: it is passed by; the one range is empty."""
    make_ledger(store).load_root()
    running = machine(store)
    assert running.run("empty", {})["same"]
    commit(make_ledger(store, 2), [insert(1)])
    assert read_rows(store) == model_csv([item(1)])


def test_one_item_without_a_batch_is_done_as_well(store: MemoryStore) -> None:
    """Emulators that know no ItemBatcher hand over the bare item."""
    deliver(make_ledger(store), history(8, 60))
    ledger = make_ledger(store, 2)
    planned = lambda_steps.do(ledger, {"step": "plan", "run": "x"})
    for listed in list(store.list(planned["chunk_prefix"])):
        batch = {"prefix": planned["prefix"], "key": listed.key}
        assert len(lambda_steps.do(ledger, {"step": "map", "batch": batch})["done"]) == 1
    told = lambda_steps.do(ledger, {"step": "gather", "prefix": planned["prefix"]})
    for number in range(told["ranges"]):
        batch = {"prefix": planned["prefix"], "range": number, "newest_event": told["newest_event"]}
        lambda_steps.do(ledger, {"step": "reduce", "batch": batch})
    assert lambda_steps.end(ledger, {"prefix": planned["prefix"]})["same"]
