"""Rows as a workbook for Excel: numbers are numbers, times are times, and texts are texts and never formulas.

A cell has no zone: instants are written in UTC.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from operations.errors import TooManyRows
from operations.progress import Progress, silent, watching_folder

# Microsoft, "Excel specifications and limits".
MOST_ROWS = 1_048_576
MOST_CHARACTERS = 32_767  # of UTF-16: an emoji is two, and Excel mends, or refuses, a workbook with more
EXACT_DIGITS = 15
CUT = "texts cut to what a cell holds"
_FIRST_YEAR = 1900
_OPTIONS = {
    "constant_memory": True,
    "use_zip64": True,  # the XML of a full sheet has more than 4 GB
    "strings_to_formulas": False,
    "strings_to_urls": False,
}


def refuse_too_many(count: int) -> None:
    """Refuse more rows than a sheet holds.

    Raises:
        TooManyRows: they and the header do not fit.
    """
    if count >= MOST_ROWS:
        raise TooManyRows(f"a sheet holds {MOST_ROWS - 1:,} rows, these are {count:,}: choose some with --where")


def write_xlsx(
    rows: Iterator[dict[str, Any]],
    columns: Sequence[str],
    count: int,
    path: Path,
    progress: Progress = silent,
) -> tuple[int, dict[str, int]]:
    """Write a workbook with one sheet; give its rows, and the number of texts that had to be cut.

    What is written meanwhile lies in the folder of the workbook: the sheet's rows as XML, and then the whole sheet.
    `progress` is told the bytes that are written when all rows are there, and the sheet is put together and packed.

    Raises:
        TooManyRows: `count` and the header do not fit.
    """
    refuse_too_many(count)
    cut = number = 0
    book = xlsxwriter.Workbook(str(path), _OPTIONS | {"tmpdir": str(path.parent)})
    sheet = book.add_worksheet("images")
    time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet.write_row(0, 0, columns, book.add_format({"bold": True}))
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(count, 1), len(columns) - 1)
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row.values()):
            if value is not None:
                cut += _write_cell(sheet, number, column, value, time)
    with watching_folder(path.parent, "packing the workbook, bytes", progress):
        book.close()  # which nobody wants after an error: hence no `with`
    return number, {CUT: cut} if cut else {}


def _write_cell(sheet: Any, row: int, column: int, value: Any, time: Any) -> bool:
    """Write a cell; say whether its text was cut."""
    if isinstance(value, int | float) and abs(value) < 10**EXACT_DIGITS:
        sheet.write_number(row, column, value)
    elif isinstance(value, datetime) and value.year >= _FIRST_YEAR:
        sheet.write_datetime(row, column, value, time)
    else:
        text = str(value)
        held = _held(text)
        sheet.write_string(row, column, held)
        return held != text
    return False


def _held(text: str) -> str:
    """Give as much of a text as a cell holds, and no half of a character."""
    if 2 * len(text) <= MOST_CHARACTERS:
        return text
    return text.encode("utf-16-le")[: 2 * MOST_CHARACTERS].decode("utf-16-le", "ignore")
