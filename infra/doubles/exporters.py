"""Many exporters and a publisher on one ledger in a simulation: events arrive, real commits race, readers see them."""

import hashlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from weakref import finalize

from infra.doubles.publishers import Publishers
from infra.doubles.scheduler import Scheduler
from infra.doubles.simulated_store import Bucket, Network, SimulatedStore
from infra.doubles.sparse_store import Content
from infra.survey import items
from infra.survey.lazy_table import LAST, LazyTable
from ledger.batch import StreamBatch
from ledger.commit import Report, commit_batch
from ledger.errors import LedgerError, NotCalled, OutOfTime
from ledger.event import read_event
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import decode_root
from ledger.publish import publish

BEGIN = items.BEGIN + timedelta(milliseconds=LAST + 1)  # when the clock is 0: what comes then follows the table's last
PREPARE = 55e-6  # seconds of computing for an event before the merge, on one processor (`bench contention --measure`)
SMALL = 10_000  # rows of a table whose CSV may be put whole, for which all shards are read


@dataclass(frozen=True, slots=True)
class Traffic:
    """What happens.

    Attributes:
        exporters: how many functions, each on a stream shard of its own.
        rate: events per second of each stream shard.
        window: seconds that a batch is gathered.
        batch: events that end the gathering early.
        seconds: how long events come.
        prepare: seconds of computing per event before the merge: to rows and to the journal.
        invocation: seconds that a function may take.
        rows: rows that the ledger has already.
        ramp: seconds over which the streams set in, one after the other.
        seed: of all chances.
    """

    exporters: int
    rate: float
    window: float = 1.0
    batch: int = 1000
    seconds: float = 20.0
    prepare: float = PREPARE
    invocation: float = 300.0
    rows: int = 1_000_000
    ramp: float = 5.0
    seed: int = 1


@dataclass(slots=True)
class Batch:
    """One batch of one exporter, and what became of it.

    Attributes:
        exporter: whose.
        arrived: when each event arrived.
        begun: when its first invocation began.
        done: when an invocation acknowledged it.
        committed: version of the first root that held it,
        held: and when that was.
        seen: when a CSV with it was published.
    """

    exporter: int
    arrived: list[float]
    begun: float = 0.0
    done: float | None = None
    committed: int | None = None
    held: float | None = None
    seen: float | None = None


@dataclass(slots=True)
class Outcome:
    """What a run saw.

    Attributes:
        batches: all of them.
        swaps, refused: of the root.
        published: times at which the CSV was replaced, with the version.
        failures: invocations that did not acknowledge their batch.
        calls: requests by verb and first part of the key.
        moved: their bytes.
    """

    batches: list[Batch] = field(default_factory=list)
    swaps: int = 0
    refused: int = 0
    published: list[tuple[float, int]] = field(default_factory=list)
    failures: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)


