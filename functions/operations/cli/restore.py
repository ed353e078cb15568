"""`skyledger restore`: go back to a snapshot or a point in time."""

from pathlib import Path
from typing import Annotated

import typer

from ledger.ledger import Ledger
from ledger.manifest import Root
from operations.cli.consent import Consent, ask_to_restore
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
    Yes,
    parse_time,
)
from operations.cli.output import Output
from operations.cli.work_folder import hold_work_folder
from operations.live.root import live_root
from operations.live.snapshot import last_replaced, load, restore
from operations.replay.adopt import Purpose
from operations.replay.local import Rebuild, Wishes, replay_for
from operations.replay.past import check_past


def command(
    name: Annotated[str, typer.Argument(help="Snapshot to go back to.")] = "",
    to: Annotated[str, typer.Option(help="Or the time to go back to (ISO 8601, UTC).")] = "",
    undo_last: Annotated[bool, typer.Option("--undo", help="Or go back to before the last restoration.")] = False,
    processes: Processes = PROCESSES,
    work: WorkFolder = None,
    yes: Yes = False,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Make the tree of a snapshot, or of a point in time, the live one. Can be undone: the present one is pinned.

    It shows the rows before and after, and asks; --yes answers beforehand. What happens afterwards is merged into the
    restored CSV: skyledger stream off lets it wait.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    if [bool(name), bool(to), undo_last].count(True) != 1:
        raise typer.BadParameter("say a snapshot, --to TIME, or --undo, one of them")
    until, consent = parse_time(to), Consent(yes=yes, as_json=as_json)
    ledger = deployment.ledger()
    if undo_last:
        name = last_replaced(ledger)
    if name:
        wanted = load(ledger, name)
        ask_to_restore(consent, deployment, ledger, wanted, name)
        with output.progress() as progress:
            root, undo = restore(ledger, wanted, name, progress)
    else:
        root, undo = _restore_time(deployment, ledger, until, processes, work, output, consent)
    output.result({"version": root.version, "rows": root.rows.rows, "tree": root.tree_hash, "undo": undo})
    output.say(
        f"version {root.version}: {root.rows.rows:,} rows" + (f"; to undo: skyledger restore {undo}" if undo else "")
    )


def _restore_time(
    deployment: Deployment,
    ledger: Ledger,
    until: str,
    processes: int,
    work: Path | None,
    output: Output,
    consent: Consent,
) -> tuple[Root, str]:
    check_past(ledger, live_root(ledger)[0], until)
    scratch = hold_work_folder(deployment, work, "restore")
    with output.progress() as progress:

        def agree(rebuild: Rebuild) -> None:
            with progress.paused():
                ask_to_restore(consent, deployment, ledger, rebuild.root, until)

        _, adoption = replay_for(
            ledger,
            scratch,
            Wishes(until=until),
            Purpose(swap=True, keep_replaced=True),
            open_store=deployment.open_store(),
            processes=processes,
            progress=progress,
            report=output.note,
            agree=agree,
        )
    assert adoption.swapped is not None, "that was its purpose"
    return adoption.swapped.root, adoption.undo
