"""`skyledger verify`: prove the CSV."""

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.ledger import Ledger
from operations.bucket.check import IN_FLIGHT_MINUTES
from operations.cli import bucket_check
from operations.cli.bucket_check import BucketOptions
from operations.cli.deployment import Deployment, make_deployment
from operations.cli.exit_codes import DIFFERENT
from operations.cli.options import (
    PROCESSES,
    AsJson,
    Bucket,
    Distributed,
    EndpointUrl,
    ExportArn,
    Inventory,
    Processes,
    Profile,
    Rate,
    Region,
    Stack,
    TableName,
    WorkFolder,
)
from operations.cli.output import Output
from operations.cli.work_folder import hold_work_folder
from operations.progress import Progress
from operations.rebuild.tree_reader import both_sides
from operations.verify.findings import Findings
from operations.verify.ledger import check_tree, compare_with_journal
from operations.verify.published import check_csv, check_tree_and_csv
from operations.verify.table import compare_with_table


class Check(StrEnum):
    """What `verify` checks."""

    TREE = "tree"
    CSV = "csv"
    JOURNAL = "journal"
    TABLE = "table"
    BUCKET = "bucket"


_ALONE = (Check.TREE, Check.CSV, Check.JOURNAL)
"""What needs nothing but the export bucket."""

_A_WEEK = 7 * 24 * 60  # minutes


def command(
    checks: Annotated[
        list[Check] | None, typer.Argument(help="What to check; tree, csv and journal if not said.")
    ] = None,
    table: TableName = "",
    export_arn: ExportArn = "",
    repair: Annotated[bool, typer.Option("--repair", help="Send what differs from the bucket to be read.")] = False,
    inventory: Inventory = "",
    rate: Rate = 0.0,
    in_flight: Annotated[
        float,
        typer.Option(
            min=0,
            max=_A_WEEK,
            help="Minutes before the export in which an upload counts as on its way; at most a week.",
        ),
    ] = IN_FLIGHT_MINUTES,
    distributed: Distributed = False,
    processes: Processes = PROCESSES,
    work: WorkFolder = None,
    bucket: Bucket = "",
    stack: Stack = "",
    profile: Profile = "",
    region: Region = "",
    endpoint_url: EndpointUrl = "",
    as_json: AsJson = False,
) -> None:
    """Prove the CSV: its objects (tree), its bytes (csv), against the journal, the table, and the images (bucket).

    The checks against the table and the bucket start an export of a table to S3, which costs per GB of the table and
    takes minutes. That of the bucket lists all sources, compares them with the records of their objects, and these with
    the rows: objects that are missing, stale records, and phantoms, of which there is no object. Each is looked at once
    more; what is on its way is counted, and no difference. It needs --stack.
    """
    if len({Check.TABLE, Check.BUCKET} & {*(checks or ())}) > 1 and export_arn:
        raise typer.BadParameter("--export is of one table: check table and bucket one after the other")
    if repair and Check.BUCKET not in (checks or ()):
        raise typer.BadParameter("--repair is for skyledger verify bucket")
    if distributed and Check.BUCKET not in (checks or ()):
        raise typer.BadParameter("--distributed is for skyledger verify bucket")
    options = BucketOptions(repair, inventory, rate, in_flight)
    deployment, output = make_deployment(bucket, stack, profile, region, endpoint_url), Output(as_json)
    ledger = deployment.ledger()
    columns = ledger.load_root()[0].columns
    with output.progress() as progress:
        results, rest = _check_at_once(ledger, columns, checks or _ALONE, progress)
        for check in rest:
            if check is Check.BUCKET and distributed:
                results["bucket"] = bucket_check.run_there(deployment, output, progress, options, export_arn)
                continue
            if check is Check.BUCKET:
                open_scratch = partial(hold_work_folder, deployment, work, "verify")
                results["bucket"] = bucket_check.run(
                    deployment, ledger, output, progress, options, export_arn, open_scratch
                )
                continue
            findings = _run(
                check, deployment, ledger, output, progress, table=table, arn=export_arn, processes=processes, work=work
            )
            results[check.value] = _describe(findings, columns)
    good = all(result["good"] for result in results.values())
    output.result({"good": good, **results})
    for name, result in results.items():
        if name == Check.BUCKET:
            bucket_check.show(output, result)
        else:
            _show(output, name, result)
    if not checks:
        output.say("not looked at: table and images; skyledger verify table, skyledger verify bucket")
    if not good:
        raise typer.Exit(DIFFERENT)


def _check_at_once(
    ledger: Ledger, columns: tuple[str, ...], wanted: Sequence[Check], progress: Progress
) -> tuple[dict[str, Any], list[Check]]:
    """Check tree and CSV if both are wanted, which need the same shards; give what was found, and the other checks."""
    both = (Check.TREE, Check.CSV)
    if not {*both} <= {*wanted}:
        return {}, [*dict.fromkeys(wanted)]
    found = dict(zip(both, check_tree_and_csv(ledger, ledger.load_root()[0], progress), strict=True))
    asked = dict.fromkeys(wanted)
    results = {check.value: _describe(found[check], columns) for check in asked if check in found}
    return results, [check for check in asked if check not in found]


def _run(
    check: Check,
    deployment: Deployment,
    ledger: Ledger,
    output: Output,
    progress: Progress,
    *,
    table: str,
    arn: str,
    processes: int,
    work: Path | None,
) -> Findings:
    open_scratch = partial(hold_work_folder, deployment, work, "verify")
    match check:
        case Check.TREE:
            return check_tree(ledger, ledger.load_root()[0], progress)
        case Check.CSV:
            return check_csv(ledger, progress)
        case Check.JOURNAL:
            return compare_with_journal(
                ledger,
                open_scratch(),
                open_store=deployment.open_store(),
                processes=processes,
                progress=progress,
                report=output.note,
            )
        case _:
            request = deployment.export_request(table, arn)
            return compare_with_table(ledger, request, open_scratch, progress=progress, report=output.note)


def _describe(findings: Findings, columns: tuple[str, ...]) -> dict[str, Any]:
    return {
        "good": findings.good,
        "checked": findings.checked,
        "problems": findings.problems,
        "count": findings.count,
        "differences": [both_sides(columns, one, *findings.sides) for one in findings.differences],
        "sides": findings.sides,
    }


def _show(output: Output, name: str, result: dict[str, Any]) -> None:
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
