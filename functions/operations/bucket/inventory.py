"""An S3 Inventory in place of a listing: a manifest, and files with a line for each object of a bucket.

Form (S3 User Guide, "Amazon S3 Inventory list" and "Locating your inventory list"): `manifest.json` names the bucket,
the time, the format, the columns (`fileSchema`) and the files, each with its MD5; `manifest.checksum` beside it is the
MD5 of itself. In CSV the key is URL-encoded, a space as a plus (cloud-custodian issue 1997); in Parquet it is as it is.
Only bucket and key are sure to be there. An inventory of all versions says which of them is the latest, and whether
that is a delete marker; then there is no object.

It is as old as its time, and may lack what was written or deleted shortly before.
"""

import csv
import gzip
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote_plus

import orjson

from ledger.errors import NotFound
from ledger.store import Store
from operations.bucket.lines import escape, object_line
from operations.bucket.listing import Listing
from operations.bucket.sources import Sources
from operations.errors import BadInventory
from operations.progress import Progress
from operations.rebuild.scratch import Scratch
from operations.rebuild.scratch_names import LISTED
from operations.rebuild.sorted_runs import Sorter, merge_lines

_BLOCK_BYTES = 8 << 20
_ROWS_AT_ONCE = 10_000
_CHECKSUM = "manifest.checksum"
_TRUE, _FALSE = ("true", "True", True), ("false", "False", False)

Row = Mapping[str, Any]
"""What an inventory says of a version of an object, by the names of `_COLUMNS`."""

