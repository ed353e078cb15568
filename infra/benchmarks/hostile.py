"""Hostile photos: seconds, memory and bytes of the item that the worst of them cost, and whether one costs a neighbour.

    ./infra/bench hostile [--mutations N] [--seed S]

Every recipe of `infra/doubles/hostile_photos.py` at its worst, each in a process of its own; then seeded mutations of
them at several sizes: bytes changed, doubled, lost, and pieces of one in another. Seconds are CPU time, memory is what
came on top of what the process had. `broken` are photos whose reader raised an error or died: they cost neighbours.
"""

import argparse
import json
import os
import random
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from infra.benchmarks._hostile import Cost, costs
from infra.doubles.hostile_photos import RECIPES

SHARES = (1, 0.3, 0.1, 0.03, 0.01, 0.001)
"""Sizes of the mutated photos, as shares of the worst; small ones are mutated more often, as most are small."""

BATCH = 100
INTERESTING = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x08\0\0\0", b"\0\0\0\x08")


@cache
def recipe_file(number: int, share: float) -> bytes:
    """Make one recipe's photo at a share of its worst."""
    recipe = RECIPES[number]
    return recipe.make(max(1, int(recipe.most * share)))


def mutated(name: str) -> bytes:
    """Make the mutation of a seed: the same bytes for the same seed."""
    random_of = random.Random(name)
    share = random_of.choices(SHARES, weights=(1, 2, 4, 8, 16, 16))[0]
    data = bytearray(recipe_file(random_of.randrange(len(RECIPES)), share))
    for _ in range(random_of.randint(1, 8)):
        at = random_of.randrange(min(len(data), random_of.choice((64, 1_000, 50_000))) or 1)
        change = random_of.choice(("set", "number", "delete", "double", "splice"))
        if change == "set":
            data[at : at + 1] = random_of.randbytes(random_of.randint(1, 3))
        elif change == "number":
            data[at : at + 4] = random_of.choice(INTERESTING)
        elif change == "delete":
            del data[at : at + random_of.randint(1, 40)]
        elif change == "double":
            data[at:at] = data[at : at + random_of.randint(1, 2_000)]
        else:
            other = recipe_file(random_of.randrange(len(RECIPES)), 0.001)
            start = random_of.randrange(len(other))
            data[at:at] = other[start : start + 5_000]
    return bytes(data)


def batch_of_mutations(first: int, count: int, seed: int) -> list[Cost]:
    """Measure some mutations."""
    return list(costs([f"{seed}:{number}" for number in range(first, first + count)], mutated))


def worst_recipes() -> list[Cost]:
    """Measure every recipe at its worst."""
    by_name = {recipe.name: recipe for recipe in RECIPES}
    return list(costs(list(by_name), lambda name: by_name[name].worst, fresh=True))


def table(measured: list[Cost]) -> Table:
    """Show the recipes, those first that take most time."""
    shown = Table(title="Recipes at their worst")
    for heading in ("recipe", "bytes", "CPU s", "MB", "item bytes", "fault"):
        shown.add_column(heading, justify="left" if heading in ("recipe", "fault") else "right")
    for cost in sorted(measured, key=lambda cost: -cost.seconds):
        figures = (f"{cost.bytes:,}", f"{cost.seconds:.3f}", f"{cost.mb:.1f}", f"{cost.item_bytes:,}")
        shown.add_row(cost.name, *figures, cost.fault or "")
    return shown


def summary(measured: list[Cost]) -> dict[str, float]:
    """Return the figures of the last line."""
    return {
        "worst_s": round(max(cost.seconds for cost in measured), 3),
        "worst_mb": max(cost.mb for cost in measured),
        "worst_item_bytes": max(cost.item_bytes for cost in measured),
        "files": len(measured),
        "broken": sum(cost.fault is not None for cost in measured),
    }


def main(argv: list[str]) -> int:
    """Measure, print a table, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(prog="hostile", description=__doc__.splitlines()[0])
    parser.add_argument("--mutations", type=int, default=20_000, help="how many (default 20,000)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (default 1)")
    arguments = parser.parse_args(argv)
    console = Console()
    with console.status("Reading the recipes ..."):
        measured = worst_recipes()
    console.print(table(measured))
    with ProcessPoolExecutor(os.cpu_count()) as pool, Progress(console=console, transient=True) as progress:
        task = progress.add_task("Mutations", total=arguments.mutations)
        starts = range(0, arguments.mutations, BATCH)
        sizes = [min(BATCH, arguments.mutations - start) for start in starts]
        for batch in pool.map(partial(batch_of_mutations, seed=arguments.seed), starts, sizes):
            measured += batch
            progress.advance(task, len(batch))
    for cost in sorted(measured, key=lambda cost: -cost.seconds)[:3]:
        console.print(f"longest: {cost.name}: {cost.seconds:.3f} s, {cost.mb:.1f} MB, {cost.bytes:,} bytes")
    for cost in measured:
        if cost.fault:
            console.print(f"broken: {cost.name}: {cost.fault}")
    print(json.dumps(summary(measured)))
    return 0
