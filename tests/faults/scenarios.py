"""What the exhaustive fault tests run: each scenario is small, and touches every step of one protocol."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from unittest.mock import patch

from infra.doubles import memory_store
from infra.doubles.fault_store import Call
from infra.doubles.memory_store import MemoryStore
from ledger import layout, publish, slices
from ledger.columns import NAMES
from ledger.errors import Unavailable
from ledger.keys import CSV_KEY, ROOT_KEY, page_key
from ledger.ledger import Ledger
from ledger.manifest import decode_page, starts_shard
from ledger.row import RowEncoder, key_of
from operations.collection.collect import collect
from operations.live.redrive import redrive_batches, redrive_quarantine
from operations.live.swap import swap
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import StoreScratch
from operations.replay.local import Wishes, replay
from tests.faults.aside import put_aside
from tests.faults.world import TARGETS, Event, Once, World
from tests.support.factories import event, insert, item, modify, remove
from tests.support.reader import read_root

ROWS = 30
Run = Callable[[World, bool], None]


@dataclass(frozen=True)
class Scenario:
    """One story.

    Attributes:
        prepare: makes the bucket as the story finds it; no fault strikes here.
        run: the story, told to its end whatever happens; the flag says whether Lambda cuts failed batches in two.
        constants: limits scaled down: module, name, value.
        ordered: the events come to the tree in one order, whatever happens; only then is the count of changes that
            took effect the same (a change that comes after a newer one of its key takes none).
    """

    run: Run
    prepare: Callable[[World], None] = lambda world: None
    constants: Sequence[tuple[object, str, object]] = field(default=())
    ordered: bool = True

    def scaled(self) -> ExitStack:
        """Put the limits in force."""
        stack = ExitStack()
        for module, name, value in self.constants:
            stack.enter_context(patch.object(module, name, value))
        return stack


def thirty_rows(world: World) -> None:
    """A bucket with some shards on some pages, published."""
    world.deliver([insert(number) for number in range(ROWS)], "before")


def _deliver(*batches: Sequence[Event]) -> Run:
    def run(world: World, bisect: bool) -> None:
        for batch in batches:
            world.deliver(batch, bisect=bisect)

    return run


def _mover() -> int:
    """Find a row that starts no shard until its description grows."""
    encoder = RowEncoder(read_root_columns())
    for number in range(5, ROWS):
        short, long = (encoder.line(one) for one in (item(number), item(number, 2, **_LONG)))
        if not starts_shard(key_of(short), len(short), TARGETS) and starts_shard(key_of(long), len(long), TARGETS):
            return number
    raise AssertionError("no row moves a cut")


def read_root_columns() -> tuple[str, ...]:
    """The columns of a new ledger."""
    world = World()
    world.deliver([insert(0)])
    return read_root(world.store).columns


_LONG: Mapping[str, Mapping[str, str]] = {"description": {"S": "x" * 700}}
MOVER = _mover()


def _first_of_a_shard() -> int:
    """Find a row that starts a shard in the middle of a page, so that its shard joins the one before without it."""
    world = World()
    thirty_rows(world)
    for page in read_root(world.store).rows.pages:
        stored = world.store.get(page_key(page.sha256))
        assert stored is not None
        for shard in decode_page(stored.body)[1:]:
            return int(shard.first.split(b",")[1], 16)
    raise AssertionError("no page has two shards")


JOINER = _first_of_a_shard()
SWAPS = {"put_if_match"}


def _swaps_root(call: Call, process: str) -> bool:
    return call.process == process and call.verb in SWAPS and call.key == ROOT_KEY


def _before_swap_of(world: World, process: str, do: Callable[[], object]) -> Once:
    return Once(lambda call: _swaps_root(call, process), do)


class Exporters:
    """Several exporters whose batches meet: what one invocation leaves undone is delivered again in the end."""

    def __init__(self, world: World, bisect: bool) -> None:
        self.world, self.bisect = world, bisect
        self._again: list[tuple[str, list[Event]]] = []

    def start(self, name: str, events: Sequence[Event]) -> None:
        """Invoke an exporter once."""
        left = self.world.left
        rest = self.world.invoke(name, events)
        self.world.left = left
        if rest:
            self._again.append((name, rest))

    def finish(self) -> None:
        """Deliver again until all is done."""
        while self._again:
            name, events = self._again.pop(0)
            self.world.deliver(events, name, bisect=self.bisect)


def _two_exporters(world: World, bisect: bool) -> None:
    """B commits and publishes while A is about to swap."""
    both = Exporters(world, bisect)
    meets = [insert(ROWS), modify(3, 2, sequence=200, comment={"S": "A"})]
    world.faults.before = _before_swap_of(world, "A", lambda: both.start("B", [insert(ROWS + 1), remove(4)]))
    both.start("A", meets)
    both.finish()


def _first_together(verb: str, number: int) -> Run:
    """B makes the very first commits, and A is at one of its first calls."""

    def run(world: World, bisect: bool) -> None:
        both = Exporters(world, bisect)
        seen: list[Call] = []

        def is_it(call: Call) -> bool:
            if call.process == "A" and call.verb == verb:
                seen.append(call)
            return len(seen) == number

        world.faults.before = Once(is_it, lambda: both.start("B", [insert(1), insert(2)]))
        both.start("A", [insert(3), insert(4)])
        both.finish()

    return run


def _zombie(world: World, bisect: bool) -> None:
    """The same batch runs twice at once, as after a time-out that only Lambda saw."""
    both = Exporters(world, bisect)
    batch = [insert(ROWS), modify(3, 2, sequence=200), remove(4, sequence=300)]
    world.faults.before = _before_swap_of(world, "A", lambda: both.start("zombie", batch))
    both.start("A", batch)
    both.finish()


def _combining(world: World, bisect: bool) -> None:
    """A loses to B and waits; L loses to C, leads, and takes A's changes along."""
    all_of_them = Exporters(world, bisect)
    to_b = _before_swap_of(world, "A", lambda: all_of_them.start("B", [insert(ROWS + 1)]))
    to_c = _before_swap_of(world, "L", lambda: all_of_them.start("C", [insert(ROWS + 2)]))

    def before(call: Call) -> None:
        to_b(call)
        to_c(call)

    world.faults.before = before
    leader = Once(lambda name: name == "A", lambda: all_of_them.start("L", [insert(ROWS + 3), remove(7)]))
    world.asleep = leader
    all_of_them.start("A", [insert(ROWS), modify(3, 2, sequence=200)])
    all_of_them.finish()
    leader("A")  # A died and never waited
    all_of_them.finish()


