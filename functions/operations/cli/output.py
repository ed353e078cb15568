"""What commands print: for people with Rich, for programs one JSON object on standard output, nothing else there.

Much of it was written by strangers: keys, titles, and errors that name a key. A terminal does what control characters
in them say, and a text that turns its direction reads as another. So no other module prints, and this one shows what
cannot be seen by its number, as Python writes it; Rich takes nothing of it for markup. JSON is ASCII, with escapes.

All is written at once, and not when a buffer is full: a program that reads `pull --follow --json` waits for it.
"""

import json
import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich import progress
from rich.console import Console
from rich.table import Table

from operations.disk import is_full
from operations.errors import DiskFull
from operations.seen import is_seen

# As the shell tells of a program that SIGPIPE ended (128 + 13): whoever read us has ended, as `| head` does. Never 1,
# which Rich and Click end with, and which says that a check found differences.
NOBODY_READS = 141


class _Console(Console):
    """Writes for somebody who may end before we do, or to a file on a full disk."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Write what can be shown. Raises DiskFull, unless it is only what goes on meanwhile."""
        with self._writing():
            super().print(*objects, **options)

    def out(self, *objects: Any, **options: Any) -> None:
        """Write a text as it is; raises as `print` does."""
        with self._writing():
            super().out(*objects, **options)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not is_full(error):
                raise
            self._write_nowhere()
            if not self.stderr:
                raise DiskFull("standard output: the disk is full") from error

    def on_broken_pipe(self) -> None:
        """End quietly; Rich calls this (`Console.on_broken_pipe`).

        SIGPIPE itself stays off: it would end us whenever a connection breaks (Python, `signal`, "Note on SIGPIPE").
        SystemExit, since a progress bar writes in a thread, which any other exception would end with a traceback.
        """
        self._write_nowhere()
        raise SystemExit(NOBODY_READS)

    def _write_nowhere(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())  # else Python fails once more when it flushes in the end
        os.close(nowhere)


def visible(text: str) -> str:
    r"""Show control characters, those without a width, and those that turn the direction, by number: `\x1b`, `\u202e`.

    What is left is of one line: a line break is such a character, too.
    """
    if is_seen(text):
        return text
    return "".join(one if is_seen(one) else one.encode("unicode_escape").decode() for one in text)


class Bars:
    """Progress bars on standard error, called as an `operations.progress.Progress`."""

    def __init__(self, errors: Console) -> None:
        self.shown = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            console=errors,
        )
        self._tasks: dict[str, Any] = {}

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show how much of a step is done."""
        if step not in self._tasks:
            self._tasks[step] = self.shown.add_task(visible(step), total=total or None)
        self.shown.update(self._tasks[step], completed=done, total=total or None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let the bars stand still while something is asked, and go on after an answer that lets them."""
        self.shown.stop()
        yield
        self.shown.start()


class Output:
    """Prints results, and on standard error what goes on meanwhile.

    Args:
        as_json: print one JSON object instead of text.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.console = _Console(highlight=False, markup=False, emoji=False)
        self.errors = _Console(stderr=True, highlight=False, markup=False, emoji=False)

    def say(self, line: str) -> None:
        """Tell a person one line of a result."""
        if not self.as_json:
            self.console.print(visible(line), soft_wrap=True)

    def note(self, line: str) -> None:
        """Tell what goes on."""
        self.errors.print(visible(line), soft_wrap=True, style="dim")

    def error(self, error: Exception, advice: str, where: str = "") -> None:
        """Tell an error in one line, and give it to a program as well.

        Args:
            error: what it says itself.
            advice: what to do about it; empty if nothing.
            where: what it is of; empty if it says so itself.
        """
        text = " ".join(str(error).split()) or type(error).__name__
        self.result({"error": type(error).__name__, "message": text})
        line = (f"{where}: " if where else "") + text + (f" ({advice})" if advice else "")
        self.errors.print(visible(f"skyledger: {line}"), soft_wrap=True)

    def fault(self, error: Exception) -> None:
        """Tell an error that nobody thought of, with its traceback: Python's own would print its text as it is."""
        self.result({"error": type(error).__name__, "message": " ".join(str(error).split())})
        for part in traceback.format_exception(error):
            is_frame = part.startswith("  File ")  # our own code; what an error says stays one line
            for line in part.splitlines() if is_frame else [part.strip("\n")]:
                self.errors.print(visible(line), soft_wrap=True)

    def result(self, values: Mapping[str, Any]) -> None:
        """Give the result to a program."""
        if self.as_json:
            self.console.out(json.dumps(values, default=str), highlight=False)

    def pairs(self, values: Mapping[str, Any]) -> None:
        """Show names and values to a person."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")  # a hash is of use only whole
        for name, value in values.items():
            table.add_row(visible(name), "" if value is None else visible(str(value)))
        if not self.as_json:
            self.console.print(table)

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        """Show a table to a person."""
        if self.as_json:
            return
        shown = Table(*map(visible, columns), box=None, header_style="bold", pad_edge=False)
        for row in rows:
            shown.add_row(*map(visible, row))
        self.console.print(shown)

    @contextmanager
    def progress(self) -> Iterator[Bars]:
        """Show progress bars on standard error while something long goes on."""
        bars = Bars(self.errors)
        with bars.shown:
            yield bars
