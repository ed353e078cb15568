"""`skyledger redrive`: merge what was put aside."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.dead_letters import redrive_messages
from operations.live.redrive import redrive_batches, redrive_quarantine


class PutAside(StrEnum):
    """Where things lie that did not go through."""

    BATCHES = "batches"
    QUARANTINE = "quarantine"
    IMAGES = "images"
    SEEN = "seen"


_QUEUES = {
    PutAside.IMAGES: ("ImageDeadLettersUrl", "ImageQueueUrl"),
    PutAside.SEEN: ("SeenDeadLettersUrl", "SeenQueueUrl"),
}
"""Outputs of the stack: whose dead letters they are, and where these came from."""


def command(
    kinds: Annotated[
        list[PutAside] | None, typer.Argument(help="What to redrive; all that is known of, if not said.")
    ] = None,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Merge what was put aside: batches that Lambda gave up on, quarantined events, images in the dead-letter queues.

    What was merged is deleted, nothing else. The dead-letter queues are found by --stack: `images` has events of
    uploads and removals, `seen` what was sent to be looked at.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    known = [PutAside.BATCHES, PutAside.QUARANTINE, *(_QUEUES if deployment.stack else [])]
    ledger = deployment.ledger()
    results: dict[str, Any] = {}
    with output.progress() as progress:
        for kind in dict.fromkeys(kinds or known):
            if kind in _QUEUES:
                dead_letters, queue = map(deployment.output, _QUEUES[kind])
                results[kind.value] = asdict(redrive_messages(deployment.client("sqs"), dead_letters, queue, progress))
            elif kind is PutAside.BATCHES:
                results[kind.value] = asdict(redrive_batches(ledger, progress))
            else:
                results[kind.value] = asdict(redrive_quarantine(ledger, progress))
    output.result(results)
    for name, result in results.items():
        numbers = ", ".join(f"{value:,} {key}" for key, value in result.items() if isinstance(value, int))
        output.say(f"{name}: {numbers}")
        for key, reason in result.get("left", {}).items():
            output.say(f"  {key}: {reason}")
        for key in result.get("quarantined", ()):
            output.say(f"  in quarantine: {key}")
