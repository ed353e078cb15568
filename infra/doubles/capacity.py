"""What DynamoDB takes of a table that is billed on demand: the units of writes, and its answer when they are too many.

A new table takes 4,000 write units a second (Developer Guide, "Understanding DynamoDB warm throughput"). These are four
partitions of 1,000 units each, and what was not used before does not lift a partition above that (re:Post, "How does
DynamoDB handle spiky workloads in short intervals"), so that nothing is saved up beyond the second. The table grows
while it is asked for more, within half an hour; here it never does.

A transaction that finds too little is cancelled: TransactionCanceledException, and `ThrottlingError` is the reason of
each write that did not fit (API Reference, TransactWriteItems). The SDK does not send it again by itself: botocore's
standard mode knows ThrottlingException and ProvisionedThroughputExceededException, but not this one
(`botocore.retries.standard.ThrottledRetryableChecker`).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from infra.doubles.refusal import refusal

NEW_TABLE = 4_000.0
"""Write units a second that a new table takes."""


def item_bytes(item: Mapping[str, Mapping[str, str]]) -> int:
    """Give the size of an item as DynamoDB counts it: names and values (a number is half its digits, and two)."""
    return sum(
        len(name.encode()) + (len(value["S"].encode()) if "S" in value else (len(value["N"]) + 1) // 2 + 2)
        for name, value in item.items()
    )


def write_units(item: Mapping[str, Any]) -> int:
    """Give the units of one write of a transaction: twice those of its item, one for each KB."""
    ((_, write),) = item.items()
    return 2 * math.ceil(item_bytes(write.get("Item") or write["Key"]) / 1024)


class Capacity:
    """The write units of some tables: stands before `MemoryTables` and cancels what is too much.

    Every write of a transaction is prepared, then committed, at half of its units each (Developer Guide, "DynamoDB
    transactions: how it works"). Of a cancelled one, what a table with room has prepared is taken to be used up: AWS
    does not say so, but if it is, transactions that are sent again too soon keep those away that would fit.

    Args:
        now: clock in seconds.
        units: that each table takes in a second.

    Attributes:
        cancelled: transactions so far.
    """

    def __init__(self, now: Callable[[], float], units: float = NEW_TABLE) -> None:
        self.cancelled = 0
        self._now, self._units = now, units
        self._left: dict[str, float] = {}
        self._filled = now()

    def __call__(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Take the units of a request, or refuse it; reads are taken to fit."""
        if name != "transact_write_items":
            return
        self._fill()
        tables = [next(iter(item.values()))["TableName"] for item in arguments["TransactItems"]]
        needed = dict.fromkeys(tables, 0.0)
        for table, item in zip(tables, arguments["TransactItems"], strict=True):
            needed[table] += write_units(item)
        short = {table for table, units in needed.items() if self._left.setdefault(table, self._units) < units}
        for table in needed.keys() - short:
            self._left[table] -= needed[table] / (2 if short else 1)
        if short:
            self.cancelled += 1
            reasons = [{"Code": "ThrottlingError" if table in short else "None"} for table in tables]
            raise refusal("TransactionCanceledException", 400, reasons)

    def _fill(self) -> None:
        now = self._now()
        for table, left in self._left.items():
            self._left[table] = min(self._units, left + (now - self._filled) * self._units)
        self._filled = now
