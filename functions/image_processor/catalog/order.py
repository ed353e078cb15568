"""Which is newer: a fact about an object, or what its record says? Pure.

Events are ordered by their sequencers. A look at S3 has none: S3 is strongly consistent (S3 User Guide, "Amazon S3 data
consistency model"), so what it answers after the record was read is at least as new as the event that the record is
about. The answer takes over that event's sequencer, or `UNTOLD` where no event has told of the object; and the record
counts its looks, so that what S3 was asked before one of them is not written after it.
"""

from image_processor.catalog.facts import Fact, Item, Outcome
from image_processor.errors import LookOutdated
from image_processor.object_event import is_later

UNTOLD = "0"
"""Sequencer of a record of which no event has told: every event's is later."""

_KNOWN = ("sequencer", "etag", "looks")
"""What changes in a record when it is written because of its object."""


def late(sequencer: str | None, record: Item | None) -> Outcome | None:
    """Say how an event came too late for a record, if it did; one without a sequencer never does."""
    if sequencer is None or record is None or is_later(sequencer, than=record["sequencer"]["S"]):
        return None
    return Outcome.STALE if is_later(record["sequencer"]["S"], than=sequencer) else Outcome.DUPLICATE


def overtaken(fact: Fact, record: Item | None) -> Outcome | None:
    """Say how a fact was overtaken by what its object's record says, if it was.

    Raises:
        LookOutdated: S3 knows; it is to be asked now that this record is known.
    """
    if fact.sequencer is None and fact.look is None:  # only about the bytes that the object had
        held = record["etag"]["S"] if record and "etag" in record else None
        return None if held is not None and held == fact.etag else Outcome.STALE
    outcome = late(fact.sequencer, record)
    if outcome is None and _is_outdated(fact, record or {}):
        raise LookOutdated(fact.object)
    return outcome


def _is_outdated(fact: Fact, record: Item) -> bool:
    if fact.sequencer is not None and "looks" not in record:
        return False  # written by an earlier event, whatever S3 was asked since
    if fact.look is None:
        return True
    known = fact.look.record or {}
    return any(record.get(name) != known.get(name) for name in _KNOWN)


def sequencer(fact: Fact, record: Item | None) -> str:
    """Give the sequencer under which a fact is written."""
    return fact.sequencer or (record["sequencer"]["S"] if record else UNTOLD)


def looks(fact: Fact, record: Item | None) -> Item:
    """Give the attribute that counts a record's looks, if there were any."""
    number = int(record["looks"]["N"]) if record and "looks" in record else 0
    number += fact.look is not None
    return {"looks": {"N": str(number)}} if number else {}
