"""What one fact about an object changes in the tables: state and fact in, conditional writes out. No I/O.

`Images` has one item for each distinct image (its row), `Objects` one for each object: which image it holds, and the
sequencer of the event that said so. The objects of one image form a list, oldest first:

    Images[etag]    bucket/key = the oldest object (head)        newest_object = the newest one (tail)
    Objects[o]      older <- o -> newer                          no `older`: head; no `newer`: tail

so that any number of copies costs a handful of writes, and the row can always name an object that exists. An object
that is gone leaves a tombstone, its record without `etag`: a creation that comes late is told by its sequencer.

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

As long as the tables agree with each other, some of these conditions follow from others. They are stated all the same:
each write is then safe by itself.
"""

from datetime import datetime

from image_processor.catalog import order
from image_processor.catalog.facts import (
    UNREAD,
    Absent,
    AttributeValue,
    Decision,
    Delete,
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
    Write,
    object_name,
)
from image_processor.catalog.items import image_item, object_item, tombstone
from image_processor.catalog.likeness import Changes, row_changes, unread
from image_processor.errors import CatalogDamaged


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
    if isinstance(fact, Absent):
        return _vacate(fact, record, items, now)
    if record is None or "etag" not in record:
        return _settle(fact, record, items, now, Outcome.ADDED)
    if record["etag"]["S"] == fact.etag and not _row_lost(fact, record, items):
        return _refresh(fact, record, items)
    return _settle(fact, record, items, now, Outcome.REPLACED)


def _vacate(fact: Absent, record: Item | None, items: Items, now: datetime) -> Decision:
    """Take the object off its image's list and leave a tombstone."""
    leaving = _unlink(fact, record, items) if record and "etag" in record else ()
    put = Put(Ref(Table.OBJECTS, fact.object), _same_record(record), tombstone(fact, record, now))
    return Decision(Outcome.REMOVED if record and "etag" in record else Outcome.NOTED, (put, *leaving))


def _settle(fact: Present, record: Item | None, items: Items, now: datetime, outcome: Outcome) -> Decision:
    """Take the object off the list that it is on, if any, and put it at the end of its image's list."""
    image = items[Ref(Table.IMAGES, fact.etag)]
    if image is None and fact.attributes is None:
        return Decision(Outcome.UNKNOWN_IMAGE)
    leaving = _unlink(fact, record, items) if record and "etag" in record else ()
    arriving, older = _link(fact, image, items, now)
    item = object_item(fact, record, older)
    if fact.content_type == UNREAD and image:
        item["content_type"] = image["content_type"]
    put = Put(Ref(Table.OBJECTS, fact.object), _same_record(record), item)
    return Decision(outcome, (put, *arriving, *leaving))


def _refresh(fact: Present, record: Item, items: Items) -> Decision:
    """Note the later event; the row changes only if it names this object, or was waiting to be read."""
    item = object_item(fact, record, None)
    if fact.content_type == UNREAD:
        del item["content_type"]
    changes = {name: value for name, value in item.items() if record.get(name) != value}
    dated, said = _row_date(fact, record), _row_contents(fact, record, items)
    row = dated | said
    if not changes and not row:
        return Decision(Outcome.UNCHANGED)
    # The event that was found is still the last one of this object, and nobody has looked since.
    same_event = {"sequencer": record["sequencer"], "etag": record["etag"], "looks": record.get("looks")}
    # Only the oldest object's date is the row's, and an object becomes the oldest without an event of its own.
    same_head = {"older": record.get("older")}
    update = Update(Ref(Table.OBJECTS, fact.object), {**same_event, **same_head}, changes)
    if not row:
        return Decision(Outcome.REFRESHED, (update,))
    # An update would create an item that is not there.
    image_exists: dict[str, AttributeValue | None] = {"etag": record["etag"]}
    # Somebody who deleted the row by hand may have let another object begin it anew.
    same_name = _names(fact) if dated else {}
    # What the row is to say follows from what it said.
    same_row = {"revision": (items[Ref(Table.IMAGES, fact.etag)] or {})["revision"]} if said else {}
    expect_row = {**image_exists, **same_name, **same_row}
    update_row = Update(Ref(Table.IMAGES, fact.etag), expect_row, row, adds={"revision": 1})
    return Decision(Outcome.REFRESHED, (update, update_row))


def _row_date(fact: Present, record: Item) -> Changes:
    dated = "older" not in record and record["last_modified"]["S"] != fact.last_modified
    return {"last_modified": {"S": fact.last_modified}} if dated else {}


def _row_contents(fact: Present, record: Item, items: Items) -> Changes:
    if fact.attributes is None and record.get("size_bytes") == {"N": str(fact.size_bytes)}:
        return {}
    image = items[Ref(Table.IMAGES, fact.etag)]
    if image is None:
        return {}
    if "older" not in record:
        return row_changes(fact, image, head=True, other=record["newer"]["S"] if "newer" in record else None)
    return row_changes(fact, image, head=False, other=_head(image))


