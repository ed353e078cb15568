"""Lines as they lie in the bucket: one gzip member, which Athena, Spark and Trino read by the suffix of its key alone.

Athena reads gzipped text files (Athena User Guide, "Use Hive table compression"), Trino and Spark through the codec
that belongs to the suffix (Trino's `LinePageSourceFactory`; Spark's guide, "CSV Files", and Hadoop's
`CompressionCodecFactory`). What names a shard is the hash of its plain lines: other versions of a compressor, and
other processors, make other bytes of them. Even the same one does now and then: ISA-L's first levels make a few bytes
more or less of the same input (GKL's release notes 0.8.11, "Known issues"; intel/isa-l#140 promises the same bytes of
its stateless calls only). So nobody may take two objects for different because their compressed bytes or sizes are.

ISA-L's second level: of a drone's survey it makes a 13th in 1.2 us a row, of photos unlike each other a third in 4 us
(the design, "Packing", has the others that were measured). It lets other threads run meanwhile.
"""

from isal import isal_zlib
from isal.igzip_lib import IsalError

from ledger.errors import Damaged

PACKED_TYPE = "application/gzip"
LEVEL, WINDOW = 2, 31  # window bits that ask for gzip's header, which then has no time
_MAGIC = b"\x1f\x8b"
_SIZE_BYTES = 4  # RFC 1952: a member ends with its size, modulo 2^32


def pack(lines: bytes) -> bytes:
    """Compress lines."""
    packed: bytes = isal_zlib.compress(lines, LEVEL, WINDOW)
    return packed


def is_packed(body: bytes) -> bool:
    """Say whether it is compressed; no line begins so."""
    return body.startswith(_MAGIC)


def unpacked_size(body: bytes) -> int:
    """Give the bytes of the lines, as a compressed object says itself; `unpack` finds out whether it lies."""
    return int.from_bytes(body[-_SIZE_BYTES:], "little")


def unpack(key: str, body: bytes, most: int) -> bytes:
    """Give the lines.

    Args:
        key: of the object, for the error.
        body: its bytes.
        most: bytes that the lines may have: a few KB can unpack to gigabytes.

    Raises:
        Damaged: it is not one whole gzip member, or holds more.
    """
    # With room for just so many, memory is taken once, and a row is unpacked in 0.8 us instead of 2.3.
    size = min(unpacked_size(body), most)
    member = isal_zlib.decompressobj(WINDOW)
    try:
        lines: bytes = member.decompress(body, size + 1)
    except IsalError as error:  # type: ignore[misc]
        raise Damaged(f"{key} cannot be unpacked: {error}") from error
    if len(lines) > size:
        raise Damaged(f"{key} unpacks to more than the {size:,} bytes that it may have")
    if not member.eof:
        raise Damaged(f"{key} is cut off")
    if member.unused_data:
        raise Damaged(f"{key} goes on behind its end")
    return lines
