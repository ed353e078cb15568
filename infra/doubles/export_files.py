"""Writes the files of a DynamoDB export to S3, as the DynamoDB Developer Guide describes their form."""

import base64
import gzip
import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from ledger.store import Store
from operations.batches import batched

PREFIX = "table-exports/AWSDynamoDB"
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images"
_FILE = 5_000  # items of a file of a large export
_FAST = 1

Line = Mapping[str, Any]


def write_full_export(
    store: Store, items: Iterable[Mapping[str, Any]], time: datetime, *, name: str = "01-full", files: int = 3
) -> str:
    """Write a full export of these items, spread over data files as partitions are; give the summary's key."""
    lines: list[Line] = [{"Item": one} for one in items]
    return _write(store, name, _spread(lines, name, files), _full(time))


def write_large_export(store: Store, items: Iterable[Mapping[str, Any]], time: datetime, *, name: str) -> str:
    """Write a full export of items, which are in the order of partitions already; memory holds those of one file."""
    parts = ([{"Item": one} for one in some] for some in batched(items, _FILE))
    return _write(store, name, parts, _full(time), _FAST)


def write_incremental_export(
    store: Store,
    records: Iterable[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]],
    since: datetime,
    until: datetime,
    *,
    name: str = "02-incremental",
    view: str = "NEW_AND_OLD_IMAGES",
) -> str:
    """Write an incremental export of (old image, new image) pairs; give the summary's key."""
    lines: list[Line] = []
    for old, new in records:
        image = new or old or {}
        line: dict[str, Any] = {
            "Metadata": {"WriteTimestampMicros": {"N": str(int(until.timestamp() * 1_000_000) - 5_000_000)}},
            "Keys": {"etag": image["etag"]},
        }
        if old:
            line["OldImage"] = old
        if new:
            line["NewImage"] = new
        lines.append(line)
    summary = {
        "exportType": "INCREMENTAL_EXPORT",
        "exportFromTime": _time(since),
        "exportToTime": _time(until),
        "outputView": view,
    }
    return _write(store, name, _spread(lines, name, 2), summary)


def _full(time: datetime) -> dict[str, Any]:
    return {"exportType": "FULL_EXPORT", "exportTime": _time(time)}


def _spread(lines: list[Line], name: str, files: int) -> list[list[Line]]:
    random.Random(name).shuffle(lines)
    return [lines[number::files] for number in range(files)]


def _write(store: Store, name: str, parts: Iterable[Sequence[Line]], more: dict[str, Any], level: int = 9) -> str:
    listed: list[dict[str, Any]] = []
    size = 0
    for number, part in enumerate(parts):
        lines = [orjson.dumps(line) + b"\n" for line in part]
        body = gzip.compress(b"".join(lines), level)
        key = f"{PREFIX}/{name}/data/{number}.json.gz"
        store.put_new(key, body, "application/gzip")
        md5 = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        listed.append({"itemCount": len(part), "md5Checksum": md5, "etag": "x-1", "dataFileS3Key": key})
        size += sum(map(len, lines))
    files_key = f"{PREFIX}/{name}/manifest-files.json"
    store.put_new(files_key, b"".join(orjson.dumps(one) + b"\n" for one in listed), "application/json")
    summary = {
        "version": "2023-08-01",
        "exportArn": f"{TABLE}/export/{name}",
        "tableArn": TABLE,
        "s3Prefix": "table-exports",
        "manifestFilesS3Key": files_key,
        "billedSizeBytes": size,
        "itemCount": sum(one["itemCount"] for one in listed),
        "outputFormat": "DYNAMODB_JSON",
        **more,
    }
    summary_key = f"{PREFIX}/{name}/manifest-summary.json"
    store.put_new(summary_key, orjson.dumps(summary), "application/json")
    return summary_key


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")
