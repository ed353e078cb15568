"""What was put aside is merged, published, and only then deleted; at any time, any number of times."""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.event import read_event
from ledger.journal import quarantine
from ledger.keys import FAILED_BATCHES
from ledger.ledger import Ledger
from ledger.manifest import Targets
from operations.live.redrive import RedriveReport, redrive_batches, redrive_quarantine
from operations.rebuild.scratch import StoreScratch
from operations.replay.local import Wishes, replay
from tests.support.factories import (
    event,
    insert,
    item,
    make_ledger,
    model_csv,
    modify,
    remove,
    remove_without_image,
)
from tests.support.failed_batches import put_aside
from tests.support.reader import read_csv, read_root, read_rows
from tests.support.store_calls import WatchedStore

DAY = 86_400


def _replayed_tree(store: MemoryStore) -> str:
    """Rebuild the tree from the journal alone."""
    root = replay(make_ledger(store), StoreScratch(MemoryStore(), "scratch/"), Wishes(keep="nothing")).root
    return root.tree_hash


def test_a_batch_that_was_given_up_is_merged_published_and_deleted(store: MemoryStore, ledger: Ledger) -> None:
    """The whole event stands in `payload`; redriving twice changes nothing more."""
    commit(ledger, [insert(1)])
    key = put_aside(store, insert(2), insert(3))
    done = redrive_batches(ledger)
    assert (done.found, done.merged, done.events, done.left) == (1, 1, 2, {})
    assert key not in store.objects
    assert read_csv(store) == model_csv([item(1), item(2), item(3)])
    before = dict(store.objects)
    assert redrive_batches(ledger).found == 0
    assert store.objects == before


def test_what_is_not_a_batch_stays_and_is_named(store: MemoryStore, ledger: Ledger) -> None:
    """Nothing is deleted that was not understood."""
    ledger.load_root()
    bodies = {
        "text": b"not json",
        "no-payload": b"{}",
        "no-records": json.dumps({"payload": '{"Records": []}'}).encode(),
        "no-list": json.dumps({"payload": '{"Records": "x"}'}).encode(),
        "numbers": json.dumps({"payload": {"Records": [1]}}).encode(),
    }
    for name, body in bodies.items():
        store.put_new(FAILED_BATCHES + name, body, "application/json")
    good = put_aside(store, insert(1))
    done = redrive_batches(ledger)
    assert (done.merged, good in store.objects) == (1, False)
    assert done.left == {FAILED_BATCHES + name: "not a batch of stream records" for name in bodies}
    assert all(FAILED_BATCHES + name in store.objects for name in bodies)


def test_a_bad_event_of_a_batch_goes_to_quarantine_and_holds_nothing_up(store: MemoryStore, ledger: Ledger) -> None:
    """Everything is accounted: merged, or in quarantine."""
    put_aside(store, insert(1), event("MODIFY", sequence=7), insert(2))
    done = redrive_batches(ledger)
    assert done.merged == 1
    assert len(done.quarantined) == 1
    assert done.quarantined[0] in store.objects
    assert read_rows(store) == model_csv([item(1), item(2)])


@pytest.mark.parametrize("seconds", [5 * DAY, 48 * 3600 + 61])
def test_a_batch_redriven_days_later_brings_no_removed_row_back(
    seconds: int, store: MemoryStore, ledger: Ledger
) -> None:
    """The removal is forgotten by then; the journal is not. The tree is what a replay makes of it."""
    put_aside(store, insert(1), insert(2))
    commit(ledger, [modify(1, 2), remove(1, 2, sequence=10**6 + 1, seconds=60)])
    commit(ledger, [event("INSERT", item(8), sequence=90, seconds=seconds)])
    commit(ledger, [event("REMOVE", old=item(9), sequence=91, seconds=seconds)])
    redrive_batches(ledger)
    assert read_rows(store) == model_csv([item(2), item(8)])
    assert read_root(store).tree_hash == _replayed_tree(store)


@pytest.mark.parametrize("seconds", [60, 3 * DAY])
def test_a_foreign_write_redriven_days_later_replaces_what_came_before_it(
    seconds: int, store: MemoryStore, ledger: Ledger
) -> None:
    """A write by hand leaves the revision as it is: which row is the later one, the journal and the old image say."""
    first, second, third = (item(1, title={"S": title}) for title in ("one", "two", "three"))
    commit(ledger, [event("INSERT", first, sequence=1), insert(2)])
    there = event("MODIFY", third, first, sequence=50, seconds=seconds)
    put_aside(store, there, event("MODIFY", second, third, sequence=51, seconds=seconds))
    commit(ledger, [event("INSERT", item(8), sequence=90, seconds=5 * DAY)])
    redrive_batches(ledger)
    assert read_rows(store) == model_csv([second, item(2), item(8)])
    assert read_root(store).tree_hash == _replayed_tree(store)
    put_aside(store, event("MODIFY", third, second, sequence=70, seconds=seconds + 60))
    commit(ledger, [event("MODIFY", second, third, sequence=80, seconds=seconds + 90)])
    redrive_batches(ledger)
    assert read_rows(store) == model_csv([second, item(2), item(8)]), "which was put back since"
    put_aside(store, event("MODIFY", third, first, sequence=85, seconds=seconds + 120))
    redrive_batches(ledger)
    assert read_rows(store) == model_csv([third, item(2), item(8)]), "though it was made from another"
    assert read_root(store).tree_hash == _replayed_tree(store)


