"""`skyledger backfill`: bring the CSV in line with the table by an export."""

from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer

from operations.cli.deployment import make_deployment
from operations.cli.exit_codes import DIFFERENT
from operations.cli.options import (
    AsJson,
    Bucket,
    EndpointUrl,
    ExportArn,
    Profile,
    Region,
    Stack,
    TableName,
    WorkFolder,
    parse_time,
)
from operations.cli.output import Output
from operations.cli.work_folder import hold_work_folder
from operations.table_export.backfill import backfill_table, check_followed


def command(
    table: TableName = "",
    export_arn: ExportArn = "",
    since: Annotated[str, typer.Option(help="Export only what changed from this time on (at most 24 h ago).")] = "",
    until: Annotated[str, typer.Option(help="And up to this time; now if not given.")] = "",
    keep_rows: Annotated[bool, typer.Option("--keep-rows", help="Remove no row, whatever the export lacks.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")] = False,
    work: WorkFolder = None,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Bring the CSV in line with the table by an export to S3: no Scan, no read capacity.

    For a table that was there before the exporter, and after a gap in the stream. The export costs per GB of the
    table (with --since, of its changes) and takes minutes. Rows whose image is gone are removed where that is safe.
    Items that cannot be rows are named, and their rows stay; then the exit code is 1.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger = deployment.ledger()
    if table or export_arn:  # else it is the stack's own
        check_followed(ledger, table or export_arn, deployment.output("ImagesTableName") if deployment.stack else "")
    window = _window(since, until)
    with output.progress() as progress:
        export, report = backfill_table(
            ledger,
            deployment.export_request(table, export_arn, window),
            partial(hold_work_folder, deployment, work, "backfill"),
            keep_rows=keep_rows,
            dry_run=dry_run,
            progress=progress,
            note=output.note,
        )
    output.result({"export": export.name, "exported_at": export.time, **asdict(report)})
    would = "would be " if dry_run else ""
    output.say(f"export of {export.time}: {report.items:,} items, and {report.unusable:,} that cannot be rows")
    output.say(
        f"{report.put:,} rows {would}put, {report.removed:,} {would}removed, {report.kept:,} not in the export and kept"
    )
    for reason in report.reasons:
        output.say(f"  {reason}")
    if report.gaps_closed:
        output.say(f"{report.gaps_closed} gaps closed")
    if report.unusable:
        raise typer.Exit(DIFFERENT)


def _window(since: str, until: str) -> tuple[datetime, datetime] | None:
    """Read the time of an incremental export; None for a full one."""
    if not since:
        return None
    end = datetime.fromisoformat(parse_time(until)) if until else datetime.now(UTC).replace(second=0, microsecond=0)
    return datetime.fromisoformat(parse_time(since)), end
