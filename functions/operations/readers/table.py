"""The copy of the CSV as a table with typed columns, and the rows of it for which a DuckDB expression is true.

SQL can do whatever its user can: read and write files, fetch extensions (DuckDB, "Securing DuckDB"). The condition on
rows is often somebody else's, copied from a page or made by a program. So it is parsed as one expression, never put
into the text of a statement, and the database that runs it opens no file but the copy and what is being written.

It takes the same memory on every machine and for every number of rows: below 300 MB, where by itself DuckDB takes
80 % of the machine's, and more with each core (DuckDB Documentation, "Tuning Workloads"). What does not fit goes to
disk, into the folder that is written to, and at most 90 % of what is free there ("Limits").
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import duckdb

from ledger.columns import COLUMNS, EXACT, UTC
from ledger.guard import ESCAPES, GUARDED
from operations.disk import is_full
from operations.errors import BadExpression
from operations.progress import Progress, cores, silent, watching

_ROWS_AT_ONCE = 1000
_LONGEST_LINE = 8 << 20
# A reader of CSV has some of these for each thread, each of 16 of the longest lines if it is not said otherwise.
_BUFFER = 2 * _LONGEST_LINE
_THREADS = 2
_MEMORY = "300MB"  # of DuckDB's buffers; Python, the library and what is being read come on top
KNOWN = {column.name: column for column in COLUMNS}
"""The columns by name."""
CAPTURED, OFFSET, INSTANT = "captured_at", "captured_at_offset", "captured_at_utc"
"""When a picture was taken: by the camera's clock; and, where the photo knows it, that clock's offset, and the instant.

