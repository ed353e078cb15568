"""From the objects to the CSV in one process: a bucket, ImageProcessor, its tables, their stream, and a ledger.

What the commands ask of AWS is answered from it: lists, items, exports, queues. Nothing happens by itself: events are
delivered by hand, or lost; the lane is worked off by `settle`.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from image_processor.catalog.catalog import Catalog
from image_processor.intake import Intake
from image_processor.notification import parse
from image_processor.sources import Sources as ProcessorSources
from infra.doubles.export_files import write_full_export
from infra.doubles.listed_bucket import ListedBuckets
from infra.doubles.memory_bucket import BUCKET, MemoryBucket
from infra.doubles.memory_store import MemoryStore
from infra.doubles.memory_tables import MemoryTables
from infra.survey.photos import survey
from infra.survey.stream_records import stream_record
from ledger.commit import commit
from ledger.ledger import Ledger
from operations.bucket.gather import Wanted
from operations.bucket.recheck import Looker
from operations.bucket.sources import Sources
from operations.table_export.take import ExportRequest
from tests.support.aws_services import OUTPUTS
from tests.support.factories import make_ledger

OF_ITS_LIFE = {"ingested_at", "revision", "key", "newest_object"}
"""What a row says of when and in which order it came to be."""
PHOTOS = [photo.body for photo in survey(4, seed=3)]
LATER = timedelta(hours=1)
SOURCES = Sources((BUCKET,))


class Lists:
    """The bucket's lists, of the moment, with times as S3 writes them."""

    def __init__(self, bucket: MemoryBucket) -> None:
        self.meta = ListedBuckets({}).meta
        self.requests = 0
        self.modified: dict[str, str] = {}
        self._bucket = bucket

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        """List some keys."""
        self.requests += 1
        listed = {
            key: {
                "Key": key,
                "ETag": f'"{etag}"',
                "Size": len(body),
                "LastModified": self.modified.get(key, "2026-11-25T00:00:00.000Z"),
            }
            for key, (body, etag) in self._bucket.objects.items()
        }
        return ListedBuckets({BUCKET: listed, "archive": {}}).list_objects_v2(**arguments)


