"""Seeded runs of everything at once."""

import pytest

from tests.faults.simulation import Simulation


def test_all_is_well_whatever_the_seed(seed: int) -> None:
    """At every write the ledger is whole; in the end the CSV is the table."""
    try:
        Simulation(seed).run()
    except BaseException:
        print(f"once more: ./infra/test tests/faults/test_simulation.py --seed {seed}")
        raise


@pytest.mark.parametrize("seed_twice", [11, 12, 13])
def test_the_same_seed_gives_the_same_run(seed_twice: int) -> None:
    """A failing seed replays exactly: every call, fault and time is the same."""
    first, second = Simulation(seed_twice), Simulation(seed_twice)
    first.run()
    second.run()
    assert first.trace.steps > 20
    assert (first.trace.steps, first.trace.digest) == (second.trace.steps, second.trace.digest)
