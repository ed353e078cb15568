"""The items that facts make, in both tables. Pure."""

from datetime import UTC, datetime, timedelta

from image_processor.catalog import order
from image_processor.catalog.facts import Absent, AttributeValue, Item, Present

TOMBSTONE_DAYS = 30
"""A creation event can come as late as the queue and its dead-letter queue keep messages: 14 days each at most."""


def absent_item(fact: Absent, record: Item | None, now: datetime) -> dict[str, AttributeValue]:
    """Give the record of an object that holds no image.

    It stays as long as the object, so that whoever compares bucket and tables knows that these bytes were read. Of an
    object that is gone, or empty, it is a tombstone, which expires.
    """
    item: dict[str, AttributeValue] = {
        "object": {"S": fact.object},
        "sequencer": {"S": order.sequencer(fact, record)},
        **order.looks(fact, record),
    }
    if fact.etag:
        return {**item, "refused": {"S": fact.etag}, "reader": {"N": str(fact.reader)}}
    return {**item, "expires_at": {"N": str(int((now + timedelta(days=TOMBSTONE_DAYS)).timestamp()))}}


def object_item(fact: Present, record: Item | None, place: Item) -> dict[str, AttributeValue]:
    """Give the record of an object that holds an image.

    Args:
        fact: says so.
        record: as it is.
        place: where it stands on the image's list, if that is known.
    """
    item: dict[str, AttributeValue] = {
        "object": {"S": fact.object},
        "etag": {"S": fact.etag},
        "sequencer": {"S": order.sequencer(fact, record)},
        "size_bytes": {"N": str(fact.size_bytes)},
        "content_type": {"S": fact.content_type},
        "last_modified": {"S": fact.last_modified},
        **order.looks(fact, record),
        **place,
    }
    if fact.version_id:
        item["version_id"] = {"S": fact.version_id}
    return {**item, **_user_metadata(fact)}


def image_item(fact: Present, now: datetime) -> dict[str, AttributeValue]:
    """Give the row of an image whose first object is found: a new life begins."""
    return {
        **(fact.attributes or {}),
        "etag": {"S": fact.etag},
        "ingested_at": {"S": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")},
        "revision": {"N": "1"},
        "bucket": {"S": fact.bucket},
        "key": {"S": fact.key},
        "size_bytes": {"N": str(fact.size_bytes)},
        "copies": {"N": "1"},
        "content_type": {"S": fact.content_type},
        "last_modified": {"S": fact.last_modified},
        "newest_object": {"S": fact.object},
        **_user_metadata(fact),
    }


def _user_metadata(fact: Present) -> Item:
    return {"user_metadata": {"S": fact.user_metadata}} if fact.user_metadata else {}
