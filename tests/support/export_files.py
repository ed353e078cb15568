"""Writes the files of a DynamoDB export to S3, as the DynamoDB Developer Guide describes their form; for tests."""

import base64
import gzip
import hashlib
import random
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson

from infra.doubles.memory_store import MemoryStore

PREFIX = "table-exports/AWSDynamoDB"
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/Images"


def write_full_export(
    store: MemoryStore, items: Iterable[Mapping[str, Any]], time: datetime, *, name: str = "01-full", files: int = 3
) -> str:
    """Write a full export of these items, spread over data files as partitions are; give the summary's key."""
    lines = [{"Item": one} for one in items]
    return _write(store, name, lines, files, {"exportType": "FULL_EXPORT", "exportTime": _time(time)})


def write_incremental_export(
    store: MemoryStore,
    records: Iterable[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]],
    since: datetime,
    until: datetime,
    *,
    name: str = "02-incremental",
    view: str = "NEW_AND_OLD_IMAGES",
) -> str:
    """Write an incremental export of (old image, new image) pairs; give the summary's key."""
    lines = []
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
    return _write(store, name, lines, 2, summary)


def _write(store: MemoryStore, name: str, lines: list[dict[str, Any]], files: int, more: dict[str, Any]) -> str:
    random.Random(name).shuffle(lines)
    listed = []
    for number in range(files):
        part = lines[number::files]
        body = gzip.compress(b"".join(orjson.dumps(line) + b"\n" for line in part))
        key = f"{PREFIX}/{name}/data/{number}.json.gz"
        store.put_new(key, body, "application/gzip")
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        listed.append({"itemCount": len(part), "md5Checksum": md5, "etag": "x-1", "dataFileS3Key": key})
    files_key = f"{PREFIX}/{name}/manifest-files.json"
    store.put_new(files_key, b"".join(orjson.dumps(one) + b"\n" for one in listed), "application/json")
    summary = {
        "version": "2023-08-01",
        "exportArn": f"{TABLE}/export/{name}",
        "tableArn": TABLE,
        "s3Prefix": "table-exports",
        "manifestFilesS3Key": files_key,
        "billedSizeBytes": sum(len(orjson.dumps(line)) for line in lines),
        "itemCount": len(lines),
        "outputFormat": "DYNAMODB_JSON",
        **more,
    }
    summary_key = f"{PREFIX}/{name}/manifest-summary.json"
    store.put_new(summary_key, orjson.dumps(summary), "application/json")
    return summary_key


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")
