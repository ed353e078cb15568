"""The copy of the CSV in other formats, typed by the list of columns, and filtered by a DuckDB expression.

Every file takes the place of the old one in one step (`operations.atomic_write`).

SQL can do whatever its user can: read and write files, fetch extensions (DuckDB, "Securing DuckDB"). The condition on
rows is often somebody else's, copied from a page or made by a program. So it is parsed as one expression, never put
into the text of a statement, and the database that runs it opens no file but the copy and what is being written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb

from ledger.columns import COLUMNS, EXACT, UTC
from ledger.guard import ESCAPES, GUARDED
from operations.atomic_write import atomic_write
from operations.errors import BadExpression
from operations.readers import geolocation, spreadsheet
from operations.readers.geojson import write_geojson

_ROWS_AT_ONCE = 5000
_KNOWN = {column.name: column for column in COLUMNS}


class Format(StrEnum):
    """What a copy can be written as."""

    CSV = "csv"
    PARQUET = "parquet"
    GEOJSON = "geojson"
    XLSX = "xlsx"
    ODM = "geo.txt"
    PIX4D = "pix4d"
    CSVT = "csvt"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that was written.

    Attributes:
        path: where.
        rows: how many stand in it.
        left_out: how many do not, by reason.
    """

    path: Path
    rows: int
    left_out: dict[str, int] = field(default_factory=dict)


def write(form: Format, csv: Path, columns: Sequence[str], where: str = "") -> WrittenFile:
    """Write a copy of the CSV beside it.

    Args:
        form: of the copy.
        csv: the local image-data.csv.
        columns: its columns.
        where: a DuckDB expression on typed columns; all rows if empty.

    Raises:
        BadExpression: `where` cannot be used.
        TooManyRows: a sheet does not hold them.
    """
    if form is Format.CSVT:
        where = ""  # it describes image-data.csv, whatever is chosen of it
    stem = "selection" if where else "image-data"
    names = {Format.ODM: "geo.txt", Format.PIX4D: "pix4d.csv"}
    path = csv.with_name(names.get(form, f"{stem}.{form.value}"))
    if path == csv:
        raise ValueError("image-data.csv itself is written by pull")
    try:
        with atomic_write(path) as unfinished, _database(csv, unfinished.parent) as database:
            rows, left_out = _WRITERS[form](_Table(database, csv, columns, where), unfinished)
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error  # so DuckDB passes Ctrl-C on
    return WrittenFile(path, rows, left_out)


