"""The command that proves the CSV: verify."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.ledger import Ledger
from operations.cli.deployment import Place, open_bucket
from operations.cli.options import CORES, DIFFERENT, ExportArn, Processes, TableName, Work, app, command, scratch_folder
from operations.cli.output import Output
from operations.progress import Progress
from operations.rebuild.tree_reader import both_sides
from operations.table_export.take import give_back, take_export
from operations.verify import ledger as proof
from operations.verify.table import compare_with_export


class Check(StrEnum):
    """What `verify` checks."""

    TREE = "tree"
    CSV = "csv"
    JOURNAL = "journal"
    TABLE = "table"


@command(app)
def verify(
    place: Place,
    output: Output,
    checks: Annotated[
        list[Check] | None, typer.Argument(help="What to check; tree, csv and journal if not said.")
    ] = None,
    table: TableName = "",
    export_arn: ExportArn = "",
    processes: Processes = CORES,
    work: Work = None,
) -> None:
    """Prove the CSV: its objects (tree), its bytes (csv), against the journal, and against the table.

    The check against the table starts an export of it to S3, which costs per GB of the table and takes minutes.
    """
    ledger = place.ledger()
    wanted = checks or [Check.TREE, Check.CSV, Check.JOURNAL]
    columns = ledger.load_root()[0].columns
    results: dict[str, Any] = {}
    run: dict[Check, Callable[[Progress], proof.Findings]] = {
        Check.TREE: lambda progress: proof.check_tree(ledger, ledger.load_root()[0], progress),
        Check.CSV: lambda progress: proof.check_csv(ledger, progress),
        Check.JOURNAL: lambda progress: proof.compare_with_journal(
            ledger,
            scratch_folder(place, work, "verify"),
            open_store=place.open_store(),
            processes=processes,
            progress=progress,
            report=output.note,
        ),
        Check.TABLE: lambda progress: _compare_with_table(place, output, ledger, table, export_arn, work, progress),
    }
    with output.progress() as progress:
        for check in dict.fromkeys(wanted):
            results[check.value] = _findings(run[check](progress), columns)
    good = all(result["good"] for result in results.values())
    output.result({"good": good, **results})
    for name, result in results.items():
        _show_findings(output, name, result)
    if not good:
        raise typer.Exit(DIFFERENT)


def _compare_with_table(
    place: Place, output: Output, ledger: Ledger, table: str, export_arn: str, work: Path | None, progress: Progress
) -> proof.Findings:
    taken = take_export(
        ledger,
        place.client("dynamodb"),
        place.bucket_name(),
        table or ("" if export_arn else place.output("ImagesTableName")),
        partial(open_bucket, client_arguments=place.client_arguments),
        progress,
        arn=export_arn,
        note=output.note,
    )
    scratch = scratch_folder(place, work, "verify")
    found = compare_with_export(
        ledger, taken.store, taken.export, taken.before, scratch, progress=progress, report=output.note
    )
    give_back(ledger, taken)
    return found


def _findings(found: proof.Findings, columns: tuple[str, ...]) -> dict[str, Any]:
    return {
        "good": found.good,
        "checked": found.checked,
        "problems": found.problems,
        "count": found.count,
        "differences": [both_sides(columns, one, *found.sides) for one in found.differences],
        "sides": found.sides,
    }


def _show_findings(output: Output, name: str, result: dict[str, Any]) -> None:
    checked = ", ".join(
        f"{key} {value:,}" if isinstance(value, int) else f"{key} {value}" for key, value in result["checked"].items()
    )
    output.say(f"{name}: {'good' if result['good'] else 'NOT GOOD'} ({checked})")
    for line in result["problems"]:
        output.say(f"  {line}")
    left, right = result["sides"]
    for one in result["differences"]:
        output.say(f"  {one['etag']}  {left}: {_side(one[left])}  {right}: {_side(one[right])}")
    if result["count"] > len(result["differences"]):
        output.say(f"  and {result['count'] - len(result['differences']):,} more")


def _side(cells: dict[str, str] | None) -> str:
    if cells is None:
        return "absent"
    return ", ".join(f"{name}={value[:60]}" for name, value in list(cells.items())[:6])
