"""The commands that repair: backfill, redrive, collect, stream."""

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer

from ledger.publish import publish
from operations.cli.deployment import Place, open_bucket
from operations.cli.options import TRY_AGAIN, ExportArn, TableName, Work, app, command, parse_time, scratch_folder
from operations.cli.output import Output
from operations.collection.collect import collect as collect_garbage
from operations.dead_letters import redrive_images
from operations.live.redrive import redrive_batches, redrive_quarantine
from operations.table_export.backfill import backfill as merge_export
from operations.table_export.take import give_back, take_export


class PutAside(StrEnum):
    """Where things lie that did not go through."""

    BATCHES = "batches"
    QUARANTINE = "quarantine"
    IMAGES = "images"


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


@command(app)
def backfill(
    place: Place,
    output: Output,
    table: TableName = "",
    export_arn: ExportArn = "",
    since: Annotated[str, typer.Option(help="Export only what changed from this time on (at most 24 h ago).")] = "",
    until: Annotated[str, typer.Option(help="And up to this time; now if not given.")] = "",
    keep_rows: Annotated[bool, typer.Option("--keep-rows", help="Remove no row, whatever the export lacks.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")] = False,
    work: Work = None,
) -> None:
    """Bring the CSV in line with the table by an export to S3: no Scan, no read capacity.

    For a table that was there before the exporter, and after a gap in the stream. The export costs per GB of the
    table (with --since, of its changes) and takes minutes. Rows whose image is gone are removed where that is safe.
    """
    ledger = place.ledger()
    window = None
    if since:
        end = datetime.fromisoformat(parse_time(until)) if until else datetime.now(UTC).replace(second=0, microsecond=0)
        window = (datetime.fromisoformat(parse_time(since)), end)
    with output.progress() as progress:
        taken = take_export(
            ledger,
            place.client("dynamodb"),
            place.bucket_name(),
            table or ("" if export_arn else place.output("ImagesTableName")),
            partial(open_bucket, client_arguments=place.client_arguments),
            progress,
            arn=export_arn,
            window=window,
            note=output.note,
        )
        before = None if keep_rows else taken.before
        scratch = scratch_folder(place, work, "backfill")
        done = merge_export(ledger, taken.store, taken.export, before, scratch, dry_run=dry_run, progress=progress)
    if not dry_run:
        publish(ledger)
        give_back(ledger, taken)
    output.result({"export": taken.export.name, "exported_at": taken.export.time, **asdict(done)})
    would = "would be " if dry_run else ""
    output.say(f"export of {taken.export.time}: {done.items:,} items, {done.unusable:,} of them cannot be rows")
    output.say(
        f"{done.put:,} rows {would}put, {done.removed:,} {would}removed, {done.kept:,} not in the export and kept"
    )
    for reason in done.reasons:
        output.say(f"  {reason}")
    if done.gaps_closed:
        output.say(f"{done.gaps_closed} gaps closed")


@command(app)
def collect(
    place: Place,
    output: Output,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be deleted.")] = False,
) -> None:
    """Delete what nothing names any longer; the stack does so on a schedule."""
    done = collect_garbage(place.ledger(), dry_run=dry_run)
    output.result(asdict(done))
    if not done.claimed:
        output.note("another collection is at it")
        raise typer.Exit(TRY_AGAIN)
    deleted = ", ".join(f"{count:,} of {folder}/" for folder, count in done.deleted.items()) or "nothing"
    output.say(f"{'would delete' if dry_run else 'deleted'} {deleted}: {done.bytes:,} bytes")


@command(app)
def redrive(
    place: Place,
    output: Output,
    kinds: Annotated[
        list[PutAside] | None, typer.Argument(help="What to redrive; all that is known of, if not said.")
    ] = None,
) -> None:
    """Merge what was put aside: batches that Lambda gave up on, quarantined events, images in the dead-letter queue.

    What was merged is deleted, nothing else. The dead-letter queue is found by --stack.
    """
    known = [PutAside.BATCHES, PutAside.QUARANTINE, *([PutAside.IMAGES] if place.stack else [])]
    results: dict[str, Any] = {}
    with output.progress() as progress:
        for kind in dict.fromkeys(kinds or known):
            if kind is PutAside.IMAGES:
                urls = place.output("ImageDeadLettersUrl"), place.output("ImageQueueUrl")
                results[kind.value] = asdict(redrive_images(place.client("sqs"), *urls, progress))
            else:
                call = redrive_batches if kind is PutAside.BATCHES else redrive_quarantine
                results[kind.value] = asdict(call(place.ledger(), progress))
    output.result(results)
    for name, result in results.items():
        numbers = ", ".join(f"{value:,} {key}" for key, value in result.items() if isinstance(value, int))
        output.say(f"{name}: {numbers}")
        for key, reason in result.get("left", {}).items():
            output.say(f"  {key}: {reason}")
        for key in result.get("quarantined", ()):
            output.say(f"  in quarantine: {key}")


@command(app)
def stream(
    place: Place,
    output: Output,
    switch: Annotated[Switch, typer.Argument(help="Follow the table's stream, or let it wait.")],
) -> None:
    """Switch the exporter on or off. The stream keeps what happens meanwhile for 24 hours."""
    answer = place.client("lambda").update_event_source_mapping(
        UUID=place.output("StreamMappingId"), Enabled=switch is Switch.ON
    )
    output.result({"state": answer["State"]})
    output.say(f"the stream is {answer['State'].lower()}")
