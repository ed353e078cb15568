"""Words of the catalog: what a fact about an object is, and what it makes us write to the two tables.

Items are in DynamoDB's wire form throughout, as extraction gives them and as the SDK's client takes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from image_processor.columns.reader import READER
from image_processor.errors import ItemUnseen

AttributeValue = Mapping[str, Any]
"""A DynamoDB value in wire form: {"S": "text"} or {"N": "1"}."""

Item = Mapping[str, AttributeValue]

Expectations = Mapping[str, AttributeValue | None]
"""Values that an item's attributes must have for a write to happen; None: the item must have no such attribute."""

UNREAD = "application/octet-stream"
"""Content type of an image whose bytes could not be read (archived): the type of unknown bytes, RFC 2046 4.5.1."""


class Table(StrEnum):
    """The two tables, by the role they play; the value is the partition key's name."""

    IMAGES = "etag"
    OBJECTS = "object"


class Ref(NamedTuple):
    """One item, by its table and partition key."""

    table: Table
    key: str


class Doubt(NamedTuple):
    """What somebody has found who compared bucket and tables: the tables are not to be relied on here.

    Attributes:
        etag: names the row that the object was seen with; None if none is known.
        wrong_row: `ingested_at` of that row, if it was found not to agree with the records of its objects.
        time: when that was, ISO 8601, UTC.
    """

    etag: str | None
    wrong_row: str | None
    time: str


@dataclass(frozen=True, slots=True)
class Look:
    """What the tables knew of an object when S3 was asked what it holds.

    Attributes:
        record: the object's; None if there was none.
        doubt: what was the reason to ask; None if an event was.
    """

    record: Item | None
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class _ObjectFact:
    """What every fact says.

    Attributes:
        bucket: bucket of the object.
        key: key of the object.
        sequencer: of the event that brought the fact; None if it has none: S3 was asked (`look`), or the bytes are
            those that the object had (restored from an archive).
        look: the fact is what S3 says now; None if it is what an event says.
    """

    bucket: str
    key: str
    sequencer: str | None
    look: Look | None = field(default=None, kw_only=True)

    @property
    def object(self) -> str:
        """Name of the object's record."""
        return object_name(self.bucket, self.key)

    @property
    def doubt(self) -> Doubt | None:
        """Why the tables are not to be relied on; None if they are."""
        return self.look.doubt if self.look else None


@dataclass(frozen=True, slots=True)
class Present(_ObjectFact):
    """The fact that an object holds an image.

    Attributes:
        etag: names the image.
        size_bytes: size of the object.
        last_modified: when the object was written, ISO 8601, UTC.
        content_type: of the image, by content.
        attributes: the image's other columns in wire form; None if nobody has read the image yet.
        version_id: version of the object; None in a bucket without versions.
        alike: the object holds the same as the one that `ObjectUncompared` named; None if nobody has compared them.
        other_left: that one was gone, or held other bytes, when it was to be compared: its event is on its way.
        user_metadata: of the object, as JSON, empty if it has none; None if it is not known.
    """

    etag: str
    size_bytes: int
    last_modified: str
    content_type: str = UNREAD
    attributes: Item | None = None
    version_id: str | None = None
    alike: bool | None = None
    other_left: bool = False
    user_metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Absent(_ObjectFact):
    """The fact that an object is gone, or holds no image.

    Attributes:
        etag: the bytes that turned out to be no image; None for an object that is gone, or empty.
        reader: version of the reader to which they are none.
    """

    etag: str | None = None
    reader: int = READER


Fact = Present | Absent


class Outcome(StrEnum):
    """What became of a fact."""

    ADDED = "added"
    """The object is new, or was without an image."""
    REPLACED = "replaced"
    """The object held another image."""
    REFRESHED = "refreshed"
    """The object holds the image that it held."""
    REMOVED = "removed"
    """The object held an image and does no more."""
    NOTED = "noted"
    """The object held no image; its record now knows the event."""
    STALE = "stale"
    """A later event of the object came first."""
    DUPLICATE = "duplicate"
    """This very event came before."""
    UNCHANGED = "unchanged"
    """Nothing is to be written."""
    UNKNOWN_IMAGE = "unknown image"
    """The image has no row, and the fact brings none: read the object and come again."""


@dataclass(frozen=True, slots=True)
class Put:
    """Write a whole item in place of one that meets `expect`."""

    ref: Ref
    expect: Expectations
    item: Item


@dataclass(frozen=True, slots=True)
class Update:
    """Change an item that meets `expect`.

    Attributes:
        ref: the item.
        expect: what must hold.
        sets: attributes to set, or with None to remove.
        adds: numbers to add to attributes.
    """

    ref: Ref
    expect: Expectations
    sets: Mapping[str, AttributeValue | None] = field(default_factory=dict)
    adds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an item that meets `expect`."""

    ref: Ref
    expect: Expectations


Write = Put | Update | Delete


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a fact, and the writes that bring the tables up to it: all or none."""

    outcome: Outcome
    writes: tuple[Write, ...] = ()

    @property
    def image_added(self) -> bool:
        """Whether a new row comes to be."""
        return any(isinstance(write, Put) and write.ref.table is Table.IMAGES for write in self.writes)

    @property
    def image_removed(self) -> bool:
        """Whether a row goes."""
        return any(isinstance(write, Delete) for write in self.writes)

    @property
    def flagged(self) -> bool:
        """Whether a row turned out to be about some of its objects only."""
        return any(isinstance(write, Update) and bool(write.sets.get("unlike")) for write in self.writes)


class Items(dict[Ref, Item | None]):
    """What is known of the tables: items as last seen, None for those known to be absent.

    The look-up of an item of which nothing is known raises `ItemUnseen`.
    """

    def __missing__(self, ref: Ref) -> Item | None:
        raise ItemUnseen(*ref)


def object_name(bucket: str, key: str) -> str:
    """Name an object's record. Bucket names have no slash, so the name can be taken apart again."""
    return f"{bucket}/{key}"
