"""New photos while old ones go through: two queues of one function, or one queue for all, at the same two tables.

In a simulation, whose code is the real one from the message on: uploads come one after the other, and as many objects
wait that were there before. The tables take what new ones take (`capacity`), so both kinds compete for write units; the
account lends its concurrency to both. A queue gives messages in the order in which they came, which is what a standard
queue of SQS tries to do (SQS Developer Guide, "Amazon SQS standard queues").
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from typing import Any

from image_processor.catalog.catalog import Catalog
from image_processor.columns.extract import Record
from image_processor.handler import TRANSIENT, take_message
from image_processor.intake import Intake
from image_processor.reading.ranged import Source
from image_processor.sources import Sources
from infra.doubles.capacity import NEW_TABLE
from infra.doubles.image_queue import Account, Deployment, Drained, ImageQueue
from infra.doubles.memory_bucket import BUCKET, MemoryBucket
from infra.doubles.scheduler import Scheduler
from infra.doubles.timed_tables import TimedTables

BEGIN = datetime(2026, 11, 25, tzinfo=UTC)  # what the catalog takes for the time at which the clock is 0
READ_SECONDS = 0.1  # to read a photo and its metadata
HEAD_SECONDS = 0.02
EVENT_SECONDS = 0.1  # from an upload until its message can be received
ITEM_BYTES = 2600  # of free documents: with the other columns an item of 2.8 KB, as in the cost page


@dataclass(frozen=True, slots=True)
class Load:
    """What comes.

    Attributes:
        rate: uploads a second,
        seconds: for so long.
        old: objects that wait from the beginning on; more than can be done in this time.
        units: write units that each table takes in a second.
    """

    rate: float
    seconds: float
    old: int
    units: float = NEW_TABLE


@dataclass(slots=True)
class Passed:
    """What became of it.

    Attributes:
        waits: seconds from each upload to its row, of those that have one; infinite for those that have none.
        old_done: when objects were done that were there before.
        transactions: sent to the tables.
        throttled: writes of them that found too little.
        dead: messages that went to the dead letters.
    """

    waits: list[float] = field(default_factory=list)
    old_done: list[float] = field(default_factory=list)
    transactions: int = 0
    throttled: int = 0
    dead: int = 0


class Lanes:
    """One simulation.

    Args:
        load: what comes.
        uploads: what the queue of new photos is set up for.
        seen: what that of old ones is set up for; None: they go through the other queue, too.
        account: invocations that run at once, at most.
        seed: of all chances.
    """

    def __init__(
        self, load: Load, uploads: Deployment, seen: Deployment | None, account: int = 1_000, seed: int = 1
    ) -> None:
        self._load, self._uploads, self._seen = load, uploads, seen
        self._account = Account(account)
        self._scheduler = Scheduler(0.0)
        self._chance = random.Random(seed)
        self._bucket = _SlowBucket(self._sleep)
        self._tables = TimedTables(self._scheduler, load.units)
        self._passed = Passed()

    def run(self) -> Passed:
        """Let uploads and old objects come, until the last upload has come."""
        count = round(self._load.rate * self._load.seconds)
        coming = [EVENT_SECONDS + number / self._load.rate for number in range(count)]
        new = [self._bucket.put(f"new/{number}.jpg", b"new %d" % number) for number in range(count)]
        old = [self._seen_message(f"old/{number}.jpg", b"old %d" % number) for number in range(self._load.old)]
        self._passed.waits = [inf] * count
        uploads = _Messages(new, coming, self._uploaded)
        seen = _Messages(old, [0.0] * len(old), self._done)
        if self._seen is None:
            both = _Messages([*new, *old], [*coming, *seen.arrivals], self._either)
            filled = [self._fill(self._uploads, both)]
        else:
            filled = [self._fill(self._uploads, uploads), self._fill(self._seen, seen)]
        self._scheduler.run(self._load.seconds)
        self._passed.dead = sum(drained.dead for drained in filled)
        self._passed.transactions, self._passed.throttled = self._tables.sent, self._tables.refused["ThrottlingError"]
        return self._passed

    def _fill(self, deployment: Deployment, messages: "_Messages") -> Drained:
        intakes = [self._intake() for _ in range(deployment.invocations)]

        def work(environment: int, number: int, ends: float) -> bool:
            left = partial(self._left, ends)
            _, failures = take_message(intakes[environment], messages.bodies[number], left)
            for failure in failures:
                if not isinstance(failure, TRANSIENT):
                    raise failure
            if not failures:
                messages.done(number)
            return not failures

        return ImageQueue(self._scheduler, deployment, work, self._account).fill(messages.arrivals)

    def _uploaded(self, number: int) -> None:
        self._passed.waits[number] = self._scheduler.now - number / self._load.rate

    def _done(self, _: int) -> None:
        self._passed.old_done.append(self._scheduler.now)

    def _either(self, number: int) -> None:
        if number < len(self._passed.waits):
            self._uploaded(number)
        else:
            self._done(number)

    def _intake(self) -> Intake:
        chance = self._chance.random
        catalog = Catalog(
            self._tables, "images-table", "objects-table", now=self._date, sleep=self._sleep, chance=chance
        )
        return Intake(self._bucket, catalog, Sources({BUCKET}), _read)

    def _seen_message(self, key: str, body: bytes) -> str:
        self._bucket.put(key, body)
        seen = {"bucket": {"name": BUCKET}, "object": {"key": key, "size": len(body)}, "reason": "ingest"}
        told = {"source": "skyledger", "detail-type": "Object Seen", "time": "2026-11-25T00:00:00Z", "detail": seen}
        return json.dumps(told)

    def _left(self, ends: float) -> float:
        return ends - self._scheduler.now

    def _date(self) -> datetime:
        return BEGIN + timedelta(seconds=self._scheduler.now)

    def _sleep(self, seconds: float) -> None:
        self._scheduler.wait(self._scheduler.now + seconds)


@dataclass(frozen=True, slots=True)
class _Messages:
    """What goes into a queue: each with the moment at which it comes, and who is told that it is done."""

    bodies: Sequence[str]
    arrivals: Sequence[float]
    done: Callable[[int], None]


class _SlowBucket(MemoryBucket):
    """A bucket that takes its time to answer."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        super().__init__()
        self._wait = wait

    def get_object(self, Key: str, Range: str = "bytes=0-", IfMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self._wait(READ_SECONDS)
        return super().get_object(Key=Key, Range=Range, IfMatch=IfMatch)

    def head_object(self, Key: str, IfMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        self._wait(HEAD_SECONDS)
        return super().head_object(Key=Key, IfMatch=IfMatch)


def _read(source: Source) -> Record:
    """Read a photo: what it says is the same for all, the time that it takes is the bucket's."""
    source.read(0, 1)
    return Record("image/jpeg", {"exif": {"S": "x" * ITEM_BYTES}})
