"""What differs, as lines of a chunk: a JSON object each, with names as texts."""

from collections.abc import Iterator
from itertools import islice

import orjson

from operations.bucket.compare import Difference
from operations.bucket.lines import escape, unescape
from operations.bucket.rows import Image, Row
from operations.bucket.spool import read_difference
from operations.rebuild.scratch import Scratch


def image_line(one: Image) -> bytes:
    """Write an image whose rows and records differ."""
    rows = [[row.copies, row.ingested_at, unescape(row.name)] for row in one.rows]
    return orjson.dumps([one.etag, rows, [*map(unescape, one.names)], one.records, [*one.lives]]) + b"\n"


def read_differences(scratch: Scratch, name: str, most: int) -> Iterator[Difference]:
    """Read the first objects of a chunk that differ from their records."""
    return map(read_difference, _lines(scratch, name, most))


def read_images(scratch: Scratch, name: str, most: int) -> Iterator[Image]:
    """Read the first images of a chunk whose rows and records differ."""
    for etag, rows, names, records, lives in map(orjson.loads, _lines(scratch, name, most)):
        there = [Row(copies, ingested_at, escape(text)) for copies, ingested_at, text in rows]
        yield Image(etag, there, [*map(escape, names)], records, {*lives})


def _lines(scratch: Scratch, name: str, most: int) -> Iterator[bytes]:
    body = scratch.read(name)
    assert body is not None, "it was written before it was named"
    return islice(body.splitlines(), most)
