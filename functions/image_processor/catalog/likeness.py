"""Two objects with one ETag: what the row says when they do not hold the same. Pure.

An ETag names a row, and is the MD5 of the bytes at best (S3 User Guide, "Object": not of multipart uploads, nor under
KMS keys). Of two files that were made to have one MD5, the second would hide behind the row of the first. So

- a row is about the object that it names, its head: when that one is read again, the row says what was read;
- an object that turns out to hold something else than the row says gets no row of its own. The row is *flagged*: a
  warning names the object, and the attribute `unlike`, which is no column, remembers it;
- when the head of a flagged row goes, nobody knows whether the next object holds the same: the row loses what was read
  and waits to be read again. A flag goes when the row's last object is read.

What was read may differ because another version of this reader read it; `reader_version` says which made the row.
Before a row is flagged, the two objects are therefore read by the same reader (`ObjectUncompared` asks for it), unless
their sizes differ. If the row's only object has left by then (a photo was moved: copied, and then deleted), the row is
this one's in a moment, and says what was read of it: flagged, it would lose that when the event comes that tells.

A version alone is no difference. It is written when the head is read again, and only then: what a newer reader says of
a copy is about the copy. A row that nobody could read names the version that tried.

Copies that are like their row cost nothing: the refused guess has brought the row, and the flag is written with the
update that counts the copy. What is not noticed: two objects that are overwritten at once, so that they are alike
again, do not flag a third one that was like them.
"""

from decimal import Decimal

import orjson

from image_processor.catalog.facts import UNREAD, AttributeValue, Item, Present
from image_processor.columns.attributes import ATTRIBUTES
from image_processor.columns.metadata import MAX_WARNING
from image_processor.errors import ObjectUncompared
from image_processor.tags.text import cut

VERSION = "reader_version"
"""The attribute that says which version of the reader made a row; the others say what the image holds."""

_NOT_READ = "object: not read since the object with this ETag and other contents that was read has gone"

Changes = dict[str, AttributeValue | None]


def _is_read(fact: Present) -> bool:
    """Tell whether the fact knows what the object holds."""
    return fact.attributes is not None and fact.content_type != UNREAD


def row_changes(fact: Present, image: Item, *, head: bool, other: str | None) -> Changes:
    """Give what a row is to say anew, now that one of its objects is known; nothing, nearly always.

    Args:
        fact: what the object holds.
        image: the row.
        head: the row names this object.
        other: another object of the row, its head if this one is not; None if there is none.

    Raises:
        ObjectUncompared: both objects have to be read first.
    """
    size = {"N": str(fact.size_bytes)}
    sized = image.get("size_bytes", size) == size
    flag = image["unlike"]["S"] if "unlike" in image else None
    waits = image["content_type"]["S"] == UNREAD
    tried = waits and head and fact.attributes is not None
    if sized and not _is_read(fact) and not tried:
        return {}
    if sized and waits:
        return _described(fact, image, flag if other else None) if head or not flag else {}
    if sized and _says(fact, image):
        return _made(fact, image) if head else {}
    if fact.other_left and not head and image["copies"]["N"] == "1":
        return _described(fact, image, None)
    unlike = other is not None and flag is None and _is_unlike(fact, other, sized=sized)
    if not head:
        return _flagged(image, fact.object) if unlike else {}
    flag = other if unlike else flag
    return _described(fact, image, flag if other else None)


def unread(image: Item, size_bytes: AttributeValue) -> Changes:
    """Give what becomes of a flagged row that is to name another object: what was read is not about that one."""
    warnings = _with(_with(None, _warning(image["unlike"]["S"])), _NOT_READ)
    said: Changes = {name: None for name in ATTRIBUTES if name in image}
    return said | {"warnings": warnings, "content_type": {"S": UNREAD}, "size_bytes": size_bytes}


def _is_unlike(fact: Present, other: str, *, sized: bool) -> bool:
    if sized and fact.alike is None:
        raise ObjectUncompared(other)
    return not fact.alike


def _says(fact: Present, image: Item) -> bool:
    """Tell whether the row says what was read of an object, and no more: a flagged row says more."""
    attributes = fact.attributes or {}
    if image["content_type"]["S"] != fact.content_type:
        return False
    return all(_same(attributes.get(name), image.get(name)) for name in ATTRIBUTES if name != VERSION)


def _made(fact: Present, image: Item) -> Changes:
    """Give the version of the reader that made the row, if it is another one now."""
    version = (fact.attributes or {}).get(VERSION)
    return {} if _same(version, image.get(VERSION)) else {VERSION: version}


def _same(one: AttributeValue | None, other: AttributeValue | None) -> bool:
    if one == other:
        return True
    if one is None or other is None or "N" not in one or "N" not in other:
        return False
    return Decimal(one["N"]) == Decimal(other["N"])  # DynamoDB gives 1.50 back as 1.5


def _described(fact: Present, image: Item, flag: str | None) -> Changes:
    """Give what the row says of an object, in place of all that it said of contents."""
    attributes = fact.attributes or {}
    said: Changes = {name: attributes.get(name) for name in ATTRIBUTES}
    if flag:
        said["warnings"] = _with(attributes.get("warnings"), _warning(flag))
    said |= {"content_type": {"S": fact.content_type}, "size_bytes": {"N": str(fact.size_bytes)}}
    said["unlike"] = {"S": flag} if flag else None
    return {name: value for name, value in said.items() if not _same(value, image.get(name))}


def _flagged(image: Item, flag: str) -> Changes:
    return {"warnings": _with(image.get("warnings"), _warning(flag)), "unlike": {"S": flag}}


def _warning(flag: str) -> str:
    return cut(f"object: another object came with this ETag and other contents: s3://{flag}", MAX_WARNING)


def _with(warnings: AttributeValue | None, warning: str) -> AttributeValue:
    try:
        said = orjson.loads(warnings["S"]) if warnings else []
    except ValueError:
        said = None
    kept = said if isinstance(said, list) else []  # somebody may have edited the row by hand
    return {"S": orjson.dumps([*kept, warning]).decode()}
