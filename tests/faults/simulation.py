"""Everything at once, out of one seed: exporters, publishers, collectors, a replay with swap, readers, redrives.

All chances come from `random.Random(seed)`: the settings, what is written, who goes on, which call meets which fault.
What must hold at every write is checked by `CheckedStore`; what readers must find, by the readers; and in the end the
CSV is the table, and nothing is left that nothing names.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from unittest.mock import patch

from csv_exporter.call import payload_of
from csv_exporter.handler import export
from csv_exporter.publisher import SCHEDULE, keep
from infra.doubles.fault_store import Died, Fault, FaultStore
from infra.doubles.memory_store import MemoryStore
from infra.local.failed_batch import RECORD_AGE_EXCEEDED, FailedBatch
from ledger.commit import commit
from ledger.errors import LedgerError, NotFound, Refused, Unknown
from ledger.keys import CSV_KEY, page_key, shard_digest, shard_key
from ledger.ledger import Ledger, no_limit
from ledger.limits import INVOCATION_SECONDS
from ledger.manifest import decode_page
from ledger.objects import Objects
from ledger.publish import publish
from ledger.row import header
from operations.collection.collect import READABLE, collect
from operations.collection.reachable import Reachable
from operations.live.redrive import redrive_batches
from operations.live.swap import swap
from operations.rebuild import destination
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import StoreScratch
from operations.replay.local import Wishes, replay
from tests.faults.checked_store import CheckedStore
from tests.faults.seeded_run import ChanceFaults, SeededRun
from tests.faults.table import Event, StreamShard, Table
from tests.faults.world import CALLS_FOR_HELP, delivered_again
from tests.support.factories import event, make_ledger, model_csv
from tests.support.reader import read_body, read_csv, read_root, read_rows, read_shard

LAMBDA_SECONDS = INVOCATION_SECONDS
STREAM_KEEPS = timedelta(hours=20)  # MaximumRecordAge of the mapping
HOUR = 3600.0
SWEEPS = 5  # of the schedule's calls, of which every fifth will do: in them a dead claim of 15 minutes has ended


class Simulation(SeededRun):
    """The table, the bucket, and all who work on it at once."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.store = CheckedStore(self.now)
        self.table = Table(self.chance, self.now, self.settings.images, self.settings.shards)
        self.faults = ChanceFaults(self)
        self.faults.slow = lambda: self.wait(self.chance.uniform(0.3, 1.3) * INVOCATION_SECONDS)
        self.written = False
        self.given_up = 0
        self._warm: list[Ledger] = []
        self._names = 0

    def run(self) -> None:
        """Play, settle, and check."""
        # A rebuild asks the clock of its process how old an object is, which here is the run's.
        with self.settings.scaled(), patch.object(destination, "Objects", partial(Objects, now=self.now)):
            self._play()
            self._settle()

    def ledger(self, kind: str, seconds: float = LAMBDA_SECONDS) -> Ledger:
        """Start a process that has so many seconds."""
        self._names += 1
        name = f"{kind}-{self._names}"
        made = make_ledger(
            FaultStore(self.store, self.faults, name),  # type: ignore[arg-type]
            self.chance.getrandbits(32),
            self.settings.targets,
        )
        made.sleep = self.wait
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

    # ---- who acts ----------------------------------------------------------------------------------------------------

    def _play(self) -> None:
        start, settings = self.scheduler.start, self.settings
        start(self._write)
        for shard in self.table.shards:
            start(partial(self._poll, shard))
        for _ in range(settings.publishers):
            start(self._publish, lasting=True)
        start(self._read, lasting=True)
        start(self._read_csv, lasting=True)
        start(self._redrive, lasting=True)
        for _ in range(settings.collectors):
            start(self._collect, lasting=True)
        for _ in range(settings.replays):
            start(self._replay)
        self.scheduler.run()

    def _write(self) -> None:
        jumps = deque(self.settings.jump_hours)
        for number in range(self.settings.writes):
            self.table.write()
            self.wait(self.chance.choice([0.001, self.settings.pause]))
            if jumps and number % (self.settings.writes // (len(self.settings.jump_hours) + 1) + 1) == 0 and number:
                self.wait(jumps.popleft() * HOUR)
            if number and number % 9 == 0 and number // 9 <= self.settings.splits:
                for child in self.table.split():
                    self.scheduler.start(partial(self._poll, child))
        self.written = True

    def _poll(self, shard: StreamShard) -> None:
        """Deliver a stream shard as Lambda does."""
        while shard.waiting or not (shard.closed or self.written):
            if not shard.waiting:
                self.wait(0.25, when=lambda: bool(shard.waiting) or shard.closed or self.written)
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
            self.wait(later)
            if timedelta(seconds=self.seconds() - _oldest(batch)) < STREAM_KEEPS:
                self._invoke(self.ledger("echo"), batch)

        self.scheduler.start(body)

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
                self.wait(self.chance.choice([0.0, 0.5, 20.0]))
            if self.settings.bisect and rest == events and len(rest) > 1:
                queue.extendleft([rest[len(rest) // 2 :], rest[: len(rest) // 2]])
            elif rest:
                queue.appendleft(rest)

    def _invoke(self, ledger: Ledger, events: list[Event]) -> list[Event]:
        time_left = self._restart(ledger, LAMBDA_SECONDS)
        answers: list[dict[str, list[dict[str, str]]]] = []
        if not self.attempt(lambda: answers.append(export(ledger, {"Records": events}, time_left, self._call))):
            return events
        return delivered_again(answers[0], events)

    def _call(self, claim: str, holder: str) -> None:
        """Call the publisher asynchronously: the call may be lost, or its answer, and may come twice."""
        lost, unanswered, twice = (self.chance.random() < self.settings.fault_rate for _ in range(3))
        for _ in range(1 + twice - lost):
            self.scheduler.start(partial(self._run_publisher, payload_of(claim, holder)))
        if lost or unanswered:
            raise Unknown("ReadTimeoutError")

    def _run_publisher(self, event: Event) -> None:
        """Run the publisher as Lambda does: up to three times, a minute and two minutes apart."""
        self.wait(self.chance.choice([0.05, 1.0, 300.0]))
        for pause in (60.0, 120.0, 0.0):
            ledger = self.ledger("publisher")
            if self.attempt(partial(keep, ledger, event, self._restart(ledger, LAMBDA_SECONDS))):
                return
            self.wait(pause)

    def _give_up(self, shard: StreamShard, events: list[Event]) -> None:
        failed = FailedBatch(
            mapping_id="mapping",
            function_arn="function",
            stream_arn="stream",
            shard=shard.name,
            condition=RECORD_AGE_EXCEEDED,
            records=tuple(events),
            invocations=1,
            request_id="",
            function_error=None,
            at=self.seconds(),
            name=f"failed-{self.given_up}",
        )
        self.given_up += 1
        self.store.put_new(failed.key, failed.body, "application/json")

    def _publish(self) -> None:
        while True:
            self.wait(self.chance.choice([1.0, 60.0, HOUR]))
            ledger = self.ledger("publisher")
            time_left = self._restart(ledger, LAMBDA_SECONDS)
            if self.chance.random() < 0.3:
                self.attempt(partial(publish, ledger, time_left))  # an operator
            else:
                self.attempt(partial(keep, ledger, {"source": SCHEDULE, "id": str(self._names)}, time_left))

    def _collect(self) -> None:
        while True:
            self.wait(self.chance.choice([10.0, HOUR, 5 * HOUR]))
            ledger = self.ledger("collector", 900.0)
            self.attempt(partial(collect, ledger, self._restart(ledger, 900.0)))

    def _replay(self) -> None:
        self.wait(self.chance.choice([1.0, 60.0, HOUR, 30 * HOUR]))
        for number in range(3):
            ledger, scratch = self.ledger("replay", HOUR), StoreScratch(MemoryStore(self.now), f"{number}/")

            def swapped_in(ledger: Ledger = ledger, scratch: StoreScratch = scratch) -> None:
                done = replay(ledger, scratch, Wishes())
                swap(ledger, done.root, lambda: listed_segments(scratch, done.plan), patience=60.0)

            if self.attempt(swapped_in):
                return

    def _redrive(self) -> None:
        while True:
            self.wait(self.chance.choice([HOUR, 20 * HOUR, 60 * HOUR]))
            ledger = self.ledger("operator", HOUR)
            self.attempt(partial(redrive_batches, ledger))

    def _read(self) -> None:
        """Read the tree object by object, slowly: all that a root of the last 24 hours names is there."""
        while True:
            self.wait(self.chance.choice([1.0, 100.0, 3 * HOUR]))
            try:
                root, began = read_root(self.store), self.now()
            except NotFound:
                continue
            self.trace.note(f"reader begins with {root.copy_key}")
            keys = [page_key(page.sha256) for page in root.rows.pages]
            read = bytearray(header(root.columns))
            while keys and self.now() - began < READABLE:
                key = keys.pop(0)
                self.trace.note(f"reader reads {key}")
                if key.startswith("manifest/"):
                    page = decode_page(read_body(self.store, key))
                    keys = [shard_key(shard.sha256) for shard in page] + keys
                else:
                    read += read_shard(self.store, shard_digest(key))
                self.wait(self.chance.choice([0.01, 1.0, HOUR, 5 * HOUR]))
            assert keys or read == self.store.contents[root.tree_hash]

    def _read_csv(self) -> None:
        """Read image-data.csv by ranges: one whole file, or a refusal."""
        while True:
            self.wait(self.chance.choice([1.0, 100.0, HOUR]))
            try:
                head = self.store.head(CSV_KEY)
                parts = []
                for first in range(0, head.size, 700):
                    last = min(first + 700, head.size) - 1
                    parts.append(self.store.get_range(CSV_KEY, first, last, etag=head.etag))
                    self.wait(self.latency())
            except (NotFound, Refused):
                continue
            assert b"".join(parts) == self.store.contents[head.metadata["tree"]]

    # ---- the end -----------------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Let the schedule come, until no claim of a dead function stands in its way."""
        publisher = make_ledger(self.store, self.seed, self.settings.targets)
        publisher.now = publisher.monotonic = self.seconds
        publisher.sleep = self._pass_time
        for number in range(SWEEPS):
            keep(publisher, {"source": SCHEDULE, "id": f"sweep {number}"}, no_limit)
            self._pass_time(300.0)

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
        while publish(operator).handed_over:
            operator.sleep(60.0)
        self._check(operator)
        for _ in range(2):
            self._pass_time(30 * HOUR)
            assert collect(operator).finished
        reachable = Reachable(operator)
        reachable.add_kept(READABLE)
        lying_about = {key for key in self.store.objects if key.startswith(("shards/", "manifest/", "pending/"))}
        assert all(key in reachable for key in lying_about), "nothing is left that nothing names"
        before = self.store.get(CSV_KEY)
        publish(operator)
        assert self.store.get(CSV_KEY) == before
        self._check(operator)

    def _pass_time(self, seconds: float) -> None:
        self.scheduler.now += timedelta(seconds=seconds)

    def _check(self, operator: Ledger) -> None:
        expected = model_csv(self.table.items.values())
        assert read_csv(self.store) == expected
        assert read_rows(self.store) == expected
        fresh = MemoryStore(self.now)
        targets = read_root(self.store).targets
        ledger = make_ledger(fresh, targets=targets)
        ledger.now = ledger.monotonic = self.seconds
        ledger.load_root()
        if self.table.items:
            commit(ledger, [event("INSERT", item) for item in self.table.items.values()])
        assert read_root(fresh).tree_hash == read_root(self.store).tree_hash


def _oldest(events: Sequence[Event]) -> float:
    return min(float(event["dynamodb"]["ApproximateCreationDateTime"]) for event in events)
