"""Stories of operators and schedules: collections, redrives, a replay that is swapped in, while exporters commit."""

from infra.doubles.fault_store import Call
from infra.doubles.memory_store import MemoryStore
from ledger.columns import NAMES
from ledger.errors import Unavailable
from ledger.keys import CSV_KEY
from ledger.ledger import Ledger
from operations.collection.collect import collect
from operations.live.redrive import redrive_batches, redrive_quarantine
from operations.live.swap import swap
from operations.rebuild.plan import listed_segments
from operations.rebuild.scratch import StoreScratch
from operations.replay.local import Wishes, replay
from tests.faults.exporter_stories import ROWS, Exporters, Run, before_call_of, before_swap_of, thirty_rows
from tests.faults.world import Once, World
from tests.support.factories import event, insert, item, modify, remove, remove_without_image
from tests.support.failed_batches import put_aside
from tests.support.reader import read_root


def _collect_whole(ledger: Ledger) -> None:
    """Collect, and do not call it done while another collection seems to be at it."""
    if not collect(ledger).finished:
        raise Unavailable("another collection claims the bucket")


def orphans(world: World) -> None:
    """Make thirty rows, their shards and pages, and the old tail without a row that came later: all a day old."""
    thirty_rows(world)
    world.deliver([insert(ROWS)], "before")
    world.deliver([remove(number, seconds=number) for number in (5, 11)], "before")
    world.later(hours=30)


def collecting(world: World, bisect: bool) -> None:
    """A collection deletes the orphans."""
    world.repeat("collector", _collect_whole, hours=2)


def collecting_twice(world: World, bisect: bool) -> None:
    """Twice, because forgetting gives way to whoever else swaps the root."""
    for _ in range(2):
        world.repeat("collector", _collect_whole, hours=2)


def collection_before(verb: str, prefix: str) -> Run:
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


def commit_before(verb: str, number: int) -> Run:
    """A collection is about to delete, and at one of its calls an exporter names an old orphan again."""

    def run(world: World, bisect: bool) -> None:
        both = Exporters(world, bisect)
        world.faults.before = before_call_of("collector", verb, number, lambda: both.start("exporter", [remove(ROWS)]))
        world.repeat("collector", _collect_whole, hours=2)
        both.finish()

    return run


def forgetting(world: World) -> None:
    """Make the orphans, with an event that comes so late that the removals are past their time."""
    orphans(world)
    world.deliver([event("INSERT", item(ROWS + 1), sequence=900, seconds=50 * 3600)], "before")


def given_up(world: World) -> None:
    """Make a batch that Lambda gave up on and a removal without image in quarantine, both days old."""
    thirty_rows(world)
    put_aside(world.store, insert(ROWS), modify(3, 2, sequence=200), event("MODIFY", sequence=43))
    world.deliver([remove(3, 2, sequence=201), remove_without_image(5, sequence=300, seconds=60)], "before")
    world.deliver([event("INSERT", item(ROWS + 5), sequence=900, seconds=3 * 86_400)], "before")


def redriving(world: World, bisect: bool) -> None:
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


def replay_with_swap(world: World, bisect: bool) -> None:
    """A tree with other columns is rebuilt and swapped in; an exporter commits just before the swap."""
    scratch = StoreScratch(MemoryStore(), "scratch/")
    both = Exporters(world, bisect)
    world.faults.before = before_swap_of("operator", lambda: both.start("exporter", [insert(ROWS), remove(4)]))

    def rebuild(ledger: Ledger) -> None:
        done = replay(ledger, scratch, Wishes(columns=(*NAMES[:9], "description")))
        swap(ledger, done.root, lambda: listed_segments(scratch, done.plan))

    world.repeat("operator", rebuild)
    both.finish()
