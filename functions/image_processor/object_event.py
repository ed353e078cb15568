"""One event of one object: what it says, and the bounds within which it may say so."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from image_processor.errors import BadNotification

MAX_TEXT = 1024
"""Bytes of a text in UTF-8: a key's limit (S3 User Guide, "Naming Amazon S3 objects"), and more than others need."""

MAX_SIZE = 10**15
"""Bytes of an object, twenty times what S3 stores as one (50 TB)."""

_YEARS = range(2006, 2200)  # S3's first one; what readers of the CSV hold as a time ends in 2262
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_SEQUENCER = re.compile(r"[0-9A-Fa-f]{1,32}")  # S3's have 16 or 18 digits
# What the CSV can hold as a row's key, and more than S3 ever gives; a test holds it to the ledger's.
ETAG = re.compile(r"[0-9A-Za-z][-./0-9:;=A-Z_a-z]{0,255}")


class Kind(StrEnum):
    """What an event means to the catalog."""

    CREATED = "created"
    """The object holds new bytes, whichever way they came."""
    REMOVED = "removed"
    """The object is no longer there (with versions: a delete marker hides it)."""
    VERSION_REMOVED = "version removed"
    """One version or delete marker is gone for good; whether the object is still there, and with which bytes, only
    S3 can say."""
    RESTORED = "restored"
    """An archived object can be read for a while; its bytes are those it had."""
    SEEN = "seen"
    """Somebody has compared bucket and tables, or wants it read again: what is there now is to be found out."""
    OTHER = "other"
    """Nothing that the catalog keeps has changed (tags, access, storage class)."""


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """One event of one object.

    Attributes:
        kind: what it means.
        name: what S3 calls it, e.g. `ObjectCreated:Put` or `Object Created`.
        bucket: name of the bucket.
        key: key of the object, decoded.
        time: when S3 finished the request, ISO 8601 in UTC, as received.
        sequencer: hexadecimal, not zero; orders the events of one key. None for events that change no bytes, and for
            those that bring none, or none that could be one (servers that speak like S3): they order nothing.
        etag: without quotes; opaque. Removals carry none.
        size: bytes of the object. Removals carry none.
        version_id: the version (or delete marker) that the event is about; None in a bucket without versions.
        wrong_row: `ingested_at` of the row of this ETag, which was seen not to agree with the records of its objects.
        reason: why it was looked at, for the log.
    """

    kind: Kind
    name: str
    bucket: str
    key: str
    time: str
    sequencer: str | None = None
    etag: str | None = None
    size: int | None = None
    version_id: str | None = None
    wrong_row: str | None = None
    reason: str | None = None


def object_event(
    kind: Kind,
    name: str,
    *,
    bucket: Any,
    key: Any,
    time: Any,
    etag: Any,
    size: Any,
    sequencer: Any = None,
    version_id: Any = None,
    wrong_row: Any = None,
    reason: Any = None,
) -> ObjectEvent:
    """Check what the catalog will rely on, and make the event of it.

    Raises:
        BadNotification: something is not of its type, or beyond its bounds.
    """
    if not text_of(bucket, "bucket") or not text_of(key, "key"):
        raise BadNotification("bucket and key must not be empty")
    if kind not in (Kind.CREATED, Kind.REMOVED, Kind.VERSION_REMOVED) or not _is_sequencer(sequencer):
        sequencer = None
    if not _is_time(text_of(time, "time")):
        raise BadNotification("its time is no UTC time in ISO 8601 of an S3 event")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE):
        raise BadNotification("its size is no number of bytes")
    if etag:
        # S3's API answers quote the ETag, its events do not; one pair of quotes is not part of it.
        etag = text_of(etag, "etag").removeprefix('"').removesuffix('"')
        if not ETAG.fullmatch(etag):
            raise BadNotification("its etag has characters that no ETag of S3 has")
    for value, what in ((version_id, "version id"), (wrong_row, "wrong row"), (reason, "reason")):
        if value is not None:
            text_of(value, what)
    return ObjectEvent(
        kind, name, bucket, key, time, sequencer, etag or None, size, version_id, wrong_row or None, reason or None
    )


def _is_sequencer(value: Any) -> bool:
    return isinstance(value, str) and bool(_SEQUENCER.fullmatch(value)) and int(value, 16) > 0


def _is_time(text: str) -> bool:
    if not _TIME.fullmatch(text):
        return False
    try:
        return datetime.fromisoformat(text[:19]).year in _YEARS
    except ValueError:  # the 31st of February
        return False


def is_later(sequencer: str, than: str) -> bool:
    """Tell whether one sequencer of a key stands for a later event than another of the same key.

    They are hexadecimal numbers, and their lengths may differ (S3 User Guide: "left-pad").
    """
    return int(sequencer, 16) > int(than, 16)


def text_of(value: Any, what: str, most: int = MAX_TEXT) -> str:
    """Give a text that is one: of a bounded size, and such as UTF-8 can write (JSON's escapes can do more).

    Raises:
        BadNotification: it is none; the error names it as `what`.
    """
    if not isinstance(value, str):
        raise BadNotification(f"{what} is not text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadNotification(f"{what} is no text that UTF-8 can write") from None
    if size > most:
        raise BadNotification(f"{what} has more than {most} bytes")
    return value
