"""Decompression with an end: a few KB of zlib data can inflate to gigabytes."""

import zlib


def inflate(data: bytes, limit: int) -> bytes | None:
    """Return the content of a zlib stream; None if it is broken, cut or longer than `limit` bytes."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, limit + 1)
    except zlib.error:
        return None
    return content if stream.eof and len(content) <= limit else None
