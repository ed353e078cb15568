"""`skyledger restore`: go back to a snapshot or a point in time."""

from pathlib import Path
from typing import Annotated

import typer

from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.cli.deployment import Deployment, make_deployment
from operations.cli.options import (
    PROCESSES,
    AsJson,
    Bucket,
    EndpointUrl,
    Processes,
    Profile,
    Region,
    Stack,
    WorkFolder,
    parse_time,
)
from operations.cli.output import Output
from operations.cli.work_folder import hold_work_folder
from operations.live.snapshot import last_replaced, load, restore
from operations.replay.adopt import Purpose
from operations.replay.local import Wishes, replay_for


def command(
    name: Annotated[str, typer.Argument(help="Snapshot to go back to.")] = "",
    to: Annotated[str, typer.Option(help="Or the time to go back to (ISO 8601, UTC).")] = "",
    undo_last: Annotated[bool, typer.Option("--undo", help="Or go back to before the last restoration.")] = False,
    processes: Processes = PROCESSES,
    work: WorkFolder = None,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Make the tree of a snapshot, or of a point in time, the live one. Can be undone: the present one is pinned."""
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    if [bool(name), bool(to), undo_last].count(True) != 1:
        raise typer.BadParameter("say a snapshot, --to TIME, or --undo, one of them")
    ledger = deployment.ledger()
    if undo_last:
        name = last_replaced(ledger)
    if name:
        root, undo = restore(ledger, load(ledger, name))
    else:
        root, undo = _restore_time(deployment, ledger, parse_time(to), processes, work, output)
    output.result({"version": root.version, "rows": root.rows.rows, "tree": root.tree_hash, "undo": undo})
    output.say(
        f"version {root.version}: {root.rows.rows:,} rows" + (f"; to undo: skyledger restore {undo}" if undo else "")
    )


def _restore_time(
    deployment: Deployment, ledger: Ledger, until: str, processes: int, work: Path | None, output: Output
) -> tuple[Root, str]:
    scratch = hold_work_folder(deployment, work, "restore")
    with output.progress() as progress:
        _, adoption = replay_for(
            ledger,
            scratch,
            Wishes(until=until),
            Purpose(swap=True, keep_replaced=True),
            open_store=deployment.open_store(),
            processes=processes,
            progress=progress,
            report=output.note,
        )
    assert adoption.swapped is not None, "that was its purpose"
    return adoption.swapped.root, adoption.undo