class Exporters:
    """The simulation of one traffic on one network."""

    def __init__(self, traffic: Traffic, network: Network, table: LazyTable | None = None) -> None:
        self.traffic, self.network = traffic, network
        self._scheduler = Scheduler(0.0)
        self.outcome = Outcome()
        made = table or LazyTable(traffic.rows, None if traffic.rows < SMALL else ())
        written = tempfile.TemporaryFile()  # noqa: SIM115 (it goes with the store)
        self.store = made.store(now=self._date, spill=written)
        finalize(self.store, written.close)
        self._bucket = Bucket(self._scheduler, network)
        self._segments: dict[str, Batch] = {}
        self.publishers = Publishers(self._scheduler, self.ledger, traffic.invocation)
        self._watch()

    def run(self, patience: float = 60.0) -> Outcome:
        """Let events come for the traffic's time, and wait until all is published or patience ends."""
        for number in range(self.traffic.exporters):
            self._scheduler.start(partial(self._export, number))
        self._scheduler.start(self.publishers.on_schedule, lasting=True)
        self._scheduler.run(self.traffic.seconds + patience)
        return self.outcome

    def ledger(self, name: str) -> Ledger:
        """Make a function's ledger."""
        chance = random.Random(f"{self.traffic.seed} {name}")
        store = SimulatedStore(self.store, self._bucket, self._heard)
        return Ledger(
            store,
            makes_first_root=True,
            new_id=lambda: f"{chance.getrandbits(64):016x}",
            sleep=self._sleep,
            chance=chance.random,
            monotonic=self._seconds,
            now=lambda: self._date().timestamp(),
        )

    def _seconds(self) -> float:
        return self._scheduler.now

    def _date(self) -> datetime:
        return BEGIN + timedelta(seconds=self._scheduler.now)

    def _sleep(self, seconds: float) -> None:
        self._scheduler.wait(self._scheduler.now + seconds)

    def _export(self, number: int) -> None:
        ledger = self.ledger(f"exporter {number}")
        for events, batch in self._batches(number):
            self.outcome.batches.append(batch)
            batch.begun = self._seconds()
            while batch.done is None:
                self._invoke(ledger, events, batch)

    def _invoke(self, ledger: Ledger, events: list[dict[str, Any]], batch: Batch) -> None:
        """Do as the handler does."""
        end = self._seconds() + self.traffic.invocation

        def time_left() -> float:
            return end - self._seconds()

        self._sleep(len(events) * self.traffic.prepare)
        try:
            report = self._commit(ledger, events, time_left, batch)
            if report.unfinished:
                self.outcome.failures += 1
                return
            with suppress(NotCalled, OutOfTime):  # left to the schedule
                publish(ledger, time_left, report, self.publishers.call)
        except LedgerError:
            self.outcome.failures += 1
            return
        batch.done = self._seconds()

    def _commit(
        self, ledger: Ledger, events: list[dict[str, Any]], time_left: Callable[[], float], batch: Batch
    ) -> Report:
        read = StreamBatch([*map(read_event, events)], ledger.now())
        self._segments[read.segment.name] = batch
        report = commit_batch(ledger, read, time_left, redelivered=True)
        self.outcome.refused += report.conflicts
        return report

    def _batches(self, number: int) -> Iterator[tuple[list[dict[str, Any]], Batch]]:
        """Give the batches of one stream shard as Lambda cuts them."""
        traffic = self.traffic
        begin = (number + random.Random(f"{traffic.seed} stream {number}").random()) / traffic.exporters * traffic.ramp
        taken = 0
        while True:
            first = begin + taken / traffic.rate
            if first >= traffic.seconds:
                return
            full = first + (traffic.batch - 1) / traffic.rate
            self._sleep(min(first + traffic.window, full) - self._seconds())
            there = int((min(self._seconds(), traffic.seconds) - begin) * traffic.rate) + 1
            arrived = [begin + n / traffic.rate for n in range(taken, min(there, taken + traffic.batch))]
            events = [_insert(number, taken + n, time) for n, time in enumerate(arrived)]
            taken += len(arrived)
            yield events, Batch(number, arrived)

    def _watch(self) -> None:
        """Note what each root and each CSV holds."""
        place = self.store.place

        def watched(key: str, content: Content, metadata: Any) -> str:
            if key == ROOT_KEY:
                root = decode_root(content.read(0, content.size - 1))
                self.outcome.swaps += 1
                for name in root.segments:
                    batch = self._segments.get(name)
                    if batch is not None and batch.committed is None:
                        batch.committed, batch.held = root.version, self._seconds()
            if key == CSV_KEY:
                version = int(metadata["version"])
                self.outcome.published.append((self._seconds(), version))
                for batch in self.outcome.batches:
                    if batch.seen is None and batch.committed is not None and batch.committed <= version:
                        batch.seen = self._seconds()
            return place(key, content, metadata)

        self.store.place = watched  # type: ignore[method-assign]

    def _heard(self, verb: str, key: str, size: int) -> None:
        kind = f"{verb} {key.partition('/')[0]}"
        self.outcome.calls[kind] += 1
        self.outcome.moved[kind] += size


def _insert(exporter: int, number: int, arrived: float) -> dict[str, Any]:
    """Make the record of an image that arrived at a time; those of the same millisecond have the same sequence number.

    It orders the records of one stream shard; nothing says that it is unique among shards (DynamoDB API Reference,
    StreamRecord).
    """
    etag = hashlib.md5(b"%d %d" % (exporter, number)).hexdigest()
    return items.insert(LAST + 1 + int(arrived * 1000), etag)
