"""What a comparison with the table finds, and that it finds nothing where nothing is wrong."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.ledger import Ledger
from ledger.manifest import Root, encode_root
from operations.rebuild.scratch import FolderScratch
from operations.table_export.files import read_export
from operations.verify.findings import Findings
from operations.verify.table import compare_with_export
from tests.support.export_files import write_full_export
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
    found = _compare(ledger, store, made.items.values(), scratch)
    assert found.good
    assert found.checked["tree"] == found.checked["table"] == read_root(store).tree_hash


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
