"""Which is newer, a fact or its object's record: every pair of what they can be."""

from typing import Any

import pytest

from image_processor.catalog.facts import Look, Outcome, Present
from image_processor.catalog.order import late, looks, overtaken, sequencer
from image_processor.errors import LookOutdated
from tests.support.catalog_model import present

AGAIN = "look again"


def record(number: int, etag: str | None = "E1", looks: int = 0) -> dict[str, Any]:
    """Make what a record is ordered by."""
    made = {"sequencer": {"S": f"{number:X}"}} | ({"etag": {"S": etag}} if etag else {})
    return made | ({"looks": {"N": str(looks)}} if looks else {})


def fact(number: int | None, look: Look | None) -> Present:
    return present("a.jpg", "E1", number, look=look)


@pytest.mark.parametrize(
    ("number", "look", "now", "expected"),
    [
        # what an event says
        (9, None, None, None),
        (9, None, record(5), None),
        (16, None, record(9), None),
        (9, None, record(9), Outcome.DUPLICATE),
        (9, None, record(9, looks=1), Outcome.DUPLICATE),
        (9, None, record(16), Outcome.STALE),
        (9, None, record(5, looks=1), AGAIN),
        (9, None, record(5, None, looks=1), AGAIN),
        # what S3 said after an event had come
        (9, Look(None), None, None),
        (9, Look(None), record(5), None),
        (9, Look(record(5)), record(5), None),
        (9, Look(record(5)), record(6, "E2"), None),
        (9, Look(record(5)), record(16), Outcome.STALE),
        (9, Look(record(5)), record(9), Outcome.DUPLICATE),
        (9, Look(None), record(0, looks=1), AGAIN),
        (9, Look(record(5)), record(5, looks=1), AGAIN),
        (9, Look(record(5, looks=1)), record(5, looks=1), None),
        (9, Look(record(5, looks=1)), record(5, looks=2), AGAIN),
        (9, Look(record(5, looks=1)), record(6, looks=1), AGAIN),
        # what S3 said, and no event
        (None, Look(None), None, None),
        (None, Look(None), record(5), AGAIN),
        (None, Look(record(5)), record(5), None),
        (None, Look(record(5)), record(6), AGAIN),
        (None, Look(record(5)), record(5, "E2"), AGAIN),
        (None, Look(record(5)), record(5, None), AGAIN),
        (None, Look(record(5)), record(5, looks=1), AGAIN),
        (None, Look(record(5, looks=1)), record(5, looks=1), None),
        (None, Look(record(5)), None, AGAIN),
        # what is said of the bytes that the object had
        (None, None, None, Outcome.STALE),
        (None, None, record(5), None),
        (None, None, record(5, looks=1), None),
        (None, None, record(5, "E2"), Outcome.STALE),
        (None, None, record(5, None), Outcome.STALE),
    ],
)
def test_a_fact_is_written_if_nothing_newer_is_known(
    number: int | None, look: Look | None, now: dict[str, Any] | None, expected: Any
) -> None:
    """Events by their sequencers, looks by what was known when S3 was asked."""
    if expected is AGAIN:
        with pytest.raises(LookOutdated):
            overtaken(fact(number, look), now)
    else:
        assert overtaken(fact(number, look), now) is expected


def test_a_fact_takes_over_the_sequencer_that_it_lacks() -> None:
    """The record's, or the lowest there is; and counts itself, if S3 was asked for it."""
    assert sequencer(fact(9, Look(record(5))), record(5)) == "9"
    assert sequencer(fact(None, Look(record(5))), record(5)) == "5"
    assert sequencer(fact(None, Look(None)), None) == "0"
    assert late("1", record(0, looks=3)) is None
    assert looks(fact(9, None), record(5)) == {}
    assert looks(fact(9, Look(record(5))), record(5)) == {"looks": {"N": "1"}}
    assert looks(fact(None, Look(record(5, looks=9))), record(5, looks=9)) == {"looks": {"N": "10"}}
    assert looks(fact(None, None), record(5, looks=2)) == {"looks": {"N": "2"}}
