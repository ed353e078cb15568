"""`skyledger ingest`: everything that is in the buckets and not in the ledger."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from operations.bucket.ingest import Ingest, IngestWishes, plan_ingest, send_ingest
from operations.bucket.lane import CONFIG
from operations.bucket.prices import lane_usd, usd_text
from operations.cli.bucket_check import compare_there
from operations.cli.deployment import Deployment, make_deployment
from operations.cli.options import (
    AsJson,
    Bucket,
    Distributed,
    EndpointUrl,
    ExportArn,
    Inventory,
    Profile,
    Rate,
    Region,
    Stack,
    WorkFolder,
    parse_time,
)
from operations.cli.output import Output
from operations.cli.work_folder import hold_work_folder


def command(
    place: Annotated[str, typer.Argument(help="Only what is there, s3://BUCKET/PREFIX; all sources if not said.")] = "",
    newer_than: Annotated[str, typer.Option(help="Only what was written after this time (ISO 8601, UTC).")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Send so many objects at most; 0: all.")] = 0,
    inventory: Inventory = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be sent, and its cost.")] = False,
    rate: Rate = 0.0,
    all_new: Annotated[
        bool, typer.Option("--new", help="Nothing is known yet, as on a new stack: send all, without an export.")
    ] = False,
    export_arn: ExportArn = "",
    distributed: Distributed = False,
    work: WorkFolder = None,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Send every object that is in the images buckets and not in the ledger to be read, in a lane of its own.

    The buckets are listed and compared with an export of the table of objects, which costs per GB of the table and
    takes minutes. What is found is counted, with what it will cost, and then sent without a question: --dry-run ends
    there. Interrupted, it goes on where it was when it is called in the same way. Objects that are sent twice do no
    harm. It ends when all are sent: `skyledger verify bucket` says when all are read.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    if all_new and export_arn:
        raise typer.BadParameter("--new makes do without an export: leave out --export")
    deployment.ledger()  # there is one
    if distributed:
        wishes_there = {
            "mode": "ingest",
            "place": place,
            "newer_than": parse_time(newer_than),
            "limit": limit,
            "inventory": inventory,
            "dry_run": dry_run,
            "rate": rate,
            "all_new": all_new,
            "export": export_arn,
        }
        _ingest_there(deployment, output, wishes_there)
        return
    sources = deployment.sources(place)
    wishes = IngestWishes(sources.places, parse_time(newer_than), limit, inventory, all_new)
    export = (
        None
        if all_new
        else deployment.export_request("" if export_arn else deployment.output("ObjectsTableName"), export_arn)
    )
    scratch = hold_work_folder(deployment, work, "ingest")
    with output.progress() as progress:
        wanted = deployment.wanted(sources, export, inventory)
        ingest = plan_ingest(wanted, wishes, scratch, progress=progress, note=output.note, anew=dry_run)
        sends = bool(ingest.to_send) and not dry_run
        if sends:
            output.note(_plan(ingest))
            queue, sqs = deployment.output("SeenQueueUrl"), deployment.client("sqs", CONFIG)
            try:
                send_ingest(ingest, scratch, sqs, queue, rate=rate, progress=progress)
            except BaseException:
                output.note(f"{ingest.sent:,} of {ingest.to_send:,} were sent: the same command goes on there")
                raise
    output.result({**_told(ingest), "dry_run": dry_run})
    if not sends:
        output.say(_plan(ingest))
    output.say(_next(ingest, dry_run))


def _ingest_there(deployment: Deployment, output: Output, wishes: dict[str, Any]) -> None:
    with output.progress() as progress:
        result = compare_there(deployment, output, progress, wishes)
    told = {name: result[name] for name in ("missing", "stale", "unread", "count", "repaired", "prefix")}
    usd = lane_usd(result["count"])
    output.result({**told, "objects": result["checked"]["objects"], "usd": round(usd, 2), "dry_run": wishes["dry_run"]})
    objects = result["checked"]["objects"]
    output.say(f"{objects:,} objects: {result['count']:,} to send, {usd_text(usd)}; {result['repaired']:,} sent")


def _plan(ingest: Ingest) -> str:
    """Say what was found, and what it costs."""
    parts = [f"{ingest.missing:,} missing", f"{ingest.stale:,} stale"]
    parts += [f"{ingest.unread:,} refused by an older reader"] if ingest.unread else []
    parts += [f"{ingest.older:,} of them too old"] if ingest.older else []
    found = f"{ingest.objects:,} objects: {', '.join(parts)}; {ingest.to_send:,} to send, {usd_text(ingest.usd)}"
    gone = f"; {ingest.phantom:,} records without an object are left: skyledger verify bucket" if ingest.phantom else ""
    return found + gone


def _next(ingest: Ingest, dry_run: bool) -> str:
    """Say what was done, and what to do now."""
    if not ingest.objects:
        return f"nothing is there: {', '.join(f's3://{bucket}/{prefix}' for bucket, prefix in ingest.wishes['places'])}"
    if not ingest.to_send:
        return "nothing is to be sent; skyledger verify bucket proves that all is in the CSV"
    if dry_run:
        return "nothing was sent: the same command without --dry-run sends it, and need not look again"
    return (
        f"{ingest.sent:,} objects sent; skyledger status shows what waits, skyledger verify bucket that all were read"
    )


def _told(ingest: Ingest) -> dict[str, Any]:
    return {name: value for name, value in asdict(ingest).items() if name != "wishes"}
