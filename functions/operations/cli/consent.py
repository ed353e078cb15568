"""Ask before something is done that all readers see, or that cannot be taken back. No other module asks."""

import sys

import typer

from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.cli.deployment import Deployment
from operations.errors import NotAgreed
from operations.live.root import live_root
from operations.stream_mapping import is_followed


class Consent:
    """The question of a command, and `--yes`, which answers it beforehand.

    Attributes:
        given: the answer was given, so nothing will be asked.

    Args:
        yes: the answer was given.
        as_json: a program reads on: it is asked nothing.

    Raises:
        typer.BadParameter: nobody can be asked. Said before the work, which may take long.
    """

    def __init__(self, *, yes: bool, as_json: bool) -> None:
        self.given = yes
        if not yes and (as_json or not _has_terminal()):
            raise typer.BadParameter("this asks before it changes anything, and nobody is there to answer: give --yes")

    def ask(self, question: str) -> None:
        """Go on only with a yes.

        Raises:
            NotAgreed: the answer was no, or there was none.
        """
        if not self.given and not _agrees(question):
            raise NotAgreed("not agreed to: nothing was changed")


def ask_to_restore(consent: Consent, deployment: Deployment, ledger: Ledger, wanted: Root, to: str) -> None:
    """Say what all readers will see, and what goes on meanwhile, and ask whether it is to be.

    Args:
        consent: whose question it is.
        deployment: whose stream may be on.
        ledger: whose CSV it is.
        wanted: the root that is to be restored.
        to: the snapshot that it is, or the time that it is of.

    Raises:
        NotAgreed: as for `Consent.ask`.
        Unavailable: the store did not answer.
    """
    if consent.given:
        return
    now = rows_now(live_root(ledger)[0])
    goes_on = deployment.stack and is_followed(deployment.client("lambda"), deployment.output("StreamMappingId"))
    warning = "; the stream is on: what comes from now on is merged into it (skyledger stream off)" if goes_on else ""
    consent.ask(f"{now}; restored to {to} it has {wanted.rows.rows:,}{warning}. Restore it?")


def rows_now(live: Root | None) -> str:
    """Say what readers see before a question is answered."""
    now = f"the CSV has {live.rows.rows:,} rows (version {live.version})" if live else "the ledger has lost its root"
    return f"Now {now}"


def _agrees(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:  # the input ended; or Ctrl-C, of which `interrupt` knows
        return False


def _has_terminal() -> bool:
    return sys.stdin.isatty()
