"""The statements by which Athena and Redshift read image-data.csv, made from its columns.

Athena's CSV reader knows no empty numbers, so the table is all text and a view gives the types (Athena User Guide,
"Open CSV SerDe"). By default that reader takes a backslash for an escape, and the JSON columns are full of them: so it
gets a character that no row has. A table's place is a folder, and the bucket has other objects beside the CSV: so it
reads a list of files, whose one line never changes.

The names of the columns come from the manifest, where another version may have put any. Each is quoted as its reader
says: Athena's DDL has backquotes, its queries and Redshift have double quotes (Athena User Guide, "Escape reserved
keywords"), and each doubles what it quotes with.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

from ledger.columns import COLUMNS, UTC
from ledger.keys import CSV_KEY
from operations.errors import NoPlace

_KNOWN = {column.name: column for column in COLUMNS}
_BUCKET_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}")  # what it ever was (S3 User Guide, "General purpose bucket naming")
_TEXT_BYTES = 65535  # Redshift's longest VARCHAR
_REDSHIFT_TYPES = {"integer": "BIGINT", "decimal": "DOUBLE PRECISION", "text": f"VARCHAR({_TEXT_BYTES})"}


class Engine(StrEnum):
    """Who is to read the CSV."""

    ATHENA = "athena"
    REDSHIFT = "redshift"


def statements(engine: Engine, columns: Sequence[str], bucket: str) -> str:
    """Write the statements for a CSV with these columns in this bucket.

    Raises:
        NoPlace: no bucket has such a name.
    """
    if not _BUCKET_NAME.fullmatch(bucket):
        raise NoPlace(f"{bucket!r} is no name of a bucket")
    return _athena(columns, bucket) if engine is Engine.ATHENA else _redshift(columns, bucket)


def _athena(columns: Sequence[str], bucket: str) -> str:
    table = ",\n".join(f"  {_quoted(name, '`')} string" for name in columns)
    view = ",\n".join(f"  {_cast(name)} AS {_quoted(name)}" for name in columns)
    return f"""\
-- Once: printf 's3://{bucket}/{CSV_KEY}\\n' | aws s3 cp - s3://{bucket}/athena/files.txt
CREATE EXTERNAL TABLE image_data (
{table}
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
WITH SERDEPROPERTIES ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\\001')
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://{bucket}/athena/'
TBLPROPERTIES ('skip.header.line.count' = '1');

CREATE OR REPLACE VIEW images AS SELECT
{view}
FROM image_data;
"""


def _quoted(name: str, quote: str = '"') -> str:
    return quote + name.replace(quote, quote * 2) + quote


def _cast(name: str) -> str:
    column = _KNOWN.get(name)
    given = f"NULLIF({_quoted(name)}, '')"
    if column is not None and column.type == "integer":
        return f"TRY_CAST({given} AS bigint)"
    if column is not None and column.type == "decimal":
        return f"TRY_CAST({given} AS double)"
    if name in UTC:
        return f"TRY(from_iso8601_timestamp({given}))"
    return given


def _redshift(columns: Sequence[str], bucket: str) -> str:
    table = ",\n".join(f"  {_quoted(name)} {_redshift_type(name)}" for name in columns)
    return f"""\
CREATE TABLE images (
{table}
);

COPY images FROM 's3://{bucket}/{CSV_KEY}'
IAM_ROLE default
FORMAT CSV IGNOREHEADER 1 EMPTYASNULL TRUNCATECOLUMNS ACCEPTINVCHARS TIMEFORMAT 'auto' ENCODING UTF8;
"""


def _redshift_type(name: str) -> str:
    column = _KNOWN.get(name)
    if column is not None and column.type == "timestamp":
        return "TIMESTAMPTZ" if name in UTC else "VARCHAR(40)"
    return _REDSHIFT_TYPES.get(column.type if column else "text", _REDSHIFT_TYPES["text"])
