"""What the benchmark of one moment takes for a whole version, and which recipes it reads by."""

from typing import Any

import pytest

from infra.benchmarks.moment import SECTION, judge, recipes_of
from tests.support.paths import ROOT

README = (ROOT / "infra" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("read", "whole", "mixed", "errors"),
    [
        ({"seen": [[2, 9]]}, 1, 0, 0),
        ({"seen": [[2, 8]]}, 0, 1, 0),
        ({"seen": [[2, 10]]}, 0, 1, 0),
        ({"seen": [[1, 4], [2, 5]]}, 0, 1, 0),
        ({"seen": [[2, 9], [1, 1]]}, 0, 1, 0),
        ({"seen": [[3, 9]]}, 0, 1, 0),
        ({"seen": []}, 0, 1, 0),
        ({"error": "FileExpired: gone"}, 0, 0, 1),
    ],
    ids=[
        "one version",
        "rows lost",
        "rows doubled",
        "of two versions",
        "one and more",
        "never published",
        "nothing",
        "an error",
    ],
)
def test_a_read_is_whole_if_all_rows_are_of_one_version_that_was_published(
    read: dict[str, Any], whole: int, mixed: int, errors: int
) -> None:
    """Each row has another revision in each version, so a single one that is of another shows."""
    tally = judge([{"way": "a", **read}], rows=9, versions={1, 2})["a"]
    assert (tally.whole, tally.mixed, tally.errors.total()) == (whole, mixed, errors)


def test_the_recipes_are_those_of_the_readme_each_complete_in_itself() -> None:
    """Whoever adds one has it tried; the list is read as engines do."""
    recipes = recipes_of(README, "my-bucket")
    engines = ("pandas", "DuckDB", "Polars", "pyarrow", "pandas, the file in one request")
    assert [*recipes] == [*(f"recipe: {engine}" for engine in engines), "list of shards"]
    assert README.count("```python") == 1 + len(engines), f"another section than {SECTION!r} has a recipe"
    for code in recipes.values():
        assert "EXPORT_BUCKET" not in code
        assert code.startswith("import json\n")
        assert "my-bucket/manifest.json" in code
        assert compile(code, "recipe", "exec").co_names.count("rows") == 1
