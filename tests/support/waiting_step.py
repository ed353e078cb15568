"""A step of a rebuild that only waits, in processes of its own, and the command that runs it."""

import sys
import time
from pathlib import Path
from typing import Any, cast

import typer

from operations.cli.exit_codes import with_exit_code
from operations.progress import silent
from operations.replay.workers import Workers

PROCESSES = 2


def open_store() -> Any:
    """Open nothing."""


def wait(store: Any, scratch: Any, plan: Any, folder: Path, number: int) -> None:
    """Say that the step goes on, and wait for ever."""
    (folder / str(number)).touch()
    time.sleep(600)


@with_exit_code
def command(folder: Path, *, as_json: bool) -> None:
    """Run the step in several processes."""
    with Workers(cast(Any, None), cast(Any, None), cast(Any, None), open_store, PROCESSES) as workers:
        tasks = [(folder, number) for number in range(3 * PROCESSES)]
        assert [*workers.all("waiting", wait, tasks, silent)] == []


if __name__ == "__main__":
    from tests.support.waiting_step import command as imported  # whose functions other processes find

    try:
        imported(Path(sys.argv[1]), as_json=False)
    except typer.Exit as end:
        sys.exit(end.exit_code)
