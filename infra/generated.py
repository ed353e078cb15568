"""Write the parts of other files that come from the code: `.venv/bin/python -m infra.generated`. Tests compare them.

- functions/COLUMNS.md: the table of columns.
- template.yaml: the hash of the page, so that a deployment with another page uploads it; and the version that an output
  tells, which is that of pyproject.toml.
- infra/survey/readings.json: what the present version of the reader makes of many photos. A version that makes
  something else of one is refused: it has to be a higher one.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import partial

from infra.paths import ROOT
from infra.survey.readings import READINGS_DOCUMENT, with_readings
from ledger.columns import COLUMNS, READER
from operations.page.files import page_hash

COLUMNS_DOCUMENT = "functions/COLUMNS.md"


def columns_table() -> str:
    """Give the table of all columns as Markdown."""
    lines = ["| column | type | unit | meaning | from, best first |", "|---|---|---|---|---|"]
    for column in COLUMNS:
        cells = (f"`{column.name}`", column.type, column.unit, column.meaning, column.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def with_columns(document: str) -> str:
    """Give the document with its table of columns renewed."""
    pattern = re.compile(r"(<!-- columns: .*? -->\n).*?(<!-- end of columns -->)", re.DOTALL)
    return pattern.sub(lambda match: match[1] + columns_table() + "\n" + match[2], document)


def with_page_hash(template: str) -> str:
    """Give the template with the hash of the page renewed."""
    return re.sub(r"^(      Page: )\S+", rf"\g<1>{page_hash()}", template, flags=re.MULTILINE)


def with_version(template: str) -> str:
    """Give the template with the version that its output tells renewed."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    pattern = r"^(  Version:\n    Description: .*\n    Value: ).*$"
    return re.sub(pattern, rf'\g<1>"{version}"', template, flags=re.MULTILINE)


RENEWED: Mapping[str, Callable[[str], str]] = {
    COLUMNS_DOCUMENT: with_columns,
    "template.yaml": lambda template: with_version(with_page_hash(template)),
    READINGS_DOCUMENT: partial(with_readings, version=READER),
}


def main() -> None:
    """Renew all of them."""
    for name, renewed in RENEWED.items():
        path = ROOT / name
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
