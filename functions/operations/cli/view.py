"""The commands that only look: status, history, view."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from operations import status as state
from operations.cli.deployment import Place
from operations.cli.options import app, command, parse_time
from operations.cli.output import Output
from operations.history import history as history_of
from operations.page.server import page_server, photo_reader


@command(app)
def status(place: Place, output: Output) -> None:
    """Show what the ledger holds, whether the CSV shows it, what waits, and what needs an operator."""
    found = state.status(place.ledger(), state.now())
    if place.stack:
        names = place.outputs()
        letters = state.count_dead_letters(place.client("sqs"), names["ImageDeadLettersUrl"])
        stream = state.stream_state(place.client("lambda"), names["StreamMappingId"])
        found = state.with_services(found, letters, stream)
    output.result(asdict(found))
    shown = "yes" if found.published else f"no, it shows version {found.published_version}"
    age = "" if found.event_age_seconds is None else f" ({found.event_age_seconds:,} s ago)"
    output.pairs(
        {
            "version": found.version,
            "rows": f"{found.rows:,}",
            "bytes": f"{found.bytes:,}",
            "tree": found.tree,
            "newest event": f"{found.newest_event or 'none'}{age}",
            "published": shown,
            "stream": found.stream if found.stream is not None else "not asked (--stack)",
            "waiting segments": found.waiting_segments,
            "failed batches": found.failed_batches,
            "quarantined events": found.quarantined,
            "dead letters": found.dead_letters if found.dead_letters is not None else "not asked (--stack)",
            "snapshots": found.snapshots,
        }
    )
    for line in found.todo:
        output.say(f"-> {line}")


@command(app)
def history(
    place: Place,
    output: Output,
    image: Annotated[str, typer.Argument(help="ETag, key, or bucket/key of an image.", metavar="ETAG|KEY")],
    since: Annotated[str, typer.Option(help="Search from this day on (YYYY-MM-DD).")] = "",
) -> None:
    """Show what happened to an image, event by event, and its row now."""
    with output.progress() as progress:
        found = history_of(place.ledger(), image, since=parse_time(since)[:10], progress=progress)
    output.result(asdict(found))
    for step in found.steps:
        changes = "; ".join(f"{name}: {_short(old)} -> {_short(new)}" for name, (old, new) in step.changed.items())
        output.say(f"{step.time}  {step.what:<8} {step.etag} r{step.revision}  {step.object}  {changes}".rstrip())
    output.say(
        f"{len(found.steps)} events; "
        + (f"now in the CSV, {len(found.rows)} row(s)" if found.rows else "not in the CSV now")
    )


@command(app)
def view(
    place: Place,
    output: Output,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes any free one.")] = 8765,
) -> None:
    """Serve the page that shows the CSV on a map, for this machine alone, with your own credentials. Ctrl-C ends it."""
    photos = photo_reader(place.client("s3"), place.output("ImagesBucketName")) if place.stack else None
    with page_server(place.ledger().store, photos, port) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        output.result({"address": address})
        output.say(address)
        output.note("serving; Ctrl-C ends" + ("" if photos else "; with --stack it links to the photos, too"))
        server.serve_forever()


def _short(value: Any) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
