"""Decompression with an end: a few KB of zlib data can inflate to gigabytes."""

import zlib

from image_processor.budget import INFLATED, Budget

_MOST = 1032  # bytes that one byte of a zlib stream can become (zlib's technical details, "Maximum Compression Factor")


def inflate(data: bytes, limit: int, budget: Budget) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of a zlib stream's content, and whether they are all.

    Whatever comes out is paid for, also of a stream that then breaks, which gives nothing.
    """
    limit = min(limit, budget.left(INFLATED))
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, limit + 1)
    except zlib.error:  # what came out before the fault it does not say
        budget.take(INFLATED, min(limit, _MOST * len(data)))
        return b"", False
    is_all = stream.eof and len(content) <= limit
    if not budget.take(INFLATED, len(content)):
        is_all, content = False, content[:limit]
        budget.take(INFLATED, len(content))
    return content[:limit], is_all