In the CSV they are one text."""


@contextmanager
def open_table(
    csv: Path, columns: Sequence[str], where: str, folder: Path, progress: Progress = silent, step: str = "reading"
) -> Iterator["Table"]:
    """Open the copy as a table.

    Args:
        csv: the local image-data.csv.
        columns: its columns.
        where: a DuckDB expression on typed columns; all rows if empty.
        folder: the one that may be written to.
        progress: is told how many percent of the copy a query has read, and how many rows are done with.
        step: what the queries are for.

    Raises:
        BadExpression: `where` cannot be used; some that can be parsed show it with a later row.
    """
    try:
        with _database(csv, folder) as database, _telling(database, progress, step):
            yield Table(database, csv, columns, where, progress, step)
    except (RuntimeError, duckdb.InterruptException) as error:  # so DuckDB passes Ctrl-C on
        if not isinstance(error, duckdb.InterruptException) and str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error
    except (duckdb.Error, UnicodeError) as error:
        if not where or is_full(error):
            raise
        raise BadExpression(f"--where: {str(error).splitlines()[0]}") from error


@contextmanager
def _telling(database: duckdb.DuckDBPyConnection, progress: Progress, step: str) -> Iterator[None]:
    """Tell how far the database is with its query, while one runs.

    Asked from another thread, since the query keeps this one; DuckDB answers without a lock (duckdb/duckdb-rs#850).
    """
    if progress is silent:
        yield
        return

    def look() -> None:
        progress(step, max(0, int(database.query_progress())), 100)  # -1: no query runs

    progress(step, 0, 100)
    with watching(look):
        yield


def _database(csv: Path, folder: Path) -> duckdb.DuckDBPyConnection:
    """Open a database that reads one file, writes to one folder, and cannot be told otherwise any more."""
    database = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,  # no names of Python's variables in SQL
            "temp_directory": str(folder.absolute()),
            "threads": min(cores(), _THREADS),
            "memory_limit": _MEMORY,
        }
    )
    for setting in (
        "TimeZone = 'UTC'",
        f"allowed_paths = [{quoted_text(str(csv.absolute()))}]",
        f"allowed_directories = [{quoted_text(str(folder.absolute()))}]",
        "enable_progress_bar = true",  # else it cannot say how far it is
        "enable_progress_bar_print = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        database.execute(f"SET {setting}")
    return database


class Table:
    """The CSV as a table with typed columns, and the rows of it that are wanted.

    Args:
        database: that has nothing else in it.
        csv, columns, where: as for `open_table`.
        progress, step: likewise.

    Attributes:
        progress: that it tells of each thousand rows, for whoever has more to tell.
    """

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        csv: Path,
        columns: Sequence[str],
        where: str,
        progress: Progress,
        step: str,
    ) -> None:
        self.database = database
        self.progress = progress
        self._tell = partial(progress, f"{step}, rows")
        self._rows = "wanted"
        self.columns = list(columns)
        self.typed_columns = [one for name in columns for one in _typed_names(name, columns)]
        types = ", ".join(f"{quoted_text(name)}: 'VARCHAR'" for name in columns)
        typed = ", ".join(f"{_typed(name)} AS {quoted_name(name)}" for name in self.typed_columns)
        raw = ", ".join(f"{quoted_name(name)} AS {_raw(name)}" for name in columns)
        database.execute(
            f"CREATE VIEW images AS SELECT {typed}, {raw} FROM read_csv({quoted_text(str(csv.absolute()))},"
            f" columns = {{{types}}}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"',"
            f" nullstr = '', max_line_size = {_LONGEST_LINE}, buffer_size = {_BUFFER})"
        )
        images = database.view("images")
        (images.filter(duckdb.SQLExpression(where)) if where else images).create_view("wanted")

    @cached_property
    def count(self) -> int:
        """Count the wanted rows, which takes reading them all."""
        return int(self.database.execute(self.select("count(*)")).fetchall()[0][0])

    def keep(self, names: Sequence[str]) -> None:
        """Choose the wanted rows once, for whoever reads typed columns of them several times.

        `random() < 0.1` chooses others each time. What memory does not hold goes to disk.
        """
        kept = ", ".join(quoted_name(name) for name in names if name in self.typed_columns)
        self.database.execute(f"CREATE TEMP TABLE kept AS {self.select(kept)}")
        self._rows = "kept"

    def select(self, what: str) -> str:
        """Write a query for the wanted rows."""
        return f"SELECT {what} FROM {self._rows}"

    def copy(self, query: str, path: Path, options: str) -> int:
        """Write what a query gives to a file, and count it: `random() < 0.1` chooses others than were counted."""
        return int(self.database.execute(f"COPY ({query}) TO {quoted_text(str(path))} ({options})").fetchall()[0][0])

    def rows(
        self, names: Sequence[str], *, as_written: Sequence[str] = (), order: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Read typed columns of the wanted rows, row by row; a column that the CSV does not have is None.

        Args:
            names: of the columns.
            as_written: those that are wanted as the CSV has them.
            order: what to sort by, in SQL; as the CSV has them if empty.
        """
        chosen = [
            (_plain(name) if name not in as_written else f"{_raw(name)} AS {quoted_name(name)}")
            if name in self.typed_columns
            else f"NULL AS {quoted_name(name)}"
            for name in names
        ]
        query = self.select(", ".join(chosen)) + (f" ORDER BY {order}" if order else "")
        result, done = self.database.execute(query), 0
        while some := result.fetchmany(_ROWS_AT_ONCE):
            for row in some:
                yield dict(zip(names, row, strict=True))
            done += len(some)
            self._tell(done, max(done, self.__dict__.get("count", 0)))


def _raw(name: str) -> str:
    """Name a column as the CSV has it."""
    return quoted_name(f"raw {name}")


def _typed_names(name: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Name the typed columns that a column of the CSV gives."""
    if name != CAPTURED:
        return (name,)
    return (name, *(one for one in (OFFSET, INSTANT) if one not in columns))


def _typed(name: str) -> str:
    """Write the expression that gives a column its type."""
    column = KNOWN.get(name)
    kind = column.type if column else "text"
    if name in _CAPTURED:
        return _CAPTURED[name]
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


_ENDS_IN_OFFSET = r"'(Z|[+-]\d\d:\d\d)$'"
_CAPTURED = {
    CAPTURED: f"TRY_CAST(regexp_replace({CAPTURED}, {_ENDS_IN_OFFSET}, '') AS TIMESTAMP)",
    OFFSET: f"replace(nullif(regexp_extract({CAPTURED}, {_ENDS_IN_OFFSET}), ''), 'Z', '+00:00')",
    INSTANT: f"CASE WHEN regexp_matches({CAPTURED}, {_ENDS_IN_OFFSET}) THEN TRY_CAST({CAPTURED} AS TIMESTAMPTZ) END",
}


def _unescaped(text: str) -> str:
    for written, meant in ESCAPES:
        text = f"replace({text}, {quoted_text(written)}, chr({ord(meant)}))"  # no statement can hold a NUL
    return text


def _plain(name: str) -> str:
    """Select a column as Python reads it: times without an offset, in UTC."""
    is_instant = name in UTC or name == INSTANT
    return f"{quoted_name(name)} AT TIME ZONE 'UTC' AS {quoted_name(name)}" if is_instant else quoted_name(name)


def quoted_name(name: str) -> str:
    """Write a name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """Write a text in SQL."""
    return "'" + text.replace("'", "''") + "'"
