"""`skyledger snapshot` pins the live tree."""

from collections.abc import Callable
from datetime import UTC, datetime

from ledger.ledger import Ledger
from tests.support.command_line import Ran

Run = Callable[..., Ran]


def test_snapshot_pins_lists_and_removes(skyledger: Run, filled: Ledger) -> None:
    """One command for the three."""
    assert "monday: version 2, 2 rows" in skyledger("snapshot", "monday").out
    (listed,) = skyledger("snapshot", "--json").json["snapshots"]
    assert (listed["name"], datetime.fromisoformat(listed["made"]) <= datetime.now(UTC)) == ("monday", True)
    assert [line.split() for line in skyledger("snapshot").out.splitlines()][1:] == [["monday", listed["made"]]]
    assert skyledger("snapshot", "monday", "--remove").out == "removed monday\n"
    assert skyledger("snapshot", "--json").json == {"snapshots": []}
    skyledger("snapshot", "tuesday")
    assert skyledger("snapshot", "tuesday", "--remove", "--json").json == {"removed": "tuesday"}
