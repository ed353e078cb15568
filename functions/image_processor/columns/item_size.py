"""Keep a table item under DynamoDB's limit: the largest values of the free documents are cut, and the row says so.

An item may have 400 KB, attribute names and UTF-8 values counted (DynamoDB Developer Guide, "Item sizes and formats").
"""

from typing import Any

import orjson

MAX_BYTES = 380_000
"""Bytes of the attributes that come from the image; the rest is for bucket, key (1,024 bytes) and the catalog's own."""

KEEP_DOCUMENT = 20_000
"""Bytes that a document keeps in any case."""

KEEP_TEXT = 8_000
"""Bytes that a text column keeps in any case: two dozen of them fit beside the documents."""

KEEP_WORDS = 100_000
"""Bytes that a list of keywords keeps: a packet of 64 KB twice over."""

_SMALL = 200  # bytes of a value that is not worth cutting


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
    sizes = {name: len(name) + _json_bytes(document) for name, document in documents.items()}
    lengths = {name: len(name) + len(value.encode()) for name, value in texts.items()}
    excess = sum(sizes.values()) + sum(lengths.values()) + other_bytes - MAX_BYTES
    warnings = []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if excess > 0 and sizes[name] > KEEP_DOCUMENT:
            documents[name] = _shorter(documents[name], excess)
            excess -= sizes[name] - len(name) - _json_bytes(documents[name])
            warnings.append(f"{name}: cut to fit the table: {sizes[name]} bytes")
    for name in sorted(lengths, key=lambda name: -lengths[name]):
        if excess > 0 and lengths[name] > KEEP_TEXT:
            texts[name] = texts[name].encode()[:KEEP_TEXT].decode(errors="ignore")
            excess -= lengths[name] - KEEP_TEXT
            warnings.append(f"{name}: cut to fit the table: {lengths[name]} bytes")
    return warnings


def fit_words(words: list[str]) -> list[str]:
    """Return the first words whose JSON array has at most `KEEP_WORDS` bytes."""
    size = 2
    for number, word in enumerate(words):
        size += _json_bytes(word) + 1
        if size > KEEP_WORDS:
            return words[:number]
    return words


def _shorter(document: Any, excess: int) -> Any:
    """Return a document that has lost `excess` bytes, or is down to what it keeps in any case."""
    before = _json_bytes(document)
    leaves: list[tuple[int, Any, Any]] = []
    todo = [document]
    while todo:
        node = todo.pop()
        for key, value in node.items():
            if isinstance(value, dict):
                todo.append(value)
            elif isinstance(value, (list, str)):
                leaves.append((_json_bytes(value), node, key))
    left = excess
    for size, node, key in sorted(leaves, key=lambda leaf: -leaf[0]):
        if left <= 0 or size < _SMALL:
            break
        node[key] = {"cut": {"bytes": size}}
        left -= size - _json_bytes(node[key])
    return document if _json_bytes(document) <= max(KEEP_DOCUMENT, before - excess) else {"cut": {"bytes": before}}


def _json_bytes(value: Any) -> int:
    return len(orjson.dumps(value))
