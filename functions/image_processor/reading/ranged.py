"""Ranged reads of one object through a small block cache, so that an image costs its metadata and not its size.

The first GET fetches the head, which is all that nearly every JPEG needs. After that only the missing blocks are
fetched: a far item (an IFD at the end of a TIFF, the `Exif` item of a HEIC) costs one GET of its neighbourhood, and a
walk that goes on behind the head reads ahead in growing steps. `BytesSource` and `FileSource` share the cache with
`S3Source`, so what they count is what S3 would have been asked for.
"""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from image_processor.budget import READ, REQUESTS, Budget
from image_processor.errors import (
    KeyUnusable,
    ObjectChanged,
    ObjectDenied,
    ObjectError,
    ObjectGone,
    ObjectUnavailable,
    ObjectUnreadable,
    ReadLimitReached,
)

BLOCK = 8 * 1024
"""Unit of the cache in bytes: small enough that a few blocks fit a head, large enough that one lookup serves a walk."""

FIRST_READ = 15 * BLOCK
"""Bytes of the first GET (120 KiB): Exif (at most 64 KB), a usual XMP packet and all up to the start of the scan."""

FAR_READ = 8 * BLOCK
"""Least bytes of a GET elsewhere (64 KiB): an IFD's values and an item's neighbours stand close to it."""

READ_AHEAD = (32 * BLOCK, 128 * BLOCK)
"""Bytes of the first and of every further GET of a walk that goes on where the last GET ended (256 KiB, 1 MiB)."""

_NOTHING = (0, b"")

S3_ERRORS = (BotoCoreError, ClientError, OSError)
"""What a request to S3 may raise; `object_error` says what it means."""


class Source(Protocol):
    """Random access to the bytes of one object.

    Attributes:
        budget: what the image in it may still cost.
    """

    budget: Budget

    @property
    def size(self) -> int:
        """Size of the object in bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end of the object.

        Raises:
            ObjectError: the object could not be read; `ReadLimitReached` if it would cost more than its bounds.
        """
        ...


