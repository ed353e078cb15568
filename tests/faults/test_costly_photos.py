"""Photos made to cost as much as they can: none costs more than README allows, and the recipes reach every loop."""

import ast
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from statistics import median
from types import FrameType
from typing import Any

import pytest

from image_processor import BytesSource, extract
from image_processor.budget import LIBRARY_BYTES, LIBRARY_READS, LIMITS, Budget, warning
from infra.benchmarks._hostile import Cost, costs
from infra.doubles.hostile_photos import RECIPES
from infra.paths import ROOT
from tests.support.cpu_time import TRIES, slowness

BY_NAME = {recipe.name: recipe for recipe in RECIPES}
READER = ROOT / "functions" / "image_processor"
EXEMPT = {
    ("columns/cells.py", "_is_signed"): "over two halves of a position",
    ("columns/cells.py", "_keywords"): "over words that the budget has paid for",
    ("columns/cells.py", "read"): "over numbers that the budget has paid for",
    ("columns/cells.py", "_readers"): "over our own table, when the module is loaded",
    ("columns/precedence.py", "_dji"): "over our own table, when the module is loaded",
    ("columns/precedence.py", "_feeds"): "over our own table, when the module is loaded",
    ("columns/precedence.py", "_groups"): "over our own table, when the module is loaded",
    ("columns/precedence.py", "_sources"): "over our own table, when the module is loaded",
    ("columns/precedence.py", "_structures"): "over our own table, when the module is loaded",
    ("columns/user_metadata.py", "_decoded"): "of an object, not of its bytes; bounded by itself",
    ("columns/user_metadata.py", "as_json"): "of an object, not of its bytes; bounded by itself",
    ("tags/maker_notes.py", "_values"): "over numbers that the budget has paid for, 800 at most",
    ("tags/text.py", "_is_utf16"): "over a sample",
}
"""Loops that no recipe reaches, by module and function, and why they are harmless."""


@pytest.fixture(scope="module")
def measured() -> dict[str, Cost]:
    """The cost of every recipe at its worst, each in a process of its own; dear ones are measured again."""
    found = {cost.name: cost for cost in costs(list(BY_NAME), worst, fresh=True)}
    for _ in range(TRIES):
        dear = [name for name, cost in found.items() if cost.seconds >= 1 and cost.fault is None]
        found |= least(found, costs(dear, worst, fresh=True))
    return found


def least(found: Mapping[str, Cost], again: Iterable[Cost]) -> dict[str, Cost]:
    """Of two measurements of each photo the one that took less, the second one told how slow the machine is.

    A process that died has measured nothing.
    """
    quiet = (replace(cost, seconds=cost.seconds / slowness()) for cost in again)
    return {
        cost.name: min(found[cost.name], cost, key=lambda one: (one.fault is not None, one.seconds)) for cost in quiet
    }


def worst(name: str) -> bytes:
    return BY_NAME[name].worst


def an_eighth(name: str) -> bytes:
    return BY_NAME[name].make(max(1, BY_NAME[name].most // 8))


@pytest.mark.parametrize("name", BY_NAME)
def test_no_photo_takes_more_than_a_second_or_100_mb(name, measured):
    """README, "Limits". CPU time of the reader alone, in a process that nothing else has used."""
    cost = measured[name]
    assert cost.fault is None
    assert cost.seconds < 1
    assert cost.mb < 100
    assert cost.item_bytes < 400 * 1024


def test_photos_eight_times_as_large_take_less_than_27_times_as_long(measured):
    """Doubling the size may at most triple the time. What takes no time at its worst is not looked at closer.

    Of what seems to take longer the medians are compared: a busy machine may tell of too much time, and where the clock
    of a young process is coarse, of none.
    """
    large = {name: cost.seconds for name, cost in measured.items() if cost.seconds > 0.1}
    assert large
    small = medians([*large], an_eighth, tries=1)
    suspects = [name for name in large if grows(large[name], small[name])]
    large, small = medians(suspects, worst), medians(suspects, an_eighth)
    assert {name: (large[name], small[name]) for name in suspects if grows(large[name], small[name])} == {}


def grows(large: float, small: float) -> bool:
    return large > 27 * max(small, 0.004)


def medians(names: list[str], make: Callable[[str], bytes], tries: int = TRIES) -> dict[str, float]:
    """The seconds of photos, each measured so often."""
    runs = [{cost.name: cost.seconds for cost in costs(names, make, fresh=True)} for _ in range(tries)]
    return {name: median(run[name] for run in runs) for name in names}


def test_a_small_file_has_a_small_item(measured):
    """669 bytes became an item of 340 KB, 500 times over: in table, CSV and journal for ever."""
    small = {name: cost for name, cost in measured.items() if cost.bytes < 10_000}
    assert len(small) > 10
    assert {name: cost.item_bytes for name, cost in small.items() if cost.item_bytes > 16_000 + 8 * cost.bytes} == {}


LIBRARIES = (LIBRARY_READS, LIBRARY_BYTES)  # what exifread asks of a file: bounded by other limits, see test_file


def test_every_limit_is_one_that_a_recipe_reaches_and_that_its_row_names(measured):
    """A limit that no photo can reach would be one of something else."""
    assert {name: cost.unnamed for name, cost in measured.items() if cost.unnamed} == {}
    reached = {limit for cost in measured.values() for limit in cost.limits}
    assert reached == {warning(cost) for cost in LIMITS if cost not in LIBRARIES}


def loops() -> dict[tuple[str, int], tuple[str, str]]:
    """File and line of the body of every loop of the reader, each with the name of its module and function."""
    found: dict[tuple[str, int], tuple[str, str]] = {}
    for path in sorted(READER.rglob("*.py")):
        module = str(path.relative_to(READER))
        if not module.startswith(("columns/", "formats/", "reading/", "tags/")):
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.For | ast.While):
                        found[str(path), node.body[0].lineno] = module, function.name
                    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                        element = node.value if isinstance(node, ast.DictComp) else node.elt
                        found[str(path), element.lineno] = module, function.name
    return found


def test_every_loop_of_the_reader_is_driven_by_a_recipe():
    """A new loop needs a photo that is made for it, and is then measured like the others."""
    waiting = set(loops())
    files = {path for path, _ in waiting}
    lines: dict[Any, set[tuple[str, int]]] = {}

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        code = frame.f_code
        if code.co_filename not in files:
            return None
        if event == "line":
            waiting.discard((code.co_filename, frame.f_lineno))
            return trace
        if code not in lines:
            lines[code] = {(code.co_filename, line) for _, _, line in code.co_lines() if line}
        return trace if lines[code] & waiting else None

    before = sys.gettrace()
    for recipe in RECIPES:
        data = recipe.make(max(min(recipe.most, 2_000), recipe.most // 6))
        sys.settrace(trace)
        try:
            extract(BytesSource(data))
        finally:
            sys.settrace(before)
    left = {loops()[place] for place in waiting}
    assert sorted(left) == sorted(EXEMPT)


def test_a_budget_spends_nothing_that_it_does_not_have():
    """A refusal costs nothing, so that a smaller wish may still be granted."""
    budget = Budget()
    (cost, limit), *_ = LIMITS.items()
    assert not budget.take(cost, limit + 1)
    assert budget.left(cost) == limit
    assert budget.take(cost, limit)
    assert (budget.left(cost), budget.exhausted) == (0, [cost])