def _link(fact: Present, image: Item | None, items: Items, now: datetime) -> tuple[tuple[Write, ...], str | None]:
    """Put the object at the end of its image's list; also return the object before it."""
    ref = Ref(Table.IMAGES, fact.etag)
    if image is None:
        # Nobody else has begun this life of the image meanwhile.
        no_image = {"etag": None}
        return (Put(ref, no_image, image_item(fact, now)),), None
    tail = image["newest_object"]["S"]
    tail_ref = Ref(Table.OBJECTS, tail)
    if tail == fact.object or (tail_ref in items and items[tail_ref] is None):
        raise CatalogDamaged(f"image {fact.etag} names {tail} as its newest object, which does not hold it")
    # The object that is to be followed still holds the image, and nothing follows it yet.
    open_end = {"etag": {"S": fact.etag}, "newer": None}
    # The list still ends there.
    same_tail = {"newest_object": image["newest_object"]}
    said = row_changes(fact, image, head=False, other=_head(image))
    # What the row is to say follows from what it said.
    same_row = {"revision": image["revision"]} if said else {}
    changes = {"newest_object": {"S": fact.object}, **said}
    return (
        Update(tail_ref, open_end, {"newer": {"S": fact.object}}),
        Update(ref, {**same_tail, **same_row}, changes, adds={"copies": 1, "revision": 1}),
    ), tail


def _unlink(fact: Fact, record: Item, items: Items) -> tuple[Write, ...]:
    """Take the object off its image's list: close the gap, and let the row name an object that is left."""
    older, newer = record.get("older"), record.get("newer")
    this: AttributeValue = {"S": fact.object}
    writes: list[Write] = []
    # The neighbours still are neighbours; this also keeps an update from creating an item that is not there.
    if older:
        writes.append(Update(Ref(Table.OBJECTS, older["S"]), {"newer": this}, {"newer": newer}))
    if newer:
        expect: dict[str, AttributeValue | None] = {"older": this}
        if not older:
            # The row is about to take over the next object's date, which another event of that object would change.
            expect["last_modified"] = _known(items, Ref(Table.OBJECTS, newer["S"]))["last_modified"]
        writes.append(Update(Ref(Table.OBJECTS, newer["S"]), expect, {"older": older}))
    if _row_lost(fact, record, items):
        return tuple(writes)
    image = Ref(Table.IMAGES, record["etag"]["S"])
    if not older and not newer:
        # The last object with these bytes. The row still ends its list here, so nobody has joined.
        return (*writes, Delete(image, {"newest_object": this}))
    expect_row: dict[str, AttributeValue | None] = {"etag": record["etag"]}
    changes: dict[str, AttributeValue | None] = {}
    if not newer:
        # The list ends with this object, and will end with the one before it.
        expect_row["newest_object"], changes["newest_object"] = this, older
    if not older and newer:
        # The row names this object, and will name the next one.
        expect_row |= _names(fact)
        bucket, _, key = newer["S"].partition("/")
        heir = _known(items, Ref(Table.OBJECTS, newer["S"]))
        changes |= {"bucket": {"S": bucket}, "key": {"S": key}, "last_modified": heir["last_modified"]}
        # Nobody reads the row to find out whether it is flagged; a refusal brings it.
        row = items.get(image) or {}
        expect_row["unlike"] = row.get("unlike")
        if "unlike" in row:
            expect_row["revision"] = row["revision"]
            changes |= unread(row, heir["size_bytes"])
    return (*writes, Update(image, expect_row, changes, adds={"copies": -1, "revision": 1}))


def _row_lost(fact: Fact, record: Item, items: Items) -> bool:
    """Tell whether a foreign writer deleted the row: there is none, or a later one that does not list this object.

    Nobody reads the row to find out; a refusal brings it. That the object's own record has not changed is a condition
    all the same, so items of different moments do no harm.
    """
    ref = Ref(Table.IMAGES, record["etag"]["S"])
    if ref not in items:
        return False
    image = items[ref]
    if image is None:
        return True
    not_its_head = "older" not in record and _head(image) != fact.object
    not_its_tail = "newer" not in record and image["newest_object"]["S"] != fact.object
    return not_its_head or not_its_tail


def _head(image: Item) -> str:
    return object_name(image["bucket"]["S"], image["key"]["S"])


def _known(items: Items, ref: Ref) -> Item:
    item = items[ref]
    if item is None or "etag" not in item:
        raise CatalogDamaged(f"{ref.key} is on an image's list and has no record that says so")
    return item


def _names(fact: Fact) -> dict[str, AttributeValue]:
    return {"bucket": {"S": fact.bucket}, "key": {"S": fact.key}}


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