# As CSV and as Parquet name them.
_COLUMNS = {
    "Bucket": "bucket",
    "Key": "key",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "ETag": "e_tag",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of an inventory: its key, bytes, and MD5 (hexadecimal)."""

    key: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """An inventory's manifest.

    Attributes:
        bucket: that it lists.
        destination: bucket that its files are in.
        time: when it was begun, ISO 8601, UTC.
        columns: of a CSV, by our names, in their order; None for Parquet, whose files name theirs.
        files: that hold it.
    """

    bucket: str
    destination: str
    time: str
    columns: tuple[str, ...] | None
    files: tuple[File, ...]


def read_manifest(store: Store, key: str) -> Inventory:
    """Read the manifest of an inventory.

    Args:
        store: bucket that it is in.
        key: of its manifest.json.

    Raises:
        BadInventory: it is not there, is no manifest, or not of an inventory that can be read.
        Unavailable: the store did not answer.
    """
    try:
        body = store.get(key).body
    except NotFound as error:
        raise BadInventory(f"{error}: say where an inventory's manifest.json is, s3://BUCKET/KEY") from error
    _check_manifest(store, key, body)
    try:
        manifest = orjson.loads(body)
        form = str(manifest["fileFormat"])
        if form.upper() not in ("CSV", "PARQUET"):
            raise BadInventory(f"{key}: an inventory in {form} cannot be read; configure it as CSV or Parquet")
        names = [name.strip() for name in str(manifest["fileSchema"]).split(",")]
        columns = tuple(_COLUMNS.get(name, name) for name in names) if form.upper() == "CSV" else None
        if columns is not None and not {"bucket", "key"} <= {*columns}:
            raise BadInventory(f"{key}: the inventory does not name buckets and keys")
        return Inventory(
            bucket=str(manifest["sourceBucket"]),
            destination=str(manifest["destinationBucket"]).rpartition(":")[2],
            time=_time(int(manifest["creationTimestamp"]) / 1000),
            columns=columns,
            files=tuple(File(str(one["key"]), int(one["size"]), str(one["MD5checksum"])) for one in manifest["files"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInventory(f"{key} is not the manifest of an inventory") from error


def _check_manifest(store: Store, key: str, body: bytes) -> None:
    """Hold a manifest to the checksum beside it; one that was copied elsewhere may have none."""
    try:
        checksum = store.get(key.rpartition("/")[0] + "/" + _CHECKSUM if "/" in key else _CHECKSUM).body
    except NotFound:
        return
    if hashlib.md5(body, usedforsecurity=False).hexdigest() != checksum.decode("ascii", "replace").strip():
        raise BadInventory(f"{key} does not have the MD5 that {_CHECKSUM} says")


def sort_inventory(
    store: Store, inventory: Inventory, sources: Sources, scratch: Scratch, progress: Progress
) -> Listing:
    """Write the objects of an inventory to scratch as sorted lines.

    Args:
        store: the bucket that its files are in.
        inventory: its manifest.
        sources: whose objects count; others are left out.
        scratch: takes the lines.
        progress: is told how many files were read.

    Raises:
        BadInventory: a file is not what the manifest says, or has lines of another form.
        NotFound, Unavailable: a file is not there, or the store did not answer.
    """
    sorter, objects = Sorter(scratch, LISTED), 0
    for number, file in enumerate(inventory.files):
        for line in file_lines(store, inventory, file, sources):
            sorter.add(line)
            objects += 1
        progress("reading the inventory", number + 1, len(inventory.files))
    sorter.close()
    return Listing(lambda: merge_lines(scratch, LISTED), objects, len(inventory.files) + 2)


def file_lines(store: Store, inventory: Inventory, file: File, sources: Sources) -> Iterator[bytes]:
    """Give the objects of one file of an inventory as lines, in its order; arguments and errors as `sort_inventory`."""
    with _local(store, file) as path:
        rows = _csv_rows(path, inventory.columns) if inventory.columns else _parquet_rows(path)
        try:
            yield from _lines(rows, sources)
        except (AttributeError, KeyError, OSError, EOFError, TypeError, ValueError, csv.Error) as error:
            raise BadInventory(f"{file.key} is not a file of an inventory: {type(error).__name__}") from error


def _lines(rows: Iterable[Row], sources: Sources) -> Iterator[bytes]:
    for row in rows:
        if row.get("is_latest") in _FALSE or row.get("is_delete_marker") in _TRUE:
            continue
        name = escape(f"{row['bucket']}/{row['key']}")
        if sources.hold(name):
            size = row.get("size")
            etag, modified = row.get("e_tag") or "", row.get("last_modified_date") or ""
            yield object_line(name, etag.strip('"'), "" if size in (None, "") else int(size), modified)


@contextmanager
def _local(store: Store, file: File) -> Iterator[Path]:
    """Fetch a file, which may be larger than memory, and check it."""
    digest = hashlib.md5(usedforsecurity=False)
    with TemporaryDirectory(prefix="skyledger-") as folder:
        path = Path(folder) / "part"
        with path.open("wb") as copy:
            for first in range(0, file.size, _BLOCK_BYTES):
                block = store.get_range(file.key, first, min(first + _BLOCK_BYTES, file.size) - 1)
                digest.update(block)
                copy.write(block)
        if digest.hexdigest() != file.md5:
            raise BadInventory(f"{file.key} does not have the MD5 that the inventory's manifest says")
        yield path


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    with gzip.open(path, "rb") as packed, io.TextIOWrapper(packed, "utf-8", newline="") as text:
        for cells in csv.reader(text):
            row = dict(zip(columns, cells, strict=False))
            yield row | {"key": unquote_plus(row["key"], errors="strict")}


def _parquet_rows(path: Path) -> Iterator[Row]:
    import duckdb  # not in the functions' bundle

    with duckdb.connect() as database:
        try:
            columns = database.execute("SELECT * FROM read_parquet(?) LIMIT 0", [str(path)]).description or ()
            known = [name for name, *_ in columns if name in _COLUMNS.values()]
            asked = ", ".join(f"epoch_ms({one})" if one == "last_modified_date" else one for one in known)
            found = database.execute(f"SELECT {asked} FROM read_parquet(?)", [str(path)])
            while rows := found.fetchmany(_ROWS_AT_ONCE):
                for cells in rows:
                    row = dict(zip(known, cells, strict=True))
                    at = row.get("last_modified_date")
                    yield row | {"last_modified_date": None if at is None else _time(at / 1000)}
        except duckdb.Error as error:
            raise ValueError(str(error)) from error


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
