"""How benchmarks are called and tell what they found: arguments, progress, tables, percentiles."""

import argparse
import math
from collections.abc import Collection, Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table

Value = TypeVar("Value", int, float)

WIDTH = 120

console = Console(highlight=False, stderr=True)
"""Shows what goes on; the figures go to standard output."""


def arguments_of(name: str, doc: str | None) -> argparse.ArgumentParser:
    """Make the parser of a benchmark's arguments; its docstring is the help."""
    return argparse.ArgumentParser(prog=name, description=doc, formatter_class=argparse.RawTextHelpFormatter)


def make_table(*names: str, left: Collection[str] = (), no_wrap: bool = False) -> Table:
    """Make a table of numbers; the columns in `left` hold words."""
    table = Table(box=None, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=no_wrap, justify="left" if name in left else "right")
    return table


def show(*what: Table | str) -> None:
    """Print tables, and titles between them."""
    Console(highlight=False, width=WIDTH).print(*what, sep="\n")


def percentile(values: Sequence[Value], percent: float) -> Value:
    """Give the smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]
