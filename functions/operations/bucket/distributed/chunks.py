"""Differences as lines of a chunk, a JSON object each."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from operations.bucket.compare import Difference, Kind
from operations.bucket.lines import Listed, Record, bucket_and_key, escape
from operations.rebuild.scratch import Scratch


def difference_line(one: Difference) -> bytes:
    """Write a difference."""
    return orjson.dumps(difference_json(one)) + b"\n"


def difference_json(one: Difference) -> dict[str, Any]:
    """Describe a difference for people and programs."""
    bucket, key = bucket_and_key(one.name)
    return {
        "kind": one.kind.value,
        "bucket": bucket,
        "key": key,
        "listed": one.listed and one.listed._asdict(),
        "record": one.record and one.record._asdict(),
    }


def read_chunk(scratch: Scratch, name: str, most: int) -> Iterator[Difference]:
    """Read the first differences of a chunk."""
    body = scratch.read(name)
    assert body is not None, "it was written before it was named"
    for line in islice(body.splitlines(), most):
        one = orjson.loads(line)
        listed, record = one["listed"], one["record"]
        yield Difference(
            Kind(one["kind"]),
            escape(f"{one['bucket']}/{one['key']}"),
            listed and Listed(**listed),
            record and Record(**record),
        )
