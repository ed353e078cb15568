"""Replays of little data that are cut into as many pieces as those of much."""

import pytest

from operations.rebuild import plan, sorted_runs, steps


def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every limit so small that the tests' little data crosses it."""
    monkeypatch.setattr(plan, "CHUNK_BYTES", 4000)
    monkeypatch.setattr(plan, "RANGE_BYTES", 3000)
    monkeypatch.setattr(steps, "BUFFER_BYTES", 6000)
    monkeypatch.setattr(sorted_runs, "PART_BYTES", 2000)
    monkeypatch.setattr(sorted_runs, "BLOCK_BYTES", 500)
    monkeypatch.setattr(sorted_runs, "FAN_IN", 3)