def _database(csv: Path, folder: Path) -> duckdb.DuckDBPyConnection:
    """Open a database that reads one file, writes to one folder, and cannot be told otherwise any more."""
    database = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,  # no names of Python's variables in SQL
            "temp_directory": str(folder.absolute()),
        }
    )
    for setting in (
        "TimeZone = 'UTC'",
        f"allowed_paths = [{_text(str(csv.absolute()))}]",
        f"allowed_directories = [{_text(str(folder.absolute()))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        database.execute(f"SET {setting}")
    return database


class _Table:
    """The CSV as a table with typed columns, and the rows of it that are wanted."""

    def __init__(self, database: duckdb.DuckDBPyConnection, csv: Path, columns: Sequence[str], where: str) -> None:
        self.database = database
        self.columns = list(columns)
        types = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in columns)
        typed = ", ".join(f"{_typed(name)} AS {_name(name)}" for name in columns)
        raw = ", ".join(f"{_name(name)} AS {_name('raw ' + name)}" for name in columns)
        database.execute(
            f"CREATE VIEW images AS SELECT {typed}, {raw} FROM read_csv({_text(str(csv.absolute()))},"
            f" columns = {{{types}}}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"',"
            " nullstr = '', max_line_size = 8388608)"
        )
        try:
            images = database.view("images")
            (images.filter(duckdb.SQLExpression(where)) if where else images).create_view("wanted")
            self.count = int(database.execute("SELECT count(*) FROM wanted").fetchall()[0][0])
        except (duckdb.Error, UnicodeError) as error:
            if not where:
                raise
            raise BadExpression(f"--where: {str(error).splitlines()[0]}") from error

    def select(self, what: str) -> str:
        """Write a query for the wanted rows."""
        return f"SELECT {what} FROM wanted"

    def copy(self, query: str, path: Path, options: str) -> int:
        """Write what a query gives to a file, and count it: `random() < 0.1` chooses others than were counted."""
        return int(self.database.execute(f"COPY ({query}) TO {_text(str(path))} ({options})").fetchall()[0][0])

    def rows(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Read typed columns of the wanted rows, row by row; a column that the CSV does not have is None."""
        chosen = [_plain(name) if name in self.columns else f"NULL AS {_name(name)}" for name in names]
        result = self.database.execute(self.select(", ".join(chosen)))
        while some := result.fetchmany(_ROWS_AT_ONCE):
            for row in some:
                yield dict(zip(names, row, strict=True))


def _typed(name: str) -> str:
    """Write the expression that gives a column its type."""
    column = _KNOWN.get(name)
    kind = column.type if column else "text"
    if kind == "integer":
        return f"TRY_CAST({_name(name)} AS BIGINT)"
    if kind == "decimal":
        return f"TRY_CAST({_name(name)} AS DOUBLE)"
    if name in UTC:
        return f"TRY_CAST({_name(name)} AS TIMESTAMPTZ)"
    if kind == "text":
        unguarded = _name(name)
        for pattern in GUARDED:
            unguarded = rf"regexp_replace({unguarded}, {_text(pattern)}, '\1\2', 'g')"
        text = f"CASE WHEN contains({_name(name)}, '''') THEN {unguarded} ELSE {_name(name)} END"
        return _unescaped(text) if name in EXACT else text
    return _name(name)


def _unescaped(text: str) -> str:
    for written, meant in ESCAPES:
        text = f"replace({text}, {_text(written)}, chr({ord(meant)}))"  # no statement can hold a NUL
    return text


def _plain(name: str) -> str:
    """Select a column as Python reads it: times without an offset, in UTC."""
    return f"{_name(name)} AT TIME ZONE 'UTC' AS {_name(name)}" if name in UTC else _name(name)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _csv(table: _Table, path: Path) -> tuple[int, dict[str, int]]:
    raw = table.select(", ".join(f"{_name('raw ' + name)} AS {_name(name)}" for name in table.columns))
    return table.copy(raw, path, "FORMAT csv, HEADER true"), {}


def _parquet(table: _Table, path: Path) -> tuple[int, dict[str, int]]:
    typed = table.select(", ".join(map(_name, table.columns)))
    return table.copy(typed, path, "FORMAT parquet, COMPRESSION zstd"), {}


def _geojson(table: _Table, path: Path) -> tuple[int, dict[str, int]]:
    return write_geojson(table.rows(table.columns), path)


def _xlsx(table: _Table, path: Path) -> tuple[int, dict[str, int]]:
    return spreadsheet.write_xlsx(table.rows(table.columns), table.columns, table.count, path)


def _odm(table: _Table, path: Path) -> tuple[int, dict[str, int]]:
    return geolocation.write_odm(table.rows(geolocation.COLUMNS_READ), path)


def _pix4d(table: _Table, path: Path) -> tuple[int, dict[str, int]]:
    return geolocation.write_pix4d(table.rows(geolocation.COLUMNS_READ), path)


def _csvt(table: _Table, path: Path) -> tuple[int, dict[str, int]]:
    """Write what QGIS and GDAL read beside image-data.csv: a type for each column, and where the position is."""
    types = {"integer": "Integer64", "decimal": "Real"}
    places = {"gps_longitude_deg": "CoordX", "gps_latitude_deg": "CoordY"}
    kinds = [
        places.get(name) or types.get(_KNOWN[name].type if name in _KNOWN else "", "String") for name in table.columns
    ]
    path.write_text(",".join(f'"{kind}"' for kind in kinds) + "\n", encoding="ascii")
    return table.count, {}


_WRITERS: dict[Format, Callable[[_Table, Path], tuple[int, dict[str, int]]]] = {
    Format.CSV: _csv,
    Format.PARQUET: _parquet,
    Format.GEOJSON: _geojson,
    Format.XLSX: _xlsx,
    Format.ODM: _odm,
    Format.PIX4D: _pix4d,
    Format.CSVT: _csvt,
}
