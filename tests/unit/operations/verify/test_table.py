"""What a comparison with the table finds, and that it finds nothing where nothing is wrong."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from infra.doubles.export_files import write_full_export, write_incremental_export
from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.errors import Damaged
from ledger.ledger import Ledger
from ledger.manifest import Root, encode_root
from operations.rebuild.scratch import FolderScratch
from operations.table_export.files import read_export
from operations.table_export.sorted_items import MAY_BE_MISSED
from operations.verify.findings import Findings
from operations.verify.table import compare_with_export
from tests.support.factories import START, Item, event, insert, item, make_ledger
from tests.support.histories import deliver, history
from tests.support.reader import read_root

LATER = START + timedelta(hours=1)
TITLE = {"S": "by hand"}


@pytest.fixture
def scratch(tmp_path: Path) -> FolderScratch:
    """A folder for sorting."""
    return FolderScratch(tmp_path / "scratch")


def _compare(ledger: Ledger, store: MemoryStore, items: Iterable[Item], scratch: FolderScratch) -> Findings:
    key = write_full_export(store, items, LATER)
    return compare_with_export(ledger, store, read_export(store, key), read_root(store), scratch)


def test_a_tree_that_is_the_table_has_the_same_hash(store: MemoryStore, scratch: FolderScratch) -> None:
    """Three ways, one hash: here the table's own export."""
    made = history(9, 300)
    ledger = make_ledger(store)
    deliver(ledger, made)
    steps: list[str] = []
    key = write_full_export(store, made.items.values(), LATER)
    found = compare_with_export(
        ledger,
        store,
        read_export(store, key),
        read_root(store),
        scratch,
        progress=lambda step, done, total: steps.append(step if done == total else ""),
    )
    assert found.good
    assert found.checked["tree"] == found.checked["table"] == read_root(store).tree_hash
    assert steps.count("comparing rows") == 1, "a tree that is still the same says the same"


def test_what_tree_and_table_do_not_agree_on_is_told_by_key(store: MemoryStore, scratch: FolderScratch) -> None:
    """A row that is not in the table, an item that is not in the tree, and one that differs."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1), insert(2), insert(3)])
    found = _compare(ledger, store, [item(2), item(3, title=TITLE), item(4)], scratch)
    assert [(one.key[-2:], one.left is None, one.right is None) for one in found.differences] == [
        (b"01", False, True),
        (b"03", False, False),
        (b"04", True, False),
    ]
    assert found.problems == []
    table = MemoryStore()
    commit(make_ledger(table), [insert(2), event("INSERT", item(3, title=TITLE)), insert(4)])
    assert (found.checked["tree"], found.checked["table"]) == (read_root(store).tree_hash, read_root(table).tree_hash)


def test_what_an_export_may_lack_is_not_told_and_what_it_has_is(store: MemoryStore, scratch: FolderScratch) -> None:
    """A row of the minutes before the export may be missing in it; an item that is there is judged at any age."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1), insert(2)])
    for margin, missing in ((timedelta(seconds=-1), 0), (timedelta(seconds=1), 1)):
        items = [item(2, title=TITLE), item(3)]
        key = write_full_export(store, items, START + MAY_BE_MISSED + margin, name=f"export-{missing}")
        found = compare_with_export(ledger, store, read_export(store, key), read_root(store), scratch)
        assert [one.key[-2:] for one in found.differences] == [b"01"] * missing + [b"02", b"03"]


def test_what_changes_from_look_to_look_is_not_told(store: MemoryStore, scratch: FolderScratch) -> None:
    """What stays the same is looked at in all rounds, with a pause before each but the first."""
    exporter, waits = make_ledger(store), []
    commit(exporter, [insert(1), insert(2)])
    revisions = iter(range(2, 9))

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        revision = next(revisions)
        new = item(1, revision, title={"S": str(revision)})
        commit(exporter, [event("MODIFY", new, item(1, revision - 1), sequence=10 + revision)])

    key = write_full_export(store, [item(1, title=TITLE), item(2, title=TITLE)], LATER)
    operator = replace(make_ledger(store, 2), sleep=sleep)
    notes: list[str] = []
    found = compare_with_export(
        operator, store, read_export(store, key), read_root(store), scratch, report=notes.append
    )
    assert [one.key[-2:] for one in found.differences] == [b"02"]
    assert waits == [3.0] * 3
    assert [note.split(",")[0] for note in notes] == ["2 differences", "1 differences", "1 differences"]


def test_an_incremental_export_does_not_hold_the_table(store: MemoryStore, scratch: FolderScratch) -> None:
    """What did not change is not in it: all other rows would be told as missing."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    key = write_incremental_export(store, [], START, LATER)
    with pytest.raises(Damaged, match="whole table"):
        compare_with_export(ledger, store, read_export(store, key), read_root(store), scratch)


def test_an_item_that_cannot_be_a_row_is_a_problem(store: MemoryStore, scratch: FolderScratch) -> None:
    """The tree cannot have it, and nobody would miss it."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    found = _compare(ledger, store, [item(1), item(2) | {"revision": {"S": "none"}}], scratch)
    (problem,) = found.problems
    assert problem.startswith("an item cannot be a row: ")
    assert (found.good, found.count, found.checked["items"], found.checked["unusable"]) == (False, 0, 1, 1)
    assert scratch.names("") == []


def test_what_changes_during_the_export_is_not_judged(store: MemoryStore, scratch: FolderScratch) -> None:
    """The stream brings a change, or a new image, after the root was read: no difference is told."""
    ledger = make_ledger(store)
    commit(ledger, [insert(1)])
    before = read_root(store)
    commit(ledger, [event("MODIFY", item(1, 2), item(1), sequence=5), insert(3)])
    key = write_full_export(store, [item(1)], LATER)
    export = read_export(store, key)
    assert compare_with_export(ledger, store, export, before, scratch).good
    root: Root = replace(read_root(store), columns=NAMES[:9], version=99)
    stored, kind = store.objects["manifest.json"]
    store.objects["manifest.json"] = (replace(stored, body=encode_root(root), etag="other"), kind)
    with pytest.raises(Exception, match="columns of the CSV changed"):
        compare_with_export(ledger, store, export, before, scratch)
