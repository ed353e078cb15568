"""The `skyledger` command, assembled. Each command parses, calls a function of its capability, and prints."""

from collections.abc import Callable
from typing import Annotated

import typer

from operations.cli import (
    backfill,
    collect,
    ddl,
    forget,
    history,
    ingest,
    pull,
    redrive,
    replay,
    reread,
    restore,
    snapshot,
    status,
    stream,
    verify,
    view,
)
from operations.cli.exit_codes import EXIT_CODES, with_exit_code
from operations.cli.output import Output
from operations.cli.version import own_version

# In the order in which the help lists them: for readers, to look and to prove, to rebuild, to repair.
COMMANDS: dict[str, Callable[..., None]] = {
    "pull": pull.command,
    "ddl": ddl.command,
    "status": status.command,
    "history": history.command,
    "view": view.command,
    "verify": verify.command,
    "replay": replay.command,
    "snapshot": snapshot.command,
    "restore": restore.command,
    "ingest": ingest.command,
    "backfill": backfill.command,
    "collect": collect.command,
    "redrive": redrive.command,
    "stream": stream.command,
    "reread": reread.command,
    "forget": forget.command,
}

app = typer.Typer(
    name="skyledger",
    help="Operate a Skyledger: rebuild, prove, repair, and read its CSV.\n\n" + EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        Output(as_json=False).say(own_version())
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")] = (
        False
    ),
) -> None:
    """Take what stands before the command's name."""


for name, command in COMMANDS.items():
    app.command(name)(with_exit_code(command))

if __name__ == "__main__":
    app()
