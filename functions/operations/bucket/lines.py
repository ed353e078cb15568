r"""An object as one line of a sorted run: what S3 lists of it, or what its record in `Objects` says.

    listed              NAME 00 ETAG tab SIZE tab MODIFIED lf
    record of an image  NAME 00 ETAG tab SIZE tab MODIFIED lf
    refused (no image)  NAME 00 ETAG tab tab tab READER lf
    tombstone           NAME 00 tab tab lf

NAME is `bucket/key`. The bytes 00 to 0a of a text are written as 01 and a byte from 10 to 1a, so that a line ends where
it seems to, and lines sort as their names do by UTF-8: the order of S3's lists, and of Python's texts. A prefix of a
name stays a prefix. MODIFIED is a time in UTC to the second, `2026-11-26T12:00:00Z`. What is not known is empty.
"""

import re
from typing import NamedTuple

_LOW = re.compile(rb"[\x00-\x0a]")
_ESCAPED = re.compile(rb"\x01(.)", re.DOTALL)
_SHIFT = 0x10
_TIME_WIDTH = 19  # without its Z, and without fractions
_WHOLE_TIME = 20

END_OF_NAME = b"\0"
TOMBSTONE = b"\0\t\t\n"
"""What a tombstone's line has behind its name."""


class Listed(NamedTuple):
    """What S3 says of an object.

    Attributes:
        etag: without quotes; empty if it is not known.
        size: bytes; None if it is not known.
        modified: when it was written; empty if it is not known.
    """

    etag: str
    size: int | None
    modified: str


class Record(NamedTuple):
    """What the table says of an object.

    Attributes:
        etag: of the bytes that it holds; empty for a tombstone.
        size: bytes; None if it is not known.
        modified: when it was written; empty if it is not known.
        reader: version of the reader that found no image in these bytes; None if they are one.
    """

    etag: str
    size: int | None
    modified: str
    reader: int | None

    @property
    def holds_image(self) -> bool:
        """Say whether the object counts as an image's."""
        return bool(self.etag) and self.reader is None


def escape(text: str) -> bytes:
    """Write a text such that its lines sort as texts do."""
    body = text.encode("utf-8", "surrogatepass")
    if text.isprintable():  # nearly always, and much faster than a search
        return body
    return _LOW.sub(lambda found: bytes((1, found[0][0] + _SHIFT)), body)


def unescape(body: bytes) -> str:
    """Read what `escape` wrote."""
    if b"\x01" in body:
        body = _ESCAPED.sub(lambda found: bytes((found[1][0] - _SHIFT,)), body)
    return body.decode("utf-8", "surrogatepass")


def whole_seconds(time: str) -> str:
    """Write a time in UTC without fractions of a second."""
    return time if len(time) == _WHOLE_TIME or not time else time[:_TIME_WIDTH] + "Z"


def object_line(name: bytes, etag: str, size: int | str, modified: str) -> bytes:
    """Write the line of an object that S3 lists, or of the record of an image.

    Args:
        name: `bucket/key`, escaped.
        etag: without quotes, or empty.
        size: bytes, or empty.
        modified: ISO 8601 in UTC, or empty.
    """
    return b"%b\0%b\t%b\n" % (name, escape(etag), f"{size}\t{whole_seconds(modified)}".encode())


def refused_line(name: bytes, etag: str, reader: int) -> bytes:
    """Write the line of an object that is there and is no image."""
    return b"%b\0%b\t\t\t%d\n" % (name, escape(etag), reader)


def tombstone_line(name: bytes) -> bytes:
    """Write the line of an object that is known to be gone."""
    return name + TOMBSTONE


def name_of(line: bytes) -> bytes:
    """Give the name in a line, escaped."""
    return line[: line.index(END_OF_NAME)]


def bucket_and_key(name: bytes) -> tuple[str, str]:
    """Give bucket and key of an escaped name."""
    bucket, _, key = unescape(name).partition("/")
    return bucket, key


def read_listed(line: bytes) -> Listed:
    """Read what S3 says of an object."""
    etag, size, modified, *_ = _fields(line)
    return Listed(etag, int(size) if size else None, modified)


def read_record(line: bytes) -> Record:
    """Read what the table says of an object."""
    etag, size, modified, *reader = _fields(line)
    return Record(etag, int(size) if size else None, modified, int(reader[0]) if reader else None)


def _fields(line: bytes) -> list[str]:
    etag, *others = line[line.index(END_OF_NAME) + 1 : -1].split(b"\t")
    return [unescape(etag), *(one.decode() for one in others)]
