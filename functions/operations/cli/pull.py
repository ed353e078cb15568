"""`skyledger pull`: keep a copy of the CSV on this machine, also in other formats."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.manifest import Root
from operations.cli.deployment import make_deployment
from operations.cli.exit_codes import DIFFERENT
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.cli.remedies import remedy
from operations.live.snapshot import load
from operations.readers.follow import follow
from operations.readers.formats import Format
from operations.readers.pull import PullReport, pull
from operations.readers.standing import Formats, write_formats


def command(
    dest: Annotated[Path, typer.Argument(help="Folder for image-data.csv and the other formats.")],
    formats: Annotated[
        list[Format] | None, typer.Option("--format", help="Formats beside the CSV; can be given several times.")
    ] = None,
    where: Annotated[
        str, typer.Option(help='Only rows for which this DuckDB expression is true, e.g. "iso > 400".')
    ] = "",
    name: Annotated[str, typer.Option("--snapshot", help="Copy this snapshot instead of the live tree.")] = "",
    keep_up: Annotated[bool, typer.Option("--follow", help="Go on, and copy whenever something changed.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks with --follow.")] = 10.0,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Copy image-data.csv to this machine, fetching only what changed, and write it in other formats.

    The folder always has the whole image-data.csv, and formats that stand there are written anew with it. With --where,
    the chosen rows are written as selection.csv, selection.parquet and so on. geo.txt is OpenDroneMap's list of
    positions, pix4d.csv that of Pix4D: one for each folder if names come again. Exit code 1: a format has no row left.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    if keep_up and name:
        raise typer.BadParameter("a snapshot does not change: leave out --follow or --snapshot")
    ledger = deployment.ledger()
    wanted = dict.fromkeys(formats or ([Format.CSV] if where else []))

    def copy(root: Root | None) -> None:
        with output.progress() as progress:
            report = pull(ledger, dest, root, progress, output.note, origin=deployment.origin)
            asked = [form for form in wanted if form is not Format.CSV or where]
            formats_there = write_formats(report, asked, where, progress)
        _show(output, report, formats_there, f"snapshot {name}" if name else f"version {report.version}")
        if not keep_up and any(file.is_empty for file in formats_there.asked):
            raise typer.Exit(DIFFERENT)

    if keep_up:
        follow(ledger, every, copy, partial(_tell, output))
    copy(load(ledger, name) if name else None)


def _tell(output: Output, outage: Exception | None) -> None:
    """Say that an outage began, and by what, or that it is over."""
    if outage is None:
        output.note("it answers again")
        output.result({"waiting": False})
        return
    output.note(f"{outage} ({remedy(outage) or 'no reason known'}); waiting")
    output.result({"waiting": True, "error": type(outage).__name__, "message": " ".join(str(outage).split())})


def _show(output: Output, report: PullReport, made: Formats, what: str) -> None:
    files = made.asked + made.refreshed
    described: list[dict[str, Any]] = [
        {"path": str(file.path), "rows": file.rows, "left_out": file.left_out, "folders": file.folders}
        for file in files
    ]
    output.result(
        {
            "version": report.version,
            "tree": report.tree,
            "rows": report.rows,
            "bytes": report.bytes,
            "path": str(report.path),
            "changed": report.changed,
            "fetched_bytes": report.fetched_bytes,
            "fetched_shards": report.fetched_shards,
            "reused_bytes": report.reused_bytes,
            "files": described,
            "stale": made.stale,
        }
    )
    news = f"fetched {report.fetched_bytes:,} bytes" if report.changed else "nothing new"
    output.say(f"{report.path}: {what}, {report.rows:,} rows, {news}")
    for file in files:
        rows = "" if file.rows is None else f": {file.rows:,} rows"
        folders = f" in {len(file.folders):,} files, one for each folder" if file.folders else ""
        left_out = "".join(f"; {count:,} {reason}" for reason, count in file.left_out.items())
        output.say(f"{file.path}{rows}{folders}{left_out}")
    for name, reason in made.stale.items():
        output.say(f"{report.path.with_name(name)}: of an older version ({reason})")
