"""Trees are read and compared as streams."""

from infra.doubles.memory_store import MemoryStore
from ledger.commit import commit
from ledger.manifest import Targets
from operations.rebuild.tree_reader import cells, differences
from operations.verify.findings import Findings
from tests.support.factories import event, insert, item, make_ledger
from tests.support.reader import read_root


def test_differences_read_only_what_two_trees_do_not_share() -> None:
    """Of two trees that differ in one row, the shards around it are read and no others."""
    one, two = MemoryStore(), MemoryStore()
    events = [insert(number) for number in range(500)]
    left, right = make_ledger(one, targets=Targets(1000, 4)), make_ledger(two, targets=Targets(1000, 4))
    commit(left, events)
    commit(right, [*events, event("MODIFY", item(250, 2, title={"S": "new"}), item(250), sequence=10**6)])
    reads: list[str] = []
    real = one.get
    one.get = lambda key, **more: reads.append(key) or real(key, **more)  # type: ignore[method-assign,func-returns-value]
    fresh = make_ledger(one)
    found = list(differences(fresh.objects, read_root(one).rows, right.objects, read_root(two).rows))
    assert [one.key[-3:] for one in found] == [b"0fa"]
    assert len([key for key in reads if key.startswith("shards/")]) <= 3
    assert isinstance(Findings(), Findings)


def test_cells_are_split_as_csv_says() -> None:
    """Quotes, commas and empty cells at the end."""
    assert cells(b'a,"b, ""c""",,"{""x"":1}",\n') == ["a", 'b, "c"', "", '{"x":1}', ""]
