"""The description of image-data.csv that is published beside it: W3C "Model for Tabular Data" (CSV on the Web)."""

from collections.abc import Sequence
from typing import Any

import orjson

from ledger.columns import COLUMNS
from ledger.keys import CSV_KEY

DESCRIPTION_TYPE = "application/csvm+json"

_DATATYPES = {"text": "string", "integer": "integer", "decimal": "decimal", "timestamp": "string", "json": "json"}


def describe(columns: Sequence[str]) -> bytes:
    """Write the CSVW description of a CSV with these columns."""
    known = {column.name: column for column in COLUMNS}
    content = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": CSV_KEY,
        "dialect": {"encoding": "utf-8", "delimiter": ",", "quoteChar": '"', "doubleQuote": True, "header": True},
        "tableSchema": {
            "columns": [_column(name, known) for name in columns],
            "primaryKey": ["ingested_at", "etag"],
        },
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"


def _column(name: str, known: dict[str, Any]) -> dict[str, Any]:
    column = known.get(name)
    described: dict[str, Any] = {"name": name, "titles": name}
    if column is None:
        return described | {"datatype": "string"}
    described |= {"dc:description": column.meaning, "datatype": _DATATYPES[column.type], "null": ""}
    if column.unit:
        described["schema:unitText"] = column.unit
    if column.source:
        described["dc:source"] = column.source
    return described
