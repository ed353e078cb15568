"""`skyledger replay`: rebuild the tree from the journal."""

from contextlib import ExitStack
from enum import StrEnum
from typing import Annotated, Any

import typer

from ledger.columns import NAMES
from ledger.manifest import Root, Targets
from operations.cli.consent import Consent
from operations.cli.deployment import Deployment, make_deployment
from operations.cli.options import (
    CORES,
    AsJson,
    Bucket,
    Distributed,
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
from operations.live.swap import PATIENCE_SECONDS
from operations.replay.adopt import Adoption, Purpose
from operations.replay.local import Rebuild, Wishes, replay_for
from operations.replay.past import check_past
from operations.state_machine import run_state_machine


class ColumnsChoice(StrEnum):
    """Which columns a rebuilt tree has."""

    LIVE = "live"
    CURRENT = "current"


def command(
    until: Annotated[str, typer.Option(help="Heed events up to this time (ISO 8601, UTC).")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only hash: write nothing.")] = False,
    swap_in: Annotated[bool, typer.Option("--swap", help="Make the rebuilt tree the live one.")] = False,
    name: Annotated[str, typer.Option("--snapshot", help="Pin the rebuilt tree under this name.")] = "",
    columns: Annotated[ColumnsChoice, typer.Option(help="Columns of the live CSV, or of this code.")] = (
        ColumnsChoice.LIVE
    ),
    shard_bytes: Annotated[int, typer.Option(min=0, help="Cut shards of about this size; 0 as the live tree.")] = 0,
    page_shards: Annotated[int, typer.Option(min=0, help="Cut pages of about so many; 0 as the live tree.")] = 0,
    processes: Processes = CORES,
    work: WorkFolder = None,
    patience: Annotated[float, typer.Option(help="Seconds to go on losing against exporters.")] = PATIENCE_SECONDS,
    distributed: Distributed = False,
    yes: Yes = False,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Rebuild the tree from the journal: to compare it, to pin it beside the live one, or to swap it in.

    Without --dry-run, --swap or --snapshot the tree is hashed and compared with the live one, and nothing is written.
    With --until and --swap it shows the rows before and after, and asks; --yes answers beforehand.
    A replay that was interrupted goes on where it was when it is called in the same way.
    """
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    if dry_run and (swap_in or name):
        raise typer.BadParameter("--dry-run writes nothing: leave out --swap and --snapshot")
    until = parse_time(until)
    consent = Consent(yes=yes or not (until and swap_in), as_json=as_json)
    ledger = deployment.ledger()
    live, _ = live_root(ledger)  # which this may be to make again
    if until:
        check_past(ledger, live, until)
    if distributed:
        consent.ask(_question(live, f"how many it has of {until}, --dry-run tells"))
        wishes_there = {
            "until": until,
            "columns": columns.value,
            "swap": swap_in,
            "snapshot": name,
            "shard_bytes": shard_bytes,
            "page_shards": page_shards,
        }
        result = _replay_there(deployment, output, wishes_there)
    else:
        wishes = Wishes(
            columns=NAMES if columns is ColumnsChoice.CURRENT else None,
            targets=_targets(live.targets if live else ledger.targets, shard_bytes, page_shards),
            until=until,
            keep="bucket" if swap_in or name else "nothing",
        )
        purpose = Purpose(name, swap=swap_in, keep_replaced=bool(until), patience=patience)
        scratch = hold_work_folder(deployment, work, "replay")
        with ExitStack() as shown:
            progress = shown.enter_context(output.progress())

            def agree(rebuild: Rebuild) -> None:
                shown.close()  # a moving bar and a question do not go together
                consent.ask(_question(live, f"of {until} it has {rebuild.root.rows.rows:,}"))

            rebuild, adoption = replay_for(
                ledger,
                scratch,
                wishes,
                purpose,
                open_store=deployment.open_store(),
                processes=processes,
                progress=progress,
                report=output.note,
                agree=agree,
            )
        result = _result(rebuild, None if swap_in or until else live, purpose, adoption)
    output.result(result)
    output.pairs({key.replace("_", " "): value for key, value in result.items()})


def _replay_there(deployment: Deployment, output: Output, wishes: dict[str, Any]) -> dict[str, Any]:
    with output.progress() as progress:
        machine = deployment.output("ReplayStateMachineArn")
        return run_state_machine(deployment.client("stepfunctions"), machine, wishes, progress, output.note)


def _question(live: Root | None, then: str) -> str:
    now = f"the CSV has {live.rows.rows:,} rows (version {live.version})" if live else "the ledger has lost its root"
    return f"Now {now}; {then}. Swap it in?"


def _targets(targets: Targets, shard_bytes: int, page_shards: int) -> Targets | None:
    if not shard_bytes and not page_shards:
        return None
    return Targets(shard_bytes or targets.shard_bytes, page_shards or targets.page_shards)


def _result(rebuild: Rebuild, live: Root | None, purpose: Purpose, adoption: Adoption) -> dict[str, Any]:
    result: dict[str, Any] = {
        "tree": rebuild.root.tree_hash,
        "rows": rebuild.root.rows.rows,
        "bytes": rebuild.root.rows.bytes,
        "segments": rebuild.plan.segments,
        "events": rebuild.journal.events,
        "later_events": rebuild.journal.later,
        "quarantined": rebuild.journal.quarantined,
    }
    if live is not None:
        result |= {"live_tree": live.tree_hash, "same": live.tree_hash == rebuild.root.tree_hash}
    if purpose.snapshot:
        result["snapshot"] = purpose.snapshot
    if (swapped := adoption.swapped) is not None:
        result |= {"undo": adoption.undo} if purpose.keep_replaced else {}
        result |= {"version": swapped.root.version, "caught_up": swapped.caught_up, "tree": swapped.root.tree_hash}
    return result
