"""A command works in a folder of its own."""

import fcntl
from collections.abc import Callable
from pathlib import Path

from ledger.journal import dates
from ledger.ledger import Ledger
from operations.cli import work_folder
from operations.cli.deployment import Deployment
from operations.cli.work_folder import hold_work_folder
from tests.support.command_line import Ran

Run = Callable[..., Ran]
ONE = ("--processes", "1")


def test_two_commands_do_not_work_in_one_folder(skyledger: Run, filled: Ledger, tmp_path: Path) -> None:
    """The second one says so instead of deleting what the first one needs."""
    folder = tmp_path / "work"
    with (tmp_path / "work.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = skyledger("replay", "--work", str(folder), *ONE)
        assert (ran.code, "another skyledger works in" in ran.err) == (5, True)
    assert skyledger("replay", "--work", str(folder), *ONE).code == 0


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
