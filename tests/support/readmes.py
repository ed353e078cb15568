"""The code in the READMEs, so that tests run what readers copy."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb


def blocks(readme: Path, section: str) -> Iterator[tuple[str, str]]:
    """Give the code blocks of a section of a README, each with its language."""
    text = readme.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{readme} has no section {section!r}"
    for block in re.finditer(r"^( *)```(\w+)\n(.*?)^ *```$", found[1], re.MULTILINE | re.DOTALL):
        indent, language, code = block.groups()
        yield language, re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)


def rows_of(code: str) -> Any:
    """Run a block of Python in the present folder, and give its `rows`; DuckDB reads them only when asked."""
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    rows = names["rows"]
    return rows.fetchall() if isinstance(rows, duckdb.DuckDBPyRelation) else rows
