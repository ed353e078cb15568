"""`skyledger reread`: have photos read again that an older reader has read."""

from dataclasses import asdict
from typing import Annotated

import typer

from operations.bucket.lane import CONFIG
from operations.bucket.prices import lane_usd, usd_text
from operations.bucket.reread import Reread
from operations.bucket.reread import older as made_by_older
from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Rate, Region, Stack, WorkFolder
from operations.cli.output import Output
from operations.cli.work_folder import hold_work_folder
from operations.readers.pull import pull
from operations.readers.table import open_table
from operations.status import now


def command(
    everything: Annotated[bool, typer.Option("--all", help="All photos.")] = False,
    where: Annotated[
        str, typer.Option(help="Photos for whose rows this DuckDB expression is true, e.g. \"make = 'Parrot'\".")
    ] = "",
    older: Annotated[bool, typer.Option("--older", help="Photos whose rows an older reader made.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count them, and send nothing.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="So many at most; the next run goes on behind them. 0: all.")] = 0,
    rate: Rate = 0.0,
    work: WorkFolder = None,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Have photos read again by the reader of today, through the lane; rows whose photos say nothing new stay.

    Say which: --all, --where or --older. It fetches a copy of the CSV (only what changed since the last time), counts,
    then sends each photo. Interrupted, it is run again, and goes on within a day. Sending twice does no harm.
    """
    if (everything, bool(where), older).count(True) != 1:
        raise typer.BadParameter("say which photos: one of --all, --where EXPRESSION and --older")
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger = deployment.ledger()
    sources, queue = deployment.sources(), deployment.output("SeenQueueUrl")
    scratch = hold_work_folder(deployment, work, "reread")
    with output.progress() as progress:
        copy = pull(ledger, scratch.folder, progress=progress)
        choice = made_by_older(copy.columns) if older else where
        with open_table(copy.path, copy.columns, choice, scratch.folder, progress, "choosing rows") as table:
            usd = lane_usd(table.count)
            output.note(f"{table.count:,} of {copy.rows:,} rows; to read them again costs {usd_text(usd)}")
            again = Reread(table, choice, sources, scratch, now)
            if not dry_run:
                again.send(deployment.client("sqs", CONFIG), queue, limit=limit, rate=rate, progress=progress)
    report = again.report
    output.result({"version": copy.version, **asdict(report), "usd": round(usd, 2), "dry_run": dry_run})
    output.say(
        f"{report.rows:,} of {copy.rows:,} rows chosen"
        + (f", {report.sent:,} sent" if not dry_run else f", none sent: they cost {usd_text(usd)}")
        + (f"; {report.before:,} were sent by an earlier run" if report.before else "")
        + (f"; {report.outside:,} are of no source any more" if report.outside else "")
        + ("; skyledger status shows what waits" if report.sent else "")
    )
