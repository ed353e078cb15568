"""What became of an object event, for the log and the metrics."""

from dataclasses import dataclass
from enum import StrEnum

from image_processor.catalog.catalog import Effect
from image_processor.errors import ObjectBroken
from image_processor.object_event import ObjectEvent


class Result(StrEnum):
    """What an event came to."""

    IMAGE = "image"
    """The object holds an image, and the tables know (or knew better)."""
    UNREADABLE = "unreadable"
    """The object is archived, or under a key that is not to be had: it has a row without metadata."""
    BROKEN = "broken"
    """The object broke its reader, or a limit on it: it has a row without metadata."""
    NO_IMAGE = "no image"
    """The object holds something else: it has no row."""
    PLACEHOLDER = "placeholder"
    """The object is what a file browser makes for an empty folder."""
    REMOVED = "removed"
    """The object is gone."""
    GONE = "gone"
    """The object is gone, and the event is not about that."""
    CHANGED = "changed"
    """The object was another at each look: the event that wrote its bytes is on its way."""
    LATE = "late"
    """The event came before, or a later one of its object did: S3 was not asked."""
    IGNORED = "ignored"
    """The event changes nothing that the tables keep."""
    FOREIGN = "foreign bucket"
    """The event is of a bucket that is none of the sources: nothing is asked of it, and nothing written."""
    OUTSIDE = "outside"
    """The object's key begins with none of the prefixes that count: as with a foreign bucket, but on purpose."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one event.

    Attributes:
        event: the event.
        result: in a word.
        effect: what it changed in the tables; None if they were not asked.
        etag: names the image, if there is one.
        warnings: things that were unusable in the image.
        requests: requests for the object's bytes.
        bytes_read: bytes of the object that were read.
        seconds: the time it took.
        broken: what became of the reader, if the object broke it.
    """

    event: ObjectEvent
    result: Result
    effect: Effect | None = None
    etag: str | None = None
    warnings: int = 0
    requests: int = 0
    bytes_read: int = 0
    seconds: float = 0.0
    broken: ObjectBroken | None = None