def test_a_batch_redriven_days_later_does_not_take_back_what_was_put_back_since(
    store: MemoryStore, ledger: Ledger
) -> None:
    """An item that an operator restored from a backup, long after its removal, stays: as in a replay."""
    commit(ledger, [insert(1), modify(1, 2), remove(1, 2, sequence=10**6 + 1, seconds=60)])
    commit(ledger, [event("INSERT", item(1), sequence=90, seconds=5 * DAY)])
    put_aside(store, modify(1, 2))
    redrive_batches(ledger)
    assert read_rows(store) == model_csv([item(1)])
    assert read_root(store).tree_hash == _replayed_tree(store)


def test_a_removal_past_its_time_is_carried_out_but_not_remembered(store: MemoryStore, ledger: Ledger) -> None:
    """Delivered again it changes nothing: it does not come into the removals tree and go out of it by turns."""
    commit(ledger, [insert(1), event("INSERT", item(8), sequence=90, seconds=5 * DAY)])
    for _ in range(3):
        put_aside(store, remove(1, sequence=7))
        redrive_batches(ledger)
        root = read_root(store)
        assert (root.version, root.removals.rows) == (2, 0)
    assert read_rows(store) == model_csv([item(8)])


def test_an_old_event_of_a_batch_does_not_move_the_checkpoint(store: MemoryStore, ledger: Ledger) -> None:
    """A stream that was switched off since is no gap."""
    commit(ledger, [event("INSERT", item(8), sequence=90, seconds=5 * DAY)])
    before = read_root(store).checkpoint
    put_aside(store, event("INSERT", item(1), sequence=7, stream="arn:aws:dynamodb:x:1:table/Images/stream/old"))
    redrive_batches(ledger)
    after = read_root(store).checkpoint
    assert (after.streams, after.gaps, after.newest_event) == (before.streams, before.gaps, before.newest_event)
    assert read_rows(store) == model_csv([item(1), item(8)])


def test_a_late_event_is_judged_by_a_batch_that_began_the_day_before(store: MemoryStore, ledger: Ledger) -> None:
    """A batch is filed under the day of its first event; the removal after midnight stands in one from before it."""
    midnight = 16 * 3600
    batch = [event("INSERT", item(5), sequence=5, seconds=midnight - 10), remove(1, 2, seconds=midnight + 60)]
    commit(ledger, batch)
    commit(ledger, [event("INSERT", item(8), sequence=90, seconds=5 * DAY)])
    commit(ledger, [event("INSERT", item(9), sequence=91, seconds=5 * DAY)])
    put_aside(store, event("INSERT", item(1), sequence=4, seconds=midnight + 30))
    redrive_batches(ledger)
    assert read_rows(store) == model_csv([item(5), item(8), item(9)])
    assert read_root(store).tree_hash == _replayed_tree(store)


Redrive = Callable[[Ledger], RedriveReport]
KINDS = pytest.mark.parametrize(
    ("redrive", "put"),
    [
        (redrive_batches, put_aside),
        (redrive_quarantine, lambda store, record: quarantine(store, read_event(record), "it was bad once")),
    ],
    ids=["batches", "quarantine"],
)


