"""From one object event to the tables: which event needs the object's bytes, and what becomes of every way to fail.

event               then
created             read the object, pinned to the event's version and ETag, and write what it holds; if that is not
                    what the row of this ETag says, read another of the row's objects, to compare them
restored            the same, of what was archived; the object's bytes are those it had
removed,            look: what S3 says now is written, whatever the event says
version removed
seen                look, and read the object whatever the tables say: its row may be gone, or an older reader's, and a
                    row that is wrong is put right (`catalog/object_list.py`)
anything else       nothing

An event that does not fit what S3 has (it is empty, lacks its ETag or its sequencer, or the object is gone or another
by now) is settled by looking, never by believing: the event that would have told may be lost. So is one whose object
was looked at before it came. To look is

1. read the object's record: the event is late, nothing more is asked;
2. HEAD, of the object and not of a version: it is gone, or empty, and leaves its image;
3. after a removal, which mostly is an old version's, the object is written as it is if its image has a row;
4. else it is read, pinned to what HEAD said; archived, and once refused, it is refused again;
5. write that, under the event's sequencer or, without one, under the record's (`catalog/order.py`).

In 4 it changed, or in 5 somebody else has looked: once more. An object that then changes again is left to its newer
event.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from image_processor.catalog import order
from image_processor.catalog.catalog import Catalog, Effect
from image_processor.catalog.facts import UNREAD, Absent, Doubt, Look, Outcome, Present, object_name
from image_processor.columns import reader, user_metadata
from image_processor.columns.extract import Record, extract
from image_processor.errors import (
    CatalogContended,
    LookOutdated,
    ObjectBroken,
    ObjectChanged,
    ObjectDenied,
    ObjectGone,
    ObjectUnavailable,
    ObjectUncompared,
    ObjectUnreadable,
)
from image_processor.object_event import Kind, ObjectEvent
from image_processor.reading.ranged import S3Source, Source
from image_processor.reading.refused import explained
from image_processor.reading.seen import Seen, iso, look_at
from image_processor.report import Report, Result
from image_processor.sources import Sources

READ_RESERVE_S = 24.0
"""Seconds at the end of the invocation in which no GET begins: the SDK may need them for one that hangs, and the
tables for theirs. Killed in the middle, the function would report nothing of its whole batch."""

LOOKS = 2
"""Looks at an object for one event. One that changes at each of them has newer events on their way."""


class Intake:
    """Takes in one event after another; may be used by several threads at once.

    Args:
        s3: S3 client.
        catalog: the tables.
        sources: the objects that count. The queue may take the events of more: at a stack's creation its policy
            cannot name a bucket that has no name yet, and S3 tells of all that is in a bucket.
        read: gives an object's record as `extract` does.
    """

    def __init__(
        self,
        s3: Any,
        catalog: Catalog,
        sources: Sources,
        read: Callable[[Source], Record | None] = extract,
    ) -> None:
        self._s3 = s3
        self._catalog = catalog
        self._sources = sources
        self._extract = read

    def reading_with(self, read: Callable[[Source], Record | None]) -> "Intake":
        """Give the same intake with another reader of objects."""
        return Intake(self._s3, self._catalog, self._sources, read)

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
        if event.bucket not in self._sources.buckets:
            return Report(event, Result.FOREIGN)
        if not self._sources.include(event.key):
            return Report(event, Result.OUTSIDE)
        if event.kind is Kind.OTHER:
            return Report(event, Result.IGNORED)
        if _is_whole(event):
            written_at = event.time[:19] + "Z"
            target = Seen(event.etag or "", event.version_id, event.size, written_at)
            with suppress(ObjectGone, ObjectChanged, LookOutdated):
                return self._read(event, target, None, time_left)
        return self._look(event, time_left)

    def _look(self, event: ObjectEvent, time_left: Callable[[], float]) -> Report:
        """Write what S3 says now.

        That is at least as new as the event, so it may be written under the event's sequencer: whatever has happened
        since comes with a later one.
        """
        doubt = Doubt(event.etag, event.wrong_row, event.time) if event.kind is Kind.SEEN else None
        for _ in range(LOOKS):
            look = replace(self._catalog.look(object_name(event.bucket, event.key), time_left), doubt=doubt)
            if late := order.late(event.sequencer, look.record):
                return Report(event, Result.LATE, Effect(late))
            if time_left() < READ_RESERVE_S:
                raise ObjectUnavailable("too little time left to look")
            try:
                return self._settle(event, look, time_left)
            except (ObjectGone, ObjectChanged):
                again: Exception | None = None
            except LookOutdated as outdated:
                again = outdated
        if again:
            raise CatalogContended(f"others have looked at {again} meanwhile") from again
        return Report(event, Result.CHANGED)

    def _settle(self, event: ObjectEvent, look: Look, time_left: Callable[[], float]) -> Report:
        target = look_at(self._s3, event.bucket, event.key)
        removal = event.kind in (Kind.REMOVED, Kind.VERSION_REMOVED)
        if target is None:
            return self._vacate(event, Result.REMOVED if removal else Result.GONE, look, time_left)
        if target.size == 0:
            # A slash at the end of the key proves nothing alone: a real image may have one too.
            placeholder = event.key.endswith("/")
            return self._vacate(event, Result.PLACEHOLDER if placeholder else Result.NO_IMAGE, look, time_left)
        if removal:
            effect = self._catalog.apply(_present(event, target, look), time_left)
            if effect.outcome is not Outcome.UNKNOWN_IMAGE:
                return Report(event, Result.IMAGE, effect, target.etag)
        return self._read(event, target, look, time_left)

    def _vacate(self, event: ObjectEvent, result: Result, look: Look, time_left: Callable[[], float]) -> Report:
        fact = Absent(event.bucket, event.key, event.sequencer, look=look)
        return Report(event, result, self._catalog.apply(fact, time_left))

    def _read(self, event: ObjectEvent, target: Seen, look: Look | None, time_left: Callable[[], float]) -> Report:
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
        except ObjectUnreadable as error:
            if event.kind is Kind.RESTORED:  # and archived again since
                return Report(event, Result.UNREADABLE, requests=source.requests)
            if (reader := _refused_by(look, target)) is not None:
                return self._refuse(event, source, look, time_left, reader)
            record, result = _unread(error.warning), Result.UNREADABLE
        except ObjectBroken as error:
            broken = error
            record, result = _unread(f"metadata: {error}, not read"), Result.BROKEN
        if record is None:
            return self._refuse(event, source, look, time_left)
        if source.etag is None:
            raise ObjectUnavailable("S3 names no ETag")
        found = target
        if source.last_modified:
            modified = iso(source.last_modified)
            found = Seen(source.etag, source.version_id, source.size, modified, source.user_metadata)
        effect = self._apply(_present(event, found, look, record), time_left)
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
        if bucket not in self._sources.buckets:  # no more: the role may not read it
            return False
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

    def _refuse(
        self,
        event: ObjectEvent,
        source: S3Source,
        look: Look | None,
        time_left: Callable[[], float],
        reader: int = reader.READER,
    ) -> Report:
        """Note that the object is no image; one that it held before leaves."""
        fact = Absent(event.bucket, event.key, event.sequencer, source.etag, reader, look=look)
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


def _is_whole(event: ObjectEvent) -> bool:
    """Tell whether an event says all that its object can be read and written by."""
    sound = event.kind is Kind.RESTORED or (event.kind is Kind.CREATED and event.sequencer is not None)
    return sound and bool(event.etag) and event.size != 0


def _refused_by(look: Look | None, target: Seen) -> int | None:
    """Give the version of the reader that has read these very bytes, and found no image; None if none has."""
    record = look.record if look else None
    if record is None or record.get("refused") != {"S": target.etag}:
        return None
    return int(record["reader"]["N"])


def _present(event: ObjectEvent, target: Seen, look: Look | None, record: Record | None = None) -> Present:
    return Present(
        event.bucket,
        event.key,
        event.sequencer,
        target.etag,
        target.size or 0,
        target.last_modified,
        record.content_type if record else UNREAD,
        record.attributes if record else None,
        target.version_id,
        user_metadata=None if target.user_metadata is None else user_metadata.as_json(target.user_metadata),
        look=look,
    )


def _unread(warning: str) -> Record:
    """Give the record of an image of which nobody knows more than that it is there, and which reader tried."""
    return Record(UNREAD, {"reader_version": {"N": str(reader.READER)}, "warnings": {"S": json.dumps([warning])}})
