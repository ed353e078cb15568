"""Ctrl-C ends a command by 130, whatever it is at, and without a traceback."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer

from operations.cli import interrupt
from operations.cli.exit_codes import with_exit_code
from operations.cli.interrupt import interruptible
from tests.support.paths import ROOT

# Presses Ctrl-C when the command imports what takes longest; else it would go on and do what it is asked for.
IMPORTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests themselves were started with
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
from operations.cli.start import main
main()
"""


pytestmark = pytest.mark.usefixtures("heard")


def press() -> None:
    """Press Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def test_a_command_that_is_only_just_imported_ends_at_once() -> None:
    """The first half second has no traceback either."""
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTED, "--help"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "functions")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_the_program_begins_with_nothing_that_takes_long() -> None:
    """Else Ctrl-C comes before anybody hears it; and every process of a rebuild would import it."""
    code = "import operations.cli.start, sys; print([name for name in ('boto3', 'duckdb', 'rich', 'typer', 'ledger')"
    ended = subprocess.run(
        [sys.executable, "-c", f"{code} if name in sys.modules])"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "functions")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "[]\n"


def test_a_command_commits_as_a_small_function_does() -> None:
    """A backfill of 300,000 rows took 543 MB, and 200 of them for its commits; a function knows better what it has."""
    code = (
        "import sys; sys.argv = ['skyledger', '--version']\nfrom operations.cli.start import main\ntry:\n    main()\n"
    )
    code += "except SystemExit:\n    from ledger import limits\n    print(limits.MEMORY >> 20)"
    told = {}
    for size in ("", "1024"):
        environment = os.environ | {"PYTHONPATH": str(ROOT / "functions"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": size}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        told[size] = ran.stdout.splitlines()[-1]
    assert told == {"": "256", "1024": "1024"}


def _ask() -> None:
    """Typer asks, and makes Abort of Ctrl-C."""
    try:
        press()
    except KeyboardInterrupt:
        raise typer.Abort from None


def _query() -> None:
    """DuckDB makes a RuntimeError of Ctrl-C, and what called it may make something else of that."""
    try:
        press()
    except KeyboardInterrupt:
        raise RuntimeError("Query interrupted") from None


@pytest.mark.parametrize("work", [press, _ask, _query])
def test_whatever_becomes_of_ctrl_c_it_ends_by_130(
    work: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one word; what is half is cleared away before."""
    cleared = []

    def command(*, as_json: bool) -> None:
        try:
            work()
        finally:
            cleared.append(True)

    with pytest.raises(typer.Exit) as ended:
        with_exit_code(command)(as_json=False)
    assert (ended.value.exit_code, capsys.readouterr().err, cleared) == (130, "interrupted\n", [True])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever presses twice does not want to wait for what is cleared away."""
    left = []
    monkeypatch.setattr(interrupt, "leave", lambda: left.append(True))
    with interruptible() as told:
        with pytest.raises(KeyboardInterrupt):
            press()
        press()
    assert (told.came, left) == (True, [True])


def test_what_is_started_to_ignore_ctrl_c_goes_on() -> None:
    """As behind `nohup`, or in the background of a script."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible() as told:
        press()
    interrupt.end_at_once()
    press()
    assert not told.came
