"""Writes an S3 Inventory as the S3 User Guide describes its form; for tests."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any

from infra.doubles.memory_store import MemoryStore

FOLDER = "lists/photos/weekly/2026-11-22T01-00Z"


def write_inventory(store: MemoryStore, bodies: Sequence[bytes], form: str, schema: str, **more: Any) -> str:
    """Write manifest, checksum and files; give the manifest's key."""
    files = []
    for number, body in enumerate(bodies):
        key = f"lists/photos/weekly/data/{number}"
        store.put_new(key, body, "application/octet-stream")
        files.append({"key": key, "size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()})
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
    store.put_new(f"{FOLDER}/manifest.checksum", hashlib.md5(body).hexdigest().encode() + b"\n", "text/plain")
    return f"{FOLDER}/manifest.json"


def packed(rows: Sequence[Sequence[str]]) -> bytes:
    """Make a file of the CSV form."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return gzip.compress(text.getvalue().encode())
