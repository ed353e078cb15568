"""`skyledger ddl`: print the statements by which other engines read the CSV."""

from typing import Annotated

import typer

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.readers.ddl import Engine, statements


def command(
    engine: Annotated[Engine, typer.Argument(help="Who is to read the CSV.")],
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Print the statements by which Athena or Redshift reads the CSV, with all its columns and their types."""
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    root, _ = deployment.ledger().load_root()
    text = statements(engine, root.columns, deployment.bucket_name())
    output.result({"engine": engine.value, "statements": text})
    for line in text.rstrip("\n").split("\n"):
        output.say(line)
