"""One export bucket that is checked at every write, the functions that work on it, and Lambda's redelivery."""

import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from csv_exporter.call import payload_of
from csv_exporter.handler import export
from csv_exporter.publisher import SCHEDULE, keep
from infra.doubles.fault_store import Died, Faults, FaultStore
from ledger.errors import Damaged, LedgerError, ManifestLost, NewerFormat
from ledger.event import read_event
from ledger.keys import CSV_KEY
from ledger.ledger import Ledger
from ledger.manifest import Checkpoint, Targets
from tests.faults.checked_store import CheckedStore
from tests.support.factories import START, make_ledger
from tests.support.reader import read_body, read_root, read_rows, read_tree

TARGETS = Targets(shard_bytes=900, page_shards=3)
TIME_LEFT = 300.0  # seconds that an invocation starts with
LITTLE_TIME = 1.0
TRIES = 25

CALLS_FOR_HELP = (Damaged, ManifestLost, NewerFormat)

Event = dict[str, Any]


@dataclass(slots=True)
class Process:
    """One running function: its ledger is warm until it dies."""

    store: FaultStore
    ledger: Ledger


@dataclass(frozen=True)
class Outcome:
    """What a run left behind, in the words of a reader, without what is new at every attempt (versions, ids)."""

    rows: bytes
    tree: str
    csv: bytes
    csv_metadata: Mapping[str, str]
    removals: bytes
    checkpoint: Checkpoint
    journal: frozenset[str]
    quarantine: frozenset[str]


class World:
    """The bucket, its functions and their clock."""

    def __init__(self, faults: Faults | None = None, targets: Targets = TARGETS) -> None:
        self.now = START
        self.store = CheckedStore(lambda: self.now)
        self.targets = targets
        self.faults = faults or Faults()
        self.faults.slow = self._use_up
        self.chance = random.Random(7)
        self.left: float = TIME_LEFT
        self.alarms: list[str] = []
        self.asleep: Callable[[str], None] = lambda process: None
        self._running: dict[str, Process] = {}
        self._called: list[Event] = []
        self._starts = 0

    def copy(self, faults: Faults) -> "World":
        """Give another world that stands where this one does, with no function running."""
        made = World(faults, self.targets)
        made.now = self.now
        made._starts = self._starts  # so that nobody takes an id for his own that a function took before
        made.store.take_over(self.store)
        return made

    def process(self, name: str) -> Process:
        """Give the running function of this name; one that died is started anew, and cold."""
        running = self._running.get(name)
        if running is not None and not running.store.dead:
            return running
        self._starts += 1
        store = FaultStore(self.store, self.faults, name)
        ledger = make_ledger(store, seed=self._starts, targets=self.targets)  # type: ignore[arg-type]
        ledger.sleep = lambda seconds: self._sleep(name, seconds)
        ledger.now = lambda: self.now.timestamp()
        self._running[name] = Process(store, ledger)
        return self._running[name]

    def invoke(self, name: str, events: Sequence[Event]) -> list[Event]:
        """Invoke an exporter once; give the events that Lambda delivers again."""
        self.left = TIME_LEFT
        try:
            process = self.process(name)
            answer = export(process.ledger, {"Records": [*events]}, lambda: self.left, partial(self._call, process))
        except (Died, LedgerError) as error:
            self._note(error)
            return [*events]
        finally:
            self._run_publisher()
        return delivered_again(answer, events)

    def _call(self, caller: Process, claim: str, holder: str) -> None:
        caller.store.invoke(claim, lambda: self._called.append(payload_of(claim, holder)))

    def _run_publisher(self) -> None:
        """Let Lambda do what exporters have called for: three times, after one minute and two, if it fails."""
        while self._called:
            event = self._called.pop(0)
            for minutes in (1, 2, 0):
                if self.run("publisher", lambda ledger, event=event: keep(ledger, event, lambda: self.left)):
                    break
                self.later(minutes=minutes)

    def deliver(self, events: Sequence[Event], name: str = "exporter", *, bisect: bool = False) -> None:
        """Deliver a batch until it is done, cutting a failed one in two if the mapping is set so."""
        queue = [[*events]]
        for _ in range(TRIES):
            batch = queue.pop(0)
            again = self.invoke(name, batch)
            if bisect and again == batch and len(batch) > 1:
                queue = [batch[: len(batch) // 2], batch[len(batch) // 2 :], *queue]
            elif again:
                queue.insert(0, again)
            if not queue:
                return
        raise AssertionError("a batch was never done")

    def run(self, name: str, action: Callable[[Ledger], object]) -> bool:
        """Run another function once; say whether it ended without an error."""
        self.left = TIME_LEFT
        try:
            action(self.process(name).ledger)
        except (Died, LedgerError) as error:
            self._note(error)
            return False
        return True

    def repeat(self, name: str, action: Callable[[Ledger], object], **pause: float) -> None:
        """Run another function until it ends without an error."""
        for _ in range(TRIES):
            if self.run(name, action):
                return
            self.later(**pause)
        raise AssertionError(f"{name} never succeeded")

    def sweep(self) -> None:
        """Let the publisher's schedule come, which publishes what nobody sees to."""
        event = {"source": SCHEDULE, "id": "of the schedule"}
        self.repeat("schedule", lambda ledger: keep(ledger, event, lambda: self.left))

    def later(self, **period: float) -> None:
        """Let time pass."""
        self.now += timedelta(**period)

    def _note(self, error: BaseException) -> None:
        if isinstance(error, CALLS_FOR_HELP):
            self.alarms.append(repr(error))

    def outcome(self) -> Outcome:
        """Read everything back."""
        root = read_root(self.store)
        csv = self.store.get(CSV_KEY)
        metadata = {name: value for name, value in csv.metadata.items() if name in ("tree", "rows")}
        keys = self.store.objects
        return Outcome(
            read_rows(self.store),
            root.tree_hash,
            csv.body,
            metadata,
            read_tree(self.store, root.removals),
            root.checkpoint,
            frozenset(
                line for key in keys if key.startswith("journal/") for line in _lines(read_body(self.store, key))
            ),
            frozenset(key for key in keys if key.startswith("quarantine/")),
        )

    def _sleep(self, name: str, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.left -= seconds
        self.asleep(name)

    def _use_up(self) -> None:
        self.left = LITTLE_TIME


def delivered_again(answer: Mapping[str, list[dict[str, str]]], events: Sequence[Event]) -> list[Event]:
    """Give the events of a batch that Lambda delivers again after this answer: all from the lowest reported one on."""
    failures = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    if not failures:
        return []
    numbers = [read_event(event).sequence_number for event in events]
    return [*events[numbers.index(min(failures, key=int)) :]]


def _lines(segment: bytes) -> list[str]:
    return [json.dumps(json.loads(line), sort_keys=True) for line in gzip.decompress(segment).splitlines()]


@dataclass
class Once:
    """Does something the first time that a condition holds, and never again (nor while it is being done)."""

    when: Callable[..., bool]
    do: Callable[[], object]
    done: bool = field(default=False)

    def __call__(self, subject: Any) -> None:
        if not self.done and self.when(subject):
            self.done = True
            self.do()
