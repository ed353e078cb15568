"""The model of `settling`, with foreign hands in the tables, and comparisons that find what is wrong and send it.

A comparison takes the listing at one moment, and records and rows at a later one; its messages come late, twice, and
out of order. When nothing more happens, one last comparison is made, and all its messages come.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from image_processor.errors import CatalogContended, CatalogDamaged
from image_processor.notification import parse
from image_processor.object_event import ObjectEvent
from infra.doubles.memory_tables import copied, disagreements
from ledger.change import Change, fold
from tests.support.catalog_model import BUCKET
from tests.support.settling import EMPTY, IMAGES, NO_IMAGE, World, size_of

Item = dict[str, Any]


class Listed(NamedTuple):
    """What a listing says of an object."""

    etag: str
    size: int
    modified: datetime


class Row(NamedTuple):
    """What the CSV says of an image."""

    ingested_at: str
    etag: str
    bucket: str
    key: str
    copies: int


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

    def _take(self, event: ObjectEvent, tries: int = 5) -> None:
        try:
            super()._take(event)
        except (CatalogContended, CatalogDamaged):
            if tries:
                self._later(1, lambda: self._take(event, tries - 1))
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

    def _listing(self) -> Mapping[str, Listed]:
        kept = {f"{BUCKET}/{key}": self._s3[key].kept[-1] for key in self.keys if self._s3[key].holds is not None}
        return {name: Listed(str(etag), size_of(str(etag)), at) for name, (_, etag, at) in kept.items()}

    def _differences(self, listing: Mapping[str, Listed]) -> Iterator[str]:
        """Compare as `verify bucket` does; give a message for each object that is to be settled."""
        time = f"{self.clock.time:%Y-%m-%dT%H:%M:%S.%fZ}"
        records, rows = self.tables.objects, {row.etag: row for row in self._csv()}
        holders: dict[str, dict[str, Item]] = {}
        for name, record in records.items():
            if "etag" in record:
                holders.setdefault(record["etag"]["S"], {})[name] = record
        wrong = {etag for etag in rows.keys() | holders if not _agree(rows.get(etag), holders.get(etag, {}))}
        for name in sorted(records.keys() | listing.keys()):
            seen, record = listing.get(name), records.get(name)
            etag = seen.etag if seen else record and record.get("etag", {}).get("S")
            if _judge(seen, record) or (record and record.get("etag", {}).get("S") in wrong):
                yield _message(name, etag, rows.get(etag or "") if etag in wrong else None, time)
        for etag in sorted(wrong & rows.keys()):
            named = f"{rows[etag].bucket}/{rows[etag].key}"
            if named not in holders.get(etag, {}):  # no more, or never
                yield _message(named, etag, rows[etag] if etag in holders else None, time)


def _judge(seen: Listed | None, record: Item | None) -> str | None:
    held = (record or {}).get("etag")
    if seen is None:
        return "phantom" if held else None
    if seen.size == 0:
        return "stale" if held else None
    known = held or (record or {}).get("refused")
    if record is None or known is None:
        return "missing"
    if known["S"] != seen.etag:
        return "stale"
    modified = record.get("last_modified", {}).get("S")
    late = modified and seen.modified - datetime.fromisoformat(modified) > timedelta(minutes=1)
    return "stale" if late else None


def _agree(row: Row | None, holders: Mapping[str, Item]) -> bool:
    """Tell whether a row counts the objects that hold its image, all in its own life."""
    if row is None or not holders:
        return False
    lives = {record["ingested_at"]["S"] for record in holders.values() if "ingested_at" in record}
    return row.copies == len(holders) and f"{row.bucket}/{row.key}" in holders and lives <= {row.ingested_at}


def _message(name: str, etag: str | None, row: Row | None, time: str) -> str:
    bucket, _, key = name.partition("/")
    detail: dict[str, Any] = {"bucket": {"name": bucket}, "object": {"key": key}, "reason": "verify"}
    if etag:
        detail["object"]["etag"] = etag
    if row:
        detail["wrong_row"] = row.ingested_at
    return json.dumps({"source": "skyledger", "detail-type": "Object Seen", "time": time, "detail": detail})


def _key(item: Item) -> tuple[bytes, int]:
    return f"{item['ingested_at']['S']},{item['etag']['S']}".encode(), int(item["revision"]["N"])


def _row(item: Item) -> Row | None:
    if not item:
        return None
    texts = [item[name]["S"] for name in ("ingested_at", "etag", "bucket", "key")]
    return Row(*texts, int(item["copies"]["N"]))
