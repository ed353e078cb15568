"""Waits between two tries grow, and are bounded."""

from dataclasses import replace

from infra.doubles.memory_store import MemoryStore
from operations.live.backoff import back_off
from tests.support.factories import make_ledger


def test_the_longest_wait_doubles_up_to_two_seconds_and_chance_shortens_it() -> None:
    """The first rival is gone within milliseconds; the sixtieth is not."""
    waits: list[float] = []
    ledger = replace(make_ledger(MemoryStore()), sleep=waits.append, chance=lambda: 0.5)
    for tries in (0, 1, 5, 6, 60):
        back_off(ledger, tries)
    assert waits == [0.025, 0.05, 0.8, 1.0, 1.0]
