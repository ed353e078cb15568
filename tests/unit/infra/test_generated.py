"""What other files have from the code is what the code says: `.venv/bin/python -m infra.generated` was run."""

from infra.generated import COLUMNS_DOCUMENT, columns_table, with_columns, with_page_hash, with_version
from ledger.columns import COLUMNS
from operations.cli.version import own_version
from tests.support.paths import ROOT
from tests.support.template import outputs


def test_the_table_of_columns_is_that_of_the_code() -> None:
    """After the last change of the columns."""
    text = (ROOT / COLUMNS_DOCUMENT).read_text(encoding="utf-8")
    assert with_columns(text) == text
    assert columns_table() in text
    assert all(f"| `{column.name}` |" in text for column in COLUMNS)


def test_the_hash_of_the_page_in_the_template_is_that_of_its_files() -> None:
    """After the last change of the page; and a stale one is renewed, with the comment left behind it."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    assert with_page_hash(text) == text
    stale = "Properties:\n      Page: 0123456789abcdef # hash\n"
    assert with_page_hash(stale) != stale
    assert with_page_hash(stale).endswith(" # hash\n")


def test_the_version_that_the_stack_tells_is_the_commands() -> None:
    """One number, of pyproject.toml: whoever changes it there changes what is deployed and what is installed."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    assert with_version(text) == text
    assert outputs()["Version"] == own_version()
    stale = "Outputs:\n  Version:\n    Description: It.\n    Value: x\n  Other:\n    Value: x\n"
    assert with_version(stale) == stale.replace("Value: x", f'Value: "{own_version()}"', 1)
