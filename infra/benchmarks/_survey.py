"""A large ledger in SeaweedFS, and around it what commands read: failed batches, exports of tables, an inventory.

Images are numbered, and came a millisecond apart. What the table says of each is known at any time, so exports and
inventories say it, too; an image of revision n has n objects.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from rich.progress import track

from infra.benchmarks._report import console
from infra.benchmarks._services import Services
from infra.doubles.export_files import write_large_export
from infra.doubles.inventories import packed, write_inventory
from infra.local.failed_batch import RETRY_ATTEMPTS_EXHAUSTED, FailedBatch
from infra.local.seaweed import SeaweedFS
from infra.survey import items
from ledger.commit import commit
from ledger.event import read_event
from ledger.journal import quarantine
from ledger.ledger import Ledger
from ledger.publish import publish
from ledger.s3_store import S3Store
from operations.batches import batched
from operations.errors import BadName
from operations.live.snapshot import pin

EXPORT, PHOTOS, REPORTS, NEW_REPORTS = "export", "photos", "reports", "new-reports"
_FILLING = 1_000  # events of a batch, of 4 MB: a function gets 6 MB at most (AWS, Lambda quotas)
_DAY = 24 * 3600 * 1000
_STRIDE = 7_368_787  # a prime: the order of an export has nothing to do with that of keys
_FILE = 100_000  # objects of a file of an inventory
_SCHEMA = "Bucket, Key, Size, LastModifiedDate, ETag"
_DEAD_LETTERS = 1_000

Object = tuple[str, items.Item]
"""A key, and the item of the image that it holds."""


class Survey:
    """A ledger of so many rows, and what happens to it.

    Attributes:
        services: those of its stack, beside S3.
    """

    def __init__(self, rows: int, server: SeaweedFS) -> None:
        for bucket in (EXPORT, REPORTS, NEW_REPORTS):
            server.client().create_bucket(Bucket=bucket)
        self.services = Services(EXPORT, PHOTOS, _DEAD_LETTERS)
        self._server, self._store = server, S3Store(EXPORT, **server.credentials)
        self._ledger = Ledger(self._store, makes_first_root=True)
        self._rows = rows
        self._revisions = dict.fromkeys(range(rows), 1)
        self._reports: set[str] = set()
        for numbers in batched(track(range(rows), f"making {rows:,} rows", console=console), _FILLING):
            commit(self._ledger, [items.insert(number) for number in numbers])
        publish(self._ledger)

    def add_row(self) -> None:
        """Let an image come a day after the others, whose events are late from then on."""
        number = self._rows + _DAY
        self._revisions[number] = 1
        commit(self._ledger, [items.insert(number)])
        publish(self._ledger)

    def pin_half(self) -> None:
        """Pin the live root as `half`, unless a replay has pinned what there was of it."""
        with suppress(BadName):
            pin(self._ledger, "half", self._ledger.load_root()[0])

    def put_aside(self) -> None:
        """Let Lambda give up on batches of copied photos, and a removal be quarantined that does not say of what."""
        copied = [*range(7, self._rows, max(10, self._rows // _FILLING))]
        for numbers in batched(copied, _FILLING // 2):  # with the old items they are as large
            self._revisions.update(dict.fromkeys(numbers, 2))
            batch = _given_up([items.modify(number) for number in numbers])
            self._store.put_new(batch.key, batch.body, "application/json")
        removal = items.remove(3)
        del removal["dynamodb"]["OldImage"], self._revisions[3]
        quarantine(self._store, read_event(removal), "no OldImage")

    def lose_events(self) -> None:
        """Let one image in a hundred be copied, and one go, without the stream; and export the table then."""
        for number in range(25, self._rows, 100):
            self._revisions[number] += 1
            self._revisions.pop(number + 25, None)
        self.export_images()

    def export_images(self) -> None:
        """Export the table of images, unless it was."""
        self._export("Images", (_item(number, self._revisions[number]) for number in self._shuffled()))

    def report(self) -> None:
        """Export the table of objects, and make an inventory of their bucket, unless that was done."""
        self._export("Objects", ({"object": {"S": f"{PHOTOS}/{key}"}, **_held(item)} for key, item in self._objects()))
        self._inventory(REPORTS, self._objects())

    def add_objects(self) -> None:
        """Report all, and in an inventory of its own one object more for every ten, unless that was done."""
        self.report()
        more = ((f"new/{number}.jpg", _item(number, 1)) for number in range(self._rows, self._rows * 11 // 10))
        self._inventory(NEW_REPORTS, (one for objects in (self._objects(), more) for one in objects))

    def delete_photos(self) -> None:
        """Let the images go that are to be forgotten, unless they are gone."""
        gone = [number for number in to_forget(self._rows) if number in self._revisions]
        if gone:
            commit(self._ledger, [items.remove(number, self._revisions.pop(number)) for number in gone])
            publish(self._ledger)

    def _shuffled(self) -> Iterator[int]:
        """Give the numbers of the images that there are, in an order that tells nothing."""
        numbers = [*self._revisions]
        return (numbers[turn * _STRIDE % len(numbers)] for turn in range(len(numbers)))

    def _objects(self) -> Iterator[Object]:
        for number in self._shuffled():
            item = _item(number, self._revisions[number])
            yield item["key"]["S"], item
            yield from ((f"copies/{copy}/{number}.jpg", item) for copy in range(1, self._revisions[number]))

    def _export(self, table: str, lines: Iterable[items.Item]) -> None:
        if table in self.services.exports:
            return
        shown = track(lines, f"exporting {table}", total=len(self._revisions), console=console)
        self.services.exports[table] = write_large_export(self._store, shown, datetime.now(UTC), name=table)

    def _inventory(self, bucket: str, objects: Iterable[Object]) -> None:
        if bucket in self._reports:
            return
        self._reports.add(bucket)
        shown = track(objects, f"writing an inventory to {bucket}", total=len(self._revisions), console=console)
        files = (packed(map(_reported, some)) for some in batched(shown, _FILE))
        write_inventory(
            S3Store(bucket, **self._server.credentials),
            files,
            "CSV",
            _SCHEMA,
            sourceBucket=PHOTOS,
            destinationBucket=f"arn:aws:s3:::{bucket}",
            creationTimestamp=str(int(datetime.now(UTC).timestamp() * 1000)),
        )


def to_forget(rows: int) -> list[int]:
    """Name the images that will be forgotten: nothing else happens to these."""
    return [rows // 400 * 100 + 1, rows // 200 * 100 + 1]


def _item(number: int, revision: int) -> items.Item:
    return items.item(number, revision) | {"copies": {"N": str(revision)}}


def _held(item: items.Item) -> items.Item:
    """Give what the record of an object says of the image that it holds."""
    return {name: item[name] for name in ("etag", "size_bytes", "last_modified", "content_type", "ingested_at")}


def _reported(one: Object) -> Sequence[str]:
    """Give an object's line in an inventory."""
    key, item = one
    return PHOTOS, key, item["size_bytes"]["N"], item["last_modified"]["S"], item["etag"]["S"]


def _given_up(records: Sequence[dict[str, Any]]) -> FailedBatch:
    return FailedBatch(
        mapping_id="0",
        function_arn="exporter",
        stream_arn="stream",
        shard="shard",
        condition=RETRY_ATTEMPTS_EXHAUSTED,
        records=tuple(records),
        invocations=3,
        request_id="request",
        function_error="Unhandled",
        at=datetime.now(UTC).timestamp(),
    )
