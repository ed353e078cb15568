"""Keep a table item under DynamoDB's limit: the largest values of the free documents are cut, and the row says so.

An item may have 400 KB, attribute names and UTF-8 values counted (DynamoDB Developer Guide, "Item sizes and formats").
"""

from typing import Any

import orjson

MAX_BYTES = 380_000
"""Bytes of the attributes that come from the image; the rest is for bucket, key (1,024 bytes) and the catalog's own."""

MAX_TEXT = 20_000
"""Bytes that one text column keeps when the item is too large."""


def fit(texts: dict[str, str], documents: dict[str, Any], other_bytes: int) -> list[str]:
    """Cut what makes an item too large, in place.

    First the largest values inside the documents go, each replaced by an object that tells its length; then whole
    documents; then the ends of long texts.

    Args:
        texts: text columns.
        documents: JSON columns that are objects.
        other_bytes: bytes of everything else.

    Returns:
        Warnings that say what was cut.
    """
    warnings: list[str] = []
    budget = MAX_BYTES - other_bytes
    sizes = {name: len(name) + _json_bytes(document) for name, document in documents.items()}
    text_bytes = sum(len(name) + len(value.encode()) for name, value in texts.items())
    excess = sum(sizes.values()) + text_bytes - budget
    if excess <= 0:
        return warnings
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if excess > 0 and sizes[name] > MAX_TEXT:
            before = sizes[name]
            _cut_leaves(documents[name], excess)
            sizes[name] = len(name) + _json_bytes(documents[name])
            if sizes[name] > max(MAX_TEXT, before - excess):
                documents[name] = {"cut": {"bytes": before}}
                sizes[name] = len(name) + _json_bytes(documents[name])
            excess -= before - sizes[name]
            warnings.append(f"{name}: cut to fit the table: {before} bytes")
    for name in sorted(texts, key=lambda name: -len(texts[name])):
        if excess > 0 and len(texts[name].encode()) > MAX_TEXT:
            before = len(texts[name].encode())
            texts[name] = texts[name].encode()[:MAX_TEXT].decode(errors="ignore")
            excess -= before - len(texts[name].encode())
            warnings.append(f"{name}: cut to fit the table: {before} bytes")
    return warnings


def _cut_leaves(document: Any, excess: int) -> None:
    """Replace the largest texts and arrays of a document until it has lost `excess` bytes."""
    leaves: list[tuple[int, Any, Any]] = []
    todo = [document]
    while todo:
        node = todo.pop()
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(value, dict):
                todo.append(value)
            elif isinstance(value, (list, str)):
                leaves.append((_json_bytes(value), node, key))
    leaves.sort(key=lambda leaf: -leaf[0])
    for size, node, key in leaves:
        if excess <= 0 or size < 200:
            return
        node[key] = {"cut": {"bytes": size}}
        excess -= size - 30


def _json_bytes(value: Any) -> int:
    return len(orjson.dumps(value))
