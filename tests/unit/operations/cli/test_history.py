"""`skyledger history` tells what happened to an image."""

from collections.abc import Callable

from ledger.commit import commit
from ledger.ledger import Ledger
from tests.support.command_line import Ran
from tests.support.factories import event, item

Run = Callable[..., Ran]


def test_history_tells_an_image(skyledger: Run, filled: Ledger) -> None:
    """Line by line, and whether it is in the CSV now."""
    told = skyledger("history", "site/3.jpg")
    assert [line.split()[1] for line in told.out.splitlines()[:2]] == ["INSERT", "REMOVE"]
    assert told.out.splitlines()[-1] == "2 events; not in the CSV now"
    assert skyledger("history", "site/1.jpg").out.splitlines()[-1] == "1 events; now in the CSV, 1 row(s)"
    assert skyledger("history", "nothing").out == "0 events; not in the CSV now\n"
    assert skyledger("history", f"{1:032x}", "--json").json["rows"][0]["key"] == "site/1.jpg"
    commit(
        filled, [event("MODIFY", item(1, 2), item(1), sequence=10**24, seconds=90)]
    )  # real ones have 21 digits and more
    assert skyledger("history", "site/1.jpg", "--json").json["steps"][1]["order"][1] == 10**24
