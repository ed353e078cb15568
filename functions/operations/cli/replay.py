"""The commands that replace the live tree: replay, snapshot, restore."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from ledger.columns import NAMES
from ledger.ledger import Ledger
from ledger.manifest import Root, Targets
from operations.cli.deployment import Place
from operations.cli.options import CORES, Processes, Work, app, command, parse_time, scratch_folder
from operations.cli.output import Output
from operations.live import snapshot as snapshots
from operations.live.swap import PATIENCE_SECONDS, swap
from operations.replay.local import Replayed, Wishes, listed_segments
from operations.replay.local import replay as rebuild
from operations.replay.state_machine import replay_distributed


class ColumnsChoice(StrEnum):
    """Which columns a rebuilt tree has."""

    LIVE = "live"
    CURRENT = "current"


@command(app)
def replay(
    place: Place,
    output: Output,
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
    work: Work = None,
    patience: Annotated[float, typer.Option(help="Seconds to go on losing against exporters.")] = PATIENCE_SECONDS,
    distributed: Annotated[bool, typer.Option("--distributed", help="On Step Functions instead of here.")] = False,
) -> None:
    """Rebuild the tree from the journal: to compare it, to pin it beside the live one, or to swap it in.

    Without --dry-run, --swap or --snapshot the tree is hashed and compared with the live one, and nothing is written.
    A replay that was interrupted goes on where it was when it is called in the same way.
    """
    if dry_run and (swap_in or name):
        raise typer.BadParameter("--dry-run writes nothing: leave out --swap and --snapshot")
    until = parse_time(until)
    if distributed:
        wishes_there = {
            "until": until,
            "columns": columns.value,
            "swap": swap_in,
            "snapshot": name,
            "shard_bytes": shard_bytes,
            "page_shards": page_shards,
        }
        with output.progress() as progress:
            machine = place.output("ReplayStateMachineArn")
            result = replay_distributed(place.client("stepfunctions"), machine, wishes_there, progress, output.note)
        _show(output, result)
        return
    ledger = place.ledger()
    live, _ = ledger.load_root() if not swap_in and not until else (None, None)
    wishes = Wishes(
        columns=NAMES if columns is ColumnsChoice.CURRENT else None,
        targets=_targets(ledger, shard_bytes, page_shards),
        until=until,
        keep="bucket" if swap_in or name else "nothing",
    )
    scratch = scratch_folder(place, work, "replay")
    with output.progress() as progress:
        done = rebuild(ledger, scratch, wishes, open_store=place.open_store(), processes=processes, progress=progress)
    result = _rebuilt(done, live)
    if name:
        snapshots.pin(ledger, name, done.root)
        result["snapshot"] = name
    if swap_in:
        if until:
            result["undo"] = snapshots.keep_present(ledger)
        swapped = swap(
            ledger,
            done.root,
            lambda: listed_segments(scratch, done.plan),
            until=until,
            patience=patience,
            report=output.note,
        )
        result |= {"version": swapped.root.version, "caught_up": swapped.caught_up, "tree": swapped.root.tree_hash}
    scratch.clear()
    _show(output, result)


def _show(output: Output, result: dict[str, Any]) -> None:
    output.result(result)
    output.pairs({key.replace("_", " "): value for key, value in result.items()})


def _targets(ledger: Ledger, shard_bytes: int, page_shards: int) -> Targets | None:
    if not shard_bytes and not page_shards:
        return None
    targets = ledger.load_root()[0].targets
    return Targets(shard_bytes or targets.shard_bytes, page_shards or targets.page_shards)


def _rebuilt(done: Replayed, live: Root | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "tree": done.root.tree_hash,
        "rows": done.root.rows.rows,
        "bytes": done.root.rows.bytes,
        "segments": done.plan.segments,
        "events": done.told.events,
        "later_events": done.told.later,
        "quarantined": done.told.quarantined,
    }
    if live is not None:
        result |= {"live_tree": live.tree_hash, "same": live.tree_hash == done.root.tree_hash}
    return result


@command(app)
def snapshot(
    place: Place,
    output: Output,
    name: Annotated[str, typer.Argument(help="Name for the snapshot; all snapshots are listed without one.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Unpin it: what only it names is collected.")] = False,
) -> None:
    """Pin the live tree under a name, list the snapshots, or remove one."""
    ledger = place.ledger()
    if not name:
        found = [{"name": one.name, "made": one.made.isoformat()} for one in snapshots.snapshots(ledger)]
        output.result({"snapshots": found})
        output.table(["name", "made"], [[one["name"], one["made"]] for one in found])
    elif remove:
        snapshots.remove(ledger, name)
        output.result({"removed": name})
        output.say(f"removed {name}")
    else:
        root, _ = ledger.load_root()
        snapshots.pin(ledger, name, root)
        output.result({"name": name, "version": root.version, "tree": root.tree_hash, "rows": root.rows.rows})
        output.say(f"{name}: version {root.version}, {root.rows.rows:,} rows")


@command(app)
def restore(
    place: Place,
    output: Output,
    name: Annotated[str, typer.Argument(help="Snapshot to go back to.")] = "",
    to: Annotated[str, typer.Option(help="Or the time to go back to (ISO 8601, UTC).")] = "",
    undo_last: Annotated[bool, typer.Option("--undo", help="Or go back to before the last restoration.")] = False,
    processes: Processes = CORES,
    work: Work = None,
) -> None:
    """Make the tree of a snapshot, or of a point in time, the live one. Can be undone: the present one is pinned."""
    if [bool(name), bool(to), undo_last].count(True) != 1:
        raise typer.BadParameter("say a snapshot, --to TIME, or --undo, one of them")
    ledger = place.ledger()
    if undo_last:
        name = snapshots.last_replaced(ledger)
    if name:
        root, undo = snapshots.restore(ledger, snapshots.load(ledger, name))
    else:
        until = parse_time(to)
        scratch = scratch_folder(place, work, "restore")
        with output.progress() as progress:
            done = rebuild(
                ledger,
                scratch,
                Wishes(until=until),
                open_store=place.open_store(),
                processes=processes,
                progress=progress,
            )
        undo = snapshots.keep_present(ledger)
        root = swap(
            ledger, done.root, lambda: listed_segments(scratch, done.plan), until=until, report=output.note
        ).root
        scratch.clear()
    output.result({"version": root.version, "rows": root.rows.rows, "tree": root.tree_hash, "undo": undo})
    output.say(
        f"version {root.version}: {root.rows.rows:,} rows" + (f"; to undo: skyledger restore {undo}" if undo else "")
    )