class CachedSource:
    """The block cache: what has been fetched is never fetched again, and nothing is fetched without need.

    Attributes:
        budget: what the image may still cost; fetches are paid from it.
        requests: fetches so far (GETs, for S3).
        bytes_read: bytes fetched so far.
    """

    def __init__(self, size: int | None) -> None:
        self.budget = Budget()
        self.requests = 0
        self.bytes_read = 0
        self._size = size
        self._fetched: dict[int, tuple[int, bytes]] = {}  # by block: the fetch in which it came, and where that starts
        self._last_end = 0  # block behind the last fetch
        self._steps_ahead = 0  # consecutive fetches that went on where the last one ended

    @property
    def size(self) -> int:
        """Size in bytes; asks for the head if nobody has said it yet."""
        if self._size is None:
            self._load(0, FIRST_READ // BLOCK)
        return self._size or 0

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end of the object."""
        start, data = self._fetched.get(offset // BLOCK, _NOTHING)
        if 0 < length <= start + len(data) - offset:  # as nearly always: all of it came in one fetch
            return data[offset - start : offset - start + length]
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        end = offset + length
        self._ensure(range(offset // BLOCK, (end - 1) // BLOCK + 1))
        pieces: list[memoryview] = []
        while offset < end:
            start, data = self._fetched.get(offset // BLOCK, _NOTHING)
            piece = memoryview(data)[offset - start : end - start]
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _ensure(self, blocks: range) -> None:
        missing = [number for number in blocks if number not in self._fetched]
        if not missing:
            return
        if not self.requests:
            # The head comes first and whole: types are decided there, and most walks end there.
            self._load(0, FIRST_READ // BLOCK)
            missing = [number for number in missing if number not in self._fetched]
            if not missing:
                return
        # One GET even if a cached block stands between two missing ones: a request costs more than 8 KiB.
        self._load(*self._extent(missing[0], missing[-1] + 1))

    def _extent(self, first: int, end: int) -> tuple[int, int]:
        """Widen the missing blocks to what one GET should fetch."""
        total = -(-self.size // BLOCK)
        if 0 <= first - self._last_end <= FAR_READ // BLOCK:
            ahead = READ_AHEAD[min(self._steps_ahead, len(READ_AHEAD) - 1)]
            self._steps_ahead += 1
        else:
            ahead, self._steps_ahead = FAR_READ, 0
        end = min(max(end, first + ahead // BLOCK), total)
        while end > first and end - 1 in self._fetched:
            end -= 1
        if end == total:
            # The end of the object: what an IFD or an index there points to mostly stands just before it.
            while end - first < FAR_READ // BLOCK and first and first - 1 not in self._fetched:
                first -= 1
        return first, end

    def _load(self, first: int, end: int) -> None:
        offset, length = first * BLOCK, (end - first) * BLOCK
        if self._size is not None:
            length = min(length, self._size - offset)
        if length <= 0:
            return
        for cost, amount in ((READ, length), (REQUESTS, 1)):
            if not self.budget.take(cost, amount):
                raise ReadLimitReached(cost)
        self.requests += 1
        data = self._fetch(offset, length)
        self.bytes_read += len(data)
        self._last_end = -(-(offset + len(data)) // BLOCK)
        self._fetched.update(dict.fromkeys(range(first, self._last_end), (offset, data)))

    def _fetch(self, offset: int, length: int) -> bytes:
        """Return the bytes of one range and learn the size; fewer bytes only at the end of the object."""
        raise NotImplementedError


class BytesSource(CachedSource):
    """An object in memory."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self._data = data

    def _fetch(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class FileSource(CachedSource):
    """A local file, opened for each fetch so that nothing has to be closed; its size is learned by the first one."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(None)
        self._path = os.fspath(path)

    def _fetch(self, offset: int, length: int) -> bytes:
        opened = os.open(self._path, os.O_RDONLY)
        try:
            self._size = os.fstat(opened).st_size
            return os.pread(opened, min(length, self._size - offset), offset)
        finally:
            os.close(opened)


class S3Source(CachedSource):
    """An object in S3, pinned: every GET of it sees the bytes that the event was about, or fails.

    Attributes:
        etag: ETag without quotes; after the first GET that of the bytes read.
        version_id: version read, or None in a bucket without versions.
        last_modified: when the object was written; None before the first GET.
        user_metadata: values by name, as S3 writes them; None before the first GET.
    """

    def __init__(
        self, client: Any, bucket: str, key: str, *, etag: str | None, version_id: str | None, size: int | None
    ) -> None:
        super().__init__(size)
        self._client = client
        self._name = {"Bucket": bucket, "Key": key}
        self.etag = etag.strip('"') if etag else None
        self.version_id = version_id
        self.last_modified: datetime | None = None
        self.user_metadata: Mapping[str, str] | None = None

    def _fetch(self, offset: int, length: int) -> bytes:
        request = {**self._name, "Range": f"bytes={offset}-{offset + length - 1}"}
        if self.version_id:
            request["VersionId"] = self.version_id
        if self.etag:
            request["IfMatch"] = f'"{self.etag}"'
        try:
            response = self._client.get_object(**request)
            self._learn(response, offset)
            with response["Body"] as body:
                data: bytes = body.read(length)  # a server that ignores Range sends more
        except S3_ERRORS as error:
            if isinstance(error, ClientError) and _status(error) == 416 and offset == 0:
                self._size = 0  # no first byte: the object is empty
                return b""
            raise object_error(error) from error
        if len(data) < min(length, self.size - offset):
            raise ObjectUnavailable(f"only {len(data)} of {length} bytes came")
        return data

    def _learn(self, response: dict[str, Any], offset: int) -> None:
        """Take the identity of the bytes from the answer; the size is the object's own, not what the event said."""
        content_range = response.get("ContentRange", "")
        total = content_range.rpartition("/")[2]
        if total.isdigit():
            self._size = int(total)
        elif offset == 0:
            self._size = response["ContentLength"]  # answered in full
        else:
            raise ObjectUnavailable("the server does not answer byte ranges")
        self.etag = response.get("ETag", self.etag or "").strip('"') or None
        self.version_id = response.get("VersionId", self.version_id)
        self.last_modified = response.get("LastModified")
        self.user_metadata = user_metadata(response)


_OWNERS_KEY = "object: encrypted with a key that only its owner has, not read"
_UNREADABLE = {
    "InvalidObjectState": "object: archived, not read",  # 403: in Glacier or an archive tier
    "InvalidRequest": _OWNERS_KEY,  # 400: SSE-C
    "400": _OWNERS_KEY,  # HEAD of the same has no body to say so (boto3 issue 1482)
}
# 400, by the state of the key (KMS Developer Guide, "Key states of AWS KMS keys"): disabled, to be deleted or without
# its material, deleted. KMS's other troubles (throttling, a key store that does not answer) pass.
_KEY_UNUSABLE = frozenset({"KMS.DisabledException", "KMS.KMSInvalidStateException", "KMS.NotFoundException"})


def user_metadata(response: Mapping[str, Any]) -> Mapping[str, str]:
    """Give the user metadata of a GET or HEAD, and how many entries S3 kept back since no header can hold them.

    (S3 User Guide, "Working with object metadata": x-amz-missing-meta.)
    """
    missing = response.get("MissingMeta")
    return {**response.get("Metadata", {}), **({"x-amz-missing-meta": str(missing)} if missing else {})}


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def object_error(error: Exception) -> ObjectError:
    """Say what a failed GET or HEAD means (Amazon S3 API Reference, GetObject and "List of error codes").

    Args:
        error: one of `S3_ERRORS`; a refusal that is not known is worth another try, as no answer is.
    """
    if not isinstance(error, ClientError):
        return ObjectUnavailable(str(error))
    code, status = error.response.get("Error", {}).get("Code", ""), _status(error)
    meaning: type[ObjectError]
    if code in _UNREADABLE:
        return ObjectUnreadable(f"{code}: {error}", _UNREADABLE[code])
    if code in _KEY_UNUSABLE:
        return KeyUnusable(f"{code}: {error}", "object: its KMS key is disabled or gone, not read")
    if status in (404, 405, 410):
        meaning = ObjectGone
    elif status in (409, 412):
        meaning = ObjectChanged
    elif status == 403 or code == "KMS.AccessDeniedException":
        meaning = ObjectDenied
    else:
        meaning = ObjectUnavailable
    return meaning(f"{code}: {error}")
