"""Write the page's hash into template.yaml: `python infra/page.py`. A test compares them."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "functions"))

from operations.page.files import page_hash  # noqa: E402  (found by the line above)


def with_hash(template: str, digest: str) -> str:
    """Give the template with this hash of the page."""
    return re.sub(r"^(      Page: )\S+", rf"\g<1>{digest}", template, flags=re.MULTILINE)


if __name__ == "__main__":
    path = ROOT / "template.yaml"
    path.write_text(with_hash(path.read_text(encoding="utf-8"), page_hash()), encoding="utf-8")
