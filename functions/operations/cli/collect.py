"""`skyledger collect`: delete what nothing names any longer."""

from dataclasses import asdict
from typing import Annotated

import typer

from operations.cli.deployment import make_deployment
from operations.cli.exit_codes import TRY_AGAIN
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.collection.collect import collect


def command(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Delete what nothing names any longer; the stack does so on a schedule."""
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger = deployment.ledger()
    with output.progress() as progress:
        progress("looking for what nothing names", 0, 1)
        report = collect(ledger, dry_run=dry_run, progress=progress)
        progress("looking for what nothing names", 1, 1)
    output.result(asdict(report))
    if not report.claimed:
        output.note("another collection is at it")
        raise typer.Exit(TRY_AGAIN)
    deleted = ", ".join(f"{count:,} of {folder}/" for folder, count in report.deleted.items()) or "nothing"
    output.say(f"{'would delete' if dry_run else 'deleted'} {deleted}: {report.bytes:,} bytes")
