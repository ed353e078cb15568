"""What one fact about an object changes in the tables: state and fact in, conditional writes out. No I/O.

`Images` has one item for each distinct image (its row), `Objects` one for each object: which image it holds, and the
sequencer of the event that said so. The objects of one image form a list (`object_list.py`). The record of an object
that holds no image has no `etag`:

    Objects[o]      etag                     o holds this image
                    refused, reader          o holds these bytes, which are no image to this version of the reader
                    expires_at               o is gone, or empty: a tombstone, by which a late creation is told as late

All writes of a decision are one transaction, and every fact that the decision used is a condition of it. Two functions
that take events of one object, or of two objects with the same bytes, then meet like this:

    time    function A                              function B
     |      decide from record(sequencer 5)
     |                                              decide from record(sequencer 5)
     |      transaction: record is still 5 -> 7
     |                                              transaction: record is still 5? refused, with the record
     |                                              decide again from record(sequencer 7): stale, nothing to do
     v

An event is a hint, and S3 is the truth: whoever has looked (HEAD, after the record was read) writes what S3 says now,
if nobody has looked since (`order.py`). Between look and transaction the object may change, and its event be lost:

    time    look of function A                      look of function B                      in S3
     |      read record(sequencer 5, looks 0)
     |      HEAD: it holds E1                                                               overwritten: E2
     |                                              read record(sequencer 5, looks 0)
     |                                              HEAD: it holds E2
     |                                              transaction: record -> E2, 5, looks 1
     |      transaction: looks still 0? refused
     |      decide again: outdated, look again
     v

So a look counts itself even where it finds what the record says. An event's own fact that meets such a record is
outdated, too, however late its sequencer: its bytes may have been read before the look. Its object is looked at, and
what S3 says is written under the event's sequencer, which is later than the record's.

Whoever was sent to look, by a comparison of bucket and tables (Object Seen), doubts the tables as well: the rows of the
image that the object holds, of the one that its record names, and of the one that it was seen with are read, whatever
the record says, and put right in the same transaction:

    time    Object Seen: o, seen with E1            Objects[o]         Images[E1]          in S3
     |      read record: tombstone, looks 2         tombstone          names o: phantom    o holds E2
     |      HEAD, GET: it holds E2
     |      read Images[E1], Images[E2]
     |      transaction: record is a tombstone,
     |        looks 2 -> E2, looks 3; Images[E1]
     |        is as it was read -> deleted;
     |        no Images[E2] -> begun                E2, looks 3        (none)
     |      once more, late: looks 3 -> 4
     v

As long as the tables agree with each other, some of these conditions follow from others. They are stated all the same:
each write is then safe by itself.
"""

from dataclasses import replace
from datetime import datetime

from image_processor.catalog import order
from image_processor.catalog.facts import (
    UNREAD,
    Absent,
    Decision,
    Expectations,
    Fact,
    Item,
    Items,
    Outcome,
    Present,
    Put,
    Ref,
    Table,
    Update,
)
from image_processor.catalog.items import absent_item, object_item
from image_processor.catalog.likeness import Changes, row_changes
from image_processor.catalog.object_list import ended, head_of, is_lost, link, same_life, unlink


def first_guess(fact: Fact) -> Items:
    """Assume what is nearly always true: a new object with a new image, or a record that is as it was at the look.

    The conditions will tell if it is not so.
    """
    if fact.look:
        return Items({Ref(Table.OBJECTS, fact.object): fact.look.record})
    if isinstance(fact, Present) and fact.attributes is not None and fact.sequencer is not None:
        return Items({Ref(Table.OBJECTS, fact.object): None, Ref(Table.IMAGES, fact.etag): None})
    return Items()


def decide(fact: Fact, items: Items, now: datetime) -> Decision:
    """Say what a fact changes.

    Args:
        fact: what an event means, or what S3 says.
        items: as last seen; items that are no longer so lead to writes that are refused, never to a wrong table.
        now: UTC, aware; starts a new image's life, and a tombstone's.

    Raises:
        ItemUnseen: an item is needed that has not been read.
        CatalogDamaged: the tables contradict each other.
        ObjectUncompared: the fact has to say whether the object is like another one.
        LookOutdated: S3 has to be asked (again) what the object holds.
    """
    record = items[Ref(Table.OBJECTS, fact.object)]
    if overtaken := order.overtaken(fact, record):
        return Decision(overtaken)
    decision = _decided(fact, record, items, now)
    return replace(decision, writes=(*decision.writes, *ended(fact, record, items, decision.writes)))


