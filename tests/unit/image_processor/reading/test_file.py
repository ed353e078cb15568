"""A source as a file: what libraries may do with it, and where they are stopped."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from image_processor.budget import LIBRARY_BYTES, LIBRARY_READS, LIMITS
from image_processor.errors import ReadLimitReached
from image_processor.reading.file import SourceFile
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
