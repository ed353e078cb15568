"""Two events of the images bucket that meet, on every small state of the tables."""

import itertools
from typing import Any

import pytest

from image_processor.catalog.facts import Fact
from infra.doubles.memory_tables import MemoryTables
from tests.support.catalog_model import Clock, absent, apply, catalog_of, check_truth, present, watch_lives


@pytest.mark.parametrize("held", list(itertools.product(["E1", "E2", None], repeat=3)), ids=str)
def test_every_two_events_that_meet_on_every_small_state_end_in_the_truth(held: tuple[str | None, ...]) -> None:
    """Exhaustive: whatever three objects hold, any event breaks into any other before its first or second request."""
    keys = ("a.jpg", "b.jpg", "c.jpg")
    first = [present(key, etag, 1) if etag else absent(key, 1) for key, etag in zip(keys, held, strict=True)]
    changes = list(itertools.product(keys, ["E1", "E2", None]))
    prepared = MemoryTables()
    apply(catalog_of(prepared), *first)
    for (key, etag), (other_key, other_etag), request in itertools.product(changes, changes, [1, 2]):
        fact = present(key, etag, 3) if etag else absent(key, 3)
        other = present(other_key, other_etag, 2) if other_etag else absent(other_key, 2)
        tables = MemoryTables()
        tables.tables = prepared.snapshot()
        watch_lives(tables)
        requests = itertools.count(1)

        def break_in(name: str, _: dict[str, Any], tables: MemoryTables = tables, other: Fact = other) -> None:
            if name == "transact_write_items" and next(requests) == request:  # noqa: B023
                tables.before = lambda *_: None
                apply(catalog_of(tables, clock=Clock(1)), other)

        tables.before = break_in
        apply(catalog_of(tables, clock=Clock(2)), fact)
        tables.before = lambda *_: None
        apply(catalog_of(tables, clock=Clock(3)), other)
        check_truth(tables, [*first, other, fact])
