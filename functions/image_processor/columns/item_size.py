"""Keep a table item under DynamoDB's limit: the largest values of the free documents are cut, and the row says so.

An item may have 400 KB, attribute names and UTF-8 values counted (DynamoDB Developer Guide, "Item sizes and formats").
"""

from typing import Any

import orjson

from image_processor.tags.text import cut

MAX_BYTES = 365_000
"""Bytes of the attributes that come from the image; the rest is for the warnings (15,000), the user metadata
(8,192), for bucket, key (1,024 bytes) and the catalog's own."""

FREE_BYTES = 16_000
"""Bytes of attributes that any image may have, however small its file is."""

FACTOR = 8
"""Bytes of attributes for each byte of the file: text grows by its encoding and as JSON, compressed text by more."""

KEEP_DOCUMENT = 0.05
"""Part of the room that a document keeps in any case."""

KEEP_TEXT = 0.02
"""Part of the room that a text column keeps in any case: two dozen of them fit beside the documents."""

KEEP_WORDS = 0.25
"""Part of the room that a list of keywords keeps: in the largest item a packet of 64 KB."""

KEEP_WARNINGS = 0.125
"""Part of the room that warnings may take where a file is small; in the largest item they have theirs beside it."""

_CUT_WARNING = 70  # bytes of a warning that `fit` gives
_CHARACTER = 4  # bytes of one in UTF-8, at most
_SMALL = 200  # bytes of a value that is not worth cutting


def room(file_bytes: int) -> int:
    """Return how many bytes of attributes an image may have: a small file must not fill table, CSV and journal."""
    return min(MAX_BYTES, FREE_BYTES + FACTOR * file_bytes)


def fit(
    texts: dict[str, str], documents: dict[str, Any], other_bytes: int, room: int
) -> tuple[dict[str, str], list[str]]:
    """Write documents as JSON, and cut what makes an item too large, in place.

    First the largest values inside the documents go, each replaced by an object that tells its length; then whole
    documents; then the ends of long texts.

    Args:
        texts: text columns.
        documents: JSON columns that are objects.
        other_bytes: bytes of everything else.
        room: bytes that there may be in all.

    Returns:
        The documents as JSON, and warnings that say what was cut.
    """
    written = {name: orjson.dumps(document) for name, document in documents.items()}
    fixed = other_bytes + sum(map(len, (*texts, *written, *written.values())))
    if fixed + _CHARACTER * sum(map(len, texts.values())) <= room:  # as nearly always
        return {name: json.decode() for name, json in written.items()}, []
    sizes = {name: len(name) + len(json) for name, json in written.items()}
    lengths = {name: len(name) + len(value.encode()) for name, value in texts.items()}
    excess = sum(sizes.values()) + sum(lengths.values()) + other_bytes - room
    keep_document, keep_text = int(room * KEEP_DOCUMENT), int(room * KEEP_TEXT)
    warnings = []
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if excess > 0 and sizes[name] > keep_document:
            size = len(written[name])
            written[name] = orjson.dumps(_shorter(documents[name], size, excess, keep_document))
            excess -= size - len(written[name])
            warnings.append(f"{name}: cut to fit an item of {room} bytes: {sizes[name]} bytes")
    for name in sorted(lengths, key=lambda name: -lengths[name]):
        if excess > 0 and lengths[name] > keep_text:
            texts[name] = cut(texts[name], keep_text)
            excess -= lengths[name] - keep_text
            warnings.append(f"{name}: cut to fit an item of {room} bytes: {lengths[name]} bytes")
    return {name: json.decode() for name, json in written.items()}, warnings


def fit_warnings(warnings: list[str], room: int) -> list[str]:
    """Return the first warnings that have at most their part of the room."""
    size = 0
    for number, warning in enumerate(warnings):
        size += _json_bytes(warning) + 1
        if room < MAX_BYTES and size > room * KEEP_WARNINGS:
            return [*warnings[:number], "more warnings were left out"]
    return warnings


def beside(warnings: list[str], columns: int, room: int) -> int:
    """Return how many bytes of the room go to warnings, `fit`'s included, which may be one for each column."""
    return _json_bytes(warnings) + _CUT_WARNING * columns if room < MAX_BYTES else 0


def fit_words(words: list[str], room: int) -> list[str]:
    """Return the first words whose JSON array has at most its part of the room."""
    if _json_bytes(words) < room * KEEP_WORDS:
        return words
    size = 2
    for number, word in enumerate(words):
        size += _json_bytes(word) + 1
        if size > room * KEEP_WORDS:
            return words[:number]
    return words


def _shorter(document: Any, before: int, excess: int, keep: int) -> Any:
    """Return a document of `before` bytes that has lost `excess`, or is down to what it keeps in any case."""
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
    return document if _json_bytes(document) <= max(keep, before - excess) else {"cut": {"bytes": before}}


def _json_bytes(value: Any) -> int:
    return len(orjson.dumps(value))
