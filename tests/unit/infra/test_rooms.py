"""The functions' imports are as functions/README.md draws them: which package knows which, and no circles."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support.paths import ROOT

FUNCTIONS = ROOT / "functions"
KNOWS = {
    "ledger": {"ledger"},
    "csv_exporter": {"csv_exporter", "ledger"},
    "image_processor": {"image_processor", "ledger"},
    "operations": {"operations", "ledger"},
}
MODULES = {
    ".".join(path.relative_to(FUNCTIONS).with_suffix("").parts): path
    for package in KNOWS
    for path in (FUNCTIONS / package).rglob("*.py")
}


def test_packages_know_each_other_as_drawn() -> None:
    """The ledger knows nobody, and the processor of it the list of columns alone."""
    imports = {(module, other) for module, path in MODULES.items() for other in imported(path)}
    assert {module.partition(".")[0] for module, _ in imports} == set(KNOWS)
    wrong = {(a, b) for a, b in imports if b.partition(".")[0] not in KNOWS[a.partition(".")[0]]}
    assert wrong == set()
    of_the_processor = {b for a, b in imports if a.startswith("image_processor.") and b.startswith("ledger.")}
    assert of_the_processor == {"ledger.columns"}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """A circle would be named by the error."""
    order = list(TopologicalSorter({module: set(imported(path)) for module, path in MODULES.items()}).static_order())
    assert order.index("ledger.errors") < order.index("ledger.commit") < order.index("csv_exporter.handler")


def imported(path: Path) -> Iterator[str]:
    """Give the project's modules that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in inner]
        else:
            continue
        for name in names:
            if name.partition(".")[0] in KNOWS:
                yield name if name in MODULES else f"{name}.__init__"