def _quarantine(world: World, bisect: bool) -> None:
    """Events that cannot become rows, among those that can."""
    bad = [event("REMOVE", sequence=41), event("MODIFY", sequence=42), {"eventName": "NONE", "dynamodb": {}}]
    world.deliver([insert(ROWS), *bad, insert(ROWS + 1)], bisect=bisect)


def _long_removed(world: World) -> None:
    thirty_rows(world)
    world.deliver([remove(number, seconds=number) for number in range(10, 16)], "before")


def _collect_whole(ledger: Ledger) -> None:
    """Collect, and do not call it done while another collection seems to be at it."""
    if not collect(ledger).finished:
        raise Unavailable("another collection claims the bucket")


def _orphans(world: World) -> None:
    """Thirty rows, their shards and pages; and the old tail without a row that came later, all older than a day."""
    thirty_rows(world)
    world.deliver([insert(ROWS)], "before")
    world.deliver([remove(number, seconds=number) for number in (5, 11)], "before")
    world.later(hours=30)


def _collection(world: World, bisect: bool) -> None:
    world.repeat("collector", _collect_whole, hours=2)


def _collection_twice(world: World, bisect: bool) -> None:
    """Twice, because forgetting gives way to whoever else swaps the root."""
    for _ in range(2):
        world.repeat("collector", _collect_whole, hours=2)


def _collection_before(verb: str, prefix: str) -> Run:
    """An exporter names an old orphan again, and at one of its calls a collection runs from start to end."""

    def run(world: World, bisect: bool) -> None:
        now = Once(
            lambda call: call.process == "exporter" and call.verb == verb and call.key.startswith(prefix),
            lambda: world.run("collector", _collect_whole),
        )
        world.faults.before = now
        world.deliver([remove(ROWS)], bisect=bisect)
        world.repeat("collector", _collect_whole, hours=2)

    return run


def _commit_before(verb: str, number: int) -> Run:
    """A collection is about to delete, and at one of its calls an exporter names an old orphan again."""

    def run(world: World, bisect: bool) -> None:
        calls: list[Call] = []

        def is_it(call: Call) -> bool:
            if call.process == "collector" and call.verb == verb:
                calls.append(call)
            return len(calls) == number

        both = Exporters(world, bisect)
        world.faults.before = Once(is_it, lambda: both.start("exporter", [remove(ROWS)]))
        world.repeat("collector", _collect_whole, hours=2)
        both.finish()

    return run


def _forgetting(world: World) -> None:
    _orphans(world)
    world.deliver([event("INSERT", item(ROWS + 1), sequence=900, seconds=50 * 3600)], "before")


def _given_up(world: World) -> None:
    """A batch that Lambda gave up on and a removal without image in quarantine, both days old."""
    thirty_rows(world)
    put_aside(world.store, insert(ROWS), modify(3, 2, sequence=200), event("MODIFY", sequence=43))
    world.deliver([remove(3, 2, sequence=201), _without_image(5)], "before")
    world.deliver([event("INSERT", item(ROWS + 5), sequence=900, seconds=3 * 86_400)], "before")


def _without_image(number: int) -> Event:
    made = remove(number, sequence=300, seconds=60)
    del made["dynamodb"]["OldImage"]
    return made


