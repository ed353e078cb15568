"""`skyledger restore` goes back, and can be undone."""

from collections.abc import Callable

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from tests.support.command_line import Ran
from tests.support.factories import item, model_csv
from tests.support.reader import read_csv

Run = Callable[..., Ran]
ONE = ("--processes", "1")


def test_restore_to_a_time_and_back(skyledger: Run, filled: Ledger, store: MemoryStore) -> None:
    """Times without an offset are UTC; what was replaced is pinned under the name that is told."""
    told = skyledger("restore", "--to", "2026-11-25T08:00:30", "--yes", "--json", *ONE).json
    assert told["rows"] == 3
    assert read_csv(store) == model_csv([item(1), item(2), item(3)])
    assert told["undo"] == f"before-restore-{told['version'] - 1}"
    again = skyledger("restore", "--undo", "--yes")
    assert again.out == "version 4: 2 rows; to undo: skyledger restore before-restore-3\n"
    assert read_csv(store) == model_csv([item(1), item(2)])
    to = skyledger("restore", "--to", "2026-11-25T08:00:30", "--yes", *ONE).out
    assert to == "version 5: 3 rows; to undo: skyledger restore before-restore-4\n"
    store.delete(["manifest.json"])
    assert "undo" not in skyledger("restore", "before-restore-4", "--yes").out, "there was nothing to go back to"
