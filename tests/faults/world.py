"""One export bucket that is watched at every write, the functions that work on it, and Lambda's redelivery."""

import gzip
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from csv_exporter.handler import export
from infra.doubles.fault_store import Died, Faults, FaultStore
from infra.doubles.memory_store import MemoryStore
from ledger.errors import Damaged, LedgerError, ManifestLost, NewerFormat, NotFound
from ledger.event import read_event
from ledger.keys import CSV_KEY, ROOT_KEY
from ledger.ledger import Ledger
from ledger.manifest import Checkpoint, Root, Targets, decode_root
from ledger.row import header, key_of
from ledger.store import Stored
from tests.support.factories import START, make_ledger
from tests.support.reader import read_root, read_rows, read_tree

TARGETS = Targets(shard_bytes=900, page_shards=3)
TIME_LEFT = 300.0  # seconds that an invocation starts with
LITTLE_TIME = 1.0
TRIES = 25

CALLS_FOR_HELP = (Damaged, ManifestLost, NewerFormat)

Event = dict[str, Any]


class WatchedStore(MemoryStore):
    """A bucket that checks, at each write, what must hold at every moment.

    - Every object that the root names exists, is whole, in order and counted right.
    - The root's version never goes back.
    - A row that is gone never comes back: its key was one life of an image.
    - `image-data.csv` is the whole tree that its metadata names, never a mixture, and it does not go back to an older
      one. One exception: to S3 equal bytes are the same object, so a slow publisher may take a newer CSV with the same
      rows for the one that it read; it looks once more afterwards.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.roots: dict[str, Root] = {}
        self.published: list[tuple[int, str]] = []
        self.contents: dict[str, bytes] = {}
        self.present: set[bytes] = set()
        self.gone: set[bytes] = set()

    def _keep(self, key: str, body: bytes, etag: str, content_type: str, metadata: Mapping[str, str]) -> str:
        before = self.objects.get(key)
        new_etag = super()._keep(key, body, etag, content_type, metadata)
        if key == ROOT_KEY:
            self._check_root(decode_root(body))
        if key == CSV_KEY:
            assert body == self.contents[metadata["tree"]], "the CSV is the tree that it names"
            self._check_published(int(metadata["version"]), new_etag, before)
        return new_etag

    def delete(self, keys: Sequence[str]) -> None:
        super().delete(keys)
        if ROOT_KEY in self.objects:
            self.check_tree()

    def delete_if_match(self, key: str, etag: str) -> None:
        super().delete_if_match(key, etag)
        self.check_tree()

    def take_over(self, other: "WatchedStore") -> None:
        """Hold what the other bucket holds, and know what it knows."""
        self.objects = dict(other.objects)
        self.roots = dict(other.roots)
        self.published = [*other.published]
        self.contents = dict(other.contents)
        self.present, self.gone = set(other.present), set(other.gone)

    def check_tree(self) -> None:
        """Read everything that the root names."""
        root = read_root(self)
        rows = read_tree(self, root.rows)
        read_tree(self, root.removals)
        self.contents[root.tree_hash] = header(root.columns) + rows

    def _check_root(self, root: Root) -> None:
        newest = max((known.version for known in self.roots.values()), default=-1)
        assert root.version > newest, "the version only grows"
        self.roots[root.name] = root
        self.check_tree()
        keys = {key_of(line) for line in self.contents[root.tree_hash].splitlines(keepends=True)[1:]}
        assert not keys & self.gone, "a row that was gone has come back"
        self.gone |= self.present - keys
        self.present = keys

    def _check_published(self, version: int, etag: str, before: tuple[Stored, str] | None) -> None:
        newest = max((known for known, _ in self.published), default=-1)
        if version < newest:
            assert before is not None
            earlier = [known for known, tag in self.published if tag == before[0].etag]
            assert min(earlier) <= version, "a CSV was replaced by an older one"
        self.published.append((version, etag))


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
        self.store = WatchedStore(lambda: self.now)
        self.targets = targets
        self.faults = faults or Faults()
        self.faults.slow = self._use_up
        self.chance = random.Random(7)
        self.left: float = TIME_LEFT
        self.alarms: list[str] = []
        self.asleep: Callable[[str], None] = lambda process: None
        self._running: dict[str, Process] = {}
        self._starts = 0

    def copy(self, faults: Faults) -> "World":
        """Give another world that stands where this one does, with no function running."""
        made = World(faults, self.targets)
        made.now = self.now
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
            answer = export(self.process(name).ledger, {"Records": [*events]}, lambda: self.left)
        except (Died, LedgerError) as error:
            self._note(error)
            return [*events]
        failures = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        if not failures:
            return []
        lowest = min(failures, key=int)
        return [*events[[read_event(event).sequence_number for event in events].index(lowest) :]]

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
            frozenset(line for key in keys if key.startswith("journal/") for line in _lines(self._body(key))),
            frozenset(key for key in keys if key.startswith("quarantine/")),
        )

    def _body(self, key: str) -> bytes:
        stored = self.store.get(key)
        if stored is None:
            raise NotFound(key)
        return stored.body

    def _sleep(self, name: str, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.left -= seconds
        self.asleep(name)

    def _use_up(self) -> None:
        self.left = LITTLE_TIME


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
