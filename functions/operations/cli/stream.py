"""`skyledger stream`: switch the exporter on or off."""

from enum import StrEnum
from typing import Annotated

import typer

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.stream_mapping import switch_stream


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


def command(
    switch: Annotated[Switch, typer.Argument(help="Follow the table's stream, or let it wait.")],
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Switch the exporter on or off. The stream keeps what happens meanwhile for 24 hours."""
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    deployment.ledger()  # there is one
    functions = deployment.client("lambda")
    state = switch_stream(functions, deployment.output("StreamMappingId"), on=switch is Switch.ON)
    output.result({"state": state})
    output.say(f"the stream is {state.lower()}")
