"""A source as a file: what libraries may do with it, and where they are stopped."""

import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_processor.budget import INFLATED, LIBRARY_BYTES, LIBRARY_READS, LIMITS, Budget
from image_processor.errors import ReadLimitReached
from image_processor.reading.file import SourceFile
from image_processor.reading.inflate import inflate
from image_processor.reading.ranged import BytesSource


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(-20, 120), st.integers(0, 2), st.integers(-1, 120)), max_size=10))
def test_a_file_on_a_source_behaves_like_any_other(steps):
    """Libraries seek and read in every way that a file allows."""
    content = bytes(range(100))
    ours, file = SourceFile(BytesSource(content)), io.BytesIO(content)
    for offset, whence, length in steps:
        place = (0, file.tell(), 100)[whence] + offset
        if place < 0:
            with pytest.raises(ValueError, match="negative"):
                ours.seek(offset, whence)
            continue
        assert ours.seek(offset, whence) == file.seek(offset, whence)
        assert ours.read(length) == file.read(length)
        assert ours.seek(0, io.SEEK_CUR) == file.tell()


def test_a_file_ends_a_library_that_reads_in_circles(monkeypatch):
    """A hostile file can lead a parser around without a single further GET."""
    monkeypatch.setitem(LIMITS, LIBRARY_READS, 10)
    ours = SourceFile(BytesSource(bytes(100)))
    for _ in range(10):
        ours.seek(0)
        ours.read(2)
    with pytest.raises(ReadLimitReached):
        ours.read(2)


def test_a_file_ends_a_library_that_reads_the_same_bytes_for_ever(monkeypatch):
    """Cached bytes cost no GET but they cost time."""
    monkeypatch.setitem(LIMITS, LIBRARY_BYTES, 1_000)
    ours = SourceFile(BytesSource(bytes(600)))
    assert len(ours.read()) == 600
    ours.seek(0)
    with pytest.raises(ReadLimitReached):
        ours.read()


def test_a_stream_from_which_nothing_comes_is_paid_for_by_what_goes_in():
    """20 MB of empty blocks took more than a second, and no limit was named."""
    budget = Budget()
    stream = zlib.compressobj()
    empty = stream.compress(b"") + stream.flush(zlib.Z_SYNC_FLUSH) + b"\0\0\0\xff\xff" * 1_000_000
    assert inflate(empty, 1000, budget) == (b"", False)
    assert budget.exhausted == [INFLATED]
    assert budget.left(INFLATED) < 3


def test_what_is_inflated_within_the_budget_is_whole():
    """Input counts threefold, and still leaves room for a large packet."""
    budget = Budget()
    content = bytes(range(256)) * 10_000
    assert inflate(zlib.compress(content), len(content), budget) == (content, True)
    assert budget.exhausted == []


@pytest.mark.parametrize("size", [1, 1000, 65_537])
def test_what_is_inflated_is_cut_at_its_limit_and_at_nothing_else(size):
    """A limit of as many bytes as there are is no cut, one less is, and none at all lets nothing out."""
    content = bytes(range(1, 256)) * (size // 255 + 1)
    stream = zlib.compress(content[:size])
    for limit in (0, size - 1, size, size + 1):
        budget = Budget()
        assert inflate(stream, limit, budget) == (content[: min(limit, size)], limit >= size)
        assert LIMITS[INFLATED] - budget.left(INFLATED) <= 6 * len(stream) + limit + 2
    assert inflate(stream[:-4] + b"none", size, Budget()) == (b"", False)
