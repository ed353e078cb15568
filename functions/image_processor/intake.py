"""From one object event to the tables: which event needs the object's bytes, and what becomes of every way to fail.

event               then
created             read the object, pinned to the event's version and ETag, and write what it holds; if that is not
                    what the row of this ETag says, read another of the row's objects, to compare them
removed             the object's image leaves; nothing is read
version removed     one HEAD tells whether the object is still there; it is read only if its image has no row
restored            read what was archived; the object's bytes are those it had
anything else       nothing
"""

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from image_processor.catalog.catalog import Catalog, Effect
from image_processor.catalog.facts import UNREAD, Absent, Outcome, Present
from image_processor.columns.extract import Record, extract
from image_processor.errors import (
    ObjectBroken,
    ObjectChanged,
    ObjectDenied,
    ObjectGone,
    ObjectUnavailable,
    ObjectUncompared,
    ObjectUnreadable,
)
from image_processor.notification import Kind, ObjectEvent
from image_processor.reading.ranged import S3_ERRORS, S3Source, Source, object_error
from image_processor.reading.refused import explained

READ_RESERVE_S = 24.0
"""Seconds at the end of the invocation in which no GET begins: the SDK may need them for one that hangs, and the
tables for theirs. Killed in the middle, the function would report nothing of its whole batch."""


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
    """The object was gone before it could be read: the event that removed it is on its way."""
    CHANGED = "changed"
    """The object holds other bytes by now: the event that wrote them is on its way."""
    IGNORED = "ignored"
    """The event changes nothing that the tables keep."""
    FOREIGN = "foreign bucket"
    """The event is of a bucket that is none of the sources: nothing is asked of it, and nothing written."""


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


@dataclass(frozen=True, slots=True)
class _Target:
    """The bytes that are to be read."""

    etag: str | None
    version_id: str | None
    size: int | None
    last_modified: str


