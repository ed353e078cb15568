"""Writes an S3 Inventory as the S3 User Guide describes its form."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from ledger.store import Store

FOLDER = "lists/photos/weekly/2026-11-22T01-00Z"


def write_inventory(store: Store, bodies: Iterable[bytes], form: str, schema: str, **more: Any) -> str:
    """Write manifest, checksum and files; give the manifest's key."""
    files = []
    for number, body in enumerate(bodies):
        key = f"lists/photos/weekly/data/{number}"
        store.put_new(key, body, "application/octet-stream")
        files.append({"key": key, "size": len(body), "MD5checksum": _md5(body)})
    manifest = {
        "sourceBucket": "photos",
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": "1795309200000",
        "fileFormat": form,
        "fileSchema": schema,
        "files": files,
    }
    body = json.dumps(manifest | more).encode()
    store.put_new(f"{FOLDER}/manifest.json", body, "application/json")
    store.put_new(f"{FOLDER}/manifest.checksum", f"{_md5(body)}\n".encode(), "text/plain")
    return f"{FOLDER}/manifest.json"


def packed(rows: Iterable[Sequence[str]]) -> bytes:
    """Make a file of the CSV form."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return gzip.compress(text.getvalue().encode())


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
