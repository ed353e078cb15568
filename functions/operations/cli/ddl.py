"""`skyledger ddl`: print the statements by which engines read the CSV, and make the list that their table is over."""

from contextlib import suppress
from typing import Annotated

import typer

from ledger.errors import Denied
from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.readers.ddl import Engine, statements
from operations.readers.engine_list import make_list


def command(
    engine: Annotated[Engine, typer.Argument(help="Who is to read the CSV.")],
    make: Annotated[
        bool,
        typer.Option("--list", help="Make the list of shards that the table reads, if there is none."),
    ] = False,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Print the statements by which Athena, Trino, Spark or Redshift reads the CSV, with all its columns and types.

    They read one moment of it, by a list of its shards. An operator makes that once (--list); the stack then renews it
    each minute, for as long as it is there.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger, name = deployment.ledger(), deployment.bucket_name()
    root, _ = ledger.load_root()
    text = statements(engine, root.columns, name)
    place, made = f"s3://{name}/{engine.list_key}", False
    if make:
        with output.progress() as progress:
            made = make_list(ledger, engine.list_key, name, progress)
    output.result({"engine": engine.value, "statements": text, "list": place, "made": made})
    for line in text.rstrip("\n").split("\n"):
        output.say(line)
    if made:
        output.note(f"made {place}")
    else:
        with suppress(Denied):  # S3 tells of a list that is not there only whom the bucket may be listed by
            if ledger.present(engine.list_key) is None:
                output.note(f"there is no {place} yet: an operator makes it, by skyledger ddl {engine.value} --list")
