"""The statements by which Athena and Redshift read the CSV."""

import pytest

from ledger.columns import NAMES
from operations.readers.ddl import Engine, statements


@pytest.mark.parametrize("engine", Engine)
def test_statements_have_every_column_in_order(engine: Engine) -> None:
    """A table that lacks a column, or has them in another order, shifts all values behind it."""
    text = statements(engine, NAMES, "my-bucket")
    quote = "`" if engine is Engine.ATHENA else '"'
    table = text[text.index("TABLE") : text.index("\n)")]
    assert [line.split(quote)[1] for line in table.splitlines()[1:]] == list(NAMES)
    assert "my-bucket" in text


def test_athena_reads_text_and_its_view_has_the_types() -> None:
    """Its CSV reader fails at empty numbers, and takes backslashes of JSON for escapes unless it is told otherwise."""
    text = statements(Engine.ATHENA, ("ingested_at", "etag", "revision", "f_number", "captured_at", "new"), "b")
    table, view = text.split("CREATE OR REPLACE VIEW")
    assert table.count(" string") == 6
    assert r"'escapeChar' = '\001'" in table
    assert 'TRY(from_iso8601_timestamp(NULLIF("ingested_at", \'\'))) AS "ingested_at"' in view
    assert "TRY_CAST(NULLIF(\"revision\", '') AS bigint)" in view
    assert "TRY_CAST(NULLIF(\"f_number\", '') AS double)" in view
    assert 'NULLIF("captured_at", \'\') AS "captured_at"' in view
    assert 'NULLIF("new", \'\') AS "new"' in view


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
        "COPY images FROM 's3://b/image-data.csv'",
        "FORMAT CSV IGNOREHEADER 1",
    ):
        assert part in text
