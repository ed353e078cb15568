"""`skyledger replay`: rebuild the tree from the journal."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from ledger.columns import NAMES
from ledger.manifest import Root, Targets
from operations.cli.consent import Consent, ask_to_restore
from operations.cli.deployment import make_deployment
from operations.cli.exit_codes import DIFFERENT, TRY_AGAIN
from operations.cli.options import (
    PROCESSES,
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
from operations.cli.replay_there import replay_there
from operations.cli.work_folder import hold_work_folder
from operations.live.root import live_root
from operations.live.swap import PATIENCE_SECONDS
from operations.replay.adopt import Adoption, Purpose
from operations.replay.local import Rebuild, Wishes, replay_for
from operations.replay.past import check_past


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
    processes: Processes = PROCESSES,
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

    Without --swap or --snapshot the tree is hashed and compared with the live one, and nothing is written. Exit code 1:
    they differ although columns and cuts are the same; 5: the live one changed meanwhile, so that this is not known.
    With --until and --swap it shows the rows before and after, and asks; --yes answers beforehand. On Step Functions
    the tree is pinned as a snapshot until that is answered.
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
    code = 0
    if distributed:
        wishes_there = {
            "until": until,
            "columns": columns.value,
            "swap": swap_in,
            "snapshot": name,
            "shard_bytes": shard_bytes,
            "page_shards": page_shards,
        }
        result = replay_there(deployment, ledger, output, wishes_there, consent)
    else:
        wishes = Wishes(
            columns=NAMES if columns is ColumnsChoice.CURRENT else None,
            targets=_targets(live.targets if live else ledger.targets, shard_bytes, page_shards),
            until=until,
            keep="bucket" if swap_in or name else "nothing",
        )
        purpose = Purpose(name, swap=swap_in, keep_replaced=bool(until), patience=patience)
        scratch = hold_work_folder(deployment, work, "replay")
        with output.progress() as progress:

            def agree(rebuild: Rebuild) -> None:
                with progress.paused():
                    ask_to_restore(consent, deployment, ledger, rebuild.root, until)

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
        result = _result(rebuild, purpose, adoption)
        if live is not None and not swap_in and not until:
            compared, code = _compare(rebuild.root, live, ledger.load_root()[0])
            result |= compared
    output.result(result)
    output.pairs({key.replace("_", " "): value for key, value in result.items()})
    if code == TRY_AGAIN:
        output.note("the live tree changed meanwhile; skyledger verify journal compares while it does")
    if code:
        raise typer.Exit(code)


def _targets(targets: Targets, shard_bytes: int, page_shards: int) -> Targets | None:
    if not shard_bytes and not page_shards:
        return None
    return Targets(shard_bytes or targets.shard_bytes, page_shards or targets.page_shards)


def _compare(rebuilt: Root, before: Root, after: Root) -> tuple[dict[str, Any], int]:
    """Compare a rebuilt tree with the live one, as it was before and after; give what to tell, and the exit code.

    The journal was read between these two, so of a ledger that goes on it may have what neither of them shows.
    """
    live = after if after.tree_hash == rebuilt.tree_hash else before
    if live.tree_hash == rebuilt.tree_hash:
        return {"live_tree": live.tree_hash, "same": True}, 0
    if (before.columns, before.targets) != (rebuilt.columns, rebuilt.targets):  # as was asked for
        return {"live_tree": live.tree_hash, "same": False}, 0
    if before.version != after.version:
        return {"live_tree": live.tree_hash, "same": None}, TRY_AGAIN
    return {"live_tree": live.tree_hash, "same": False}, DIFFERENT


def _result(rebuild: Rebuild, purpose: Purpose, adoption: Adoption) -> dict[str, Any]:
    result: dict[str, Any] = {
        "tree": rebuild.root.tree_hash,
        "rows": rebuild.root.rows.rows,
        "bytes": rebuild.root.rows.bytes,
        "segments": rebuild.plan.segments,
        "events": rebuild.journal.events,
        "later_events": rebuild.journal.later,
        "quarantined": rebuild.journal.quarantined,
    }
    if purpose.snapshot:
        result["snapshot"] = purpose.snapshot
    if (swapped := adoption.swapped) is not None:
        result |= {"undo": adoption.undo} if purpose.keep_replaced else {}
        result |= {"version": swapped.root.version, "caught_up": swapped.caught_up, "tree": swapped.root.tree_hash}
    return result
