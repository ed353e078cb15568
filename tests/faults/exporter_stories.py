"""Stories of exporters: what they meet, and how their batches meet each other."""

from collections.abc import Callable, Mapping, Sequence

from infra.doubles.fault_store import Call
from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.commit import commit
from ledger.keys import ROOT_KEY, page_key
from ledger.manifest import decode_page, starts_shard
from ledger.row import RowEncoder, key_of
from tests.faults.world import TARGETS, Event, Once, World
from tests.support.factories import event, insert, item, make_ledger, modify, remove
from tests.support.reader import read_body, read_root

ROWS = 30
Run = Callable[[World, bool], None]


def thirty_rows(world: World) -> None:
    """Make a bucket with some shards on some pages, published."""
    world.deliver([insert(number) for number in range(ROWS)], "before")


def deliver(*batches: Sequence[Event]) -> Run:
    """One exporter gets batches, one after the other."""

    def run(world: World, bisect: bool) -> None:
        for batch in batches:
            world.deliver(batch, bisect=bisect)

    return run


def _mover() -> int:
    """Find a row that starts no shard until its description grows."""
    encoder = RowEncoder(NAMES)
    for number in range(5, ROWS):
        short, long = (encoder.line(one) for one in (item(number), item(number, 2, **LONG)))
        if not starts_shard(key_of(short), len(short), TARGETS) and starts_shard(key_of(long), len(long), TARGETS):
            return number
    raise AssertionError("no row moves a cut")


LONG: Mapping[str, Mapping[str, str]] = {"description": {"S": "x" * 700}}
MOVER = _mover()


def _first_of_a_shard() -> int:
    """Find a row that starts a shard in the middle of a page, so that its shard joins the one before without it."""
    store = MemoryStore()
    # Without the function around it, which would count here what the first test of it then finds counted.
    commit(make_ledger(store, targets=TARGETS), [insert(number) for number in range(ROWS)])
    for page in read_root(store).rows.pages:
        for shard in decode_page(read_body(store, page_key(page.sha256)))[1:]:
            return int(shard.first.split(b",")[1], 16)
    raise AssertionError("no page has two shards")


JOINER = _first_of_a_shard()


def before_swap_of(process: str, do: Callable[[], object]) -> Once:
    """Do something when a process is about to swap the root."""
    return Once(
        lambda call: call.process == process and call.verb == "put_if_match" and call.key == ROOT_KEY,
        do,
    )


def before_call_of(process: str, verb: str, number: int, do: Callable[[], object]) -> Once:
    """Do something when a process is about to make the n-th of its calls of a verb."""
    seen: list[Call] = []

    def is_it(call: Call) -> bool:
        if call.process == process and call.verb == verb:
            seen.append(call)
        return len(seen) == number

    return Once(is_it, do)


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


def two_exporters(world: World, bisect: bool) -> None:
    """B commits and publishes while A is about to swap."""
    both = Exporters(world, bisect)
    meets = [insert(ROWS), modify(3, 2, sequence=200, comment={"S": "A"})]
    world.faults.before = before_swap_of("A", lambda: both.start("B", [insert(ROWS + 1), remove(4)]))
    both.start("A", meets)
    both.finish()


def first_together(verb: str, number: int) -> Run:
    """B makes the very first commits, and A is at one of its first calls."""

    def run(world: World, bisect: bool) -> None:
        both = Exporters(world, bisect)
        world.faults.before = before_call_of("A", verb, number, lambda: both.start("B", [insert(1), insert(2)]))
        both.start("A", [insert(3), insert(4)])
        both.finish()

    return run


def zombie(world: World, bisect: bool) -> None:
    """The same batch runs twice at once, as after a time-out that only Lambda saw."""
    both = Exporters(world, bisect)
    batch = [insert(ROWS), modify(3, 2, sequence=200), remove(4, sequence=300)]
    world.faults.before = before_swap_of("A", lambda: both.start("zombie", batch))
    both.start("A", batch)
    both.finish()


def combining(world: World, bisect: bool) -> None:
    """A loses to B and waits; L loses to C, leads, and takes A's changes along."""
    all_of_them = Exporters(world, bisect)
    to_b = before_swap_of("A", lambda: all_of_them.start("B", [insert(ROWS + 1)]))
    to_c = before_swap_of("L", lambda: all_of_them.start("C", [insert(ROWS + 2)]))

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


def quarantine(world: World, bisect: bool) -> None:
    """Events that cannot become rows, among those that can."""
    bad = [event("REMOVE", sequence=41), event("MODIFY", sequence=42), {"eventName": "NONE", "dynamodb": {}}]
    world.deliver([insert(ROWS), *bad, insert(ROWS + 1)], bisect=bisect)


def long_removed(world: World) -> None:
    """Make the thirty rows, with removals that a later event makes old."""
    thirty_rows(world)
    world.deliver([remove(number, seconds=number) for number in range(10, 16)], "before")


def forget_copies(world: World) -> None:
    """Make the thirty rows, without the root's copies: nobody knows how the present CSV is laid out."""
    thirty_rows(world)
    world.store.delete([key for key in world.store.objects if key.startswith("roots/")])
