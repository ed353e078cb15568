"""Write the table of columns, which comes from the code: `python infra/readme.py`. A test compares them."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "functions" / "COLUMNS.md"
sys.path.insert(0, str(ROOT / "functions"))

from ledger.columns import COLUMNS  # noqa: E402  (found by the line above)


def columns_table() -> str:
    """Give the table of all columns as Markdown."""
    lines = ["| column | type | unit | meaning | from, best first |", "|---|---|---|---|---|"]
    for column in COLUMNS:
        cells = (f"`{column.name}`", column.type, column.unit, column.meaning, column.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def with_generated(document: str) -> str:
    """Give the document with its generated part renewed."""
    pattern = re.compile(r"(<!-- columns: .*? -->\n).*?(<!-- end of columns -->)", re.DOTALL)
    return pattern.sub(lambda match: match[1] + columns_table() + "\n" + match[2], document)


if __name__ == "__main__":
    DOCUMENT.write_text(with_generated(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
