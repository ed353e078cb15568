"""Reads the CSV in S3 by every way in turn, in the environment of readers.lock, and prints what each read gave.

usage: python _engines.py BUCKET READS RECIPES; AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and so on say where and as whom

RECIPES is a JSON file: the code that readers are told to use, by name; each leaves its `rows`. The other ways read
image-data.csv itself, as one would without having been told. They read it in ranges of 64 KiB: so a CSV of a MB is to
them what one of GBs is to their own defaults (pyarrow 1 MiB, s3fs 5 MiB, Polars 64 MiB, DuckDB 32 MB).

DuckDB's httpfs notes a file's size and ETag with the connection, and forgets them when a query ends. It compares the
ETag of what comes, and raises if it is another (duckdb/duckdb-httpfs#111). `sql` makes a relation, and looks at the
file for its columns before there is a query: where that fails no query ends, what is noted stays, and each further
relation fails, until some query was executed (duckdb-httpfs, `HTTPMetadataCache::QueryEnd`; duckdb,
`ClientContext::TryBindRelation`). So it is asked in three ways: by `sql`; by `execute`, which is a query from the
start; and told to fetch the file first, by one GET (`force_download`).

Each line is a JSON object: way, and either `seen`, pairs of a revision and how many rows have it, or `error`.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

RANGE = 64 << 10
os.environ["POLARS_DOWNLOAD_CHUNK_SIZE"] = str(RANGE)  # read when Polars is imported

import duckdb  # noqa: E402
import duckdb_extension_httpfs  # noqa: E402
import pandas  # noqa: E402
import polars  # noqa: E402
import pyarrow.csv  # noqa: E402
import pyarrow.dataset  # noqa: E402
import pyarrow.fs  # noqa: E402

Way = Callable[[], Iterable[Any]]  # gives the revision of each row, as text or number

CSV = "image-data.csv"


def ways_of(bucket: str, recipes: dict[str, str]) -> dict[str, Way]:
    """Give all ways, by name."""
    path = f"{bucket}/{CSV}"
    url = f"s3://{path}"
    files, blocks = _arrow(), pyarrow.csv.ReadOptions(block_size=RANGE)
    relations, queries, whole = _duckdb(), _duckdb(), _duckdb()
    whole.execute("SET force_download = true")

    def by_duckdb(ask: Callable[[str], Any]) -> list[Any]:
        read = ask(
            f"SELECT revision FROM read_csv('{url}', header = true, all_varchar = true, delim = ',', quote = '\"', "
            f"escape = '\"', buffer_size = {2 * RANGE}, max_line_size = {RANGE // 2})"
        )
        return [row[0] for row in read.fetchall()]

    def by_pyarrow() -> list[Any]:
        with files.open_input_stream(path) as stream:
            return pyarrow.csv.read_csv(stream, blocks)["revision"].to_pylist()  # type: ignore[no-any-return]

    def by_dataset() -> list[Any]:
        lines = pyarrow.dataset.CsvFileFormat(read_options=blocks)
        table = pyarrow.dataset.dataset(path, filesystem=files, format=lines).to_table(columns=["revision"])
        return table["revision"].to_pylist()  # type: ignore[no-any-return]

    def by_polars() -> list[Any]:
        return polars.scan_csv(url, infer_schema=False).select("revision").collect()["revision"].to_list()

    def by_pandas() -> list[Any]:
        options = {"default_block_size": RANGE}
        return list(pandas.read_csv(url, dtype="string", storage_options=options)["revision"])

    return {
        "file: DuckDB httpfs, sql": lambda: by_duckdb(relations.sql),
        "file: DuckDB httpfs, execute": lambda: by_duckdb(queries.execute),
        "file: DuckDB httpfs, force_download": lambda: by_duckdb(whole.execute),
        "file: pyarrow": by_pyarrow,
        "file: pyarrow dataset": by_dataset,
        "file: Polars": by_polars,
        "file: pandas, s3fs": by_pandas,
        **{name: lambda code=code: _run(code) for name, code in recipes.items()},  # type: ignore[misc]
    }


def _duckdb() -> duckdb.DuckDBPyConnection:
    """Give a DuckDB with its own reader of S3."""
    extension = next(Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension"))
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    database.execute(f"LOAD '{extension}'")
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    place = urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc
    database.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', ENDPOINT '{place}', "
        "URL_STYLE 'path', USE_SSL false)"
    )
    return database


def _arrow() -> Any:
    """Give pyarrow's own reader of S3."""
    place = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    return pyarrow.fs.S3FileSystem(endpoint_override=place.netloc, scheme=place.scheme)


def _run(code: str) -> Iterable[Any]:
    """Run a recipe, and give the revisions of the rows that it leaves, whatever holds them."""
    names: dict[str, Any] = {}
    exec(compile(code, "recipe", "exec"), names)
    rows = names["rows"]
    if isinstance(rows, duckdb.DuckDBPyRelation):
        return [row[0] for row in rows.project("revision").fetchall()]
    column = rows["revision"]
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def main(bucket: str, reads: int, recipes: dict[str, str]) -> None:
    """Read so many times by each way, in turn."""
    ways = ways_of(bucket, recipes)
    for _ in range(reads):
        for name, way in ways.items():
            told: dict[str, Any] = {"way": name}
            try:
                told["seen"] = [[int(one), count] for one, count in Counter(way()).items()]
            except Exception as error:
                told["error"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))
