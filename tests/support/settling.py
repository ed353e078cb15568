"""A model of objects that change while events tell of it: late, twice, out of order, wrongly, or not at all.

Each seed is a history of two objects, with or without versions, and what comes of it to the function's own intake. Any
request to S3 or to the tables may be broken into: by the next change, or by the next message in another function.
Seconds do not matter: what is due next happens next.
"""

import io
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from image_processor.catalog.catalog import Catalog
from image_processor.columns.extract import Record
from image_processor.errors import CatalogContended
from image_processor.intake import Intake
from image_processor.object_event import Kind, ObjectEvent
from image_processor.sources import Sources
from infra.doubles.memory_tables import MemoryTables
from infra.doubles.refusal import refusal
from tests.support.catalog_model import BUCKET, Clock, check_lists

IMAGES, NO_IMAGE, EMPTY = ("A", "B"), "n", "0"
"""Contents of objects, and their ETags."""

BEGIN = datetime(2026, 11, 25, tzinfo=UTC)

Doubts = Callable[[dict[str, Any] | None], bool]
"""Whether a removal is believed, without a look, when the object's record is this."""


@dataclass(slots=True)
class Versions:
    """What S3 keeps under one key: contents by version, the newest one last; None is a delete marker."""

    kept: list[tuple[str, str | None, datetime]] = field(default_factory=list)

    @property
    def holds(self) -> str | None:
        """Name the present contents."""
        return self.kept[-1][1] if self.kept else None


