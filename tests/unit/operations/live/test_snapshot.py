"""Snapshots pin a tree, and restoring one can be undone."""

from dataclasses import replace

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.csvw import describe
from ledger.errors import Damaged
from ledger.keys import shard_key
from ledger.ledger import Ledger
from ledger.manifest import Gap, Restored
from ledger.publish import publish
from operations.errors import BadName, NotSwapped
from operations.live.root import put_root
from operations.live.snapshot import last_replaced, load, pin, remove, restore, snapshots
from tests.support.factories import insert, item, make_ledger, model_csv, modify
from tests.support.reader import read_csv, read_root, read_rows


def test_a_restored_snapshot_is_a_new_version_with_the_old_rows(ledger: Ledger, store: MemoryStore) -> None:
    """Versions never go back; the CSV shows the old tree, and exporters merge into it."""
    commit(ledger, [insert(1)])
    pin(ledger, "monday", read_root(store))
    commit(ledger, [insert(2)])
    publish(ledger)
    version = read_root(store).version
    root, undo = restore(ledger, load(ledger, "monday"), "monday")
    assert root.version == version + 1
    assert read_csv(store) == read_rows(store) == model_csv([item(1)])
    commit(make_ledger(store, 2), [insert(3)])
    assert read_rows(store) == model_csv([item(1), item(3)])
    assert read_root(store).restored == Restored("monday", undo), "commits hand it on"
    again, back = restore(ledger, load(ledger, "monday"), "monday")
    assert again.restored == Restored("monday", back)
    assert restore(ledger, load(ledger, back), back)[0].restored == Restored("monday", undo)
    assert restore(ledger, load(ledger, undo), undo)[0].restored is None
    assert read_csv(store) == model_csv([item(1), item(2)])
    version = read_root(store).version
    store.delete(["manifest.json"])
    root, undo = restore(make_ledger(store, 4), load(ledger, "monday"), "monday")
    assert (root.version, undo) == (version + 1, ""), "above all that ever were, though none stands"
    assert read_csv(store) == model_csv([item(1)])


def test_an_exporter_that_is_faster_is_kept_for_undoing(store: MemoryStore) -> None:
    """The snapshot made before holds exactly the root that was replaced."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    pin(ledger, "monday", read_root(store))
    exporter = make_ledger(store, 2)
    real = store.put_if_match
    late = [insert(2), insert(3)]

    def put_if_match(key: str, *arguments: object) -> str:
        if key == "manifest.json" and late:
            one = late.pop()
            commit(exporter, [one])
        return real(key, *arguments)  # type: ignore[arg-type]

    store.put_if_match = put_if_match  # type: ignore[method-assign]
    _, undo = restore(make_ledger(store, 3), load(ledger, "monday"), "monday")
    assert read_rows(store) == model_csv([item(1)])
    assert [one.name for one in snapshots(ledger)] == [undo, "monday"]
    restore(ledger, load(ledger, undo), undo)
    assert read_rows(store) == model_csv([item(1), item(2), item(3)])


def test_exporters_that_always_win_are_given_way(store: MemoryStore) -> None:
    """A restore that cannot win says so and leaves the tree as it is."""
    ledger = make_ledger(store)
    commit(ledger, [insert(0)])
    pin(ledger, "start", read_root(store))
    exporter, numbers = make_ledger(store, 2), iter(range(1, 10**6))
    real, busy = store.put_if_match, []

    def put_if_match(key: str, *arguments: object) -> str:
        if key == "manifest.json" and not busy:
            busy.append(1)
            commit(exporter, [insert(next(numbers))])
            busy.pop()
        return real(key, *arguments)  # type: ignore[arg-type]

    store.put_if_match = put_if_match  # type: ignore[method-assign]
    with pytest.raises(NotSwapped):
        restore(make_ledger(store, 3), load(ledger, "start"), "start")
    assert read_root(store).rows.rows == 61
    assert [one.name for one in snapshots(ledger)] == ["start"]


def test_a_restored_root_has_what_exporters_need_of_the_one_before(ledger: Ledger, store: MemoryStore) -> None:
    """Segments that a leader merged, and open gaps, are those of the root that it replaces; the description fits."""
    commit(ledger, [insert(1)])
    pin(ledger, "monday", read_root(store))
    root, etag = ledger.load_root()
    checkpoint = replace(root.checkpoint, gaps=(Gap("late", "stream", "a", "b"),))
    assert put_root(ledger, root.successor("x", merged=("taken along",), checkpoint=checkpoint), etag)
    restored, _ = restore(ledger, load(ledger, "monday"), "monday")
    assert (restored.merged, restored.checkpoint.gaps) == (("taken along",), checkpoint.gaps)
    assert (restored.segments, restored.oldest_event) == ((), ""), "it takes no events"
    assert store.get("image-data.csv-metadata.json").body == describe(NAMES)


def test_undoing_goes_back_to_the_last_root_that_was_replaced(ledger: Ledger, store: MemoryStore) -> None:
    """Versions are numbers; a snapshot of somebody's own that is named alike is none of these."""
    root, _ = ledger.load_root()
    for name in ("before-restore-9", "before-restore-10", "before-restore-x", "monday"):
        pin(ledger, name, root)
    assert last_replaced(ledger) == "before-restore-10"
    with pytest.raises(BadName, match="no snapshot"):
        remove(ledger, "tuesday")


def test_names_are_safe_unique_and_known(ledger: Ledger, store: MemoryStore) -> None:
    """A name is one path segment, stands for one root, and must exist."""
    root, _ = ledger.load_root()
    for name in ("", "../roots/1", "a/b", "ü", "-x", "a" * 101):
        with pytest.raises(BadName):
            pin(ledger, name, root)
    pin(ledger, "a.b-c_d", root)
    pin(ledger, "a.b-c_d", root)
    commit(ledger, [insert(1)])
    with pytest.raises(BadName, match="another snapshot"):
        pin(ledger, "a.b-c_d", read_root(store))
    with pytest.raises(BadName, match="no snapshot"):
        load(ledger, "other")
    remove(ledger, "a.b-c_d")
    assert not list(snapshots(ledger))


def test_a_snapshot_whose_objects_are_gone_is_not_restored(ledger: Ledger, store: MemoryStore) -> None:
    """Somebody deleted shards by hand: the live tree stays."""
    commit(ledger, [insert(1)])
    pin(ledger, "monday", read_root(store))
    page = read_root(store).rows.pages[0]
    shard = ledger.objects.pages([page])[page.sha256][0]
    commit(ledger, [modify(1, 2, title={"S": "new"})])
    store.delete([shard_key(shard.sha256)])
    before = read_root(store)
    with pytest.raises(Damaged, match=shard.sha256):
        restore(make_ledger(store, 2), load(ledger, "monday"), "monday")
    assert read_root(store) == before
    assert before.columns == NAMES
