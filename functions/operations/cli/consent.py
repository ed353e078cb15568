"""Ask before something is done that all readers see, or that cannot be taken back."""

import sys

import typer

from ledger.manifest import Root
from operations.cli.exit_codes import TRY_AGAIN


class Consent:
    """The question of a command, and `--yes`, which answers it beforehand.

    Args:
        yes: the answer was given.
        as_json: a program reads on: it is asked nothing.

    Raises:
        typer.BadParameter: nobody can be asked. Said before the work, which may take long.
    """

    def __init__(self, *, yes: bool, as_json: bool) -> None:
        self._yes = yes
        if not yes and (as_json or not _has_terminal()):
            raise typer.BadParameter("this asks before it changes anything, and nobody is there to answer: give --yes")

    def ask(self, question: str) -> None:
        """Go on only with a yes; else the command ends with the code for what was not done this time."""
        if not self._yes and not typer.confirm(question, err=True):
            raise typer.Exit(TRY_AGAIN)


def rows_now(live: Root | None) -> str:
    """Begin a question with what readers see before it is answered."""
    now = f"the CSV has {live.rows.rows:,} rows (version {live.version})" if live else "the ledger has lost its root"
    return f"Now {now}"


def _has_terminal() -> bool:
    return sys.stdin.isatty()
