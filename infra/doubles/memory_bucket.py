"""The images bucket in memory: the one call that reads a photo, and the events that tell of it."""

import hashlib
import io
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from infra.doubles.refusal import refusal

BUCKET = "photos"


class MemoryBucket:
    """Objects, and the events that S3 would send.

    Attributes:
        objects: body and ETag by key.
        gets: how many GETs there were.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.gets = 0
        self._sequence = 0

    def put(self, key: str, body: bytes, etag: str = "") -> str:
        """Write an object; give the message that tells of it.

        Args:
            key: of the object.
            body: its bytes.
            etag: another than the MD5 of the bytes: as of a file that was made to have the MD5 of another one.
        """
        etag = etag or hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.objects[key] = (body, etag)
        return self._message("ObjectCreated:Put", key, {"size": len(body), "eTag": etag})

    def delete(self, key: str) -> str:
        """Delete an object; give the message that tells of it."""
        del self.objects[key]
        return self._message("ObjectRemoved:Delete", key, {})

    def get_object(self, Key: str, Range: str = "bytes=0-", IfMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        """Read a range of an object, or all of it, pinned to an ETag."""
        self.gets += 1
        if Key not in self.objects:
            raise refusal("NoSuchKey", 404, request="GetObject")
        body, etag = self.objects[Key]
        if IfMatch.strip('"') not in ("", etag):
            raise refusal("PreconditionFailed", 412, request="GetObject")
        first, last = Range.removeprefix("bytes=").split("-")
        part = body[int(first) : int(last or len(body)) + 1]
        return {
            "Body": io.BytesIO(part),
            "ContentLength": len(part),
            "ContentRange": f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}",
            "ETag": f'"{etag}"',
            "LastModified": datetime(2026, 11, 25, tzinfo=UTC),
        }

    def _message(self, name: str, key: str, entity: dict[str, Any]) -> str:
        self._sequence += 1
        described = {"key": quote_plus(key, safe="/"), "sequencer": f"{self._sequence:018X}", **entity}
        record = {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2026-11-25T08:00:00.000Z",
            "eventName": name,
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET}, "object": described},
        }
        return json.dumps({"Records": [record]})