class Intake:
    """Takes in one event after another; may be used by several threads at once.

    Args:
        s3: S3 client.
        catalog: the tables.
        buckets: names of those whose objects count. The queue may take the events of more: at a stack's creation its
            policy cannot name a bucket that has no name yet.
        read: gives an object's record as `extract` does.
    """

    def __init__(
        self,
        s3: Any,
        catalog: Catalog,
        buckets: Collection[str],
        read: Callable[[Source], Record | None] = extract,
    ) -> None:
        self._s3 = s3
        self._catalog = catalog
        self._buckets = buckets
        self._extract = read

    def reading_with(self, read: Callable[[Source], Record | None]) -> "Intake":
        """Give the same intake with another reader of objects."""
        return Intake(self._s3, self._catalog, self._buckets, read)

    def take(self, event: ObjectEvent, time_left: Callable[[], float]) -> Report:
        """Bring the tables up to one event.

        Args:
            event: the event.
            time_left: seconds until the invocation ends.

        Raises:
            ObjectDenied, ObjectUnavailable, ReaderFailed, ReaderNotStarted, CatalogError, OutOfTime: the event is to
                be delivered again.
        """
        start = time.monotonic()
        report = self._take(event, time_left)
        return replace(report, seconds=time.monotonic() - start)

    def _take(self, event: ObjectEvent, time_left: Callable[[], float]) -> Report:
        if event.bucket not in self._buckets:
            return Report(event, Result.FOREIGN)
        if event.kind is Kind.REMOVED:
            return self._vacate(event, Result.REMOVED, time_left)
        if event.kind is Kind.VERSION_REMOVED:
            return self._look_again(event, time_left)
        if event.kind is Kind.CREATED and event.size == 0:
            # A slash at the end of the key proves nothing alone: a real image may have one too.
            placeholder = event.key.endswith("/")
            return self._vacate(event, Result.PLACEHOLDER if placeholder else Result.NO_IMAGE, time_left)
        if event.kind in (Kind.CREATED, Kind.RESTORED):
            written_at = event.time[:19] + "Z"
            return self._read(event, _Target(event.etag, event.version_id, event.size, written_at), time_left)
        return Report(event, Result.IGNORED)

    def _vacate(self, event: ObjectEvent, result: Result, time_left: Callable[[], float]) -> Report:
        fact = Absent(event.bucket, event.key, event.sequencer)
        return Report(event, result, self._catalog.apply(fact, time_left))

    def _look_again(self, event: ObjectEvent, time_left: Callable[[], float]) -> Report:
        """Ask what the object holds now, if it is visible: a version or a delete marker of it is gone for good.

        What S3 says now is at least as new as the event, so it may be written under the event's sequencer: whatever
        has happened since comes with a later one.
        """
        target = self._visible(event)
        if target is None:
            return self._vacate(event, Result.REMOVED, time_left)
        assert target.etag is not None
        fact = Present(
            event.bucket,
            event.key,
            event.sequencer,
            target.etag,
            target.size or 0,
            target.last_modified,
            version_id=target.version_id,
        )
        if target.size:
            effect = self._catalog.apply(fact, time_left)
            if effect.outcome is not Outcome.UNKNOWN_IMAGE:
                return Report(event, Result.IMAGE, effect, target.etag)
        return self._read(event, target, time_left)

    def _visible(self, event: ObjectEvent) -> _Target | None:
        try:
            head = self._s3.head_object(Bucket=event.bucket, Key=event.key)
        except S3_ERRORS as error:
            meaning = object_error(error)
            if isinstance(meaning, ObjectGone):
                return None
            raise meaning from error
        return _Target(
            head["ETag"].strip('"'), head.get("VersionId"), head["ContentLength"], _iso(head["LastModified"])
        )

    def _read(self, event: ObjectEvent, target: _Target, time_left: Callable[[], float]) -> Report:
        source = _TimedSource(
            self._s3,
            event.bucket,
            event.key,
            etag=target.etag,
            version_id=target.version_id,
            size=target.size,
            time_left=time_left,
        )
        broken = None
        try:
            record, result = self._extract(source), Result.IMAGE
        except ObjectGone:
            return Report(event, Result.GONE, requests=source.requests)
        except ObjectChanged:
            return Report(event, Result.CHANGED, requests=source.requests)
        except ObjectUnreadable as error:
            if event.kind is Kind.RESTORED:  # and archived again since
                return Report(event, Result.UNREADABLE, requests=source.requests)
            record, result = _unread(error.warning), Result.UNREADABLE
        except ObjectBroken as error:
            broken = error
            record, result = _unread(f"metadata: {error}, not read"), Result.BROKEN
        if record is None:
            return self._refuse(event, source, time_left)
        if source.etag is None:
            raise ObjectUnavailable("S3 names no ETag")
        fact = Present(
            event.bucket,
            event.key,
            event.sequencer,
            source.etag,
            source.size if source.last_modified else target.size or 0,
            _iso(source.last_modified) if source.last_modified else target.last_modified,
            record.content_type,
            record.attributes,
            source.version_id,
        )
        effect = self._apply(fact, time_left)
        warnings = len(json.loads(record.attributes.get("warnings", {"S": "[]"})["S"])) + effect.flagged
        read = {"requests": source.requests, "bytes_read": source.bytes_read}
        return Report(event, result, effect, source.etag, warnings, **read, broken=broken)

    def _apply(self, fact: Present, time_left: Callable[[], float]) -> Effect:
        try:
            return self._catalog.apply(fact, time_left)
        except ObjectUncompared as unlike:
            alike = self._is_like(unlike.object, fact, time_left)
            compared = replace(fact, alike=bool(alike), other_left=alike is None)
            return self._catalog.apply(compared, time_left)

    def _is_like(self, name: str, fact: Present, time_left: Callable[[], float]) -> bool | None:
        """Read another object with the fact's ETag; None if it has left.

        One that is there and cannot be read is not like it, as far as anyone knows.
        """
        bucket, _, key = name.partition("/")
        source = _TimedSource(
            self._s3, bucket, key, etag=fact.etag, version_id=None, size=fact.size_bytes, time_left=time_left
        )
        try:
            record = self._extract(source)
        except (ObjectGone, ObjectChanged):
            return None
        except (ObjectUnreadable, ObjectBroken):
            return False
        return record is not None and (record.content_type, record.attributes) == (fact.content_type, fact.attributes)

    def _refuse(self, event: ObjectEvent, source: S3Source, time_left: Callable[[], float]) -> Report:
        """Note that the object is no image; one that it held before leaves."""
        fact = Absent(event.bucket, event.key, event.sequencer, source.etag)
        effect = self._catalog.apply(fact, time_left)
        return Report(
            event, Result.NO_IMAGE, effect, source.etag, requests=source.requests, bytes_read=source.bytes_read
        )


class _TimedSource(S3Source):
    """An object whose reading ends in time: a hanging connection must not take the whole batch with it.

    And whose refusals are explained, which may take a request more.
    """

    def __init__(self, *arguments: Any, time_left: Callable[[], float], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._time_left = time_left

    def _fetch(self, offset: int, length: int) -> bytes:
        if self._time_left() < READ_RESERVE_S:
            raise ObjectUnavailable("too little time left to read on")
        try:
            return super()._fetch(offset, length)
        except (ObjectDenied, ObjectUnreadable) as error:
            raise explained(self._client, self._pinned(), error) from error

    def _pinned(self) -> dict[str, str]:
        version = {"VersionId": self.version_id} if self.version_id else {}
        return {**self._name, **version, **({"IfMatch": f'"{self.etag}"'} if self.etag else {})}


def _unread(warning: str) -> Record:
    """Give the record of an image of which nobody knows more than that it is there."""
    return Record(UNREAD, {"warnings": {"S": json.dumps([warning])}})


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
