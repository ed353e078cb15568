"""The statements by which engines read the CSV."""

import re

import pytest

from ledger.columns import NAMES
from ledger.keys import COPY_MANIFEST_KEY, SYMLINKS_KEY
from operations.errors import NoPlace
from operations.readers.ddl import Engine, statements


@pytest.mark.parametrize("engine", Engine)
def test_statements_have_every_column_in_order(engine: Engine) -> None:
    """A table that lacks a column, or has them in another order, shifts all values behind it."""
    text = statements(engine, NAMES, "my-bucket")
    quote = '"' if engine is Engine.REDSHIFT else "`"
    table = text[text.index("TABLE") : text.index("\n)")]
    assert [line.split(quote)[1] for line in table.splitlines()[1:]] == list(NAMES)
    assert "my-bucket" in text


COLUMNS = ("ingested_at", "etag", "revision", "f_number", "captured_at", "new")
# What each engine makes of an instant, a text, a whole number, a decimal, a time that may lack an offset, an unknown.
TYPED = {
    Engine.ATHENA: (
        'TRY(from_iso8601_timestamp(NULLIF("ingested_at", \'\'))) AS "ingested_at"',
        'NULLIF("etag", \'\') AS "etag"',
        'TRY_CAST(NULLIF("revision", \'\') AS bigint) AS "revision"',
        'TRY_CAST(NULLIF("f_number", \'\') AS double) AS "f_number"',
        'NULLIF("captured_at", \'\') AS "captured_at"',
        'NULLIF("new", \'\') AS "new"',
    ),
    Engine.SPARK: (
        "TRY_CAST(NULLIF(`ingested_at`, '') AS TIMESTAMP) AS `ingested_at`",
        "NULLIF(`etag`, '') AS `etag`",
        "TRY_CAST(NULLIF(`revision`, '') AS BIGINT) AS `revision`",
        "TRY_CAST(NULLIF(`f_number`, '') AS DOUBLE) AS `f_number`",
        "NULLIF(`captured_at`, '') AS `captured_at`",
        "NULLIF(`new`, '') AS `new`",
    ),
}
TYPED[Engine.TRINO] = TYPED[Engine.ATHENA]


@pytest.mark.parametrize("engine", TYPED)
def test_a_table_over_the_list_is_text_and_its_view_has_the_types(engine: Engine) -> None:
    """Hive's CSV reader fails at empty numbers, and takes backslashes of JSON for escapes unless it is told otherwise.

    Shards have no header to be skipped. Trino gets the table by another engine of its metastore: it stands first.
    """
    text = statements(engine, COLUMNS, "b")
    table, view = text.split("CREATE OR REPLACE VIEW images AS SELECT\n")
    assert table.count(" string") == len(COLUMNS)
    assert r"'escapeChar' = '\001'" in table
    assert "'separatorChar' = ',', 'quoteChar' = '\"'" in table
    assert "SymlinkTextInputFormat" in table
    assert f"LOCATION 's3://b/{SYMLINKS_KEY.rpartition('/')[0]}/'" in table
    assert "skip.header" not in text
    assert view == ",\n".join(f"  {cast}" for cast in TYPED[engine]) + "\nFROM image_data;\n"
    assert engine.list_key == SYMLINKS_KEY


def test_redshift_gets_types_of_its_own() -> None:
    """Times that may lack an offset stay text."""
    text = statements(Engine.REDSHIFT, ("ingested_at", "etag", "revision", "f_number", "captured_at", "exif"), "b")
    for part in (
        '"ingested_at" TIMESTAMPTZ',
        '"etag" VARCHAR(65535)',
        '"revision" BIGINT',
        '"f_number" DOUBLE PRECISION',
        '"captured_at" VARCHAR(40)',
        '"exif" VARCHAR(65535)',
        f"COPY images FROM 's3://b/{COPY_MANIFEST_KEY}'",
        "IAM_ROLE default",
        # A COPY ends at the first row that it cannot load: so empty is NULL, and a long or odd text is cut or mended.
        "MANIFEST GZIP FORMAT CSV EMPTYASNULL TRUNCATECOLUMNS ACCEPTINVCHARS TIMEFORMAT 'auto' ENCODING UTF8;",
    ):
        assert part in text
    assert Engine.REDSHIFT.list_key == COPY_MANIFEST_KEY


@pytest.mark.parametrize("engine", Engine)
def test_a_column_of_any_name_is_one_name(engine: Engine) -> None:
    """The manifest may have been written by anybody who may write to the bucket: a name is never more than a name."""
    columns = ("ingested_at", "etag", "revision", 'a" BIGINT); DROP TABLE x; --', "b` string); DROP TABLE x; --", "c'd")
    text = statements(engine, columns, "bucket")
    quotes = r"`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'|--[^\n]*"
    assert "DROP" not in re.sub(quotes, "", text)
    quote = '"' if engine is Engine.REDSHIFT else "`"
    table = text[text.index("TABLE") :]
    named = re.findall(rf"^  {quote}((?:[^{quote}]|{quote}{quote})*){quote} ", table, re.MULTILINE)[: len(columns)]
    assert [name.replace(quote * 2, quote) for name in named] == list(columns)
    if engine in TYPED:
        quote = "`" if engine is Engine.SPARK else '"'
        named = re.findall(rf"AS {quote}((?:[^{quote}]|{quote}{quote})*){quote},?$", table, re.MULTILINE)
        assert [name.replace(quote * 2, quote) for name in named] == list(columns)


@pytest.mark.parametrize("bucket", ["", "b\n", "a'b", "a\n; DROP TABLE x; --", "a/b", "a b"])
@pytest.mark.parametrize("engine", Engine)
def test_what_is_no_bucket_is_in_no_statement(engine: Engine, bucket: str) -> None:
    """It stands in quotes, in a comment and in a line for a shell."""
    with pytest.raises(NoPlace, match="no name of a bucket"):
        statements(engine, NAMES, bucket)
