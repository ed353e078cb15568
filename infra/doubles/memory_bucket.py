"""The images bucket in memory: the calls that read a photo and look at it, and the events that tell of it.

What S3 refuses is as in the S3 API Reference, GetObject and HeadObject: HEAD has no body, hence no code but the status;
of a key that is not there it says 404 to who may list the bucket, and 403 to others; of an object under a key that only
its owner has, 400 (boto3 issue 1482), where GET says InvalidRequest. Every answer is of the moment (S3 User Guide,
"Amazon S3 data consistency model"). User metadata come with GET and HEAD, names in lower case, values that are not
ASCII encoded (RFC 2047), which no client undoes (S3 User Guide, "Working with object metadata"; botocore issue 2552).
"""

import hashlib
import io
import json
from datetime import UTC, datetime
from email.header import Header
from typing import Any
from urllib.parse import quote_plus

from infra.doubles.refusal import refusal

BUCKET = "photos"
WRITTEN = datetime(2026, 11, 25, tzinfo=UTC)


class MemoryBucket:
    """Objects, and the events that S3 would send.

    Attributes:
        objects: body and ETag by key.
        gets: how many GETs there were.
        heads: how many HEADs there were.
        metadata: user metadata by key.
        sealed: keys of objects whose encryption key only their owner has.
        listable: the role may list the bucket.
    """

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.metadata: dict[str, dict[str, str]] = {}
        self.gets = self.heads = 0
        self.sealed: set[str] = set()
        self.listable = True
        self._sequence = 0

    def put(self, key: str, body: bytes, etag: str = "", metadata: dict[str, str] | None = None) -> str:
        """Write an object; give the message that tells of it.

        Args:
            key: of the object.
            body: its bytes.
            etag: another than the MD5 of the bytes: as of a file that was made to have the MD5 of another one.
            metadata: what the uploader says of it.
        """
        etag = etag or hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.objects[key] = (body, etag)
        self.metadata[key] = {
            name.lower(): value if value.isascii() else Header(value, "utf-8", maxlinelen=10**6).encode()
            for name, value in (metadata or {}).items()
        }
        return self._message("ObjectCreated:Put", key, {"size": len(body), "eTag": etag})

    def delete(self, key: str) -> str:
        """Delete an object; give the message that tells of it."""
        del self.objects[key]
        return self._message("ObjectRemoved:Delete", key, {})

    def get_object(self, Key: str, Range: str = "", IfMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        """Read a range of an object, or all of it, pinned to an ETag."""
        self.gets += 1
        if Key not in self.objects:
            raise refusal(*(("NoSuchKey", 404) if self.listable else ("AccessDenied", 403)), request="GetObject")
        if Key in self.sealed:
            raise refusal("InvalidRequest", 400, request="GetObject")
        body, etag = self.objects[Key]
        if IfMatch.strip('"') not in ("", etag):
            raise refusal("PreconditionFailed", 412, request="GetObject")
        first, last = (Range or "bytes=0-").removeprefix("bytes=").split("-")
        if Range and int(first) >= len(body):
            raise refusal("InvalidRange", 416, request="GetObject")
        part = body[int(first) : int(last or len(body)) + 1]
        return {
            "Body": io.BytesIO(part),
            "ContentLength": len(part),
            "ContentRange": f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}",
            "ETag": f'"{etag}"',
            "LastModified": WRITTEN,
            "Metadata": self.metadata[Key],
        }

    def head_object(self, Key: str, IfMatch: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        """Describe an object."""
        self.heads += 1
        if Key not in self.objects:
            status = 404 if self.listable else 403
        elif Key in self.sealed:
            status = 400
        elif IfMatch.strip('"') not in ("", self.objects[Key][1]):
            status = 412
        else:
            body, etag = self.objects[Key]
            said = {"ETag": f'"{etag}"', "LastModified": WRITTEN, "Metadata": self.metadata[Key]}
            return {"ContentLength": len(body), **said}
        raise refusal(str(status), status, request="HeadObject")

    def list_objects_v2(self, Prefix: str, MaxKeys: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        """List the first keys that begin like this, in the order of their bytes, whatever they are encrypted with."""
        if not self.listable:
            raise refusal("AccessDenied", 403, request="ListObjectsV2")
        keys = sorted((key for key in self.objects if key.startswith(Prefix)), key=str.encode)[:MaxKeys]
        found = [(key, *self.objects[key]) for key in keys]
        contents = [
            {"Key": key, "ETag": f'"{etag}"', "Size": len(body), "LastModified": WRITTEN} for key, body, etag in found
        ]
        return {"Contents": contents} if contents else {}

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