def _decided(fact: Fact, record: Item | None, items: Items, now: datetime) -> Decision:
    if isinstance(fact, Absent):
        return _vacate(fact, record, items, now)
    if record is None or "etag" not in record:
        return _settle(fact, record, items, now, Outcome.ADDED)
    if record["etag"]["S"] == fact.etag and not is_lost(fact, record, items):
        return _refresh(fact, record, items)
    return _settle(fact, record, items, now, Outcome.REPLACED)


def _vacate(fact: Absent, record: Item | None, items: Items, now: datetime) -> Decision:
    """Take the object off its image's list, and note that it is gone, or refused."""
    leaving = unlink(fact, record, items) if record and "etag" in record else ()
    put = Put(Ref(Table.OBJECTS, fact.object), _same_record(record), absent_item(fact, record, now))
    return Decision(Outcome.REMOVED if record and "etag" in record else Outcome.NOTED, (put, *leaving))


def _settle(fact: Present, record: Item | None, items: Items, now: datetime, outcome: Outcome) -> Decision:
    """Take the object off the list that it is on, if any, and put it at the end of its image's list."""
    image = items[Ref(Table.IMAGES, fact.etag)]
    if image is None and fact.attributes is None:
        return Decision(Outcome.UNKNOWN_IMAGE)
    leaving = unlink(fact, record, items) if record and "etag" in record else ()
    arriving, place = link(fact, record, image, items, now)
    item = object_item(fact, record, place)
    if fact.content_type == UNREAD and image:
        item["content_type"] = image["content_type"]
    put = Put(Ref(Table.OBJECTS, fact.object), _same_record(record), item)
    return Decision(outcome, (put, *arriving, *leaving))


def _refresh(fact: Present, record: Item, items: Items) -> Decision:
    """Note the later event; the row changes only if it names this object, or was waiting to be read."""
    item = object_item(fact, record, {})
    if fact.content_type == UNREAD:
        del item["content_type"]
    named = _of_the_object(fact, record)
    changes = {name: value for name, value in item.items() if record.get(name) != value} | named
    # The row says this of the object that it names; an object is no other image for it.
    headed = named if "older" not in record else {}
    said = _row_contents(fact, record, items)
    row = headed | said
    if not changes and not row:
        return Decision(Outcome.UNCHANGED)
    # The event that was found is still the last one of this object, and nobody has looked since.
    same_event = {"sequencer": record["sequencer"], "etag": record["etag"], "looks": record.get("looks")}
    # Only what is known of the oldest object is the row's, and one becomes the oldest without an event of its own.
    same_head = {"older": record.get("older")}
    update = Update(Ref(Table.OBJECTS, fact.object), {**same_event, **same_head}, changes)
    if not row:
        return Decision(Outcome.REFRESHED, (update,))
    # Somebody who deleted the row by hand may have let another object begin it anew.
    same_name = {"bucket": {"S": fact.bucket}, "key": {"S": fact.key}} if headed else {}
    # What the row is to say follows from what it said.
    same_revision = {"revision": (items[Ref(Table.IMAGES, fact.etag)] or {})["revision"]} if said else {}
    expect_row = {**same_life(record), **same_name, **same_revision}
    update_row = Update(Ref(Table.IMAGES, fact.etag), expect_row, row, adds={"revision": 1})
    return Decision(Outcome.REFRESHED, (update, update_row))


def _of_the_object(fact: Present, record: Item) -> Changes:
    """Give what is new of the object itself, whatever it holds."""
    now: Changes = {"last_modified": {"S": fact.last_modified}}
    if fact.user_metadata is not None:
        now["user_metadata"] = {"S": fact.user_metadata} if fact.user_metadata else None
    return {name: value for name, value in now.items() if record.get(name) != value}


def _row_contents(fact: Present, record: Item, items: Items) -> Changes:
    if fact.attributes is None and record.get("size_bytes") == {"N": str(fact.size_bytes)}:
        return {}
    image = items[Ref(Table.IMAGES, fact.etag)]
    if image is None:
        return {}
    if "older" not in record:
        return row_changes(fact, image, head=True, other=record["newer"]["S"] if "newer" in record else None)
    return row_changes(fact, image, head=False, other=head_of(image))


def _same_record(record: Item | None) -> Expectations:
    """Say under which condition the object's record may be replaced."""
    if record is None:
        # No event of this object has been seen.
        return {"object": None}
    # The event that was found is still the last one of this object, and nobody has looked since.
    same_event = {"sequencer": record["sequencer"], "etag": record.get("etag"), "looks": record.get("looks")}
    # Neighbours come and go without an event of this object.
    same_neighbours = {"older": record.get("older"), "newer": record.get("newer")}
    return {**same_event, **same_neighbours}
