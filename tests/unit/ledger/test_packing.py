"""Lines as they lie in the bucket: every reader of gzip reads them, and what is not whole is never taken for it."""

import gzip
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.survey import items
from ledger.errors import Damaged
from ledger.packing import is_packed, pack, unpack, unpacked_size

LINES = items.line(1) + items.line(2)
PACKED = pack(LINES)


@given(st.binary(max_size=300), st.integers(0, 3))
def test_what_was_packed_by_anybody_is_unpacked(lines: bytes, level: int) -> None:
    assert gzip.decompress(pack(lines)) == lines
    for packed in (pack(lines), gzip.compress(lines, level)):
        assert is_packed(packed)
        assert unpacked_size(packed) == len(lines)
        assert unpack("x", packed, len(lines)) == lines
        if lines:
            with pytest.raises(Damaged, match="x unpacks to more"):
                unpack("x", packed, len(lines) - 1)


def test_the_header_has_no_time() -> None:
    """The same lines make the same bytes at any time, as far as their compressor does."""
    assert PACKED[4:8] == pack(LINES)[4:8] == bytes(4)


def test_plain_lines_are_not_taken_for_packed() -> None:
    assert not any(map(is_packed, (b"", b"\x1f", LINES, b"{}\n")))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "x is cut off"),
        (LINES, "x cannot be unpacked"),
        (PACKED[:3], "x is cut off"),
        (PACKED + b"\n", "x goes on behind its end"),
        (PACKED + PACKED, "x goes on behind its end"),
        (PACKED[:60] + bytes([PACKED[60] ^ 1]) + PACKED[61:], "x cannot be unpacked"),
        (PACKED[:-8] + bytes(4) + PACKED[-4:], "x cannot be unpacked"),
        (PACKED[:-4] + bytes(4), "x unpacks to more than the 0 bytes"),
        (PACKED[:-4] + b"\xff\xff\xff\0", "x cannot be unpacked"),
    ],
)
def test_what_is_not_one_whole_member_is_damaged_and_says_how(body: bytes, said: str) -> None:
    with pytest.raises(Damaged, match=said):
        unpack("x", body, 10_000)


def test_lines_that_are_cut_off_anywhere_are_damaged() -> None:
    for end, _ in pairwise(range(len(PACKED))):
        with pytest.raises(Damaged, match=r"^x "):
            unpack("x", PACKED[:end], 10_000)


@pytest.mark.parametrize("size", [None, b"\x10\0\0\0"])
def test_a_few_bytes_that_unpack_to_much_take_no_more_memory_than_they_may(size: bytes | None) -> None:
    """Also if they lie about it: what unpacks to a thousand times its size is soon written."""
    bomb = pack(bytes(50_000_000))
    bomb = bomb[:-4] + size if size else bomb
    tracemalloc.start()
    with pytest.raises(Damaged, match="more than the"):
        unpack("x", bomb, 1_000_000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3_000_000
