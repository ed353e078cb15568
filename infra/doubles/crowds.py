"""Many ImageProcessors that meet at one item, in a simulation: the code is the real one, from S3's message on.

A photo is read in `READ_SECONDS`; the tables take their time and refuse what conflicts (`timed_tables`). Each
function's environment has a catalog of its own, as it has in Lambda, which its ten threads share.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from image_processor.catalog.catalog import Catalog
from image_processor.handler import TRANSIENT, take_message
from image_processor.intake import Intake
from image_processor.sources import Sources
from infra.doubles.image_files import jpeg, packet, xmp_segment
from infra.doubles.image_queue import Deployment, Drained, ImageQueue, of_template
from infra.doubles.memory_bucket import BUCKET, MemoryBucket
from infra.doubles.memory_tables import MemoryTables, disagreements
from infra.doubles.scheduler import Scheduler
from infra.doubles.timed_tables import TimedTables

BEGIN = datetime(2026, 11, 25, tzinfo=UTC)  # what the catalog takes for the time at which the clock is 0
READ_SECONDS = 0.05
EVENT_SECONDS = 0.1  # from what happens to an object until its message can be received
ROW_TEXT = 2900  # characters in a photo's description: with the rest a row of a little more than 3 KB, so four units
PLENTY = 60.0


@dataclass(frozen=True, slots=True)
class Met:
    """What came of a meeting.

    Attributes:
        messages: that were sent,
        drained: and what became of them.
        transactions, reads: that were sent to the tables.
        refused: writes of cancelled transactions by the reason that stood against them.
        faults: what the tables say wrongly of each other, or of the bucket.
    """

    messages: int
    drained: Drained
    transactions: int
    reads: int
    refused: Counter[str]
    faults: list[str]


class Crowd:
    """One meeting: say what happens to the objects, then let it happen.

    Args:
        deployment: what the messages meet; the template's, if it is not given.
        seed: of all chances.
    """

    def __init__(self, deployment: Deployment | None = None, seed: int = 1) -> None:
        self._deployment = deployment or of_template()
        self._scheduler = Scheduler(0.0)
        self._chance = random.Random(seed)
        self._bucket = _SlowBucket()
        self.tables = TimedTables(self._scheduler)
        self._events: list[tuple[float, float, Callable[[], str]]] = []  # when, when told, what
        self._messages: dict[int, str] = {}
        self._intakes = [self._intake(self.tables) for _ in range(self._deployment.invocations)]

    def copies(self, count: int) -> Met:
        """Copy one photo so often, all at once; a tenth of the copies is deleted within the next second."""
        body = photo(0)
        for number in range(count):
            self._happens(0.0, partial(self._bucket.put, f"copies/{number}.jpg", body))
        for number in self._chance.sample(range(count), count // 10):
            self._happens(self._chance.random(), partial(self._bucket.delete, f"copies/{number}.jpg"))
        return self._meet()

    def overwrites(self, count: int) -> Met:
        """Write one object and delete it so often in all; the events come out of order, within a second."""
        for number in range(count):
            put = partial(self._bucket.put, "one.jpg", photo(number % 3))
            self._happens(0.0, partial(self._bucket.delete, "one.jpg") if number % 2 else put, late=True)
        self._happens(0.0, partial(self._bucket.put, "one.jpg", photo(0)), late=True)
        return self._meet()

    def clearance(self, count: int) -> Met:
        """Delete all copies of one photo at once."""
        body, intake = photo(0), self._intake(self.tables.beside())
        for number in range(count):
            _, failures = take_message(intake, self._bucket.put(f"copies/{number}.jpg", body), lambda: PLENTY)
            assert not failures
        for number in self._chance.sample(range(count), count):
            self._happens(0.0, partial(self._bucket.delete, f"copies/{number}.jpg"))
        return self._meet()

    def _intake(self, tables: MemoryTables) -> Intake:
        catalog = Catalog(
            tables, "images-table", "objects-table", now=self._date, sleep=self._sleep, chance=self._chance.random
        )
        return Intake(self._bucket, catalog, Sources({BUCKET}))

    def _happens(self, time: float, what: Callable[[], str], *, late: bool = False) -> None:
        arrives = time + EVENT_SECONDS + (self._chance.random() if late else 0.0)
        self._events.append((time, arrives, what))

    def _meet(self) -> Met:
        self._bucket.wait = self._sleep
        self._events.sort(key=lambda event: event[0])
        self._scheduler.start(self._upload)
        queue = ImageQueue(self._scheduler, self._deployment, self._work)
        drained = queue.drain([arrives for _, arrives, _ in self._events])
        held = {f"{BUCKET}/{key}": etag for key, (_, etag) in self._bucket.objects.items()}
        faults = disagreements(self.tables, held)
        return Met(len(self._events), drained, self.tables.sent, self.tables.reads, self.tables.refused, faults)

    def _upload(self) -> None:
        for number, (time, _, what) in enumerate(self._events):
            if time > self._scheduler.now:
                self._scheduler.wait(time)
            self._messages[number] = what()

    def _work(self, environment: int, number: int, ends: float) -> bool:
        intake = self._intakes[environment]
        _, failures = take_message(intake, self._messages[number], lambda: ends - self._scheduler.now)
        for failure in failures:
            if not isinstance(failure, TRANSIENT):
                raise failure
        return not failures

    def _date(self) -> datetime:
        return BEGIN + timedelta(seconds=self._scheduler.now)

    def _sleep(self, seconds: float) -> None:
        self._scheduler.wait(self._scheduler.now + seconds)


class _SlowBucket(MemoryBucket):
    """A bucket that takes its time to answer, once the meeting begins."""

    def __init__(self) -> None:
        super().__init__()
        self.wait: Callable[[float], None] = lambda seconds: None

    def get_object(self, Key: str, Range: str = "bytes=0-", IfMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self.wait(READ_SECONDS)
        return super().get_object(Key=Key, Range=Range, IfMatch=IfMatch)


def photo(number: int) -> bytes:
    """Make a photo that says something of itself; another number is another photo."""
    return jpeg(xmp_segment(packet(body=f"<dc:description>{number} {'x' * ROW_TEXT}</dc:description>")))
