"""A file is replaced whole or not at all."""

import os
import tempfile
from pathlib import Path

import pytest

from operations.atomic_write import atomic_write
from operations.rebuild.scratch import FolderScratch


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


def test_a_link_that_somebody_put_there_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at the file's place, nor where the unfinished one is to lie: a name that was guessed is passed by."""
    path, victim = tmp_path / "file", tmp_path / "victim"
    victim.write_text("precious")
    path.symlink_to(victim)
    for name in (f".file.{os.getpid()}.unfinished", ".file.guessed.unfinished"):
        (tmp_path / name).symlink_to(victim)
    monkeypatch.setattr(tempfile, "_get_candidate_names", lambda: iter(["guessed", "free"]))
    with atomic_write(path) as unfinished:
        assert unfinished.parent.name == ".file.free.unfinished"
        unfinished.write_text("new")
    assert (victim.read_text(), path.read_text(), path.is_symlink()) == ("precious", "new", False)


def test_nobody_else_can_put_anything_where_the_unfinished_file_lies(tmp_path: Path) -> None:
    """But whoever could read the file that was written before can read this one."""
    tmp_path.chmod(0o777)
    with atomic_write(tmp_path / "file") as unfinished:
        unfinished.write_text("new")
        assert unfinished.parent.parent == tmp_path
        assert unfinished.parent.stat().st_mode & 0o077 == 0
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "file").stat().st_mode == plain.stat().st_mode


def test_scratch_has_no_unfinished_files(tmp_path: Path) -> None:
    """Also not those that a killed process left."""
    with atomic_write(tmp_path / "runs") as unfinished:
        unfinished.write_text("half")
        assert FolderScratch(tmp_path).names("") == []
    assert FolderScratch(tmp_path).names("") == [("runs", 4)]
