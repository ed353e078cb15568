"""What commands print: for people with Rich, for programs one JSON object on standard output, nothing else there."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich import progress
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from operations.progress import Progress


class Output:
    """Prints results, and on standard error what goes on meanwhile.

    Args:
        as_json: print one JSON object instead of text.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(highlight=False)
        self.errors = Console(stderr=True, highlight=False)

    def say(self, line: str) -> None:
        """Tell a person one line of a result."""
        if not self.as_json:
            self.console.print(line, markup=False, soft_wrap=True)

    def note(self, line: str) -> None:
        """Tell what goes on."""
        self.errors.print(line, markup=False, soft_wrap=True, style="dim")

    def error(self, error: Exception, advice: str) -> None:
        """Tell an error in one line, and give it to a program as well.

        Args:
            error: what it says itself.
            advice: what to do about it; empty if nothing.
        """
        text = " ".join(str(error).split()) or type(error).__name__
        self.result({"error": type(error).__name__, "message": text})
        self.errors.print(f"skyledger: {text}" + (f" ({advice})" if advice else ""), markup=False, soft_wrap=True)

    def result(self, values: Mapping[str, Any]) -> None:
        """Give the result to a program."""
        if self.as_json:
            sys.stdout.write(json.dumps(values, default=str, ensure_ascii=False) + "\n")

    def pairs(self, values: Mapping[str, Any]) -> None:
        """Show names and values to a person."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")  # a hash is of use only whole
        for name, value in values.items():
            table.add_row(name, "" if value is None else escape(str(value)))
        if not self.as_json:
            self.console.print(table)

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        """Show a table to a person."""
        if self.as_json:
            return
        shown = Table(*columns, box=None, header_style="bold", pad_edge=False)
        for row in rows:
            shown.add_row(*map(escape, row))
        self.console.print(shown)

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """Show progress bars on standard error while something long goes on."""
        bars = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            console=self.errors,
        )
        tasks: dict[str, Any] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done, total=total)

        with bars:
            yield show
