"""`skyledger restore` goes back, and can be undone."""

from collections.abc import Callable

import pytest

from infra.doubles.memory_store import MemoryStore
from ledger.ledger import Ledger
from operations.errors import BadTime
from operations.replay.past import check_past
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
    assert ("looking at objects" in again.err, "publishing image-data.csv" in again.err) == (True, True)
    assert read_csv(store) == model_csv([item(1), item(2)])
    to = skyledger("restore", "--to", "2026-11-25T08:00:30", "--yes", *ONE)
    assert to.out == "version 5: 3 rows; to undo: skyledger restore before-restore-4\n"
    assert "publishing image-data.csv" in to.err, "it goes on to be told after the question"
    store.delete(["manifest.json"])
    assert "undo" not in skyledger("restore", "before-restore-4", "--yes").out, "there was nothing to go back to"


def _status(skyledger: Run) -> str:
    return next(line for line in skyledger("status").out.splitlines() if line.startswith("restored"))


def test_a_restored_csv_is_told_until_that_is_undone(skyledger: Run, filled: Ledger) -> None:
    """With the way back; a replay of the whole journal ends it as well."""
    assert _status(skyledger).split() == ["restored", "no"]
    skyledger("restore", "--to", "2026-11-25T08:00:30", "--yes", *ONE)
    told = _status(skyledger)
    assert "to 2026-11-25T08:00:30Z; skyledger restore before-restore-2 takes it back;" in told
    assert skyledger("status", "--json").json["restored"] == {"to": "2026-11-25T08:00:30Z", "undo": "before-restore-2"}
    assert skyledger("replay", "--until", "2026-11-25T08:00:01", "--swap", "--yes", *ONE).code == 0
    assert "to 2026-11-25T08:00:01Z; skyledger restore before-restore-3 takes it back;" in _status(skyledger)
    assert skyledger("restore", "before-restore-2", "--yes").code == 0
    assert _status(skyledger).split() == ["restored", "no"]
    skyledger("restore", "before-restore-3", "--yes")
    assert "to 2026-11-25T08:00:30Z" in _status(skyledger), "what stood there was a restored one"
    swapped = skyledger("replay", "--swap", *ONE)
    assert (swapped.code, "publishing image-data.csv" in swapped.err) == (0, True)
    assert _status(skyledger).split() == ["restored", "no"]


@pytest.mark.parametrize("command", [("restore", "--to"), ("replay", "--swap", "--until"), ("replay", "--until")])
@pytest.mark.parametrize(
    ("time", "why"),
    [
        ("2020-01-01T00:00:00", "before the first event, which is of 2026-11-25T08Z"),
        ("2026-11-25T08:00:00", "before the first of 4 events"),
        ("2126-11-25T08:00:00", "is yet to come"),
    ],
)
def test_a_time_that_the_csv_never_had_is_refused(
    time: str, why: str, command: tuple[str, ...], skyledger: Run, filled: Ledger, store: MemoryStore
) -> None:
    """A wrong year would empty what all readers see; and nothing is pinned for it."""
    before = dict(store.objects)
    answered = ("--yes",) if command != ("replay", "--until") else ()
    ran = skyledger(*command, time, *answered, *ONE)
    assert (ran.code, why in ran.err) == (2, True), ran.err
    assert store.objects.keys() - before.keys() <= {key for key in store.objects if key.startswith(("shards/", "mani"))}
    assert {key: store.objects[key] for key in before} == before


def test_this_machines_clock_may_be_behind_that_of_the_events(filled: Ledger) -> None:
    """Then no time up to the newest event is yet to come: it is eight here, and an event is of 8:01."""
    live, _ = filled.load_root()
    check_past(filled, live, "2026-11-25T08:01:00Z")
    with pytest.raises(BadTime, match="yet to come"):
        check_past(filled, live, "2026-11-25T08:01:01Z")
    with pytest.raises(BadTime, match="yet to come"):
        check_past(filled, None, "2026-11-25T08:00:01Z")
