"""The list of an image's objects, oldest first: how one joins it and leaves it, and when it is begun anew. Pure.

    Images[etag]    bucket/key = the oldest object (head)        newest_object = the newest one (tail)
    Objects[o]      older <- o -> newer                          no `older`: head; no `newer`: tail
                    ingested_at: the row's, when o joined: the life of the image in which o is counted

so that any number of copies costs a handful of writes, and the row can always name an object that exists.

Only a foreign hand can make the tables contradict each other. Somebody deletes a row, and the next object begins a new
life: the others are on no list, which their `ingested_at` says, until they are told of or seen, and join. An event that
meets anything worse is `CatalogDamaged`: no event can have caused it, so none may paper over it. Whoever doubts the
tables (an object was *seen*, by a comparison) puts them right. A row is *wrong* if

- it was found not to agree with the records of its objects, and is still in the life in which that was so: of all
  messages about it the first one ends this life, and the others, late and double ones too, find another;
- it names an object as its head or tail whose record does not say so;
- a neighbour of the object does not know it.

A wrong row is begun anew with the object at hand or, if that does not hold its image, deleted; that it is as it was
seen is a condition, and each change of a list raises its row's `revision`. Who joined it after the comparison, which
does not know of him, is on no list until the next one.

    time    object a, seen                  object b, seen                  Images[E]
     |                                                                      life 1: a, ?, c (b's record was deleted)
     |      wrong in life 1: begin anew
     |                                                                      life 2: a
     |                                      life 1 has ended: join
     |                                                                      life 2: a, b
     |      once more: whole in life 2                                      (c joins as b did)
    v
"""

from collections.abc import Iterator
from datetime import datetime

from image_processor.catalog.facts import (
    AttributeValue,
    Delete,
    Expectations,
    Fact,
    Item,
    Items,
    Present,
    Put,
    Ref,
    Table,
    Update,
    Write,
    object_name,
)
from image_processor.catalog.items import image_item
from image_processor.catalog.likeness import row_changes, unread
from image_processor.errors import CatalogDamaged

OF_THE_HEAD = ("last_modified", "user_metadata")
"""What a row says of the object that it names, whatever that holds; each object's record has its own."""


def link(
    fact: Present, record: Item | None, image: Item | None, items: Items, now: datetime
) -> tuple[tuple[Write, ...], Item]:
    """Put the object at the end of its image's list, or begin one; also return its place there."""
    ref = Ref(Table.IMAGES, fact.etag)
    if image is not None and not is_wrong(fact, record, image, items):
        tail = tail_of(image)
        if tail and tail != fact.object and _is_open(fact, items, tail):
            return _appended(fact, image, tail), {"older": {"S": tail}, **life_of(image)}
        if fact.doubt is None:
            raise CatalogDamaged(f"image {fact.etag} names {tail} as its newest object, which does not end its list")
    # Nobody else has begun this life of the image meanwhile.
    no_image = {"etag": None}
    item = image_item(fact, now)
    return (Put(ref, same_row(image) if image else no_image, item),), life_of(item)


def _appended(fact: Present, image: Item, tail: str) -> tuple[Write, ...]:
    # The object that is to be followed still holds the image, and nothing follows it yet.
    open_end = {"etag": {"S": fact.etag}, "newer": None}
    # The list still ends there, in the life that the object is to be counted in.
    same_tail = {"newest_object": image["newest_object"], **life_of(image)}
    said = row_changes(fact, image, head=False, other=head_of(image))
    # What the row is to say follows from what it said.
    same_revision = {"revision": image["revision"]} if said else {}
    changes = {"newest_object": {"S": fact.object}, **said}
    return (
        Update(Ref(Table.OBJECTS, tail), open_end, {"newer": {"S": fact.object}}),
        Update(
            Ref(Table.IMAGES, fact.etag), {**same_tail, **same_revision}, changes, adds={"copies": 1, "revision": 1}
        ),
    )


def unlink(fact: Fact, record: Item, items: Items) -> tuple[Write, ...]:
    """Take the object off the list that it is on: close the gap, and let the row name an object that is left."""
    if is_lost(fact, record, items):
        return ()
    if _is_broken(fact, record, items):
        items[Ref(Table.IMAGES, record["etag"]["S"])]  # if nobody has seen it: the object may be on no list
        raise CatalogDamaged(f"{fact.object} has a neighbour on its image's list that does not know it")
    older, newer = record.get("older"), record.get("newer")
    this: AttributeValue = {"S": fact.object}
    writes: list[Write] = []
    # The neighbours still are neighbours; this also keeps an update from creating an item that is not there.
    if older:
        writes.append(Update(Ref(Table.OBJECTS, older["S"]), {"newer": this}, {"newer": newer}))
    if newer:
        expect: dict[str, AttributeValue | None] = {"older": this}
        if not older:
            # The row is about to take over what another event of the next object would change.
            heir = _known(items, newer["S"])
            expect |= {name: heir.get(name) for name in OF_THE_HEAD}
        writes.append(Update(Ref(Table.OBJECTS, newer["S"]), expect, {"older": older}))
    return (*writes, _without(fact, record, items))


