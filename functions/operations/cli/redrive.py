"""`skyledger redrive`: merge what was put aside."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.dead_letters import redrive_images
from operations.live.redrive import redrive_batches, redrive_quarantine


class PutAside(StrEnum):
    """Where things lie that did not go through."""

    BATCHES = "batches"
    QUARANTINE = "quarantine"
    IMAGES = "images"


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
    """Merge what was put aside: batches that Lambda gave up on, quarantined events, images in the dead-letter queue.

    What was merged is deleted, nothing else. The dead-letter queue is found by --stack.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    known = [PutAside.BATCHES, PutAside.QUARANTINE, *([PutAside.IMAGES] if deployment.stack else [])]
    results: dict[str, Any] = {}
    with output.progress() as progress:
        for kind in dict.fromkeys(kinds or known):
            if kind is PutAside.IMAGES:
                queues = deployment.output("ImageDeadLettersUrl"), deployment.output("ImageQueueUrl")
                results[kind.value] = asdict(redrive_images(deployment.client("sqs"), *queues, progress))
            elif kind is PutAside.BATCHES:
                results[kind.value] = asdict(redrive_batches(deployment.ledger(), progress))
            else:
                results[kind.value] = asdict(redrive_quarantine(deployment.ledger(), progress))
    output.result(results)
    for name, result in results.items():
        numbers = ", ".join(f"{value:,} {key}" for key, value in result.items() if isinstance(value, int))
        output.say(f"{name}: {numbers}")
        for key, reason in result.get("left", {}).items():
            output.say(f"  {key}: {reason}")
        for key in result.get("quarantined", ()):
            output.say(f"  in quarantine: {key}")
