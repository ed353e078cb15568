"""A full disk is told in one line that says where, and how much is needed; and nothing is left behind."""

import resource
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer

from ledger.commit import commit
from ledger.errors import Unavailable
from ledger.ledger import Ledger
from ledger.publish import publish
from operations import disk
from operations.cli.exit_codes import with_exit_code
from operations.cli.output import Output
from operations.errors import DiskFull
from operations.readers.formats import Format
from tests.support.command_line import Ran
from tests.support.factories import insert

Run = Callable[..., Ran]
ONE = ("--processes", "1")
POSITION = {"gps_latitude_deg": {"N": "52.1"}, "gps_longitude_deg": {"N": "5.2"}}
FORMATS = [Format.PARQUET, Format.GEOJSON, Format.ODM]  # written by DuckDB, by Python, and of few columns


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the system refuse to make a file larger, whoever writes it (setrlimit(2): EFBIG, SIGXFSZ being ignored)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder: Path) -> dict[str, bytes]:
    """Read all that lies in a folder; locks are empty, and stay."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def copied(skyledger: Run, ledger: Ledger, tmp_path: Path) -> Path:
    """A copy of 99 rows, which are 100 by now."""
    commit(ledger, [insert(number, **POSITION) for number in range(99)])
    publish(ledger)
    assert skyledger("pull", str(tmp_path / "copy")).code == 0
    commit(ledger, [insert(99, **POSITION)])
    publish(ledger)
    return tmp_path / "copy"


WRITERS = {
    "pull": ("pull", "COPY"),
    **{f"pull {form.value}": ("pull", "COPY", "--format", form.value) for form in FORMATS},
    "pull --where": ("pull", "COPY", "--format", "csv", "--where", "true"),
    "verify journal": ("verify", "journal", *ONE),
    "replay": ("replay", *ONE),
    "replay --swap": ("replay", "--swap", "--shard-bytes", "3000", *ONE),
}


@pytest.mark.parametrize("name", WRITERS)
def test_whoever_finds_the_disk_full_says_so_and_leaves_nothing(
    name: str, copied: Path, skyledger: Run, tmp_path: Path
) -> None:
    """Exit code 5, one line, one JSON object; what was there is as it was, whichever write fails."""
    arguments = [str(copied) if one == "COPY" else one for one in WRITERS[name]]
    if "--format" in arguments:
        assert skyledger("pull", str(copied)).code == 0  # of a current copy only the format is written
    before = files(copied)
    with files_of_at_most(20):
        ran, told = skyledger(*arguments), skyledger(*arguments, "--json")
    assert (ran.code, told.code) == (5, 5), ran.err
    assert [line for line in ran.err.splitlines() if "disk is full" in line] == ran.err.splitlines()[-1:]
    assert "Traceback" not in ran.err
    assert (told.json["error"], "disk is full" in told.json["message"]) == ("DiskFull", True)
    assert str(copied if arguments[0] == "pull" else tmp_path / "cache") in told.json["message"]
    assert files(copied) == before
    assert files(tmp_path / "cache") == {}
    assert skyledger(*arguments).code == 0


@pytest.mark.parametrize("name", ["pull", "verify journal", "replay"])
def test_a_disk_that_is_too_small_is_told_before_anything_is_written(
    name: str, copied: Path, skyledger: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is needed there and what is free; with enough, both are told before they are used."""
    arguments = [str(copied) if one == "COPY" else one for one in WRITERS[name]]
    before = files(copied)
    free = 64 << 20
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(free))
    monkeypatch.setattr(disk, "_TOLD_FROM", 0)
    ran = skyledger(*arguments)
    assert (ran.code, files(copied), files(tmp_path / "cache")) == (5, before, {})
    assert "MB are needed there, 67.1 MB are free" in ran.err
    free <<= 1
    ran = skyledger(*arguments)
    assert ran.code == 0
    assert "MB, 134.2 MB are free" in ran.err
    assert str(copied if name == "pull" else tmp_path / "cache") in ran.err


def test_what_is_needed_for_a_replay_is_estimated_of_the_journal_itself(
    skyledger: Run, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """About what its statements take, which a row or a compressed byte alone does not tell."""
    commit(ledger, [insert(number, comment={"S": "x" * 1000}) for number in range(300)])
    told: list[int] = []
    monkeypatch.setattr("operations.rebuild.scratch.make_room", lambda folder, needed, report: told.append(needed))
    assert skyledger("replay", *ONE).code == 0
    rows = ledger.load_root()[0].rows.bytes
    assert rows < told[0] < 1.6 * rows


def test_words_of_a_server_are_not_about_this_disk() -> None:
    """An error of the bucket stays what it is."""
    assert not disk.is_full(Unavailable("shards/a: No space left on device"))
    assert disk.is_full(RuntimeError("IO Error: could not write: No space left on device"))
    with pytest.raises(DiskFull, match=r"5\.0 GB are needed there"), disk.telling_full(Path("/nowhere/x"), 5 * 10**9):
        raise OSError(28, "No space left on device", "/nowhere/x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_result_for_which_there_is_no_room_is_told_as_that(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, also where JSON cannot be written either; and Python has nothing left to flush."""

    def command(*, as_json: bool) -> None:
        output = Output(as_json)
        output.result({"rows": 1})
        output.say("1 row")

    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(typer.Exit) as ended:
            with_exit_code(command)(as_json=as_json)
    assert ended.value.exit_code == 5
    err = capsys.readouterr().err
    assert (err.count("\n"), "standard output: the disk is full" in err) == (1, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_what_goes_on_meanwhile_may_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log on a full disk does not end the command."""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        output = Output(as_json=False)
        output.note("once")
        output.note("again")
    assert output.errors.quiet