class World:
    """One seeded history, told.

    Attributes:
        keys: of the objects.
        changes: what may be done to one: other contents, None to delete it, or to forget a version of it.
        clock: of the function.
        sure: keys of which the last event, or a look after the last change, has come.
    """

    keys: Sequence[str] = ("a.jpg", "b.jpg")
    changes: Sequence[str | None] = ("A", "B", "A", None, None, "forget")

    def __init__(self, seed: int, believes: Doubts = lambda record: False) -> None:
        self._chance = random.Random(seed)
        self._believes, self._believed = believes, False
        self._versioned = self._chance.random() < 0.3
        self._s3 = {key: Versions() for key in self.keys}
        self._depth = 0
        self.tables = MemoryTables()
        self.tables.before = lambda *_: self._break_in()
        self.clock = Clock()
        catalog = Catalog(self.tables, "images-table", "objects-table", now=self.clock, sleep=lambda _: None)
        self._intake = Intake(self, catalog, Sources({BUCKET}), _read)
        self._unchanged_since: dict[str, int] = {}
        self.sure: set[str] = set()
        self._due = self._plan()

    def run(self) -> "World":
        """Let everything happen, and every message come."""
        while self._due:
            self._step()
        return self

    def wrong(self) -> list[str]:
        """Name the keys whose record says something else than S3, though they were told of or looked at."""
        check_lists(self.tables)
        records = {key: self.tables.objects.get(f"{BUCKET}/{key}", {}) for key in self.sure}
        return [key for key, record in records.items() if record.get("etag", {}).get("S") != self.holds(key)]

    def holds(self, key: str) -> str | None:
        """Name the image that an object holds now; None if it is gone, or none."""
        contents = self._s3[key].holds
        return contents if contents in IMAGES else None

    # ---- what happens when ------------------------------------------------------------------------------------------

    def _plan(self) -> list[tuple[float, int, Callable[[], None]]]:
        chance, due, time = self._chance, [], 0.0
        for number in range(1, chance.randint(2, 8)):
            time += chance.randint(1, 5)
            key, action = chance.choice(self.keys), chance.choice(self.changes)
            due.append((time, 0, lambda key=key, action=action, number=number: self._change(key, action, number)))
        for _ in range(chance.randint(0, 3)):
            key = chance.choice(self.keys)
            look = _look(key, chance.choice([Kind.CREATED, Kind.SEEN]))
            due.append((chance.uniform(0, time + 20), 0, lambda look=look: self._deliver(look)))
        return sorted(((at, number, do) for number, (at, _, do) in enumerate(due)), key=lambda each: each[0])

    def _step(self) -> None:
        self._due.pop(0)[2]()

    def _break_in(self) -> None:
        while self._due and self._depth < 3 and self._chance.random() < 0.25:
            self._step()

    def _soon(self, seconds: float, event: ObjectEvent) -> None:
        self._later(seconds, lambda: self._deliver(event))

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        at = (self._due[0][0] if self._due else 0.0) + seconds
        self._due.append((at, 0, do))
        self._due.sort(key=lambda each: each[0])

    def _change(self, key: str, action: str | None, number: int) -> None:
        """Change an object, and let S3 tell of it as well as it may."""
        event = self._changed(key, action, f"v{number}", f"{number:X}")
        self.sure.discard(key)
        for _ in range(self._chance.choice([0, 0, 1, 1, 1, 1, 2])):
            self.sure.add(key)
            self._soon(self._chance.choice([0, 0, 1, 3, 20, 30]), self._as_told(event))

    def _changed(self, key: str, action: str | None, version: str, sequencer: str) -> ObjectEvent:
        kept, at = self._s3[key].kept, BEGIN + timedelta(seconds=int(sequencer, 16))
        told = {"bucket": BUCKET, "key": key, "time": f"{at:%Y-%m-%dT%H:%M:%S}.000Z", "sequencer": sequencer}
        version_id = version if self._versioned else None
        if action == "forget" and self._versioned and kept:
            forgotten, _, _ = kept.pop(self._chance.randrange(len(kept)))
            return ObjectEvent(Kind.VERSION_REMOVED, "forget", **told, version_id=forgotten)
        contents = None if action == "forget" else action
        if not self._versioned:
            kept.clear()
        if contents is not None or self._versioned:
            kept.append((version, contents, at))
        if contents is None:
            return ObjectEvent(Kind.REMOVED, "remove", **told, version_id=version_id)
        return ObjectEvent(Kind.CREATED, "create", **told, version_id=version_id, etag=contents, size=size_of(contents))

    def _as_told(self, event: ObjectEvent) -> ObjectEvent:
        """Leave out or spoil what describes the object, as some servers do."""
        spoilt = self._chance.choice([{}, {}, {}, {"sequencer": None}, {"size": 0}, {"etag": None}, {"etag": "X"}])
        fitting = event.kind is Kind.CREATED or "sequencer" in spoilt
        return replace(event, **spoilt) if fitting else event

    def _deliver(self, event: ObjectEvent) -> None:
        if event.name == "look":
            self.sure.add(event.key)  # until it changes again
        believed = self._believed
        record = self.tables.objects.get(f"{BUCKET}/{event.key}")
        self._believed = event.kind is Kind.REMOVED and self._believes(record)
        self._depth += 1
        self._take(event)
        self._depth -= 1
        self._believed = believed

    def _take(self, event: ObjectEvent) -> None:
        left = itertools.count(60, -0.1)
        try:
            self._intake.take(event, lambda: next(left))
        except CatalogContended:
            self._soon(1, event)  # the queue delivers it again

    # ---- S3 ---------------------------------------------------------------------------------------------------------

    def get_object(self, **request: str) -> dict[str, Any]:
        """Read an object, or a version: that can be had when others have come since."""
        self._break_in()
        found = self._found(request["Key"], request.get("VersionId", ""))
        if found is None:
            raise refusal("NoSuchKey", 404, request="GetObject")
        if request.get("IfMatch", found["ETag"]) != found["ETag"]:
            raise refusal("PreconditionFailed", 412, request="GetObject")
        return {**found, "Body": io.BytesIO(found["ETag"][1:2].encode()), "ContentRange": "bytes 0-0/1"}

    def head_object(self, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        """Describe an object; a delete marker is answered like nothing."""
        self._break_in()
        found = None if self._believed else self._found(Key)
        if found is None:
            raise refusal("404", 404, request="HeadObject")
        return found

    def _found(self, key: str, version: str = "") -> dict[str, Any] | None:
        kept = self._s3[key].kept
        named = [each for each in kept if each[0] == version] if version else kept[-1:]
        if not named or named[0][1] is None:
            return None
        version_id, contents, at = named[0]
        described = {"ContentLength": size_of(contents), "ETag": f'"{contents}"', "LastModified": at}
        return described | ({"VersionId": version_id} if self._versioned else {})


def size_of(contents: str) -> int:
    """Give the size of an object; some are empty."""
    return int(contents != EMPTY)


def _look(key: str, kind: Kind) -> ObjectEvent:
    """Make a message that says no more than that there is something to be looked at."""
    return ObjectEvent(kind, "look", BUCKET, key, "2026-11-25T00:00:00.000Z")


def _read(source: Any) -> Record | None:
    contents = source.read(0, 1).decode()
    if contents not in IMAGES:
        return None
    return Record("image/jpeg", {"make": {"S": f"maker of {contents}"}})
