"""The model of `settling`, with foreign hands in the tables, and comparisons that find what is wrong and send it.

A comparison takes the listing at one moment, and records and rows at a later one; it judges and sends as `verify bucket
--repair` does, and its messages come late, twice, and out of order. When nothing more happens, one last comparison is
made, and all its messages come.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from image_processor.errors import CatalogError
from image_processor.handler import LAST_RECEIVE
from image_processor.notification import parse
from image_processor.object_event import ObjectEvent
from infra.doubles.memory_tables import copied, disagreements
from ledger.change import Change, fold
from operations.bucket.check import messages_of
from operations.bucket.compare import Difference, judge
from operations.bucket.known import record_line
from operations.bucket.lines import Listed, Record, escape, read_record
from operations.bucket.rows import Image
from operations.bucket.rows import Row as ComparedRow
from tests.support.catalog_model import BUCKET
from tests.support.settling import EMPTY, IMAGES, NO_IMAGE, World, size_of

Item = dict[str, Any]


Listing = Mapping[str, Listed]


class Row(NamedTuple):
    """What the CSV says of an image."""

    ingested_at: str
    etag: str
    bucket: str
    key: str
    copies: int

    def as_compared(self) -> ComparedRow:
        """Give what is compared."""
        return ComparedRow(self.copies, self.ingested_at, escape(f"{self.bucket}/{self.key}"))


class Repaired(World):
    """One seeded history of four objects and two images, some of it done by foreign hands.

    Attributes:
        damages: what foreign hands did.
        given_up: messages that went to the dead letters.
        found: differences of the last comparison.
    """

    keys = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    changes = ("A", "A", "A", "B", NO_IMAGE, EMPTY, None, None, "forget")

    def __init__(self, seed: int) -> None:
        self.damages: Counter[str] = Counter()
        self.given_up = 0
        self.found: list[str] = []
        self._changes: list[Change] = []
        self._tries: Counter[ObjectEvent] = Counter()
        self._upgraded = seed % 3 == 0
        super().__init__(seed)
        self.tables.stream = self._streamed

    def repair(self) -> "Repaired":
        """Let everything happen, then compare once, and let all messages come."""
        self.run()
        self.found = [*self._differences(self._listing())]
        self._send(self.found)
        self.run()
        return self

    def faults(self) -> list[str]:
        """Say where records, rows and CSV are not what S3 has."""
        held = {f"{BUCKET}/{key}": image for key in self.keys if (image := self.holds(key))}
        faults = disagreements(self.tables, held)
        faults += [f"{message} is found again" for message in self._differences(self._listing())]
        faults += [f"{row.etag} says {row}" for row in self._csv() if not self._is_said(row)]
        if Counter(row.etag for row in self._csv()) != Counter(set(held.values())):
            faults.append("the CSV has other images than the bucket")
        for key in self.keys:
            record = self.tables.objects.get(f"{BUCKET}/{key}", {})
            if self._s3[key].holds == NO_IMAGE and record.get("refused") != {"S": NO_IMAGE}:
                faults.append(f"{key} is no image, and its record does not say so")
        return faults

    def _is_said(self, row: Row) -> bool:
        item = self.tables.images.get(row.etag, {})
        return _row(item) == row and item["make"] == {"S": f"maker of {row.etag}"}

    # ---- what happens when ------------------------------------------------------------------------------------------

    def _plan(self) -> list[tuple[float, int, Callable[[], None]]]:
        due = super()._plan()
        end = due[-1][0] if due else 0.0
        for _ in range(self._chance.choice([0, 1, 1, 2, 3])):
            due.append((self._chance.uniform(0, end + 5), 0, self._chance.choice(self._hands())))
        for _ in range(self._chance.choice([0, 1, 2])):
            due.append((self._chance.uniform(0, end + 5), 0, self._compare_soon))
        return sorted(due, key=lambda each: each[0])

    def _compare_soon(self) -> None:
        listing = self._listing()
        self._later(self._chance.choice([0, 0, 2]), lambda: self._send(self._differences(listing)))

    def _send(self, messages: Iterator[str] | list[str]) -> None:
        for message in messages:
            (event,) = parse(message).events
            for _ in range(self._chance.choice([1, 1, 1, 2])):
                self._soon(self._chance.choice([0, 0, 1, 3, 20]) + self._chance.random(), event)

    def _refused(self, event: ObjectEvent, error: CatalogError) -> None:
        self._tries[event] += 1
        if self._tries[event] % LAST_RECEIVE:
            self._soon(1, event)
        else:
            self.given_up += 1

    # ---- foreign hands ----------------------------------------------------------------------------------------------

    def _hands(self) -> list[Callable[[], None]]:
        """Give what hands may do. Of rows put in, only lives tell which of them their objects are on."""
        deleted = [self._delete_row, self._delete_record, self._delete_record, self._miscount]
        return [*deleted, self._forget_lives if self._upgraded else self._put_row]

    def _delete_row(self) -> None:
        if self.tables.images:
            etag = self._chance.choice(sorted(self.tables.images))
            self._changed_row(etag, None)
            self.damages["row deleted"] += 1

    def _put_row(self) -> None:
        """Put in a row of an image, as somebody might who has the CSV: of none in the bucket, mostly."""
        etag, key, number = self._chance.choice([*IMAGES, "C"]), self._chance.choice(self.keys), len(self._changes)
        texts = {
            "etag": etag,
            "ingested_at": f"2025-01-01T00:00:{number:02}.000000Z",
            "bucket": BUCKET,
            "key": key,
            "content_type": "image/jpeg",
            "last_modified": "2025-01-01T00:00:00Z",
            "make": "somebody",
        }
        if self._chance.random() < 0.7:
            texts["newest_object"] = f"{BUCKET}/{self._chance.choice([key, key, *self.keys])}"
        numbers = {"revision": "7", "size_bytes": "1", "copies": "1"}
        row = {name: {"S": text} for name, text in texts.items()} | {n: {"N": number} for n, number in numbers.items()}
        self._changed_row(etag, row)
        self.damages["row put"] += 1

    def _miscount(self) -> None:
        if self.tables.images:
            etag = self._chance.choice(sorted(self.tables.images))
            row = copied(self.tables.images[etag])
            revision = str(int(row["revision"]["N"]) + 1)
            self._changed_row(etag, row | {"copies": {"N": "9"}, "revision": {"N": revision}})
            self.damages["copies"] += 1

    def _delete_record(self) -> None:
        if self.tables.objects:
            del self.tables.objects[self._chance.choice(sorted(self.tables.objects))]
            self.damages["record deleted"] += 1

    def _forget_lives(self) -> None:
        """Let all records be such as an earlier version made, which knew no lives."""
        for record in self.tables.objects.values():
            record.pop("ingested_at", None)

    def _changed_row(self, etag: str, row: Item | None) -> None:
        old = self.tables.images.pop(etag, None)
        if row:
            self.tables.images[etag] = row
        self._streamed(old, row)

    # ---- the CSV, and the comparison --------------------------------------------------------------------------------

    def _streamed(self, old: Item | None, new: Item | None) -> None:
        if old and (new is None or old["ingested_at"] != new["ingested_at"]):
            self._changes.append(Change(*_key(old), None))
        if new:
            self._changes.append(Change(*_key(new), json.dumps(_row(new)).encode()))

    def _csv(self) -> list[Row]:
        return [Row(*json.loads(change.line)) for change in fold(self._changes) if change.line]

    def _listing(self) -> Listing:
        kept = {f"{BUCKET}/{key}": self._s3[key].kept[-1] for key in self.keys if self._s3[key].holds is not None}
        return {
            name: Listed(str(etag), size_of(str(etag)), f"{at:%Y-%m-%dT%H:%M:%SZ}")
            for name, (_, etag, at) in kept.items()
        }

    def _differences(self, listing: Listing) -> Iterator[str]:
        """Compare as `verify bucket` does; give the messages that it sends."""
        names = sorted(self.tables.objects.keys() | listing.keys())
        records = {name: _record(self.tables.objects.get(name)) for name in names}
        images = {row.etag: Image(row.etag, [row.as_compared()]) for row in self._csv()}
        for name, item in self.tables.objects.items():
            if "etag" in item:
                image = images.setdefault(item["etag"]["S"], Image(item["etag"]["S"]))
                image.add_record(escape(name), item.get("ingested_at", {}).get("S", ""))
        judged = ((judge(listing.get(name), records[name]), name) for name in names)
        objects = [
            Difference(kind, escape(name), listing.get(name), records[name])
            for kind, name in judged
            if kind is not None
        ]
        time = f"{self.clock.time:%Y-%m-%dT%H:%M:%S.%fZ}"
        wrong = [image for image in images.values() if image.kind is not None]
        for message in messages_of(objects, lambda: wrong, list):
            yield json.dumps(json.loads(message) | {"time": time})


def _record(item: Item | None) -> Record | None:
    return read_record(record_line(item)) if item else None


def _key(item: Item) -> tuple[bytes, int]:
    return f"{item['ingested_at']['S']},{item['etag']['S']}".encode(), int(item["revision"]["N"])


def _row(item: Item) -> Row | None:
    if not item:
        return None
    texts = [item[name]["S"] for name in ("ingested_at", "etag", "bucket", "key")]
    return Row(*texts, int(item["copies"]["N"]))
