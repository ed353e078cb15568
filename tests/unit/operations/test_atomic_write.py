"""A file is replaced whole or not at all."""

from pathlib import Path

import pytest

from operations.atomic_write import atomic_write


def test_a_file_is_replaced_in_the_end(tmp_path: Path) -> None:
    """Until then the old one is there."""
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_write(path) as unfinished:
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_is_there_and_nothing_else(tmp_path: Path) -> None:
    """Half a file is never seen, and not left lying about."""
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with atomic_write(path) as unfinished:
            unfinished.write_text("ne")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
