"""User metadata of an object, as one JSON document: what uploaders say of a photo, and no photo says itself.

S3 takes 2 KB of names and values, gives names in lower case, and writes a value that is not ASCII as encoded words
(S3 User Guide, "Working with object metadata": "encoded as per RFC 2047"; botocore, issue 2552: clients do not decode
them). Servers that speak like S3 write names as they please, and plain UTF-8, which HTTP clients read as Latin-1.
"""

from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header

import orjson

from image_processor.tags.text import clean, decode

MAX_RAW = 16 * 1024
"""Characters of names and values that are looked at: eight times what S3 takes, since encoded words are longer."""

MAX_BYTES = 8 * 1024
"""Bytes of the document: 2 KB of text, each character escaped."""


def as_json(entries: Mapping[str, str]) -> str:
    """Return an object of text by name, the names in lower case and in order; empty if there are none.

    What is more than S3 takes becomes an object that tells its length: `{"cut": {"bytes": 20000}}`.
    """
    size = sum(len(name) + len(value) for name, value in entries.items())
    if size > MAX_RAW:
        return _cut(size)
    texts = {clean(name).lower(): clean(_decoded(value)) for name, value in entries.items()}
    document = orjson.dumps(texts, option=orjson.OPT_SORT_KEYS) if texts else b""
    return document.decode() if len(document) <= MAX_BYTES else _cut(len(document))


def _cut(size: int) -> str:
    return orjson.dumps({"cut": {"bytes": size}}).decode()


def _decoded(value: str) -> str:
    """Return what a header's value means; one that cannot be decoded as it is."""
    if not value.isascii():
        try:
            return decode(value.encode("latin-1"))[0]
        except UnicodeEncodeError:
            return value  # decoded by a client that does so
    if "=?" not in value:
        return value
    try:
        parts = decode_header(value)
        return "".join(part if isinstance(part, str) else part.decode(charset or "latin-1") for part, charset in parts)
    except (HeaderParseError, LookupError, ValueError):
        return value
