"""`skyledger view`: serve the page that shows the CSV on a map."""

from typing import Annotated

import typer

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.errors import Busy
from operations.page.photos import PhotoReader
from operations.page.server import page_server


def command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes any free one.")] = 0,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Serve the page that shows the CSV on a map, for you alone, with your own credentials. Ctrl-C ends it.

    The address has a secret in it, new each time: whoever knows it can read what the page reads. A port of your choice
    is for machines that you share with nobody: who had it before you may have left a service worker there.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger = deployment.ledger()
    photos = None
    if deployment.stack:
        photos = PhotoReader(deployment.client("s3"), {*deployment.output("ImageBuckets").split(",")})
    try:
        server = page_server(ledger.store, photos, port, output.note)
    except OSError as error:
        raise Busy(f"port {port} of this machine: {error.strerror}; --port 0 takes any free one") from error
    with server:
        output.result({"address": server.address})
        output.say(server.address)
        output.note("serving; Ctrl-C ends" + ("" if photos else "; with --stack it links to the photos, too"))
        server.serve_forever()