@KINDS
def test_what_exporters_kept_from_being_merged_stays(
    redrive: Redrive, put: Callable[..., str], store: MemoryStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that gave way to others has not merged the events: the object is named and kept, and tried again."""
    monkeypatch.setattr(import_module("ledger.commit"), "MAX_CONFLICTS", 1)
    commit(ledger, [insert(1)])
    key = put(store, insert(2))

    def rival(swap: Callable[[], Any]) -> Any:
        commit(make_ledger(store, 9), [insert(10)])
        return swap()

    watched = WatchedStore(store)
    watched.on("put_if_match", "manifest.json", rival)
    done = redrive(make_ledger(watched, 2))  # type: ignore[arg-type]
    assert (done.found, done.merged, done.events) == (1, 0, 0)
    assert done.left == {key: "exporters were faster every time; try again"}
    assert key in store.objects
    assert read_rows(store) == model_csv([item(1), item(10)])
    assert (redrive(ledger).merged, key in store.objects) == (1, False)
    assert read_csv(store) == model_csv([item(1), item(2), item(10)])


@KINDS
def test_what_was_put_aside_is_deleted_only_after_the_csv_shows_it(
    redrive: Redrive, put: Callable[..., str], store: MemoryStore, ledger: Ledger
) -> None:
    """Merged, then published, then deleted: who dies between leaves it to be done again."""
    commit(ledger, [insert(1)])
    key = put(store, insert(2))
    seen: list[bytes] = []
    watched = WatchedStore(store)
    watched.on("delete_if_match", key, lambda delete: [seen.append(read_csv(store)), delete()])
    redrive(make_ledger(watched, 2))  # type: ignore[arg-type]
    assert seen == [model_csv([item(1), item(2)])]
    assert key not in store.objects


@KINDS
@pytest.mark.parametrize("rival", ["takes it", "puts another there", "takes it after it was merged"])
def test_another_redrive_at_the_same_time_does_no_harm(
    redrive: Redrive, put: Callable[..., str], rival: str, store: MemoryStore, ledger: Ledger
) -> None:
    """An object that is gone by now is the other's, and no fault; one that was not read is not deleted."""
    commit(ledger, [insert(1)])
    key = put(store, insert(2))
    put(store, insert(3)) if redrive is redrive_quarantine else put(store, insert(3), name="two")

    def meanwhile(call: Callable[[], Any]) -> Any:
        store.delete([key])
        if rival == "puts another there":
            store.put_new(key, b"other", "text/plain")
        return call()

    watched = WatchedStore(store)
    watched.on("get" if rival == "takes it" else "delete_if_match", key, meanwhile)
    done = redrive(make_ledger(watched, 2))  # type: ignore[arg-type]
    assert (done.found, done.left) == (2, {})
    assert (key in store.objects) == (rival == "puts another there")
    assert read_csv(store) == model_csv([item(1), item(3)] if rival == "takes it" else [item(1), item(2), item(3)])


def test_a_quarantined_event_that_is_good_now_is_merged_and_deleted(store: MemoryStore, ledger: Ledger) -> None:
    """After a fix of the code: what an older version could not read, such as a field that now costs itself alone."""
    commit(ledger, [insert(1)])
    strange = {"iso": {"S": "auto"}}
    for record in (insert(2), insert(3, **strange)):
        quarantine(store, read_event(record), "an older version could not read this")
    done = redrive_quarantine(ledger)
    assert (done.found, done.merged, done.left) == (2, 2, {})
    assert [*store.list("quarantine/")] == []
    assert read_csv(store) == model_csv([item(1), item(2), item(3, **strange)])
    assert b"iso: of type S, not integer" in read_csv(store)


def test_a_quarantined_event_that_is_still_bad_stays_with_its_reason(store: MemoryStore, ledger: Ledger) -> None:
    """And so does an object that is no quarantined event at all."""
    key = commit(ledger, [event("MODIFY", sequence=7)]).quarantined[0]
    store.put_new("quarantine/strange", b"[]", "application/json")
    before = dict(store.objects)
    done = redrive_quarantine(ledger)
    assert done.left == {key: "a MODIFY record has no NewImage", "quarantine/strange": "not a quarantined event"}
    assert (done.merged, store.objects.keys()) == (0, before.keys() | {"image-data.csv"} & store.objects.keys())


def test_a_removal_without_old_image_removes_the_row_that_the_tree_has(store: MemoryStore, ledger: Ledger) -> None:
    """The life that had begun by then ends; one that began later stays. A replay comes to the same tree."""
    # An event's time is in whole seconds, and ImageProcessor's clock may be some seconds ahead of DynamoDB's.
    before, after = (
        item(1) | {"ingested_at": {"S": f"2026-11-25T08:01:{time}Z"}} for time in ("05.000000", "05.000001")
    )
    commit(ledger, [insert(1), insert(2), modify(1, 2)])
    lives = [event("INSERT", one, sequence=5001 + n, seconds=60) for n, one in enumerate((before, after))]
    commit(ledger, [remove_without_image(1, sequence=5_000, seconds=60), *lives])
    assert read_rows(store) == model_csv([item(1, 2), item(2), before, after])
    done = redrive_quarantine(ledger)
    assert (done.merged, done.left) == (1, {})
    assert read_csv(store) == model_csv([item(2), after])
    assert read_root(store).tree_hash == _replayed_tree(store)
    assert not [*store.list("quarantine/")]


def test_a_removal_without_old_image_of_an_image_without_row_is_done_with(store: MemoryStore, ledger: Ledger) -> None:
    """There is nothing to remove; the journal keeps the event."""
    commit(ledger, [insert(2), remove_without_image(1, sequence=5_000, seconds=60)])
    done = redrive_quarantine(ledger)
    assert (done.merged, done.left) == (1, {})
    assert read_rows(store) == model_csv([item(2)])


def test_a_search_over_many_pages_finds_every_life(store: MemoryStore) -> None:
    """Keys sort by time, so an ETag may stand anywhere."""
    ledger = make_ledger(store, targets=Targets(300, 2))
    commit(ledger, [insert(number) for number in range(60)])
    commit(ledger, [remove_without_image(number, sequence=5_000, seconds=60) for number in (0, 31, 59)])
    redrive_quarantine(ledger)
    assert read_rows(store) == model_csv(item(number) for number in range(60) if number not in (0, 31, 59))
