"""Everything at once, out of one seed: exporters, publishers, collectors, a replay with swap, readers, redrives.

All chances come from `random.Random(seed)`: the settings, what is written, when which actor goes on, which call meets
which fault. What must hold at every write is checked by `WatchedStore`; what readers must find, by the readers; and in
the end the CSV is the table, and nothing is left that nothing names.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from unittest.mock import patch

from csv_exporter.handler import SCHEDULE, export
from infra.doubles.fault_store import ANSWERS, Died, Fault, Faults, FaultStore
from infra.doubles.memory_store import MemoryStore
from infra.local.failed_batch import RECORD_AGE_EXCEEDED, FailedBatch
from ledger.commit import commit
from ledger.errors import LedgerError, NotFound, Refused
from ledger.event import read_event
from ledger.keys import CSV_KEY, page_key, shard_key
from ledger.ledger import Ledger, no_limit
from ledger.manifest import Targets, decode_page
from ledger.publish import publish
from ledger.row import header
from operations.collection.collect import READABLE, collect
from operations.collection.reachable import Reachable
from operations.live.redrive import redrive_batches
from operations.live.swap import swap
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import StoreScratch
from operations.replay.local import Wishes, replay
from tests.faults.scenarios import SMALL_PARTS, SMALL_SLICES
from tests.faults.stage import Stage
from tests.faults.table import Event, StreamShard, Table
from tests.faults.world import CALLS_FOR_HELP, WatchedStore
from tests.support.factories import START, event, make_ledger, model_csv
from tests.support.reader import read_csv, read_root, read_rows

LAMBDA_SECONDS = 300.0
STREAM_KEEPS = timedelta(hours=20)  # MaximumRecordAge of the mapping
HOUR = 3600.0
SWEEPS = 3  # scheduled publications, five minutes apart, in which a dead claim of 300 s has ended


@dataclass(frozen=True)
class Settings:
    """What a seed plays with."""

    writes: int
    images: int
    targets: Targets
    shards: int
    pause: float
    batch: int
    bisect: bool
    splits: int
    tries: int
    fault_rate: float
    faults: frozenset[Fault]
    stall_rate: float
    echo_rate: float
    small_parts: bool
    small_slices: bool
    jump_hours: Sequence[float]
    replays: int
    collectors: int
    publishers: int

    @classmethod
    def drawn(cls, chance: random.Random) -> "Settings":
        """Draw the settings."""
        risky = chance.random() < 0.3
        return cls(
            writes=chance.choice([20, 40, 80]),
            images=chance.choice([2, 8, 20]),
            targets=Targets(chance.choice([1, 400, 900, 5000]), chance.choice([1, 2, 3, 50])),
            shards=chance.choice([1, 2, 4, 8]),
            pause=chance.choice([0.01, 0.2, 10.0]),
            batch=chance.choice([1, 3, 10]),
            bisect=chance.random() < 0.5,
            splits=chance.choice([0, 0, 1, 2]),
            tries=chance.choice([4, 50]),
            fault_rate=chance.choice([0.0, 0.01, 0.04, 0.1]),
            faults=frozenset(Fault) - (frozenset() if risky else {Fault.MISSING, Fault.TRUNCATED}),
            stall_rate=chance.choice([0.0, 0.01, 0.05]),
            echo_rate=chance.choice([0.0, 0.2, 0.6]),
            small_parts=chance.random() < 0.4,
            small_slices=chance.random() < 0.3,
            jump_hours=chance.choice([(), (1, 27), (27, 30), (13, 13, 13), (30, 60), (60, 60)]),
            replays=chance.choice([0, 0, 0, 1]),
            collectors=chance.choice([0, 1, 1]),
            publishers=chance.choice([0, 1]),
        )

    def constants(self) -> ExitStack:
        """Put scaled down limits in force."""
        stack = ExitStack()
        for module, name, value in (*(SMALL_PARTS * self.small_parts), *(SMALL_SLICES * self.small_slices)):
            stack.enter_context(patch.object(module, name, value))
        return stack


class ChanceFaults(Faults):
    """Faults by chance; before each call the baton is passed, so that others come between any two calls."""

    def __init__(self, simulation: "Simulation") -> None:
        super().__init__()
        self._simulation = simulation
        self.deadlines: dict[str, float] = {}

    def meet(self, process: str, verb: str, key: str) -> Fault | None:
        """Wait as long as the request takes, and say what happens to it."""
        simulation, chance = self._simulation, self._simulation.chance
        simulation.stage.wait(simulation.latency())
        fault = self._choose(verb, key, simulation, chance)
        if simulation.seconds() > self.deadlines.get(process, float("inf")):
            fault = chance.choice([Fault.DIE_BEFORE, Fault.DIE_AFTER])
        simulation.stage.note(f"{process} {verb} {key} {fault or ''}")
        return fault

    def postpone(self, do: Callable[[], object]) -> None:
        """Let a request land up to a minute later."""
        stage, seconds = self._simulation.stage, self._simulation.chance.uniform(0, 60)

        def land() -> None:
            stage.wait(seconds)
            stage.note("a late request lands")
            try:
                do()
            except LedgerError:
                return

        stage.enter("late", land)

    def order(self, count: int) -> tuple[Sequence[int], bool]:
        """Do side by side what is done side by side: in any order."""
        chance = self._simulation.chance
        return chance.sample(range(count), count), chance.random() < 0.5

    def _choose(self, verb: str, key: str, simulation: "Simulation", chance: random.Random) -> Fault | None:
        if chance.random() >= simulation.settings.fault_rate:
            return None
        known = [fault for fault in ANSWERS[verb] if fault in simulation.settings.faults]
        if verb == "put_new":
            # "Exists" of what does not: only a collection makes that true a moment later, of what is collected.
            known = [fault for fault in known if fault is not Fault.PRECONDITION]
        return chance.choice(known)


class Simulation:
    """One run.

    Args:
        seed: of all chances.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.settings = Settings.drawn(self.chance)
        self.stage = Stage(self.chance, START)
        self.store = WatchedStore(lambda: self.stage.now)
        self.table = Table(self.chance, lambda: self.stage.now, self.settings.images, self.settings.shards)
        self.faults = ChanceFaults(self)
        self.faults.slow = lambda: self.stage.wait(self.chance.uniform(100, 400))
        self.written = False
        self.given_up = 0
        self._warm: list[Ledger] = []
        self._names = 0

    def run(self) -> None:
        """Play, settle, and check."""
        with self.settings.constants():
            self._play()
            self._settle()

    def seconds(self) -> float:
        """The clock in seconds."""
        return self.stage.now.timestamp()

    def latency(self) -> float:
        """Draw how long a request takes: mostly milliseconds, now and then minutes."""
        if self.chance.random() < self.settings.stall_rate:
            return self.chance.expovariate(1 / 100)
        return self.chance.choice([0.0, 0.01, 0.03, 0.2])

    def ledger(self, kind: str, seconds: float = LAMBDA_SECONDS) -> Ledger:
        """Start a process that has so many seconds."""
        self._names += 1
        name = f"{kind}-{self._names}"
        made = make_ledger(
            FaultStore(self.store, self.faults, name),  # type: ignore[arg-type]
            self.chance.getrandbits(32),
            self.settings.targets,
        )
        made.sleep = self.stage.wait
        made.now = self.seconds
        made.monotonic = self.seconds
        self._restart(made, seconds)
        return made

    def _restart(self, ledger: Ledger, seconds: float) -> Callable[[], float]:
        deadline = self.seconds() + seconds
        self.faults.deadlines[ledger.store.process] = deadline  # type: ignore[attr-defined]
        return lambda: deadline - self.seconds()

    def attempt(self, what: Callable[[], object]) -> bool:
        """Do something that a fault may end; say whether it was done."""
        try:
            what()
        except (Died, LedgerError) as error:
            if isinstance(error, CALLS_FOR_HELP) and not self.settings.faults & {Fault.MISSING, Fault.TRUNCATED}:
                raise AssertionError(f"a false alarm: {error!r}") from error
            return False
        return True

    # ---- the actors --------------------------------------------------------------------------------------------------

    def _play(self) -> None:
        enter, settings = self.stage.enter, self.settings
        enter("writer", self._write)
        for shard in self.table.shards:
            enter(shard.name, lambda shard=shard: self._poll(shard))  # type: ignore[misc]
        for number in range(settings.publishers):
            enter(f"publisher {number}", self._publish, lasting=True)
        enter("reader", self._read, lasting=True)
        enter("csv reader", self._read_csv, lasting=True)
        enter("operator", self._redrive, lasting=True)
        for number in range(settings.collectors):
            enter(f"collector {number}", self._collect, lasting=True)
        for number in range(settings.replays):
            enter(f"replay {number}", self._replay)
        self.stage.play()

    def _write(self) -> None:
        jumps = deque(self.settings.jump_hours)
        for number in range(self.settings.writes):
            self.table.write()
            self.stage.wait(self.chance.choice([0.001, self.settings.pause]))
            if jumps and number % (self.settings.writes // (len(self.settings.jump_hours) + 1) + 1) == 0 and number:
                self.stage.wait(jumps.popleft() * HOUR)
            if number and number % 9 == 0 and number // 9 <= self.settings.splits:
                for child in self.table.split():
                    self.stage.enter(child.name, lambda child=child: self._poll(child))  # type: ignore[misc]
        self.written = True

    def _poll(self, shard: StreamShard) -> None:
        """Deliver a stream shard as Lambda does."""
        while shard.waiting or not (shard.closed or self.written):
            if not shard.waiting:
                self.stage.wait(0.25, until=lambda: bool(shard.waiting) or shard.closed or self.written)
                continue
            count = min(len(shard.waiting), self.chance.randint(1, self.settings.batch))
            batch = [shard.waiting.popleft() for _ in range(count)]
            if self.chance.random() < self.settings.echo_rate:
                self._echo(batch)
            self._deliver(shard, batch)

    def _echo(self, batch: list[Event]) -> None:
        """Deliver the batch once more, at the same time or hours later: Lambda promises at least once."""
        later = self.chance.choice([0.0, 0.0, 5.0, 300.0, 19 * HOUR])

        def body() -> None:
            self.stage.wait(later)
            if timedelta(seconds=self.seconds() - _oldest(batch)) < STREAM_KEEPS:
                self._invoke(self.ledger("echo"), batch)

        self.stage.enter("echo", body)

    def _deliver(self, shard: StreamShard, batch: list[Event]) -> None:
        queue, tries = deque([batch]), 0
        while queue:
            events = queue.popleft()
            too_old = timedelta(seconds=self.seconds() - _oldest(events)) > STREAM_KEEPS
            if too_old or tries > self.settings.tries:
                self._give_up(shard, events)
                continue
            warm = self._warm.pop() if self._warm and self.chance.random() < 0.8 else self.ledger("exporter")
            rest = self._invoke(warm, events)
            if not warm.store.dead:  # type: ignore[attr-defined]
                self._warm.append(warm)
            if rest:
                tries += 1
                self.stage.wait(self.chance.choice([0.0, 0.5, 20.0]))
            if self.settings.bisect and rest == events and len(rest) > 1:
                queue.extendleft([rest[len(rest) // 2 :], rest[: len(rest) // 2]])
            elif rest:
                queue.appendleft(rest)

    def _invoke(self, ledger: Ledger, events: list[Event]) -> list[Event]:
        time_left = self._restart(ledger, LAMBDA_SECONDS)
        answers: list[dict[str, list[dict[str, str]]]] = []
        if not self.attempt(lambda: answers.append(export(ledger, {"Records": events}, time_left))):
            return events
        failures = [failure["itemIdentifier"] for failure in answers[0]["batchItemFailures"]]
        if not failures:
            return []
        numbers = [read_event(event).sequence_number for event in events]
        return events[numbers.index(min(failures, key=int)) :]

    def _give_up(self, shard: StreamShard, events: list[Event]) -> None:
        failed = FailedBatch(
            "mapping",
            "function",
            "stream",
            shard.name,
            RECORD_AGE_EXCEEDED,
            tuple(events),
            1,
            "",
            None,
            self.seconds(),
            f"failed-{self.given_up}",
        )
        self.given_up += 1
        self.store.put_new(failed.key, failed.body, "application/json")

    def _publish(self) -> None:
        while True:
            self.stage.wait(self.chance.choice([1.0, 60.0, HOUR]))
            ledger = self.ledger("publisher")
            self.attempt(lambda ledger=ledger: publish(ledger, self._restart(ledger, LAMBDA_SECONDS)))  # type: ignore[misc]

    def _collect(self) -> None:
        while True:
            self.stage.wait(self.chance.choice([10.0, HOUR, 5 * HOUR]))
            ledger = self.ledger("collector", 900.0)
            self.attempt(lambda ledger=ledger: collect(ledger, self._restart(ledger, 900.0)))  # type: ignore[misc]

    def _replay(self) -> None:
        self.stage.wait(self.chance.choice([1.0, 60.0, HOUR, 30 * HOUR]))
        for number in range(3):
            ledger, scratch = self.ledger("replay", HOUR), StoreScratch(MemoryStore(), f"{number}/")

            def swapped_in(ledger: Ledger = ledger, scratch: StoreScratch = scratch) -> None:
                done = replay(ledger, scratch, Wishes())
                swap(ledger, done.root, lambda: listed_segments(scratch, done.plan), patience=60.0)

            if self.attempt(swapped_in):
                return

    def _redrive(self) -> None:
        while True:
            self.stage.wait(self.chance.choice([HOUR, 20 * HOUR, 60 * HOUR]))
            ledger = self.ledger("operator", HOUR)

            def redriven(ledger: Ledger = ledger) -> None:
                redrive_batches(ledger)

            self.attempt(redriven)

    def _read(self) -> None:
        """Read the tree object by object, slowly: all that a root of the last 24 hours names is there."""
        while True:
            self.stage.wait(self.chance.choice([1.0, 100.0, 3 * HOUR]))
            try:
                root, began = read_root(self.store), self.stage.now
            except NotFound:
                continue
            keys = [page_key(page.sha256) for page in root.rows.pages]
            read = bytearray(header(root.columns))
            while keys and self.stage.now - began < READABLE:
                key = keys.pop(0)
                stored = self.store.get(key)
                assert stored is not None
                if key.startswith("manifest/"):
                    keys = [shard_key(shard.sha256) for shard in decode_page(stored.body)] + keys
                else:
                    read += stored.body
                self.stage.wait(self.chance.choice([0.01, 1.0, HOUR, 5 * HOUR]))
            assert keys or read == self.store.contents[root.tree_hash]

    def _read_csv(self) -> None:
        """Read image-data.csv by ranges: one whole file, or a refusal."""
        while True:
            self.stage.wait(self.chance.choice([1.0, 100.0, HOUR]))
            try:
                head = self.store.head(CSV_KEY)
                parts = []
                for first in range(0, head.size, 700):
                    last = min(first + 700, head.size) - 1
                    parts.append(self.store.get_range(CSV_KEY, first, last, etag=head.etag))
                    self.stage.wait(self.latency())
            except (NotFound, Refused):
                continue
            assert b"".join(parts) == self.store.contents[head.metadata["tree"]]

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Let the exporter's schedule come, until no claim of a dead function stands in its way."""
        exporter = make_ledger(self.store, self.seed, self.settings.targets)
        exporter.now = exporter.monotonic = self.seconds
        exporter.sleep = self._pass_time
        for _ in range(SWEEPS):
            export(exporter, {"source": SCHEDULE}, no_limit)
            self.stage.now += timedelta(minutes=5)

    def _settle(self) -> None:
        """Without faults, and after what an operator does about failed batches: the CSV is the table."""
        if not self.given_up:
            self._sweep()
            assert read_csv(self.store) == read_rows(self.store), "every batch was done, so the CSV shows the root"
        operator = make_ledger(self.store, self.seed, self.settings.targets)
        operator.sleep = self._pass_time
        operator.now = operator.monotonic = self.seconds
        done = redrive_batches(operator)
        assert done.left == {}
        assert not [*self.store.list("aws/lambda/")]
        while publish(operator).left:
            operator.sleep(60.0)
        self._check(operator)
        for _ in range(2):
            self.stage.now += timedelta(hours=30)
            assert collect(operator).finished
        reachable = Reachable(operator)
        reachable.add_kept(READABLE)
        lying_about = {key for key in self.store.objects if key.startswith(("shards/", "manifest/", "pending/"))}
        assert lying_about <= reachable.keys, "nothing is left that nothing names"
        before = self.store.get(CSV_KEY)
        publish(operator)
        assert self.store.get(CSV_KEY) == before
        self._check(operator)

    def _pass_time(self, seconds: float) -> None:
        self.stage.now += timedelta(seconds=seconds)

    def _check(self, operator: Ledger) -> None:
        expected = model_csv(self.table.items.values())
        assert read_csv(self.store) == expected
        assert read_rows(self.store) == expected
        fresh = MemoryStore()
        targets = read_root(self.store).targets
        ledger = make_ledger(fresh, targets=targets)
        ledger.load_root()
        if self.table.items:
            commit(ledger, [event("INSERT", item) for item in self.table.items.values()])
        assert read_root(fresh).tree_hash == read_root(self.store).tree_hash


def _oldest(events: Sequence[Event]) -> float:
    return min(float(event["dynamodb"]["ApproximateCreationDateTime"]) for event in events)
