"""What the README says comes from the code."""

from infra.readme import columns_table, with_generated
from ledger.columns import COLUMNS
from tests.support.paths import ROOT

README = ROOT / "README.md"


def test_the_columns_table_of_the_readme_is_that_of_the_code() -> None:
    """`python infra/readme.py` was run after the last change of the columns."""
    text = README.read_text(encoding="utf-8")
    assert with_generated(text) == text
    assert columns_table() in text
    assert all(f"| `{column.name}` |" in text for column in COLUMNS)
