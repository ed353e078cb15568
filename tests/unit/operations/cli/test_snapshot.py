"""`skyledger snapshot` pins the live tree."""

from collections.abc import Callable

from ledger.ledger import Ledger
from tests.support.command_line import Ran

Run = Callable[..., Ran]


def test_snapshot_pins_lists_and_removes(skyledger: Run, filled: Ledger) -> None:
    """One command for the three."""
    assert "monday: version 2, 2 rows" in skyledger("snapshot", "monday").out
    assert [one["name"] for one in skyledger("snapshot", "--json").json["snapshots"]] == ["monday"]
    assert skyledger("snapshot", "monday", "--remove").code == 0
    assert skyledger("snapshot", "--json").json == {"snapshots": []}
