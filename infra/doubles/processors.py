"""Many ImageProcessors on one queue in a simulation: photos arrive, the real catalog writes, DynamoDB throttles."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from image_processor.catalog.catalog import Catalog
from image_processor.catalog.facts import Present
from image_processor.errors import CatalogError, OutOfTime
from infra.doubles.capacity import Capacity
from infra.doubles.image_queue import Deployment, Drained, ImageQueue
from infra.doubles.memory_tables import MemoryTables
from infra.doubles.scheduler import Scheduler

BEGIN = datetime(2026, 11, 25, tzinfo=UTC)  # what the catalog takes for the time at which the clock is 0
READ_SECONDS = 0.1  # to read a photo and its metadata
TRANSACTION_SECONDS = 0.01
ITEM_BYTES = 2600  # of free documents: with the other columns an item of 2.8 KB, as in the cost page


@dataclass(frozen=True, slots=True)
class Flood:
    """What happens.

    Attributes:
        rate: photos a second, each with an event of its own,
        seconds: for so long.
        units: write units that each table takes in a second.
        deployment: what the photos meet.
        seed: of all chances.
    """

    rate: float
    seconds: float
    units: float
    deployment: Deployment
    seed: int = 1


class Processors:
    """The simulation of one flood."""

    def __init__(self, flood: Flood) -> None:
        self.flood = flood
        self._scheduler = Scheduler(0.0)
        self.tables = MemoryTables()
        self.capacity = Capacity(lambda: self._scheduler.now, flood.units)
        self.tables.before = self.capacity
        chance = random.Random(flood.seed)
        self._catalog = Catalog(
            self, "images-table", "objects-table", now=self._date, sleep=self._sleep, chance=chance.random
        )

    def run(self) -> Drained:
        """Let the photos come, and wait until every message is done or dead."""
        queue = ImageQueue(self._scheduler, self.flood.deployment, self._write)
        return queue.drain([number / self.flood.rate for number in range(round(self.flood.rate * self.flood.seconds))])

    def transact_write_items(self, **arguments: Any) -> dict[str, Any]:
        """Write as the SDK's client does, in its time."""
        self._sleep(TRANSACTION_SECONDS)
        return self.tables.transact_write_items(**arguments)

    def _date(self) -> datetime:
        return BEGIN + timedelta(seconds=self._scheduler.now)

    def _sleep(self, seconds: float) -> None:
        self._scheduler.wait(self._scheduler.now + seconds)

    def _write(self, _: int, number: int, ends: float) -> bool:
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
