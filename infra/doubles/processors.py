"""Many ImageProcessors on one queue in a simulation: photos arrive, the real catalog writes, DynamoDB throttles."""

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from image_processor.catalog.catalog import Catalog
from image_processor.catalog.facts import Present
from image_processor.errors import CatalogError, OutOfTime
from infra.doubles.capacity import Capacity
from infra.doubles.memory_tables import MemoryTables
from infra.doubles.scheduler import Scheduler

BEGIN = datetime(2026, 11, 25, tzinfo=UTC)  # what the catalog takes for the time at which the clock is 0
READ_SECONDS = 0.1  # to read a photo and its metadata
TRANSACTION_SECONDS = 0.01
ITEM_BYTES = 2600  # of free documents: with the other columns an item of 2.8 KB, as in the cost page
IDLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Flood:
    """What happens.

    Attributes:
        rate: photos a second, each with an event of its own,
        seconds: for so long.
        invocations: that run at once, all of them from the first second on: Lambda's slow start would be a help.
        units: write units that each table takes in a second.
        batch: messages of an invocation, each in a thread of its own.
        timeout: seconds of an invocation.
        visibility: seconds after which a message that failed comes again, counted from its last receive.
        receives: of one message, before it goes to the dead letters.
        seed: of all chances.
    """

    rate: float
    seconds: float
    invocations: int
    units: float
    batch: int = 10
    timeout: float = 60.0
    visibility: float = 360.0
    receives: int = 5
    seed: int = 1


@dataclass(slots=True)
class Drained:
    """What became of a flood.

    Attributes:
        receives: messages by the number of their receives.
        dead: messages that went to the dead letters.
        seconds: until the last message was done.
        sent: transactions.
        longest: seconds of the longest invocation.
    """

    receives: Counter[int] = field(default_factory=Counter)
    dead: int = 0
    seconds: float = 0.0
    sent: int = 0
    longest: float = 0.0


class Processors:
    """The simulation of one flood. A queue's promises are those of the SQS Developer Guide, "Visibility timeout"."""

    def __init__(self, flood: Flood) -> None:
        self.flood, self.drained = flood, Drained()
        self._scheduler = Scheduler(0.0)
        self.tables = MemoryTables()
        self.capacity = Capacity(lambda: self._scheduler.now, flood.units)
        self.tables.before = self.capacity
        self._queue: list[tuple[float, int, int]] = []  # visible from, number, receives so far
        self._open = round(flood.rate * flood.seconds)
        chance = random.Random(flood.seed)
        self._catalog = Catalog(
            self, "images-table", "objects-table", now=self._date, sleep=self._sleep, chance=chance.random
        )

    def run(self) -> Drained:
        """Let the photos come, and wait until every message is done or dead."""
        for number in range(self._open):
            heapq.heappush(self._queue, (number / self.flood.rate, number, 0))
        for _ in range(self.flood.invocations):
            self._scheduler.start(self._poll)
        self._scheduler.run()
        self.drained.sent = self.tables.calls.count("transact_write_items")
        return self.drained

    def transact_write_items(self, **arguments: Any) -> dict[str, Any]:
        """Write as the SDK's client does, in its time."""
        self._sleep(TRANSACTION_SECONDS)
        return self.tables.transact_write_items(**arguments)

    def _date(self) -> datetime:
        return BEGIN + timedelta(seconds=self._scheduler.now)

    def _sleep(self, seconds: float) -> None:
        self._scheduler.wait(self._scheduler.now + seconds)

    def _poll(self) -> None:
        """Do as one of Lambda's pollers does: one invocation after the other."""
        while self._open:
            if batch := list(self._receive()):
                self._invoke(batch)
            elif self._open:
                self._scheduler.wait(self._queue[0][0] if self._queue else self._scheduler.now + IDLE_SECONDS)

    def _receive(self) -> Iterator[tuple[int, int]]:
        """Give a batch of what is visible; whoever was received too often goes to the dead letters instead."""
        taken = 0
        while taken < self.flood.batch and self._queue and self._queue[0][0] <= self._scheduler.now:
            _, number, receives = heapq.heappop(self._queue)
            if receives == self.flood.receives:
                self.drained.dead += 1
                self._open -= 1
                continue
            taken += 1
            yield number, receives + 1

    def _invoke(self, batch: list[tuple[int, int]]) -> None:
        began = self._scheduler.now
        running = [len(batch)]

        def one(number: int, receives: int) -> None:
            if self._write(number, began + self.flood.timeout):
                self.drained.receives[receives] += 1
                self._open -= 1
                self.drained.seconds = self._scheduler.now
            else:
                heapq.heappush(self._queue, (began + self.flood.visibility, number, receives))
            running[0] -= 1

        for message in batch:
            self._scheduler.start(partial(one, *message))
        self._scheduler.wait(began, lambda: not running[0])
        self.drained.longest = max(self.drained.longest, self._scheduler.now - began)

    def _write(self, number: int, ends: float) -> bool:
        """Read a photo and write its row; say whether that is done."""
        self._sleep(READ_SECONDS)
        photo = Present(
            "photos",
            f"{number}.jpg",
            f"{number:016X}",
            etag=f"{number:032x}",
            size_bytes=8_000_000,
            last_modified="2026-11-25T00:00:00Z",
            content_type="image/jpeg",
            attributes={"exif": {"S": "x" * ITEM_BYTES}},
        )
        try:
            self._catalog.apply(photo, lambda: ends - self._scheduler.now)
        except (CatalogError, OutOfTime):
            return False
        return True
