"""`skyledger snapshot`: pin the live tree, list the snapshots, or remove one."""

from typing import Annotated

import typer

from operations.cli.deployment import make_deployment
from operations.cli.options import AsJson, Bucket, EndpointUrl, Profile, Region, Stack
from operations.cli.output import Output
from operations.live.snapshot import pin, remove, snapshots


def command(
    name: Annotated[str, typer.Argument(help="Name for the snapshot; all snapshots are listed without one.")] = "",
    unpin: Annotated[bool, typer.Option("--remove", help="Unpin it: what only it names is collected.")] = False,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Pin the live tree under a name, list the snapshots, or remove one."""
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger = deployment.ledger()
    if not name:
        listed = [{"name": one.name, "made": one.made.isoformat()} for one in snapshots(ledger)]
        output.result({"snapshots": listed})
        output.table(["name", "made"], [[one["name"], one["made"]] for one in listed])
    elif unpin:
        remove(ledger, name)
        output.result({"removed": name})
        output.say(f"removed {name}")
    else:
        root, _ = ledger.load_root()
        pin(ledger, name, root)
        output.result({"name": name, "version": root.version, "tree": root.tree_hash, "rows": root.rows.rows})
        output.say(f"{name}: version {root.version}, {root.rows.rows:,} rows")
