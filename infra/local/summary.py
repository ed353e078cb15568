"""What `./infra/run` tells of a published CSV: its rows, what has warnings, and which objects have no row and why."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.markup import escape
from rich.table import Table

from infra.local.folder import printable

SHOWN_ROWS = 10
NAMED = 20
TO_THE_MINUTE = "2026-06-21 12:00"
DIGITS = re.compile(r"(\d+)")
HEAD_BYTES = 64
Heading = tuple[str, str]
csv.field_size_limit(1 << 20)  # a table's item, and so a cell, has up to 400 KB
KINDS = ((b"%PDF", "a PDF"), (b"PK\3\4", "a ZIP, or what is made of one"), (b"\x1f\x8b", "a gzip"), (b"RIFF", "a RIFF"))


class Row(NamedTuple):
    """What is shown of a row, as the CSV has it."""

    key: str
    model: str
    captured_at: str
    gps_latitude_deg: str
    gps_longitude_deg: str
    relative_altitude_m: str
    copies: str
    warnings: str
    bucket: str


@dataclass(slots=True)
class Csv:
    """A published CSV, without what is not shown: the whole documents of 20,000 photos fill memories.

    Attributes:
        path: of the file.
        rows: in the order of their keys, numbers by value.
    """

    path: Path
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Csv":
        """Read the file."""
        with path.open(encoding="utf-8", newline="") as file:
            rows = [Row(*(row[name] for name in Row._fields)) for row in csv.DictReader(file)]
        return cls(path, sorted(rows, key=lambda row: in_order(row.key)))

    @property
    def images(self) -> int:
        """Objects that hold an image."""
        return sum(int(row.copies or 0) for row in self.rows)

    @property
    def warned(self) -> dict[str, str]:
        """What could not be read in full, by key: the warnings."""
        return {row.key: "; ".join(json.loads(row.warnings)) for row in self.rows if row.warnings}

    @property
    def named(self) -> set[tuple[str, str]]:
        """Bucket and key of each object that a row names; of copies, it is one of them."""
        return {(row.bucket, row.key) for row in self.rows}


def in_order(key: str) -> list[tuple[int, str]]:
    """Order keys as people do: photo 9 before photo 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in DIGITS.split(key)]


def kind_of(head: bytes) -> str:
    """Say what a file seems to be that is no image, by its first bytes."""
    if not head:
        return "empty"
    for mark, kind in KINDS:
        if head.startswith(mark):
            return f"no image: {kind}"
    if head[4:8] == b"ftyp":
        return "no image: a video, or its like"
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not just cut within a character
            return "no image: unknown bytes"
    return "no image: unknown bytes" if b"\0" in head else "no image: text"


def table_of(published: Csv) -> Table:
    """Show the first rows. Names are wrapped, not cut."""
    title = f"The first {min(SHOWN_ROWS, len(published.rows))} of {len(published.rows)} rows, by name"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("photo", overflow="fold")
    for column, width in (("model", 7), ("captured at", len(TO_THE_MINUTE))):
        table.add_column(column, no_wrap=True, width=width)
    for column in ("lat (deg)", "lon (deg)", "h (m)"):
        table.add_column(column, no_wrap=True, width=max(7, len(column)), justify="right")
    for row in published.rows[:SHOWN_ROWS]:
        cells = (
            row.key.rpartition("/")[2],
            row.model,
            row.captured_at[: len(TO_THE_MINUTE)].replace("T", " "),
            row.gps_latitude_deg[:9],
            row.gps_longitude_deg[:9],
            row.relative_altitude_m,
        )
        table.add_row(*(escape(printable(cell)) for cell in cells))
    return table


@dataclass(frozen=True, slots=True)
class Notes:
    """Names with what is to be said of each, under headings.

    Attributes:
        path: of the file that has them all.
        sections: by heading, as it is said of one and of many.
    """

    path: Path
    sections: Mapping[Heading, Mapping[str, str]]

    def write(self) -> None:
        """Write the file, or take it away if there is nothing to say."""
        lines = [line for heading, notes in self.sections.items() if notes for line in _lines(heading, notes)]
        if lines:
            self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            self.path.unlink(missing_ok=True)

    def shown(self) -> list[str]:
        """Give the lines to show: the first names of each section."""
        shown: list[str] = []
        for heading, notes in self.sections.items():
            if notes:
                lines = _lines(heading, notes)
                more = len(notes) - NAMED
                shown += lines[: 1 + NAMED] + ([f"  and {more:,} more, in {self.path}"] if more > 0 else [])
        return shown


def _lines(heading: Heading, notes: Mapping[str, str]) -> list[str]:
    return [
        f"{len(notes):,} {heading[len(notes) > 1]}:",
        *(f"  {printable(name)}: {notes[name]}" for name in _sorted(notes)),
    ]


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(names, key=in_order)
