"""What differs, as lines of a chunk: a JSON object each, with names as texts."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from operations.bucket.compare import Difference, Kind
from operations.bucket.lines import Listed, Record, escape, unescape
from operations.bucket.rows import Image, Row
from operations.rebuild.scratch import Scratch


def difference_line(one: Difference) -> bytes:
    """Write an object and a record that differ."""
    listed, record = one.listed, one.record
    fields = [one.kind.value, unescape(one.name), listed and [*listed], record and [*record]]
    return orjson.dumps(fields) + b"\n"


def image_line(one: Image) -> bytes:
    """Write an image whose rows and records differ."""
    rows = [[row.copies, row.ingested_at, unescape(row.name)] for row in one.rows]
    return orjson.dumps([one.etag, rows, [*map(unescape, one.names)], one.records, [*one.lives]]) + b"\n"


def read_differences(scratch: Scratch, name: str, most: int) -> Iterator[Difference]:
    """Read the first objects of a chunk that differ from their records."""
    for kind, text, listed, record in _lines(scratch, name, most):
        yield Difference(Kind(kind), escape(text), listed and Listed(*listed), record and Record(*record))


def read_images(scratch: Scratch, name: str, most: int) -> Iterator[Image]:
    """Read the first images of a chunk whose rows and records differ."""
    for etag, rows, names, records, lives in _lines(scratch, name, most):
        there = [Row(copies, ingested_at, escape(text)) for copies, ingested_at, text in rows]
        yield Image(etag, there, [*map(escape, names)], records, {*lives})


def _lines(scratch: Scratch, name: str, most: int) -> Iterator[Any]:
    body = scratch.read(name)
    assert body is not None, "it was written before it was named"
    return map(orjson.loads, islice(body.splitlines(), most))
