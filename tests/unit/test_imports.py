"""The direction of imports: who may know whom. A house in which arrows point one way can be read from the bottom up."""

import ast
import importlib
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FUNCTIONS = ROOT / "functions"
PACKAGES = ("ledger", "image_processor", "csv_exporter", "operations")
MAY_KNOW: Mapping[str, set[str]] = {
    "ledger": set(),
    "image_processor": set(),
    "csv_exporter": {"ledger"},
    "operations": {"ledger"},
}
FACES = ("ledger", "image_processor", "operations")


def _modules() -> dict[str, Path]:
    """Every module of the functions by its dotted name; a package stands for its `__init__`."""
    paths = {path: path.relative_to(FUNCTIONS).with_suffix("").parts for path in FUNCTIONS.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in paths.items()}


MODULES = _modules()


def _imports(name: str) -> Iterator[str]:
    """Name the modules of this project that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            origin = node.module or ""
            names = [full if (full := f"{origin}.{alias.name}") in MODULES else origin for alias in node.names]
        else:
            continue
        yield from (found for found in names if found.partition(".")[0] in (*PACKAGES, "infra", "tests"))


ARROWS = {name: set(_imports(name)) for name in MODULES}


def test_every_module_belongs_to_a_package_that_is_known_here() -> None:
    """Otherwise the rules below would say nothing of it."""
    assert {name.partition(".")[0] for name in MODULES} == set(PACKAGES)
    assert len(MODULES) > 100


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_those_that_it_may_know(package: str) -> None:
    """The ledger and ImageProcessor know nobody; CsvExporter and the operations know the ledger; nobody knows tests."""
    known = {
        (name, found)
        for name, arrows in ARROWS.items()
        for found in arrows
        if name.partition(".")[0] == package and found.partition(".")[0] != package
    }
    strangers = {(name, found) for name, found in known if found.partition(".")[0] not in MAY_KNOW[package]}
    assert not strangers
    assert {found.partition(".")[0] for _, found in known} == MAY_KNOW[package], "what it may know it does know"


def test_no_module_is_imported_by_what_it_imports() -> None:
    """No circles. A package's face is left out: it imports its modules, which import each other past it."""
    graph = {name: arrows - set(FACES) for name, arrows in ARROWS.items() if name not in FACES}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")
    assert len(order) >= len(graph)


def test_no_operation_publishes_past_the_one_that_tells_how_far_it_is() -> None:
    """A large CSV takes S3 minutes, and somebody waits for it."""
    publish = {name for name, arrows in ARROWS.items() if "ledger.publish" in arrows and name.startswith("operations")}
    assert publish == {"operations.live.publishing"}


@pytest.mark.parametrize("package", FACES)
def test_a_public_face_has_what_it_promises(package: str) -> None:
    """`__all__` is sorted, without doubles, and every name in it is there."""
    face = importlib.import_module(package)
    names = list(face.__all__)
    assert names
    assert names == sorted(set(names))
    for name in names:
        assert getattr(face, name) is not None, name
    assert face.__doc__
