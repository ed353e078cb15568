"""Photos for the page: only objects that a row names, only as what they are by their bytes, and piece by piece.

Of a preview only the ranges are read in which it stands.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from ledger.errors import NotFound, Unavailable
from ledger.manifest import Root
from ledger.objects import Objects
from operations.page.kinds import HEAD_BYTES as KIND_BYTES
from operations.page.kinds import kind_of
from operations.page.preview.find import HEAD_BYTES, find_preview
from operations.rebuild.tree_reader import look_up, named_cells

PIECE_BYTES = 1 << 18
_MOST_RANGES = 32  # of one photo, for its preview
_MOST_RANGE_BYTES = 4 << 20
_FAR_BYTES = 1 << 16  # least of a range: a directory's values stand close to it, and are asked for one by one
_EMPTY = {"InvalidRange", "416"}  # an object without bytes has no range
_GONE = {"NoSuchKey", "NoSuchBucket", "404", "PreconditionFailed", "412"}


@dataclass(frozen=True, slots=True)
class Photo:
    """An object as it is read.

    Attributes:
        key: its key.
        content_type: of the image that it is by its bytes; None if it is none.
        size: bytes.
        pieces: its bytes, of which one piece at a time is in memory; raises Unavailable.
        close: ends the reading, whether it has come to its end or not.
    """

    key: str
    content_type: str | None
    size: int
    pieces: Iterator[bytes]
    close: Callable[[], None]

    @property
    def disposition(self) -> str:
        """Say that it is to be shown, or put on disk if it is no image, under the last part of its key (RFC 6266)."""
        name = quote(self.key.rpartition("/")[2] or "photo", safe="")
        return f"{'inline' if self.content_type else 'attachment'}; filename*=UTF-8''{name}"


class PhotoReader:
    """Reads photos that rows name, out of the images buckets and out of no other.

    Args:
        s3: boto3's client.
        buckets: the images buckets. A row could name another one only by a forgery; then its object stays unread.
    """

    def __init__(self, s3: Any, buckets: Collection[str]) -> None:
        self._s3 = s3
        self._buckets = buckets

    def open(self, objects: Objects, root: Root, key: bytes) -> Photo:
        """Begin to read the photo of a row.

        Args:
            objects: shards and pages.
            root: whose tree has the row.
            key: of the row, `ingested_at,etag`.

        Raises:
            NotFound: there is no such row, or the object is not any longer what the row was made of.
            Unavailable: S3 did not answer or refused.
            LedgerError: the row could not be read.
        """
        pinned = self._pinned(objects, root, key)
        name = pinned["Key"]
        try:
            answer = self._s3.get_object(**pinned)
            body = answer["Body"]
            head = body.read(KIND_BYTES)
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            raise _named(error, name) from error
        kind = kind_of(head)
        content_type = kind.content_type if kind else None
        return Photo(name, content_type, answer["ContentLength"], _pieces(head, body, name), body.close)

    def preview(self, objects: Objects, root: Root, key: bytes) -> bytes | str:
        """Read the JPEG that is embedded in the photo of a row, or say in words why there is none.

        Args and errors are those of `open`.
        """
        ranges = _Ranges(self._s3, self._pinned(objects, root, key))
        return find_preview(ranges.read, ranges.size)

    def _pinned(self, objects: Objects, root: Root, key: bytes) -> dict[str, str]:
        """Name the object of a row as S3 is to be asked for it, and as what it must be still."""
        row = find_row(objects, root, key)
        bucket, name = row.get("bucket", ""), row.get("key", "")
        if bucket not in self._buckets:
            raise NotFound(f"{bucket} is none of the images buckets")
        return {"Bucket": bucket, "Key": name, "IfMatch": f'"{row["etag"]}"'}


class _Ranges:
    """Reads an object by ranges: its head at once, and beyond that not too many, nor too much.

    The last range stays at hand, too.

    Attributes:
        size: bytes of the object.
    """

    def __init__(self, s3: Any, pinned: dict[str, str]) -> None:
        self._s3 = s3
        self._pinned = pinned
        self._ranges_left, self._bytes_left = _MOST_RANGES, _MOST_RANGE_BYTES
        self.size = 0
        self._head = self._get(0, HEAD_BYTES)
        self._last = 0, b""

    def read(self, offset: int, count: int) -> bytes:
        """Read so many bytes; fewer where the object ends, none where too much was read."""
        end = min(offset + count, self.size)
        for start, piece in ((0, self._head), self._last):
            if start <= offset and end <= start + len(piece):
                return piece[offset - start : end - start]
        count = min(max(end - offset, _FAR_BYTES), self.size - offset, self._bytes_left)
        if count <= 0 or self._ranges_left <= 0 or offset + count < end:
            return b""
        self._last = offset, self._get(offset, count)
        return self._last[1][: end - offset]

    def _get(self, offset: int, count: int) -> bytes:
        self._ranges_left -= 1
        self._bytes_left -= count
        try:
            answer = self._s3.get_object(**self._pinned, Range=f"bytes={offset}-{offset + count - 1}")
            with closing(answer["Body"]) as body:
                self.size = int(answer["ContentRange"].rpartition("/")[2])
                data: bytes = body.read()
                return data
        except (ClientError, BotoCoreError, ResponseParserError) as error:
            if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _EMPTY:
                return b""
            raise _named(error, self._pinned["Key"]) from error


def find_row(objects: Objects, root: Root, key: bytes) -> dict[str, str]:
    """Read one row by its key, as cells by name.

    Raises:
        NotFound: there is none.
        LedgerError: the tree could not be read.
    """
    line = look_up(objects, root.rows, [key]).get(key)
    if line is None:
        raise NotFound(f"no row has the key {key.decode()}")
    return named_cells(root.columns, line)


def _pieces(head: bytes, body: Any, name: str) -> Iterator[bytes]:
    yield head
    try:
        while piece := body.read(PIECE_BYTES):
            yield piece
    except BotoCoreError as error:
        raise _named(error, name) from error


def _named(error: Exception, name: str) -> Exception:
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else type(error).__name__
    if code in _GONE:
        return NotFound(f"{name}: not what the row was made of, any longer ({code})")
    return Unavailable(f"{name}: {code}")
