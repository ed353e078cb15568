"""Check that the live tree is what the table holds, by a full export of it: check (d) of `operations.verify`."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

from ledger.errors import Damaged, Refused
from ledger.ledger import Ledger
from ledger.manifest import Root
from ledger.store import Store
from ledger.tree_writer import TreeWriter
from operations.progress import Progress, counted, silent
from operations.rebuild.destination import Destination
from operations.rebuild.scratch import Scratch
from operations.rebuild.tree_reader import Difference, compare_lines, lines, shards_of
from operations.table_export.files import Export
from operations.table_export.sorted_items import SortedExport, export_rows, sort_export
from operations.table_export.take import ExportRequest, exported_table
from operations.verify.findings import ROUND_SECONDS, ROUNDS, WATCHED, Findings


def compare_with_table(
    ledger: Ledger,
    request: ExportRequest,
    open_scratch: Callable[[], Scratch],
    *,
    progress: Progress = silent,
    report: Callable[[str], None] = lambda line: None,
) -> Findings:
    """Export the table, and compare the live tree with the export.

    Args:
        ledger: whose tree.
        request: which export, a full one.
        open_scratch: opens scratch for sorting; not before the export is there, which may take long.
        progress: is told how far it is.
        report: is told, in a line, what goes on.

    Raises:
        LedgerError: as `exported_table` and `compare_with_export` do.
    """
    with exported_table(ledger, request, progress, report) as table:
        return compare_with_export(
            ledger, table.store, table.export, table.before, open_scratch(), progress=progress, report=report
        )


def compare_with_export(
    ledger: Ledger,
    export_store: Store,
    export: Export,
    before: Root | None,
    scratch: Scratch,
    *,
    progress: Progress = silent,
    report: Callable[[str], None] = lambda line: None,
) -> Findings:
    """Compare the live tree with a full export of the table, also while images come and go.

    A key is told as different only if the tree said the same of it before the export began, after it, and some seconds
    later: what changed meanwhile cannot be judged. A row that the export lacks is not told either if its item may have
    been in the table all the same (rule 5 of `operations.table_export.backfill`).

    Args:
        ledger: whose tree.
        export_store: bucket that the export was written to.
        export: the export, a full one.
        before: a root that was read before the export was started; None if there is none.
        scratch: for sorting; cleared before and after.
        progress: is told how far it is.
        report: is told, in a line, what goes on.

    Raises:
        Damaged: the export or the tree is not whole.
        Refused: the columns changed meanwhile; run it again.
        Unavailable: the store did not answer.
    """
    if export.kind != "full":
        raise Damaged("an incremental export does not hold the whole table")
    live, _ = ledger.load_root()
    start = before or live
    scratch.clear()
    counts = sort_export(export_store, scratch, export, start.columns, progress, report)
    findings = Findings(("tree", "table"), problems=[f"an item cannot be a row: {why}" for why in counts.problems])
    tree, now = start.tree_hash, _differences(ledger, start, counts, scratch, progress)
    staying = now
    for number in range(ROUNDS):
        if number:
            report(f"{len(staying):,} differences, looking again whether they are only on their way")
            ledger.sleep(ROUND_SECONDS)
        live, _ = ledger.load_root()
        if live.columns != start.columns:
            raise Refused("the columns of the CSV changed meanwhile: run it again")
        if live.tree_hash != tree:  # else it says the same
            tree, now = live.tree_hash, _differences(ledger, live, counts, scratch, progress)
        staying = {key: one for key, one in staying.items() if now.get(key) == one}
        if not staying:
            break
    findings.checked = {
        "version": live.version,
        "items": counts.items,
        "unusable": counts.unusable,
        "exported_at": export.time,
        "tree": live.tree_hash,
        "table": exported_tree_hash(start, scratch, counts.items, progress),
    }
    findings.add(iter(staying.values()))
    scratch.clear()
    return findings


def _differences(
    ledger: Ledger, root: Root, counts: SortedExport, scratch: Scratch, progress: Progress
) -> dict[bytes, Difference]:
    """Compare a root with the sorted export; too many differences are cut off."""
    shards = shards_of(ledger.objects, root.rows.pages)
    rows = lines(ledger.objects, counted(shards, "comparing rows", root.rows.rows, progress, lambda one: one.rows))
    every = compare_lines(rows, export_rows(scratch, progress))
    sure = (one for one in every if one.right is not None or counts.surely_lacks(one.key))
    return {one.key: one for one in islice(sure, WATCHED)}


def exported_tree_hash(root: Root, scratch: Scratch, items: int, progress: Progress) -> str:
    """Give the tree hash that the items of a sorted export have, with the columns and targets of a root."""
    writer = TreeWriter(root.targets, Destination(None))
    writer.lines(counted(export_rows(scratch), "hashing the table", items, progress))
    return replace(root, rows=writer.close()).tree_hash
