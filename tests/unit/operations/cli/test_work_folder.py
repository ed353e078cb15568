"""A command works in a folder of its own."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.journal import dates
from ledger.ledger import Ledger
from operations.cli import work_folder
from operations.cli.deployment import Deployment
from operations.cli.work_folder import hold_work_folder
from operations.errors import NotOurs
from tests.support.command_line import Ran

Run = Callable[..., Ran]
ONE = ("--processes", "1")


def test_two_commands_do_not_work_in_one_folder(skyledger: Run, filled: Ledger, tmp_path: Path) -> None:
    """The second one says so instead of deleting what the first one needs."""
    with (tmp_path / "skyledger-exports-replay.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = skyledger("replay", "--work", str(tmp_path), *ONE)
        assert (ran.code, "another skyledger works in" in ran.err) == (5, True)
    assert skyledger("replay", "--work", str(tmp_path), *ONE).code == 0


def test_what_else_lies_where_a_command_works_stays(skyledger: Run, filled: Ledger, tmp_path: Path) -> None:
    """`--work` may name a home: there a folder is made, for this bucket and command, and only that is cleared."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("precious")
    for arguments in (("replay",), ("verify", "journal")):
        assert skyledger(*arguments, "--work", str(home), *ONE).code == 0
    left = {path.name: path.read_text() for path in home.iterdir()}
    assert left == {"letter.txt": "precious", "skyledger-exports-replay.lock": "", "skyledger-exports-verify.lock": ""}


def test_a_command_may_work_in_its_folder_twice(filled: Ledger, tmp_path: Path) -> None:
    """`verify journal table` does: the second check is not kept out by the first."""
    first, second = (hold_work_folder(Deployment(bucket="exports"), tmp_path / "work", "verify") for _ in range(2))
    assert first == second
    work_folder._held.popitem()[1].close()


def test_the_cache_is_this_users_and_left_clean(skyledger: Run, filled: Ledger, tmp_path: Path) -> None:
    """Scratch lies in the user's cache, by bucket, and is gone after a finished command."""
    skyledger("replay", *ONE)
    skyledger("verify", "journal", *ONE)
    assert {path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()} == {".lock"}
    assert list(dates(filled.store)) == ["date=2026-11-25"]


@pytest.mark.parametrize("planted", ["skyledger-exports-replay.lock", "skyledger-exports-replay"])
def test_a_link_of_another_user_is_not_followed(
    planted: str, skyledger: Run, filled: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a shared folder somebody may have made what we are about to make: nothing behind it is touched or believed."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("precious")
    (tmp_path / planted).symlink_to(theirs / "file" if planted.endswith(".lock") else theirs)
    planted_by_them = (tmp_path / planted).lstat().st_ino
    monkeypatch.setattr(work_folder, "_is_ours", lambda what: what.st_ino != planted_by_them)
    ran = skyledger("replay", "--work", str(tmp_path), *ONE)
    assert (ran.code, ran.err.count("\n"), "give --work another folder" in ran.err) == (2, 1, True)
    assert [(path.name, path.read_text()) for path in theirs.iterdir()] == [("file", "precious")]


def test_what_another_user_made_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is what this user made, or root."""
    (tmp_path / "file").touch()
    seen = (tmp_path / "file").stat()
    assert work_folder._is_ours(seen)
    monkeypatch.setattr(work_folder.os, "geteuid", lambda: 4321)
    assert work_folder._is_ours(seen) == (seen.st_uid == 0)
    assert not work_folder._is_ours(os.stat_result((*seen[:4], 4322, *seen[5:])))


def test_only_this_user_may_look_into_the_folder(filled: Ledger, tmp_path: Path) -> None:
    """It holds rows: where and when photos were taken."""
    hold_work_folder(Deployment(bucket="exports"), tmp_path / "work", "verify")
    work_folder._held.popitem()[1].close()
    assert (tmp_path / "work" / "skyledger-exports-verify").stat().st_mode & 0o077 == 0
    assert (tmp_path / "work" / "skyledger-exports-verify.lock").stat().st_mode & 0o077 == 0


def test_what_is_no_file_is_not_locked(tmp_path: Path) -> None:
    """A pipe that stands there is nobody's lock."""
    os.mkfifo(tmp_path / "skyledger-exports-verify.lock")
    with pytest.raises(NotOurs, match=r"verify\.lock"):
        hold_work_folder(Deployment(bucket="exports"), tmp_path, "verify")
