"""Decompression with an end: a few KB of zlib or Brotli data can inflate to gigabytes.

zlib's format by ISA-L, since what ends at a limit has cost all the way there: it takes a seventh of zlib's time. What
zlib refuses it refuses, too, but for a window size that no encoder writes.
"""

import brotli
from isal import isal_zlib
from isal.igzip_lib import IsalError

from image_processor.budget import INFLATED, Budget

_INPUT = 6  # times as dear as what comes out: the tables of a block take as long as 100 bytes of text
_BROTLI_INPUT = 24  # the same: each block may bring hundreds of tables
_MOST = 1032  # bytes that one byte of a zlib stream can become (zlib's technical details, "Maximum Compression Factor")


def inflate(data: bytes, limit: int, budget: Budget) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of a zlib stream's content, and whether they are all.

    What comes out is paid for, also of a stream that then breaks, which gives nothing; and so is what goes in, since a
    stream may be made of blocks from which nothing comes out.
    """
    room = budget.left(INFLATED)
    given = data[: room // _INPUT]
    limit = min(limit, room)
    stream = isal_zlib.decompressobj()
    try:
        content = stream.decompress(given, max(limit, 1))  # 0 is no limit
        # Not in one go with the rest: to cut ten megabytes by one byte is to copy them.
        more = b"" if stream.eof else stream.decompress(stream.unconsumed_tail, 1)
    except IsalError:  # type: ignore[misc]  # what came out before the fault it does not say
        budget.take(INFLATED, max(min(limit, _MOST * len(given)), _INPUT * len(given)))
        return b"", False
    paid = _INPUT * (len(given) - len(stream.unconsumed_tail) - len(stream.unused_data))
    is_all = stream.eof and not more and len(content) <= limit
    if not budget.take(INFLATED, paid + len(content) + len(more)):
        is_all, content = False, content[: room - paid]
        budget.take(INFLATED, paid + len(content))
    elif len(given) < len(data) and not stream.eof and not more:
        budget.want_more(INFLATED)
    return content[:limit], is_all


def unbrotli(data: bytes, limit: int, budget: Budget) -> tuple[bytes, bool]:
    """Return the first `limit` bytes of a Brotli stream's content, and whether they are all.

    It is paid for as in `inflate`, but a stream that is too dear as it is gives nothing at all. The decoder looks at
    its limit once for each piece that it gives out (Brotli 1.2.0, `output_buffer_limit`), so that up to twice the limit
    may be in memory.
    """
    paid = _BROTLI_INPUT * len(data)
    if not budget.take(INFLATED, paid):
        return b"", False
    room = budget.left(INFLATED)
    limit = min(limit, room)
    stream = brotli.Decompressor()
    try:
        content: bytes = stream.process(data, output_buffer_limit=limit + 1)
    except brotli.error:  # what came out before the fault it does not say
        budget.take(INFLATED, limit)
        return b"", False
    budget.take(INFLATED, min(len(content), limit))
    if len(content) > limit == room:
        budget.want_more(INFLATED)
    return content[:limit], stream.is_finished() and len(content) <= limit
