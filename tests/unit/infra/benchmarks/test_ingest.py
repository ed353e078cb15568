"""The benchmark's world has the differences that it says, and the product finds them all."""

import json

import pytest

from infra.benchmarks import ingest
from operations.bucket.compare import Kind


def test_all_that_was_made_to_differ_is_found_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """With several ranges, several runs, and every kind of difference in them."""
    assert ingest.main(["--objects", "4000", "--differences", "31", "--threads", "3"]) == 0
    *shown, last = capsys.readouterr().out.splitlines()
    figures = json.loads(last)
    assert (figures["found"], figures["false"]) == (31, 0)
    assert figures["requests"] >= 4
    assert min(figures[f"{name}_per_second"] for name in ("objects", "list", "sort")) > 0
    assert "differences: 11 missing, 10 stale, 10 phantom" in shown


def test_differences_lie_apart_and_are_of_every_kind() -> None:
    """None beyond the last name; none at all if none are wanted."""
    world = ingest.make_world(1_000_000, 1_000)
    assert len(world.differences) == 1_000
    assert {*world.differences.values()} == {Kind.MISSING, Kind.STALE, Kind.PHANTOM}
    assert (min(world.differences), max(world.differences)) == (500, 999_500)
    assert ingest.make_world(10, 0).differences == {}
    keys = [world.key(number) for number in range(0, 1_000_000, 997)]
    assert keys == sorted(keys)
