"""Buckets, the records of their objects, and the services that a check of them asks, all in memory."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from infra.doubles.export_files import write_full_export
from infra.doubles.listed_bucket import ListedBuckets
from infra.doubles.memory_store import MemoryStore
from infra.doubles.memory_tables import MemoryTables
from infra.doubles.refusal import refusal
from ledger.commit import commit
from ledger.store import Stored
from operations.bucket.distributed.job import Aws
from operations.bucket.sources import Sources
from tests.support.factories import event, item, make_ledger

OLD = datetime(2026, 11, 20, tzinfo=UTC)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
EXPORTED = "arn:aws:dynamodb:eu-west-1:111122223333:table/Objects/export/01-full"


class CheckedBuckets:
    """What S3 holds, what the table knows, and who is asked for it.

    Attributes:
        objects: of each bucket, by key: what a list says of it.
        tables: where records are.
        store: the export bucket.
        sources: what counts.
        reports: the bucket that has the inventories: a source.
        messages: that were sent to the lane.
        looks: at an export that is not finished yet.
        files: data files of an export.
        tokens: that exports were asked for with.
        asked: operations so far.
        before: is told the operation and its arguments; may raise.
    """

    def __init__(self, store: MemoryStore, *buckets: str, prefixes: str = "") -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {bucket: {} for bucket in buckets or ("photos",)}
        self.tables, self.store = MemoryTables(), store
        self.sources = Sources.of_outputs(",".join(self.objects), prefixes)
        self.reports = MemoryStore()
        self.messages: list[dict[str, Any]] = []
        self.looks, self.files = 1, 3
        self.tokens: list[str] = []
        self.asked: list[str] = []
        self.meta = SimpleNamespace(endpoint_url="https://s3.eu-west-1.amazonaws.com")
        self.before: Callable[[str, Mapping[str, Any]], None] = lambda operation, arguments: None
        self.aws = Aws(
            s3=self, dynamodb=self, sqs=self, open_bucket=lambda bucket: _Reports(self),
            images="images-table", objects="objects-table",
            exports="exports", queue="lane",
        )  # fmt: skip

    def put(self, key: str, etag: str = "e", *, bucket: str = "photos", size: int = 5, at: datetime = OLD) -> None:
        """Write an object, of which no event tells."""
        self.objects[bucket][key] = {
            "Key": key,
            "ETag": f'"{etag}"',
            "Size": size,
            "LastModified": f"{at:%Y-%m-%dT%H:%M:%S}.000Z",
        }

    def know(self, key: str, etag: str = "e", *, bucket: str = "photos", size: int = 5, at: datetime = OLD) -> None:
        """Record that an object holds an image."""
        self.tables.objects[f"{bucket}/{key}"] = {
            "object": {"S": f"{bucket}/{key}"},
            "etag": {"S": etag},
            "size_bytes": {"N": str(size)},
            "last_modified": {"S": f"{at:%Y-%m-%dT%H:%M:%SZ}"},
            "sequencer": {"S": "0"},
        }

    def export_rows(self) -> None:
        """Let the CSV have the rows that belong to the records, and `Images` their items."""
        names: dict[str, list[str]] = {}
        for name, record in self.tables.objects.items():
            if "etag" in record:
                names.setdefault(record["etag"]["S"], []).append(name)
        events = []
        for number, (etag, held) in enumerate(sorted(names.items())):
            bucket, _, key = held[0].partition("/")
            copies = {"N": str(len(held))}
            row = item(number, etag={"S": etag}, bucket={"S": bucket}, key={"S": key}, copies=copies)
            self.tables.images[etag] = row | {"newest_object": {"S": held[-1]}}
            events.append(event("INSERT", row, sequence=number))
            for name, older in zip(held, [None, *held], strict=False):
                self.tables.objects[name] |= {"ingested_at": row["ingested_at"]}
                self.tables.objects[name] |= {"older": {"S": older}} if older else {}
        commit(make_ledger(self.store), events)

    @property
    def sent(self) -> list[str]:
        """Name the objects that were sent to the lane, in order of names, each once."""
        told = (message["detail"] for message in self.messages)
        return sorted({f"{one['bucket']['name']}/{one['object']['key']}" for one in told})

    def get_object(self, **arguments: Any) -> Stored:
        """Read an object, or a range of it, of the bucket that has the inventories."""
        self._ask("get_object", arguments)
        if "Range" not in arguments:
            return self.reports.get(arguments["Key"])
        return Stored(self.reports.get_range(arguments["Key"], *arguments["Range"]), "")

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        """List some keys."""
        self._ask("list_objects_v2", arguments)
        return ListedBuckets(self.objects).list_objects_v2(**arguments)

    def head_object(self, **arguments: Any) -> dict[str, Any]:
        """Describe an object."""
        self._ask("head_object", arguments)
        found = self.objects[arguments["Bucket"]].get(arguments["Key"])
        if found is None:
            raise refusal("404", 404, request="HeadObject")
        modified = datetime.fromisoformat(found["LastModified"])
        return {"ETag": found["ETag"], "ContentLength": found["Size"], "LastModified": modified}

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        """Read an item of a table."""
        self._ask("get_item", arguments)
        return self.tables.get_item(**arguments)

    def describe_table(self, **arguments: Any) -> dict[str, Any]:
        """Name a table by its ARN."""
        self._ask("describe_table", arguments)
        return {"Table": {"TableArn": f"arn:{arguments['TableName']}"}}

    def export_table_to_point_in_time(self, **arguments: Any) -> dict[str, Any]:
        """Start an export: of the records as they are now. The same token is the same export."""
        self._ask("export_table_to_point_in_time", arguments)
        if arguments["ClientToken"] not in self.tokens:
            self.tokens.append(arguments["ClientToken"])
            write_full_export(self.store, self.tables.objects.values(), NOW, files=self.files)
        return {"ExportDescription": {"ExportArn": EXPORTED}}

    def describe_export(self, **arguments: Any) -> dict[str, Any]:
        """Say whether an export is finished."""
        self._ask("describe_export", arguments)
        assert arguments["ExportArn"] == EXPORTED
        self.looks -= 1
        if self.looks >= 0:
            return {"ExportDescription": {"ExportStatus": "IN_PROGRESS"}}
        summary = "table-exports/AWSDynamoDB/01-full/manifest-summary.json"
        return {"ExportDescription": {"ExportStatus": "COMPLETED", "ExportManifest": summary}}

    def send_message_batch(self, **arguments: Any) -> dict[str, Any]:
        """Take messages."""
        self._ask("send_message_batch", arguments)
        self.messages += [json.loads(one["MessageBody"]) for one in arguments["Entries"]]
        return {"Successful": [{"Id": one["Id"]} for one in arguments["Entries"]]}

    def _ask(self, operation: str, arguments: Mapping[str, Any]) -> None:
        self.asked.append(operation)
        self.before(operation, arguments)


class _Reports:
    """The verbs of a store that inventories are read with."""

    def __init__(self, world: CheckedBuckets) -> None:
        self._world = world

    def get(self, key: str) -> Stored:
        return self._world.get_object(Key=key)

    def get_range(self, key: str, first: int, last: int) -> bytes:
        return self._world.get_object(Key=key, Range=(first, last)).body