class WholeStack:
    """A stack with one bucket.

    Attributes:
        bucket: S3, as ImageProcessor sees it.
        s3: S3, as it is listed.
        tables: `Images` and `Objects`.
        store: the export bucket.
        ledger: on it.
        lane: bodies of messages that wait in the lane.
        refuse_after: messages that the lane takes before the caller is interrupted.
        exports: that were started.
    """

    def __init__(self) -> None:
        self.bucket, self.tables, self.store = MemoryBucket(), MemoryTables(), MemoryStore()
        self.s3 = Lists(self.bucket)
        self.ledger: Ledger = make_ledger(self.store)
        self.lane: list[str] = []
        self.refuse_after = 10**9
        self.exports: list[str] = []
        self._streamed: list[dict[str, Any]] = []
        self._sequence = 100
        self.tables.stream = self._stream
        catalog = Catalog(self.tables, "images-table", "objects-table", sleep=lambda _: None)
        self._intake = Intake(self.bucket, catalog, ProcessorSources({BUCKET}))

    # ---- what happens ----------------------------------------------------------------------------------------------

    def upload(self, key: str, body: bytes, *, told: bool = True) -> None:
        """Put an object; its event comes at once, or never."""
        message = self.bucket.put(key, body)
        if told:
            self.deliver(message)

    def remove(self, key: str, *, told: bool = True) -> None:
        """Delete an object; its event comes at once, or never."""
        message = self.bucket.delete(key)
        if told:
            self.deliver(message)

    def deliver(self, *messages: str) -> None:
        """Let ImageProcessor take messages, and CsvExporter what it wrote."""
        for message in messages:
            for event in parse(message).events:
                self._intake.take(event, lambda: 60.0)
        if self._streamed:
            commit(self.ledger, self._streamed)
            self._streamed = []

    def settle(self) -> list[dict[str, Any]]:
        """Let ImageProcessor take all that waits in the lane; give it."""
        messages, self.lane = self.lane, []
        self.deliver(*messages)
        return [json.loads(one)["detail"] for one in messages]

    def change_row(self, etag: str, **attributes: Any) -> None:
        """Put a row by hand, or change one; None: take an attribute away; nothing: delete the row."""
        old = self.tables.images.get(etag)
        if attributes:
            revision = {"revision": {"N": str(int(old["revision"]["N"]) + 1 if old else 1)}}
            new = {**(old or {}), "etag": {"S": etag}, **revision, **attributes}
            self.tables.images[etag] = new
            self._stream(old, new)
        elif old is not None:
            del self.tables.images[etag]
            self._stream(old, None)
        self.deliver()

    def _stream(self, old: Any, new: Any) -> None:
        name = "INSERT" if not old else "MODIFY" if new else "REMOVE"
        self._sequence += 1
        sequence = str(self._sequence)
        at = int(datetime.now(UTC).timestamp())
        self._streamed.append(
            stream_record(name, new or None, old or None, event_id=sequence, at=at, sequence=sequence)
        )

    # ---- what the commands ask of AWS --------------------------------------------------------------------------------

    def get_item(self, TableName: str, **arguments: Any) -> dict[str, Any]:  # noqa: N803
        """Read an item, by the tables' names in the stack's outputs."""
        return self.tables.get_item(
            TableName={"images": "images-table", "objects": "objects-table"}[TableName], **arguments
        )

    def describe_table(self, TableName: str) -> Any:  # noqa: N803
        """Give the table's ARN."""
        return {"Table": {"TableArn": f"arn:aws:dynamodb:eu-west-1:111122223333:table/{TableName}"}}

    def export_table_to_point_in_time(self, TableArn: str, **_: Any) -> Any:  # noqa: N803
        """Export a table as it is."""
        assert TableArn.endswith("/objects")
        name = f"export-{len(self.exports)}"
        self.exports.append(write_full_export(self.store, self.tables.objects.values(), self.now(), name=name))
        return {"ExportDescription": {"ExportArn": f"arn:export/{name}"}}

    def describe_export(self, ExportArn: str) -> Any:  # noqa: N803
        """Every export is done at once."""
        summary = self.exports[int(ExportArn.rpartition("-")[2])]
        return {"ExportDescription": {"ExportStatus": "COMPLETED", "ExportManifest": summary, "S3Bucket": "exports"}}

    def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> Any:  # noqa: N803
        """Take messages into the lane."""
        assert QueueUrl == "seen"
        if len(self.lane) >= self.refuse_after:
            raise KeyboardInterrupt
        self.lane += [one["MessageBody"] for one in Entries]
        return {"Successful": []}

    def get_queue_attributes(self, QueueUrl: str, **_: Any) -> Any:  # noqa: N803
        """Count what waits in a queue."""
        waiting = len(self.lane) if QueueUrl == "seen" else 0
        waits = {"ApproximateNumberOfMessages": str(waiting)}
        return {"Attributes": waits | {"ApproximateNumberOfMessagesNotVisible": "0"}}

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        """Give the outputs of the stack."""
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in OUTPUTS.items()]}]}

    @staticmethod
    def now() -> datetime:
        """Give the time of exports: nothing that was done is young then."""
        return datetime.now(UTC) + LATER

    def request(self, arn: str = "") -> ExportRequest:
        """Ask for an export."""
        return ExportRequest(self, "exports", lambda bucket: self.store, "objects", arn)

    def wanted(self, *, new: bool = False, sources: Sources = SOURCES, inventory: str = "") -> Wanted:
        """Say that all is to be compared."""
        return Wanted(sources, self.s3, lambda bucket: self.store, None if new else self.request(), inventory)

    def looker(self) -> Looker:
        """Look at single objects."""
        return Looker(self, self.s3, "objects", "images")

    def faults(self) -> list[str]:
        """Say where the tables' rows are not what a stack would have that had lost nothing."""
        untouched = WholeStack()
        for key, (body, _) in self.bucket.objects.items():
            untouched.upload(key, body)
        faults = []
        for etag in untouched.tables.images.keys() | self.tables.images.keys():
            row, right = self.tables.images.get(etag), untouched.tables.images.get(etag)
            if row is None or right is None:
                faults.append(f"{etag} is {'missing' if right else 'too much'}")
            elif row["copies"] != right["copies"] or self.bucket.objects[row["key"]["S"]][1] != etag:
                faults.append(f"{etag} is {row}")
            elif any(row.get(name) != right[name] for name in right.keys() - OF_ITS_LIFE):
                faults.append(f"{etag} says another thing")
        return faults
