"""The replay state machine gives the live tree, whatever order its children run in and however often."""

import random
from dataclasses import replace
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.errors import Unavailable
from ledger.manifest import Targets, encode_root
from ledger.row import header
from operations.live.snapshot import load
from operations.rebuild import plan
from operations.rebuild.plan import listed_segments, load_plan
from operations.rebuild.scratch import StoreScratch
from operations.replay import lambda_steps
from tests.support import state_machine
from tests.support.factories import event, insert, item, make_ledger, model_csv, remove
from tests.support.histories import deliver, history
from tests.support.reader import read_csv, read_root, read_rows, read_tree
from tests.support.replay_machine import machine


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make chunks and ranges so small that the tests' little data makes many."""
    monkeypatch.setattr(plan, "CHUNK_BYTES", 2500)
    monkeypatch.setattr(plan, "RANGE_BYTES", 1500)


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
    batches: list[int] = []

    def worker(event: dict[str, Any]) -> Any:
        size = chance.randint(1, 30)
        if waiting:
            commit(exporter, waiting[:size])
            del waiting[:size]
            batches.append(size)
        return lambda_steps.do(make_ledger(store, 2), event)

    result = machine(store, worker=worker).run("swap", {"swap": True, "columns": "live", "shard_bytes": 700})
    swapped_in = read_root(store)
    assert (result["version"], result["tree"]) == (swapped_in.version, swapped_in.tree_hash)
    assert "undo" not in result
    assert not list(store.list("snapshots/"))
    if waiting:
        commit(exporter, waiting)
    assert result["caught_up"] == len(batches) - 1 > 0, "what came before the plan is in it"
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
    ledger = make_ledger(store)
    root, etag = ledger.load_root()
    store.put_if_match("manifest.json", encode_root(replace(root, columns=NAMES[:9])), etag, "application/json", {})
    deliver(ledger, made)
    befores = []

    def finisher(given: dict[str, Any]) -> Any:
        commit(ledger, [event("INSERT", item(10**6), seconds=3600), *made.events[-1:]])
        befores.append(read_root(store))
        return lambda_steps.end(make_ledger(store, 2), given)

    wishes = {"swap": True, "until": "2026-11-25T08:00:40Z", "columns": "current"}
    result = machine(store, finisher=finisher).run("until", wishes)
    assert read_csv(store) == model_csv(made.items_at(40), NAMES)
    before = befores[-1]
    assert result["version"] == read_root(store).version
    assert load(make_ledger(store), result["undo"]) == before


def test_a_snapshot_names_what_is_there_and_a_look_writes_nothing(store: MemoryStore) -> None:
    """Whatever targets were wished for; the removals are those of 48 hours, and all that was read is counted."""
    ledger = make_ledger(store)
    for number in range(30):
        commit(ledger, [insert(number)])
    commit(ledger, [insert(40, sequence=1, ingested_at={"S": "never"}), remove(3), remove(4, seconds=48 * 3600 + 1)])
    wishes = {"snapshot": "proof", "shard_bytes": 300, "page_shards": 2}
    result = machine(store).run("pin", wishes)
    proof, live = load(ledger, "proof"), read_root(store)
    assert proof.targets == Targets(300, 2)
    assert header(proof.columns) + read_tree(store, proof.rows) == read_rows(store)
    assert read_tree(store, proof.removals).count(b"\n") == 1
    assert proof.checkpoint.newest_event == live.checkpoint.newest_event
    assert (result["same"], result["events"], result["quarantined"]) == (False, 33, 1)
    before = dict(store.objects)
    assert machine(store).run("look", {"shard_bytes": 200})["rows"] == result["rows"]
    assert store.objects == before


def test_a_lost_root_is_the_same_as_nothing_and_comes_back(store: MemoryStore) -> None:
    """Above every version that ever was."""
    deliver(make_ledger(store), history(9, 60))
    lost = read_root(store)
    rows = read_rows(store)
    store.delete(["manifest.json"])
    told = machine(store).run("compare", {})
    assert (told["same"], told["live_tree"], told["rows"]) == (False, None, lost.rows.rows)
    assert machine(store).run("swap", {"swap": True})["version"] == lost.version + 1
    assert read_rows(store) == rows


def test_a_plan_that_is_made_again_is_of_the_journal_as_it_is_by_then(store: MemoryStore) -> None:
    """The first answer was lost: nothing of that plan is left."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    lambda_steps.do(ledger, {"step": "plan", "run": "x"})
    commit(ledger, [insert(2)])
    planned = lambda_steps.do(ledger, {"step": "plan", "run": "x"})
    scratch = StoreScratch(store, planned["prefix"])
    made = load_plan(scratch)
    assert made is not None
    assert made.version == read_root(store).version
    assert list(listed_segments(scratch, made)) == sorted(key for key in store.objects if key.startswith("journal/"))


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
