"""How `./infra/run` prints: lines, and the progress of what takes long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(highlight=False)


def tasks(progress: Progress, *, least: int = 0) -> Callable[[str, int], Callable[[], None]]:
    """Show tasks of so many steps at least."""

    def begin(what: str, total: int) -> Callable[[], None]:
        if total < least:
            return lambda: None
        progress.start()
        task = progress.add_task(what, total=total)
        return lambda: progress.advance(task)

    return begin


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Give a display of tasks that takes no line while there are none."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    progress = Progress(*columns, console=console)
    try:
        yield progress
    finally:
        if progress.tasks:
            progress.stop()


def say(line: str, style: str | None = None) -> None:
    """Print a line that the terminal, and nobody else, may break: so it can be pasted."""
    console.print(line, style=style, soft_wrap=True)


def clock() -> str:
    """Begin a line of what happens while the folder is followed."""
    return f"{time.strftime('%H:%M:%S')}  "
