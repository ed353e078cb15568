"""`skyledger history`: what happened to one image."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack, parse_time
from operations.cli.output import Output
from operations.history import read_history


def command(
    image: Annotated[str, typer.Argument(help="ETag, key, or bucket/key of an image.", metavar="ETAG|KEY")],
    since: Annotated[str, typer.Option(help="Search from this day on (YYYY-MM-DD).")] = "",
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Show what happened to an image, event by event, and its row now."""
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger = deployment.ledger()
    with output.progress() as progress:
        past = read_history(ledger, image, since=parse_time(since)[:10], progress=progress)
    output.result(asdict(past))
    for step in past.steps:
        changes = "; ".join(f"{name}: {_short(old)} -> {_short(new)}" for name, (old, new) in step.changed.items())
        output.say(f"{step.time}  {step.what:<8} {step.etag} r{step.revision}  {step.object}  {changes}".rstrip())
    output.say(
        f"{len(past.steps)} events; "
        + (f"now in the CSV, {len(past.rows)} row(s)" if past.rows else "not in the CSV now")
    )


def _short(value: Any) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 40 else text[:39] + "…"
