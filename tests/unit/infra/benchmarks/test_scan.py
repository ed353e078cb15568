"""The predecessor that the scan benchmark compares with does what it is said to, and its costs are counted right."""

import csv
import io
import re
import time

import pytest

from infra.benchmarks import scan
from infra.benchmarks.scan import Cost, Predecessor, TimedStore
from infra.doubles.capacity import item_bytes
from infra.doubles.memory_store import MemoryStore
from infra.survey import items
from ledger.columns import NAMES

ITEMS = [items.item(number) for number in range(25)]
ANSWER_SECONDS = 0.02


class Tables:
    """Answers Scan in pages of eleven items, late."""

    def __init__(self):
        self.asked = []

    def scan(self, *, TableName, ExclusiveStartKey=None):  # noqa: N803
        time.sleep(ANSWER_SECONDS)
        self.asked.append(TableName)
        start = ExclusiveStartKey["number"] if ExclusiveStartKey else 0
        more = {"LastEvaluatedKey": {"number": start + 11}} if start + 11 < len(ITEMS) else {}
        return {"Items": ITEMS[start : start + 11], **more}


class Bucket:
    """Keeps what is put."""

    def put_object(self, *, Bucket, Key, Body):  # noqa: N803
        self.body = Body


def values(text: str) -> list[dict[str, str | float]]:
    """Read a CSV; numbers as numbers."""
    numeric = re.compile(r"-?\d+(\.\d+)?")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    return [{name: float(cell) if numeric.fullmatch(cell) else cell for name, cell in row.items()} for row in rows]


@pytest.fixture
def exported():
    """A predecessor that has exported, with its table and bucket."""
    tables, bucket = Tables(), Bucket()
    predecessor = Predecessor(tables, bucket)
    predecessor.export()
    return predecessor, tables, bucket


def test_the_predecessor_makes_the_same_rows_of_the_whole_table(exported):
    """Column by column what our rows say; its quoting may differ, and its 24 is our 24.0."""
    predecessor, tables, bucket = exported
    ours = b"".join(map(items.line, range(25))).decode()
    assert values(bucket.body.decode()) == values(",".join(NAMES) + "\n" + ours)
    assert predecessor.rows == 25
    assert tables.asked == [scan.TABLE] * 3


def test_the_predecessor_pays_for_pages_and_not_for_items(exported):
    """An eventually consistent read of 4 KB is half a unit; only the sum of a page is rounded up."""
    predecessor, _, bucket = exported
    sizes = [item_bytes(item) for item in ITEMS]
    assert all(3600 < size < 3750 for size in sizes)
    assert predecessor.read_units == (10 + 10 + 3) / 2, "eleven items of 3.7 KB are less than ten times 4 KB"
    assert predecessor.requests == 4
    assert predecessor.moved == sum(sizes) + len(bucket.body)


def test_waiting_for_the_table_is_told_from_the_predecessors_own_work(exported):
    """The emulator's scan is slower than the real one, and its slowness must not be counted for us."""
    predecessor, _, _ = exported
    assert predecessor.waited >= 3 * ANSWER_SECONDS * 0.9
    assert 0 < predecessor.counting < 1
    assert Cost(seconds=5, cpu=1, requests=4, moved=9, waited=3).own == 2


def test_only_copies_that_nothing_else_goes_on_beside_are_waiting():
    """Two copies from 1 to 5 s, an upload from 2 to 3 s and one afterwards: 3 s, less what the processor did for it."""
    store = TimedStore(MemoryStore())
    store.spans = [(True, 1.0, 4.0), (False, 2.0, 3.0), (True, 3.5, 5.0), (False, 5.0, 6.0)]
    assert store.waited() == 3.0
    store.own = 0.5
    assert store.waited() == 2.5
    store.own = 9.0
    assert store.waited() == 0


def test_every_request_is_timed_and_counted():
    store = TimedStore(MemoryStore())
    store.put_new("a", b"1", "text/plain")
    assert store.get("a").body == b"1"
    assert [is_copy for is_copy, began, ended in store.spans if began <= ended] == [False, False]
    assert (store.requests, store.written, store.read) == (2, 1, 1)
    store.reset()
    assert (store.spans, store.requests, store.waited()) == ([], 0, 0)
