"""Read what a DynamoDB export to S3 wrote: a summary, a list of data files, and in them one record a line.

Form of the files: DynamoDB Developer Guide, "DynamoDB table export output format" (DYNAMODB_JSON). A full export has
lines `{"Item": ...}`; an incremental one has lines with Metadata, Keys, and the images of an item before and after.
"""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from ledger.errors import Damaged, NotFound
from ledger.event import time_text
from ledger.journal import load_record, unpack_slowly
from ledger.store import Store

Kind = Literal["full", "incremental"]


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file: its key, MD5 (base64), and number of records."""

    key: str
    md5: str
    items: int


@dataclass(frozen=True, slots=True)
class Export:
    """A finished export; times are ISO 8601 in UTC, whole seconds.

    Attributes:
        name: its id.
        kind: full or incremental.
        since: start of an incremental export's time (inclusive); empty for a full one.
        time: of the items that it holds; end of an incremental export's time (exclusive).
        items: number of records.
        files: that hold them.
        bytes: size of the items, as DynamoDB counts it; 0 if it is not told.
    """

    name: str
    kind: Kind
    since: str
    time: str
    items: int
    files: tuple[DataFile, ...]
    bytes: int = 0


def read_export(store: Store, summary_key: str) -> Export:
    """Read an export's manifest files.

    Args:
        store: bucket that the export was written to.
        summary_key: of its manifest-summary.json.

    Raises:
        Damaged: it is not an export that can be used.
        Unavailable: the store did not answer.
    """
    try:
        summary = orjson.loads(_body(store, summary_key))
        if summary["outputFormat"] != "DYNAMODB_JSON":
            raise Damaged(f"{summary_key}: the export is not in DYNAMODB_JSON")
        incremental = summary.get("exportType") == "INCREMENTAL_EXPORT"
        if incremental and summary.get("outputView") != "NEW_AND_OLD_IMAGES":
            raise Damaged(f"{summary_key}: without old images it cannot be told which rows to remove")
        files = tuple(
            DataFile(one["dataFileS3Key"], one["md5Checksum"], one["itemCount"])
            for one in map(orjson.loads, _body(store, summary["manifestFilesS3Key"]).splitlines())
        )
        return Export(
            name=str(summary["exportArn"]).rpartition("/")[2],
            kind="incremental" if incremental else "full",
            since=_time(summary["exportFromTime"]) if incremental else "",
            time=_time(summary["exportToTime" if incremental else "exportTime"]),
            items=_counted(summary_key, int(summary["itemCount"]), files),
            files=files,
            bytes=int(summary.get("billedSizeBytes") or 0),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{summary_key} is not the summary of an export") from error


def _counted(summary_key: str, items: int, files: tuple[DataFile, ...]) -> int:
    listed = sum(file.items for file in files)
    if listed != items:
        raise Damaged(f"{summary_key} counts {items:,} items, its files {listed:,}")
    return items


def read_file(store: Store, file: DataFile) -> Iterator[dict[str, Any]]:
    """Read the records of a data file, checked against its MD5 and its count.

    How large a file is, is AWS's choice: memory holds it as it is packed, and some of its records.

    Raises:
        Damaged: it is gone, or not what the export's list says, which may turn out when all its records were given.
        Unavailable: the store did not answer.
    """
    body = _body(store, file.key)
    if base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() != file.md5:
        raise Damaged(f"{file.key} does not have the MD5 that the export's list says")
    count = 0
    for line in unpack_slowly(file.key, body):
        record = load_record(file.key, line)
        if not isinstance(record, dict):
            raise Damaged(f"{file.key} has a line that is no record")
        count += 1
        yield record
    if count != file.items:
        raise Damaged(f"{file.key} has {count:,} records, the export's list says {file.items:,}")


def _body(store: Store, key: str) -> bytes:
    try:
        stored = store.get(key)
    except NotFound as error:
        raise Damaged(f"{key} of the export is gone") from error
    return stored.body


def _time(text: str) -> str:
    time = datetime.fromisoformat(text)
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time_text(time)
