"""One comparison repairs whatever was lost or done by hand: some of the histories that `tests/faults` has."""

from tests.support.repairing import Repaired

SEEDS = range(3000, 3250)


def test_one_comparison_repairs_whatever_was_lost_or_done_by_hand() -> None:
    """Both tables, their lists and the CSV are what the bucket has; and no difference is found once more."""
    worlds = {seed: Repaired(seed).repair() for seed in SEEDS}
    assert {seed: faults for seed, world in worlds.items() if (faults := world.faults())} == {}
    assert sum(len(world.found) for world in worlds.values()) > len(SEEDS) / 4, "nothing was left to be found"
