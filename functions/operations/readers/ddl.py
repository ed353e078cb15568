"""The statements by which Athena, Trino, Spark and Redshift read the CSV, made from its columns.

None of them reads image-data.csv itself: each cuts a large file into ranges, and one that is replaced meanwhile would
give rows of two versions. They read its shards, by a list that is replaced as a whole (`ledger.shard_list`).

Hive's table over such a list (SymlinkTextInputFormat) is read by
- Athena (S3 User Guide, "Querying Amazon S3 Inventory with Amazon Athena", which has this very table);
- Trino from version 443 on (trinodb/trino#21092); it cannot make one (#25473), and reads what its metastore has;
- Spark from 3.4 on (apache/spark#38277: versions 3.2 and 3.3 may read it as empty), if it has Hive's support.

Their CSV reader knows no empty numbers, so the table is all text and a view gives the types (Athena User Guide, "Open
CSV SerDe"). By default that reader takes a backslash for an escape, and the JSON columns are full of them: so it gets a
character that no row has. Shards have no header.

The names of the columns come from the manifest, where another version may have put any. Each is quoted as its reader
says: Hive's DDL and Spark have backquotes, the queries of Athena and Trino, and Redshift, have double quotes (Athena
User Guide, "Escape reserved keywords"), and each doubles what it quotes with.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from ledger.columns import COLUMNS, UTC
from ledger.keys import COPY_MANIFEST_KEY, SYMLINKS_KEY
from operations.errors import NoPlace

_KNOWN = {column.name: column for column in COLUMNS}
_BUCKET_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")  # what it ever was (S3 User Guide, "General purpose bucket naming")
_TEXT_BYTES = 65535  # Redshift's longest VARCHAR
_REDSHIFT_TYPES = {"integer": "BIGINT", "decimal": "DOUBLE PRECISION", "text": f"VARCHAR({_TEXT_BYTES})"}


class Engine(StrEnum):
    """Who is to read the CSV."""

    ATHENA = "athena"
    TRINO = "trino"
    SPARK = "spark"
    REDSHIFT = "redshift"

    @property
    def list_key(self) -> str:
        """Give the key of the list of shards that this engine reads."""
        return COPY_MANIFEST_KEY if self is Engine.REDSHIFT else SYMLINKS_KEY


def statements(engine: Engine, columns: Sequence[str], bucket: str) -> str:
    """Write the statements for a CSV with these columns in this bucket.

    Raises:
        NoPlace: no bucket has such a name.
    """
    if not _BUCKET_NAME.fullmatch(bucket):
        raise NoPlace(f"{bucket!r} is no name of a bucket")
    return _WRITERS[engine](columns, bucket)


def _athena(columns: Sequence[str], bucket: str) -> str:
    return f"{_table(columns, bucket)}\n{_view(columns)}"


def _trino(columns: Sequence[str], bucket: str) -> str:
    return f"""\
-- Once, in what shares Trino's metastore and can make such a table (Athena, Hive, Spark):
{_table(columns, bucket)}
-- In Trino (443 or later):
{_view(columns)}"""


def _spark(columns: Sequence[str], bucket: str) -> str:
    view = ",\n".join(f"  {_spark_cast(name)} AS {_quoted(name, '`')}" for name in columns)
    return f"""\
-- Spark 3.4 or later with Hive's support. Where s3:// is not known, as outside of EMR and Glue:
-- spark.hadoop.fs.s3.impl=org.apache.hadoop.fs.s3a.S3AFileSystem
{_table(columns, bucket)}
CREATE OR REPLACE VIEW images AS SELECT
{view}
FROM image_data;
"""


def _table(columns: Sequence[str], bucket: str) -> str:
    """Write the table over the list, in Hive's words."""
    table = ",\n".join(f"  {_quoted(name, '`')} string" for name in columns)
    folder = SYMLINKS_KEY.rpartition("/")[0]
    return f"""\
CREATE EXTERNAL TABLE image_data (
{table}
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
WITH SERDEPROPERTIES ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\\001')
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://{bucket}/{folder}/';
"""


def _view(columns: Sequence[str]) -> str:
    """Write the view with types, in the words of Athena and Trino."""
    view = ",\n".join(f"  {_cast(name)} AS {_quoted(name)}" for name in columns)
    return f"""\
CREATE OR REPLACE VIEW images AS SELECT
{view}
FROM image_data;
"""


def _quoted(name: str, quote: str = '"') -> str:
    return quote + name.replace(quote, quote * 2) + quote


def _cast(name: str) -> str:
    given = f"NULLIF({_quoted(name)}, '')"
    match _type_of(name):
        case "integer":
            return f"TRY_CAST({given} AS bigint)"
        case "decimal":
            return f"TRY_CAST({given} AS double)"
        case "time":
            return f"TRY(from_iso8601_timestamp({given}))"
    return given


def _spark_cast(name: str) -> str:
    given = f"NULLIF({_quoted(name, '`')}, '')"
    types = {"integer": "BIGINT", "decimal": "DOUBLE", "time": "TIMESTAMP"}
    kind = types.get(_type_of(name))
    return f"TRY_CAST({given} AS {kind})" if kind else given


def _type_of(name: str) -> str:
    """Say what a column is: `integer`, `decimal`, `time` (with an offset always), or else `text`."""
    column = _KNOWN.get(name)
    if column is not None and column.type in ("integer", "decimal"):
        return column.type
    return "time" if name in UTC else "text"


def _redshift(columns: Sequence[str], bucket: str) -> str:
    table = ",\n".join(f"  {_quoted(name)} {_redshift_type(name)}" for name in columns)
    return f"""\
CREATE TABLE images (
{table}
);

COPY images FROM 's3://{bucket}/{COPY_MANIFEST_KEY}'
IAM_ROLE default
MANIFEST GZIP FORMAT CSV EMPTYASNULL TRUNCATECOLUMNS ACCEPTINVCHARS TIMEFORMAT 'auto' ENCODING UTF8;
"""


def _redshift_type(name: str) -> str:
    column = _KNOWN.get(name)
    if column is not None and column.type == "timestamp":
        return "TIMESTAMPTZ" if name in UTC else "VARCHAR(40)"
    return _REDSHIFT_TYPES.get(column.type if column else "text", _REDSHIFT_TYPES["text"])


_WRITERS: Mapping[Engine, Callable[[Sequence[str], str], str]] = {
    Engine.ATHENA: _athena,
    Engine.TRINO: _trino,
    Engine.SPARK: _spark,
    Engine.REDSHIFT: _redshift,
}
