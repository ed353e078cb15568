"""What DynamoDB takes of a table that is billed on demand: the units of writes, and its answer when they are too many.

A new table takes 4,000 write units a second (Developer Guide, "Understanding DynamoDB warm throughput"). These are four
partitions of 1,000 units each, and what was not used before does not lift a partition above that (re:Post, "How does
DynamoDB handle spiky workloads in short intervals"), so that nothing is saved up beyond the second. The table grows
while it is asked for more, within half an hour; here it never does. All writes of one key meet in one partition, and
have its 1,000 units and no more, however large the table is ("Understanding DynamoDB warm throughput in different
scenarios"; a write has the units of the item as it was or as it becomes, whichever is larger).

A transaction that finds too little is cancelled: TransactionCanceledException, and `ThrottlingError` is the reason of
each write that did not fit (API Reference, TransactWriteItems). The SDK does not send it again by itself: botocore's
standard mode knows ThrottlingException and ProvisionedThroughputExceededException, but not this one
(`botocore.retries.standard.ThrottledRetryableChecker`).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from infra.doubles.memory_tables import Place, cancel, place_of

NEW_TABLE = 4_000.0
"""Write units a second that a new table takes."""

PARTITION = 1_000.0
"""Write units a second that a partition takes, and so all items of one key."""


def item_bytes(item: Mapping[str, Mapping[str, str]]) -> int:
    """Give the size of an item as DynamoDB counts it: names and values (a number is half its digits, and two)."""
    return sum(
        len(name.encode()) + (len(value["S"].encode()) if "S" in value else (len(value["N"]) + 1) // 2 + 2)
        for name, value in item.items()
    )


def write_units(item: Mapping[str, Any], stored: Mapping[str, Any] | None = None) -> int:
    """Give the units of one write of a transaction: twice those of its item, one for each KB.

    Args:
        item: element of `TransactItems`.
        stored: the item as it is, if there is one.
    """
    ((_, write),) = item.items()
    written = item_bytes(write.get("Item") or write["Key"])
    return 2 * math.ceil(max(written, item_bytes(stored or {})) / 1024)


class Capacity:
    """The write units of some tables, and of each of their keys: says what is too much.

    Every write of a transaction is prepared, then committed, at half of its units each (Developer Guide, "DynamoDB
    transactions: how it works"). A cancelled one is taken to have used up what it prepared: AWS says so of a condition
    that fails (Developer Guide, "Working with items"), and not of the rest; but if it is so, transactions that are sent
    again too soon keep those away that would fit.

    Args:
        now: clock in seconds.
        units: that each table takes in a second.
        key_units: that each key takes in a second.

    Attributes:
        cancelled: transactions so far.
    """

    def __init__(self, now: Callable[[], float], units: float = NEW_TABLE, key_units: float = PARTITION) -> None:
        self.cancelled = 0
        self._now, self._units, self._key_units = now, units, key_units
        self._left: dict[str | Place, tuple[float, float]] = {}  # units, and when there were so many

    def __call__(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Take the units of a request, or refuse it: stands before `MemoryTables`. Reads are taken to fit."""
        if name != "transact_write_items":
            return
        needs = {place_of(item): float(write_units(item)) for item in arguments["TransactItems"]}
        short = self.prepare(needs)
        cancel([{"Code": "ThrottlingError" if place in short else "None"} for place in needs])
        self.commit(needs)

    def prepare(self, needs: Mapping[Place, float]) -> set[Place]:
        """Take what it costs to prepare the writes of a transaction that fit; give those that do not.

        Args:
            needs: units of each write.
        """
        tables = dict.fromkeys((table for table, _ in needs), 0.0)
        for (table, _), units in needs.items():
            tables[table] += units
        full = {table for table, units in tables.items() if self._rest(table) < units}
        short = {place for place, units in needs.items() if place[0] in full or self._rest(place) < units}
        self._take({place: units for place, units in needs.items() if place not in short})
        self.cancelled += bool(short)
        return short

    def commit(self, needs: Mapping[Place, float]) -> None:
        """Take the other half."""
        self._take(needs)

    def _take(self, needs: Mapping[Place, float]) -> None:
        for place, units in needs.items():
            for bucket in (place, place[0]):
                self._left[bucket] = self._rest(bucket) - units / 2, self._now()

    def _rest(self, bucket: str | Place) -> float:
        limit = self._units if isinstance(bucket, str) else self._key_units
        left, since = self._left.get(bucket, (limit, 0.0))
        return min(limit, left + (self._now() - since) * limit)
