"""The copy of the CSV as a table with typed columns, and the rows of it for which a DuckDB expression is true.

SQL can do whatever its user can: read and write files, fetch extensions (DuckDB, "Securing DuckDB"). The condition on
rows is often somebody else's, copied from a page or made by a program. So it is parsed as one expression, never put
into the text of a statement, and the database that runs it opens no file but the copy and what is being written.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from ledger.columns import COLUMNS, EXACT, UTC
from ledger.guard import ESCAPES, GUARDED
from operations.errors import BadExpression

_ROWS_AT_ONCE = 5000
KNOWN = {column.name: column for column in COLUMNS}
"""The columns by name."""


@contextmanager
def open_table(csv: Path, columns: Sequence[str], where: str, folder: Path) -> Iterator["Table"]:
    """Open the copy as a table.

    Args:
        csv: the local image-data.csv.
        columns: its columns.
        where: a DuckDB expression on typed columns; all rows if empty.
        folder: the one that may be written to.

    Raises:
        BadExpression: `where` cannot be used.
    """
    try:
        with _database(csv, folder) as database:
            yield Table(database, csv, columns, where)
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error  # so DuckDB passes Ctrl-C on


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
        f"allowed_paths = [{quoted_text(str(csv.absolute()))}]",
        f"allowed_directories = [{quoted_text(str(folder.absolute()))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        database.execute(f"SET {setting}")
    return database


class Table:
    """The CSV as a table with typed columns, and the rows of it that are wanted."""

    def __init__(self, database: duckdb.DuckDBPyConnection, csv: Path, columns: Sequence[str], where: str) -> None:
        self.database = database
        self.columns = list(columns)
        types = ", ".join(f"{quoted_text(name)}: 'VARCHAR'" for name in columns)
        typed = ", ".join(f"{_typed(name)} AS {quoted_name(name)}" for name in columns)
        raw = ", ".join(f"{quoted_name(name)} AS {quoted_name('raw ' + name)}" for name in columns)
        database.execute(
            f"CREATE VIEW images AS SELECT {typed}, {raw} FROM read_csv({quoted_text(str(csv.absolute()))},"
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
        return int(self.database.execute(f"COPY ({query}) TO {quoted_text(str(path))} ({options})").fetchall()[0][0])

    def rows(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Read typed columns of the wanted rows, row by row; a column that the CSV does not have is None."""
        chosen = [_plain(name) if name in self.columns else f"NULL AS {quoted_name(name)}" for name in names]
        result = self.database.execute(self.select(", ".join(chosen)))
        while some := result.fetchmany(_ROWS_AT_ONCE):
            for row in some:
                yield dict(zip(names, row, strict=True))


def _typed(name: str) -> str:
    """Write the expression that gives a column its type."""
    column = KNOWN.get(name)
    kind = column.type if column else "text"
    if kind == "integer":
        return f"TRY_CAST({quoted_name(name)} AS BIGINT)"
    if kind == "decimal":
        return f"TRY_CAST({quoted_name(name)} AS DOUBLE)"
    if name in UTC:
        return f"TRY_CAST({quoted_name(name)} AS TIMESTAMPTZ)"
    if kind == "text":
        unguarded = quoted_name(name)
        for pattern in GUARDED:
            unguarded = rf"regexp_replace({unguarded}, {quoted_text(pattern)}, '\1\2', 'g')"
        text = f"CASE WHEN contains({quoted_name(name)}, '''') THEN {unguarded} ELSE {quoted_name(name)} END"
        return _unescaped(text) if name in EXACT else text
    return quoted_name(name)


def _unescaped(text: str) -> str:
    for written, meant in ESCAPES:
        text = f"replace({text}, {quoted_text(written)}, chr({ord(meant)}))"  # no statement can hold a NUL
    return text


def _plain(name: str) -> str:
    """Select a column as Python reads it: times without an offset, in UTC."""
    return f"{quoted_name(name)} AT TIME ZONE 'UTC' AS {quoted_name(name)}" if name in UTC else quoted_name(name)


def quoted_name(name: str) -> str:
    """Write a name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """Write a text in SQL."""
    return "'" + text.replace("'", "''") + "'"
