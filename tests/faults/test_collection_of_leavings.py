"""Collection clears away what dead functions left, and keeps what snapshots name."""

import pytest

from operations.collection.collect import collect
from operations.live.snapshot import pin
from tests.faults.world import World
from tests.support.factories import insert
from tests.support.reader import read_root


@pytest.mark.parametrize("folder", ["pending", "leading", "publishing"])
def test_what_a_dead_function_left_goes_after_a_day(folder: str) -> None:
    """Its batch was delivered again, and nobody lives for so long."""
    world = World()
    world.deliver([insert(1)])
    world.store.put_new(f"{folder}/left", b"x", "text/plain")
    world.later(hours=23)
    world.repeat("collector", collect)
    assert f"{folder}/left" in world.store.objects
    world.later(hours=2)
    world.repeat("collector", collect)
    assert f"{folder}/left" not in world.store.objects


def test_what_a_snapshot_names_is_kept() -> None:
    """However old it is, and whatever has come since."""
    world = World()
    world.deliver([insert(1)])
    pin(world.process("operator").ledger, "monday", root := read_root(world.store))
    named = {f"manifest/{page.sha256}.json" for page in root.rows.pages}
    world.later(hours=1)
    world.deliver([insert(2)])
    world.later(hours=60)
    world.repeat("collector", collect)
    world.later(hours=60)
    world.repeat("collector", collect)
    assert named <= world.store.objects.keys()
    assert named.isdisjoint({f"manifest/{page.sha256}.json" for page in read_root(world.store).rows.pages})
