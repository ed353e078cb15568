"""The code in the READMEs, so that tests run what readers copy."""

import re
from collections.abc import Iterator
from pathlib import Path


def blocks(readme: Path, section: str) -> Iterator[tuple[str, str]]:
    """Give the code blocks of a section of a README, each with its language."""
    text = readme.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{readme} has no section {section!r}"
    for block in re.finditer(r"^( *)```(\w+)\n(.*?)^ *```$", found[1], re.MULTILINE | re.DOTALL):
        indent, language, code = block.groups()
        yield language, re.sub(rf"^{indent}", "", code, flags=re.MULTILINE)
