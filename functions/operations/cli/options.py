"""Options that several commands have, and how what is written behind them is read."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ledger.event import time_text
from operations.progress import processes

_WHERE = "Where"
Bucket = Annotated[str, typer.Option(help="Export bucket.", envvar="SKYLEDGER_BUCKET", rich_help_panel=_WHERE)]
Stack = Annotated[
    str,
    typer.Option(
        help="CloudFormation stack, to look bucket and tables up.", envvar="SKYLEDGER_STACK", rich_help_panel=_WHERE
    ),
]
Profile = Annotated[str, typer.Option(help="Profile of the AWS configuration.", rich_help_panel=_WHERE)]
Region = Annotated[str, typer.Option(help="AWS region.", rich_help_panel=_WHERE)]
EndpointUrl = Annotated[str, typer.Option(help="Another endpoint than AWS's.", rich_help_panel=_WHERE)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel=_WHERE)]

Processes = Annotated[
    int,
    typer.Option(
        min=1, help="Processes to work in, some 160 MB each; as the machine's cores, 2 at most, if not given."
    ),
]
WorkFolder = Annotated[
    Path | None,
    typer.Option(help="Where to make a folder for what memory does not hold, and for going on after a crash."),
]
TableName = Annotated[str, typer.Option("--table", help="The Images table; from the stack if not given.")]
ExportArn = Annotated[str, typer.Option("--export", help="Use this export, started before, instead of a new one.")]
Inventory = Annotated[
    str,
    typer.Option(
        help="Read an S3 Inventory instead of listing: s3://BUCKET/KEY of its manifest.json (CSV or Parquet)."
    ),
]
Rate = Annotated[float, typer.Option(min=0, help="Objects to send in a second, at most; 0: as fast as it goes.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Distributed = Annotated[bool, typer.Option("--distributed", help="On Step Functions instead of here.")]
PROCESSES = processes()


def parse_time(text: str) -> str:
    """Read a time as ISO 8601 (UTC if it names no offset) and write it as events have it; empty stays empty."""
    if not text:
        return ""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time: write it as 2026-11-24T14:00:00Z") from error
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time_text(time)
