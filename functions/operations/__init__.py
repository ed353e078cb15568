"""Operate a ledger: what the `skyledger` command and the functions beside the exporter do, for use from Python.

    ledger = Ledger(S3Store("my-export-bucket"))
    read_status(ledger, now=datetime.now(UTC)).todo
    pull(ledger, Path("photos"))

Its rooms:

    bootstrap, existing_buckets      what CloudFormation calls at deployment
    status, history, dead_letters, stream_mapping      one file for each capability
    collection/     delete what nothing names any longer
    forget/         take images out of all that the bucket keeps
    live/           change the live root: swap, restore, merge what was put aside
    replay/         who drives a rebuild: this machine, or many
    table_export/   bring the tree in line with an export of the table
    verify/         prove that CSV, tree, journal and table say the same
    readers/        copies for people and other programs
    page/           the page that shows the CSV on a map
    cli/            the command
    rebuild/        a tree from the journal in bounded memory, by steps that the rooms above share

A name of this face is imported when it is first asked for. So a function on Lambda, which needs one room, does not load
the others; and what only the command needs (DuckDB, Typer, Rich) is never loaded there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from operations.history import read_history
    from operations.readers.pull import pull
    from operations.rebuild.scratch import FolderScratch
    from operations.replay.adopt import Purpose
    from operations.replay.local import Wishes, replay_for
    from operations.status import read_status
    from operations.verify.ledger import check_tree, compare_with_journal
    from operations.verify.published import check_csv

__all__ = [
    "FolderScratch",
    "Purpose",
    "Wishes",
    "check_csv",
    "check_tree",
    "compare_with_journal",
    "pull",
    "read_history",
    "read_status",
    "replay_for",
]

_HOMES = {
    "FolderScratch": "operations.rebuild.scratch",
    "Purpose": "operations.replay.adopt",
    "Wishes": "operations.replay.local",
    "check_csv": "operations.verify.published",
    "check_tree": "operations.verify.ledger",
    "compare_with_journal": "operations.verify.ledger",
    "pull": "operations.readers.pull",
    "read_history": "operations.history",
    "read_status": "operations.status",
    "replay_for": "operations.replay.local",
}


def __getattr__(name: str) -> Any:
    """Import a name of the face from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
