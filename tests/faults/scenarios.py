"""What the exhaustive fault tests run: each scenario is small, and touches every step of one protocol."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from ledger import slices
from ledger.keys import CSV_KEY, ROOT_KEY
from tests.faults.exporter_stories import (
    JOINER,
    LONG,
    MOVER,
    ROWS,
    Run,
    combining,
    deliver,
    first_together,
    forget_copies,
    long_removed,
    quarantine,
    thirty_rows,
    two_exporters,
    zombie,
)
from tests.faults.limits import SMALL_PARTS, SMALL_SLICES, Limit, scaled
from tests.faults.operator_stories import (
    collecting,
    collecting_twice,
    collection_before,
    commit_before,
    forgetting,
    given_up,
    orphans,
    redriving,
    replay_with_swap,
)
from tests.faults.world import World
from tests.support.factories import insert, modify, remove


@dataclass(frozen=True)
class Scenario:
    """One story.

    Attributes:
        prepare: makes the bucket as the story finds it; no fault strikes here.
        run: the story, told to its end whatever happens; the flag says whether Lambda cuts failed batches in two.
        limits: those that are scaled down.
        ordered: the events come to the tree in one order, whatever happens; only then is the count of changes that
            took effect the same (a change that comes after a newer one of its key takes none).
    """

    run: Run
    prepare: Callable[[World], None] = lambda world: None
    limits: Sequence[Limit] = ()
    ordered: bool = True

    def scaled(self) -> ExitStack:
        """Put the limits in force."""
        return scaled(self.limits)


SCENARIOS: dict[str, Scenario] = {
    "first commit ever": Scenario(deliver([insert(number) for number in range(8)])),
    "first commits together, B before A lists": Scenario(first_together("list", 1), ordered=False),
    "first commits together, B before A lists again": Scenario(first_together("list", 2), ordered=False),
    "first commits together, B before A makes the root": Scenario(first_together("put_if_match", 1), ordered=False),
    "insert": Scenario(deliver([insert(ROWS), insert(ROWS + 1)], [insert(ROWS + 2)]), thirty_rows),
    "modify that moves a cut": Scenario(deliver([modify(MOVER, 2, **LONG)], [modify(MOVER, 3)]), thirty_rows),
    "removal that joins shards": Scenario(deliver([remove(JOINER)]), thirty_rows),
    "removal past its time": Scenario(deliver([remove(12, seconds=49 * 3600)]), long_removed),
    "mass update in slices": Scenario(
        deliver([modify(number, 2, sequence=500 + number, comment={"S": "all"}) for number in range(ROWS)]),
        thirty_rows,
        SMALL_SLICES,
    ),
    "two exporters": Scenario(two_exporters, thirty_rows, ordered=False),
    "a zombie": Scenario(zombie, thirty_rows),
    "combining with a leader": Scenario(combining, thirty_rows, ordered=False),
    "two exporters in slices": Scenario(two_exporters, thirty_rows, ((slices, "SLICE_BYTES", 1),), ordered=False),
    "publish by self-copy": Scenario(
        deliver([insert(ROWS), modify(9, 2, sequence=200)], [remove(20)]), thirty_rows, SMALL_PARTS
    ),
    "publish from the shards": Scenario(deliver([insert(ROWS)]), forget_copies, SMALL_PARTS),
    "two publishers by self-copy": Scenario(two_exporters, thirty_rows, SMALL_PARTS, ordered=False),
    "quarantine": Scenario(quarantine, thirty_rows),
    "redrive": Scenario(redriving, given_up),
    "replay with swap": Scenario(replay_with_swap, thirty_rows, ordered=False),
    "collection": Scenario(collecting, orphans),
    "collection while removals are past their time": Scenario(collecting_twice, forgetting),
    "collection before the create-only put": Scenario(collection_before("put_new", "shards/"), orphans),
    "collection before the look at what exists": Scenario(collection_before("head", "shards/"), orphans),
    "collection before the touch": Scenario(collection_before("finish_upload", "shards/"), orphans),
    "collection before the swap": Scenario(collection_before("put_if_match", ROOT_KEY), orphans),
    "collection before the publish": Scenario(collection_before("put_if_match", CSV_KEY), orphans),
    "commit before the collection reads the root": Scenario(commit_before("get", 3), orphans),
    "commit before the first deletion": Scenario(commit_before("delete_if_match", 1), orphans),
    "commit before a later deletion": Scenario(commit_before("delete_if_match", 4), orphans),
}
