"""`skyledger view`: serve the page that shows the CSV on a map."""

from typing import Annotated

import typer

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.page.server import page_server, photo_reader


def command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes any free one.")] = 8765,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Serve the page that shows the CSV on a map, for this machine alone, with your own credentials. Ctrl-C ends it."""
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    photos = None
    if deployment.stack:
        photos = photo_reader(deployment.client("s3"), deployment.output("ImagesBucketName"))
    with page_server(deployment.ledger().store, photos, port) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        output.result({"address": address})
        output.say(address)
        output.note("serving; Ctrl-C ends" + ("" if photos else "; with --stack it links to the photos, too"))
        server.serve_forever()
