"""Lists that foreign hands have damaged: what was seen puts them right, under conditions."""

from collections.abc import Callable
from typing import Any

import pytest

from image_processor.catalog.catalog import Catalog
from image_processor.catalog.facts import Doubt, Look, Outcome, Present
from image_processor.errors import CatalogDamaged
from infra.doubles.memory_tables import MemoryTables
from tests.support.catalog_model import BUCKET, absent, apply, check_lists, present

LATER = "2030-01-01T00:00:00Z"


def seen(tables: MemoryTables, key: str, etag: str, wrong_row: str | None = None) -> Present:
    """State what was found of an object that somebody has seen, its record having been read before."""
    look = Look(tables.objects.get(f"{BUCKET}/{key}"), Doubt(etag, wrong_row, LATER))
    return present(key, etag, None, look=look)


def life(tables: MemoryTables, etag: str) -> str:
    return str(tables.images[etag]["ingested_at"]["S"])


def come_before(tables: MemoryTables, number: int, come: Callable[[], object]) -> None:
    """Let something come before the transaction of this number, counted from 1."""
    left = [number]

    def before(name: str, _: dict[str, Any]) -> None:
        left[0] -= name == "transact_write_items"
        if name == "transact_write_items" and left[0] == 0:
            tables.before = lambda *_: None
            come()

    tables.before = before


def test_nobody_joins_a_life_that_has_ended_meanwhile(catalog: Catalog, tables: MemoryTables) -> None:
    """The list has the same end in the next life, so that alone does not tell."""
    apply(catalog, present("a.jpg", "E1", 1), present("b.jpg", "E1", 1))
    del tables.objects["photos/a.jpg"]
    come_before(tables, 2, lambda: apply(catalog, seen(tables, "b.jpg", "E1", life(tables, "E1"))))  # 1 is the guess
    apply(catalog, present("c.jpg", "E1", 1))
    assert (tables.images["E1"]["key"]["S"], tables.images["E1"]["copies"]["N"]) == ("b.jpg", "2")
    check_lists(tables)


def test_a_life_is_ended_once(catalog: Catalog, tables: MemoryTables) -> None:
    """Two are told of it at the same time: the refused one joins, though the next life is as young as the last."""
    apply(catalog, present("a.jpg", "E1", 1))
    del tables.objects["photos/a.jpg"]
    wrong = life(tables, "E1")
    come_before(tables, 1, lambda: apply(catalog, seen(tables, "b.jpg", "E1", wrong)))
    apply(catalog, seen(tables, "c.jpg", "E1", wrong))
    assert (tables.images["E1"]["key"]["S"], tables.images["E1"]["copies"]["N"]) == ("b.jpg", "2")
    check_lists(tables)


@pytest.mark.parametrize("tail", ["photos/a.jpg", "photos/x.jpg", "photos/never.jpg", "photos/c.jpg"])
def test_a_list_that_cannot_go_on_is_begun_anew_by_who_was_seen(
    tail: str, catalog: Catalog, tables: MemoryTables
) -> None:
    """Its tail is followed, or holds another image, or nothing, or is the newcomer: to an event it is damage."""
    apply(catalog, present("a.jpg", "E1", 1), present("b.jpg", "E1", 1), present("x.jpg", "E2", 1))
    tables.images["E1"]["newest_object"] = {"S": tail}
    with pytest.raises(CatalogDamaged):
        apply(catalog, present("c.jpg", "E1", 1))
    assert apply(catalog, seen(tables, "c.jpg", "E1")) == [Outcome.ADDED]
    assert (tables.images["E1"]["key"]["S"], tables.images["E1"]["copies"]["N"]) == ("c.jpg", "1")


def test_a_tail_that_is_a_neighbour_on_another_list_is_none(catalog: Catalog, tables: MemoryTables) -> None:
    """One item would be written twice, which DynamoDB refuses: whoever doubts has read it before."""
    apply(catalog, present("a.jpg", "E1", 1), present("b.jpg", "E1", 1))
    tables.images["E2"] = dict(tables.images["E1"]) | {"etag": {"S": "E2"}, "newest_object": {"S": "photos/a.jpg"}}
    assert apply(catalog, seen(tables, "b.jpg", "E2")) == [Outcome.REPLACED]
    assert {etag: row["key"]["S"] for etag, row in tables.images.items()} == {"E1": "a.jpg", "E2": "b.jpg"}
    check_lists(tables)


@pytest.mark.parametrize("side", ["key", "newest_object"])
def test_a_row_that_names_an_object_at_either_end_without_its_record_goes(
    side: str, catalog: Catalog, tables: MemoryTables
) -> None:
    """Of the image that it was seen with, and of the one that its record names in another life."""
    apply(catalog, present("a.jpg", "E1", 1), present("b.jpg", "E2", 1))
    named = {"key": {"S": "a.jpg"}} if side == "key" else {"newest_object": {"S": "photos/a.jpg"}}
    other = {"key": {"S": "z.jpg"}, "newest_object": {"S": "photos/z.jpg"}}
    for etag in ("E1", "E9"):
        row = dict(tables.images["E2"]) | other | named
        tables.images[etag] = row | {"etag": {"S": etag}, "ingested_at": {"S": "2025"}}
    fact = seen(tables, "a.jpg", "E9")
    moved = present("a.jpg", "E2", None, look=fact.look)
    assert apply(catalog, moved) == [Outcome.REPLACED]
    assert tables.images.keys() == {"E2"}
    check_lists(tables)


def test_what_was_seen_of_a_tail_decides_nothing_once_its_row_has_changed(
    catalog: Catalog, tables: MemoryTables
) -> None:
    """It had no record when the newcomer read it, and has begun the row anew since."""
    apply(catalog, present("c.jpg", "E1", 1))
    del tables.objects["photos/c.jpg"]
    come_before(tables, 1, lambda: apply(catalog, seen(tables, "c.jpg", "E1")))
    apply(catalog, seen(tables, "b.jpg", "E1"))
    assert (tables.images["E1"]["key"]["S"], tables.images["E1"]["copies"]["N"]) == ("c.jpg", "2")
    check_lists(tables)


def test_an_object_between_one_neighbour_is_damage(catalog: Catalog, tables: MemoryTables) -> None:
    """The record of that was deleted, and it joined again: one item cannot be written twice in a transaction."""
    apply(catalog, present("b.jpg", "E1", 1), present("c.jpg", "E1", 1))
    del tables.objects["photos/b.jpg"]
    apply(catalog, present("b.jpg", "E1", 2))
    with pytest.raises(CatalogDamaged, match=r"photos/c\.jpg"):
        apply(catalog, absent("c.jpg", 2))