def _redrive(world: World, bisect: bool) -> None:
    """Both are redriven; nothing is deleted before it is merged and published."""

    def before(call: Call) -> None:
        if call.verb == "delete_if_match":
            present = world.store.head(CSV_KEY)
            root = read_root(world.store)
            assert present.metadata["tree"] == root.tree_hash
            wanted = 31 if call.key.startswith("aws/") else 30
            assert root.rows.rows <= wanted, "what is deleted was merged"

    world.faults.before = before
    while [*world.store.list("aws/lambda/")]:
        world.repeat("operator", redrive_batches)
    while len([*world.store.list("quarantine/")]) > 1:  # the MODIFY without NewImage stays
        world.run("operator", redrive_quarantine)


def _replay_with_swap(world: World, bisect: bool) -> None:
    """A tree with other columns is rebuilt and swapped in; an exporter commits just before the swap."""
    scratch = StoreScratch(MemoryStore(), "scratch/")
    both = Exporters(world, bisect)
    world.faults.before = _before_swap_of(world, "operator", lambda: both.start("exporter", [insert(ROWS), remove(4)]))

    def rebuild(ledger: Ledger) -> None:
        done = replay(ledger, scratch, Wishes(columns=(*NAMES[:9], "description")))
        swap(ledger, done.root, lambda: listed_segments(scratch, done.plan))

    world.repeat("operator", rebuild)
    both.finish()


# Self-copy with parts of a few hundred bytes: thirty rows are then a large CSV.
SMALL_PARTS = (
    (publish, "PUT_BELOW", 1000),
    (layout, "SMALLEST_PART", 400),
    (layout, "UPLOAD_PART", 700),
    (layout, "COPIES", 4),
    (memory_store, "SMALLEST_PART", 400),
)
SMALL_SLICES = ((slices, "SLICE_BYTES", 2500), (slices, "SLICE_PAGES", 2), (slices, "SLICES_PER_COMMIT", 2))

SCENARIOS: dict[str, Scenario] = {
    "first commit ever": Scenario(_deliver([insert(number) for number in range(8)])),
    "first commits together, B before A lists": Scenario(_first_together("list", 1), ordered=False),
    "first commits together, B before A lists again": Scenario(_first_together("list", 2), ordered=False),
    "first commits together, B before A makes the root": Scenario(_first_together("put_if_match", 1), ordered=False),
    "insert": Scenario(_deliver([insert(ROWS), insert(ROWS + 1)], [insert(ROWS + 2)]), thirty_rows),
    "modify that moves a cut": Scenario(_deliver([modify(MOVER, 2, **_LONG)], [modify(MOVER, 3)]), thirty_rows),
    "removal that joins shards": Scenario(_deliver([remove(JOINER)]), thirty_rows),
    "removal past its time": Scenario(_deliver([remove(12, seconds=49 * 3600)]), _long_removed),
    "mass update in slices": Scenario(
        _deliver([modify(number, 2, sequence=500 + number, comment={"S": "all"}) for number in range(ROWS)]),
        thirty_rows,
        SMALL_SLICES,
    ),
    "two exporters": Scenario(_two_exporters, thirty_rows, ordered=False),
    "a zombie": Scenario(_zombie, thirty_rows),
    "combining with a leader": Scenario(_combining, thirty_rows, ordered=False),
    "two exporters in slices": Scenario(_two_exporters, thirty_rows, ((slices, "SLICE_BYTES", 1),), ordered=False),
    "publish by self-copy": Scenario(
        _deliver([insert(ROWS), modify(9, 2, sequence=200)], [remove(20)]), thirty_rows, SMALL_PARTS
    ),
    "publish from the shards": Scenario(_deliver([insert(ROWS)]), lambda world: _forget_copies(world), SMALL_PARTS),
    "two publishers by self-copy": Scenario(_two_exporters, thirty_rows, SMALL_PARTS, ordered=False),
    "quarantine": Scenario(_quarantine, thirty_rows),
    "redrive": Scenario(_redrive, _given_up),
    "replay with swap": Scenario(_replay_with_swap, thirty_rows, ordered=False),
    "collection": Scenario(_collection, _orphans),
    "collection while removals are past their time": Scenario(_collection_twice, _forgetting),
    "collection before the create-only put": Scenario(_collection_before("put_new", "shards/"), _orphans),
    "collection before the look at what exists": Scenario(_collection_before("head", "shards/"), _orphans),
    "collection before the touch": Scenario(_collection_before("finish_upload", "shards/"), _orphans),
    "collection before the swap": Scenario(_collection_before("put_if_match", ROOT_KEY), _orphans),
    "collection before the publish": Scenario(_collection_before("put_if_match", CSV_KEY), _orphans),
    "commit before the collection reads the root": Scenario(_commit_before("get", 3), _orphans),
    "commit before the first deletion": Scenario(_commit_before("delete_if_match", 1), _orphans),
    "commit before a later deletion": Scenario(_commit_before("delete_if_match", 4), _orphans),
}


def _forget_copies(world: World) -> None:
    thirty_rows(world)
    world.store.delete([key for key in world.store.objects if key.startswith("roots/")])