def _without(fact: Fact, record: Item, items: Items) -> Write:
    """Say what becomes of the row of an object that leaves its list."""
    older, newer = record.get("older"), record.get("newer")
    this: AttributeValue = {"S": fact.object}
    image = Ref(Table.IMAGES, record["etag"]["S"])
    if not older and not newer:
        # The last object with these bytes. The row still ends its list here, so nobody has joined.
        return Delete(image, {"newest_object": this, **life_of(record)})
    expect: dict[str, AttributeValue | None] = {**same_life(record)}
    changes: dict[str, AttributeValue | None] = {}
    if not newer:
        # The list ends with this object, and will end with the one before it.
        expect["newest_object"], changes["newest_object"] = this, older
    if not older and newer:
        # The row names this object, and will name the next one.
        expect |= {"bucket": {"S": fact.bucket}, "key": {"S": fact.key}}
        bucket, _, key = newer["S"].partition("/")
        heir = _known(items, newer["S"])
        changes |= {"bucket": {"S": bucket}, "key": {"S": key}, **{name: heir.get(name) for name in OF_THE_HEAD}}
        # Nobody reads the row to find out whether it is flagged; a refusal brings it.
        row = items.get(image) or {}
        expect["unlike"] = row.get("unlike")
        if "unlike" in row:
            expect["revision"] = row["revision"]
            changes |= unread(row, heir["size_bytes"])
    return Update(image, expect, changes, adds={"copies": -1, "revision": 1})


def ended(fact: Fact, record: Item | None, items: Items, writes: tuple[Write, ...]) -> Iterator[Write]:
    """End the wrong rows that the writes leave: the object, which was seen with them, does not hold their images.

    Whoever doubts sees these rows, whatever the decision needed: it is made anew if one is wrong, or gone.
    """
    written = {write.ref for write in writes}
    for ref in _doubted(fact, record):
        image = items[ref]
        if image is not None and ref not in written and is_wrong(fact, record, image, items):
            yield Delete(ref, same_row(image))


def _doubted(fact: Fact, record: Item | None) -> list[Ref]:
    """Name the rows that whoever doubts has to see: the one that was spoken of, and the one that the record names."""
    if fact.doubt is None:
        return []
    held = record["etag"]["S"] if record and "etag" in record else None
    return [Ref(Table.IMAGES, etag) for etag in sorted({fact.doubt.etag or "", held or ""} - {""})]


def is_lost(fact: Fact, record: Item, items: Items) -> bool:
    """Tell whether the object is on no list: its row is gone, another life's, or about to be begun anew.

    Nobody reads the row to find out; a refusal brings it. That the object's own record has not changed is a condition
    all the same, so items of different moments do no harm.
    """
    ref = Ref(Table.IMAGES, record["etag"]["S"])
    if ref not in items:
        return False
    image = items[ref]
    return image is None or is_wrong(fact, record, image, items) or not _is_listed(fact, record, image)


def is_wrong(fact: Fact, record: Item | None, image: Item, items: Items) -> bool:
    """Tell whether somebody doubts a row with reason; the object's record has not changed then, which is a condition.

    Args:
        fact: says what was seen.
        record: the object's.
        image: the row.
        items: as last seen.
    """
    if fact.doubt is None:
        return False
    if fact.doubt.wrong_row and fact.doubt[:2] == (image["etag"]["S"], _text(image, "ingested_at")):
        return True
    if record is None or record.get("etag") != image["etag"] or not _is_listed(fact, record, image):
        return fact.object in (head_of(image), tail_of(image))
    return _is_broken(fact, record, items)


def _is_listed(fact: Fact, record: Item, image: Item) -> bool:
    """Tell whether the object, which holds an image, is on the list of its row."""
    life = _text(image, "ingested_at") or ""
    if "ingested_at" in record:
        same = _text(record, "ingested_at") == life
    else:  # made by an earlier version; nobody has joined without since the tables were doubted
        same = fact.doubt is None or life <= fact.doubt.time
    is_head, is_tail = head_of(image) == fact.object, tail_of(image) == fact.object
    return same and ("older" in record or is_head) and ("newer" in record or is_tail)


def _is_broken(fact: Fact, record: Item, items: Items) -> bool:
    """Tell whether a neighbour, as far as it was seen, does not know the object."""
    older, newer = _text(record, "older"), _text(record, "newer")
    if older and older == newer:
        return True
    sides = ((older, "newer"), (newer, "older"))
    seen = [(items[ref], back) for name, back in sides if name and (ref := Ref(Table.OBJECTS, name)) in items]
    return any(_text(item, back) != fact.object for item, back in seen)


def _is_open(fact: Present, items: Items, tail: str) -> bool:
    """Tell whether the list can go on after its tail, as far as that was seen; whoever doubts sees it."""
    ref = Ref(Table.OBJECTS, tail)
    if ref not in items and fact.doubt is None:
        return True
    item = items[ref] or {}
    return _text(item, "etag") == fact.etag and "newer" not in item


def life_of(item: Item) -> Item:
    """Give the attribute that names an image's life; records that an earlier version made have none."""
    return {"ingested_at": item["ingested_at"]} if "ingested_at" in item else {}


def same_life(record: Item) -> Expectations:
    """State that the row is the one that counts the object; an update would create an item that is not there."""
    return life_of(record) or {"etag": record["etag"]}


def same_row(image: Item) -> Expectations:
    """State that a row is as it was seen: whatever happens to it or its list raises its revision."""
    return {name: image.get(name) for name in ("etag", "ingested_at", "revision")}


def head_of(image: Item) -> str | None:
    """Name the oldest object; a row that somebody put in by hand may lack anything."""
    bucket, key = _text(image, "bucket"), _text(image, "key")
    return object_name(bucket, key) if bucket and key else None


def tail_of(image: Item) -> str | None:
    """Name the newest object."""
    return _text(image, "newest_object")


def _known(items: Items, name: str) -> Item:
    item = items[Ref(Table.OBJECTS, name)]
    if item is None or "etag" not in item:
        raise CatalogDamaged(f"{name} is on an image's list and has no record that says so")
    return item


def _text(item: Item | None, name: str) -> str | None:
    value: str | None = (item or {}).get(name, {}).get("S")
    return value
