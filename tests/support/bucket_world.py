"""A bucket in moto, S3's events about it, the function, and the tables behind it."""

import itertools
import json
import logging
import threading
from collections.abc import Callable, Sequence
from functools import cache
from itertools import zip_longest
from typing import Any
from urllib.parse import quote_plus

import boto3

from image_processor.catalog.catalog import Catalog
from image_processor.handler import handler
from image_processor.intake import Intake
from image_processor.sources import Sources
from infra.doubles.memory_tables import KEYS
from infra.doubles.refusal import refusal
from infra.survey.photos import survey
from tests.support.lambda_context import LambdaContext

PHOTOS = [photo.body for photo in survey(4)]
PADDING = b"\xff" * (5 * 1024 * 1024)  # behind a JPEG's end: makes a part that S3 takes


class WatchedClient:
    """A client whose calls are counted, and may fail or come after something else."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls: list[str] = []
        self.before: dict[str, Callable[..., None]] = {}
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            self.before.get(name, lambda **_: None)(**arguments)
            if name != "transact_write_items":
                return method(**arguments)
            with self._lock:  # moto's transactions are not atomic across threads
                return method(**arguments)

        return call


def refused(code: str, status: int) -> Callable[..., None]:
    """Make S3 answer a request with this error."""

    def refuse(**_: Any) -> None:
        raise refusal(code, status, request="GetObject")

    return refuse


@cache
def client(service: str) -> Any:
    """Make a client, once: they are slow to make, and moto's patches stay in those that were made under it."""
    return boto3.client(service, region_name="us-east-1")


class World:
    """A bucket, the tables, and the function between them."""

    def __init__(self, bucket: str = "photos") -> None:
        self.bucket = bucket
        self.s3 = WatchedClient(client("s3"))
        self.dynamodb = WatchedClient(client("dynamodb"))
        self.sequencer = itertools.count(0x0055AED6DCD90281E5)
        self.s3.client.create_bucket(Bucket=bucket)
        for table, key in KEYS.items():
            self.dynamodb.client.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            )
        self.intake = Intake(
            self.s3, Catalog(self.dynamodb, "images-table", "objects-table", sleep=lambda _: None), Sources({bucket})
        )

    def put(self, key: str, body: bytes, name: str = "ObjectCreated:Put", **options: Any) -> dict[str, Any]:
        """Upload an object; return S3's record of it."""
        answer = self.s3.client.put_object(Bucket=self.bucket, Key=key, Body=body, **options)
        return self.record(name, key, answer.get("VersionId"), size=len(body), eTag=answer["ETag"].strip('"'))

    def delete(self, key: str, version_id: str | None = None) -> dict[str, Any]:
        """Delete an object or a version; return S3's record of it, which has neither etag nor size."""
        options = {"VersionId": version_id} if version_id else {}
        answer = self.s3.client.delete_object(Bucket=self.bucket, Key=key, **options)
        marker = answer.get("DeleteMarker") and not version_id
        action = "DeleteMarkerCreated" if marker else "Delete"
        return self.record(f"ObjectRemoved:{action}", key, answer.get("VersionId"))

    def record(self, name: str, key: str, version_id: str | None = None, **entity: Any) -> dict[str, Any]:
        sequencer = f"{next(self.sequencer):018X}"
        version = {"versionId": version_id} if version_id else {}
        return {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventTime": "2026-11-25T03:09:00.123Z",
            "eventName": name,
            "s3": {
                "bucket": {"name": self.bucket},
                "object": {"key": quote_plus(key, safe="/"), "sequencer": sequencer, **version, **entity},
            },
        }

    def deliver(self, *records: dict[str, Any], left_ms: int = 60_000, receives: Sequence[int] = ()) -> list[str]:
        """Invoke the function with one message for each record; return the ids of those that failed."""
        bodies = (json.dumps({"Records": [record]}) for record in records)
        return self.invoke(*bodies, left_ms=left_ms, receives=receives)

    def invoke(self, *bodies: str, left_ms: int = 60_000, receives: Sequence[int] = ()) -> list[str]:
        """Invoke the function with messages, of which the first ones were received so often; the others once."""
        numbered = enumerate(zip_longest(bodies, receives, fillvalue=1), start=1)
        messages = [sqs_message(number, str(body), times) for number, (body, times) in numbered]
        answer = handler({"Records": messages}, LambdaContext(left_ms))
        return sorted(failure["itemIdentifier"] for failure in answer["batchItemFailures"])

    @property
    def images(self) -> dict[str, dict[str, Any]]:
        return {item["etag"]["S"]: item for item in self._items("images-table")}

    @property
    def objects(self) -> dict[str, dict[str, Any]]:
        return {item["object"]["S"]: item for item in self._items("objects-table")}

    @property
    def keys(self) -> list[str]:
        """The keys that rows name."""
        return sorted(item["key"]["S"] for item in self.images.values())

    def _items(self, table: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.dynamodb.client.scan(TableName=table)["Items"]
        return items


def sqs_message(number: int, body: str, receives: int | str = 1) -> dict[str, Any]:
    attributes = {"ApproximateReceiveCount": str(receives)}
    return {"messageId": f"message-{number}", "eventSource": "aws:sqs", "body": body, "attributes": attributes}


class Lines(logging.Handler):
    """Keeps what was logged, as a text and as fields."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, level: int) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno == level]

    @property
    def text(self) -> str:
        formatter = logging.Formatter()  # with the traceback, if there is one
        return "\n".join(formatter.format(record) + str(vars(record)) for record in self.records)
