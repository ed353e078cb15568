"""Whatever happens to events, a record says what S3 has, once the last one has come or somebody has looked."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from image_processor.catalog import decision, object_list, order
from image_processor.catalog.facts import Look
from image_processor.errors import CatalogRefused
from image_processor.intake import Intake
from tests.support.repairing import Repaired
from tests.support.settling import World

SEEDS = range(3000)


def test_a_record_says_what_s3_has_whichever_events_were_lost() -> None:
    """Created, overwritten, removed, with and without versions; told late, twice, out of order, wrongly, or not at all.

    Looks at any moment, and other functions between any two requests of one. Sure is an object whose last event came,
    or which was looked at after its last change.
    """
    worlds = [World(seed).run() for seed in SEEDS]
    assert [seed for seed in SEEDS if worlds[seed].wrong()] == []
    assert sum(len(world.sure) for world in worlds) > len(SEEDS), "the model tells nothing"


def test_a_removal_that_is_believed_takes_rows_away() -> None:
    """Never looking is wrong, and so is it to look only where somebody has looked before."""

    def settled_only(record: dict[str, Any] | None) -> bool:
        return "looks" not in (record or {})

    for believes in (lambda record: True, settled_only):
        assert any(World(seed, believes).run().wrong() for seed in SEEDS)


def test_looks_that_are_not_counted_write_what_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two looks at one object the later one has to win, though neither has an event."""
    monkeypatch.setattr(order, "looks", lambda fact, record: {})
    assert any(World(seed).run().wrong() for seed in SEEDS)


def test_one_comparison_repairs_whatever_was_lost_or_done_by_hand() -> None:
    """Both tables, their lists and the CSV are what the bucket has; and no difference is found once more.

    Four objects share two images, or are none. Events are lost, late, double; rows and records are deleted by hand,
    rows put in and miscounted; other comparisons have begun at any moment, and end at a later one.
    """
    damages, given_up, found = Counter[str](), 0, 0
    for seed in SEEDS:
        world = Repaired(seed).repair()
        assert (seed, world.faults()) == (seed, [])
        damages, given_up, found = damages + world.damages, given_up + world.given_up, found + len(world.found)
    assert min(damages[done] for done in ("row deleted", "row put", "record deleted", "copies")) > len(SEEDS) / 20
    assert given_up > len(SEEDS) / 100, "no message met what was done by hand"
    assert found > len(SEEDS) / 4, "nothing was left to be found"


def _mistaken(monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    wrong, listed, settle = object_list.is_wrong, object_list._is_listed, Intake._settle

    def only_by_evidence(fact: Any, record: Any, image: Any, items: Any) -> bool:
        return wrong(fact, record, image, items) and fact.doubt.wrong_row == image["ingested_at"]["S"]

    def never_by_evidence(fact: Any, record: Any, image: Any, items: Any) -> bool:
        return fact.doubt is not None and record and not listed(fact, record, image)

    def in_any_life(fact: Any, record: Any, image: Any) -> bool:
        return listed(fact, {**record, "ingested_at": image.get("ingested_at")}, image)

    def whenever(fact: Any, record: Any, image: Any) -> bool:
        return listed(fact if "ingested_at" in record else replace(fact, look=None), record, image)

    def of_what_differs(intake: Any, event: Any, look: Look, time_left: Any) -> Any:
        differs = (look.record or {}).get("etag", {}).get("S") != event.etag
        return settle(intake, event, look if differs else Look(look.record), time_left)

    mistakes: dict[str, list[tuple[Any, str, Callable[..., Any]]]] = {
        "only what a comparison names is wrong": [(object_list, "is_wrong", only_by_evidence)],
        "nothing is wrong that a comparison names": [(object_list, "is_wrong", never_by_evidence)],
        "lives are not told apart": [(object_list, "_is_listed", in_any_life)],
        "wrong rows of other images stay": [(decision, "ended", lambda *_: ())],
        "what is sent of agreeing objects is taken for an event": [(Intake, "_settle", of_what_differs)],
        "a row is ended though it has changed": [
            (object_list, "same_row", lambda image: {"etag": image.get("etag")}),
        ],
        "a record without a life is of any": [(object_list, "_is_listed", whenever)],
    }
    for module, name, function in mistakes[mistake]:
        monkeypatch.setattr(module, name, function)


@pytest.mark.parametrize(
    "mistake",
    [
        "only what a comparison names is wrong",
        "nothing is wrong that a comparison names",
        "lives are not told apart",
        "wrong rows of other images stay",
        "what is sent of agreeing objects is taken for an event",
        "a row is ended though it has changed",
        "a record without a life is of any",
    ],
)
def test_the_model_notices(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rule is needed: without it some history ends wrong, or in a transaction that DynamoDB refuses."""
    _mistaken(monkeypatch, mistake)

    def ends_wrong(seed: int) -> bool:
        try:
            return bool(Repaired(seed).repair().faults())
        except CatalogRefused:
            return True

    assert any(ends_wrong(seed) for seed in SEEDS)
