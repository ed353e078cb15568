"""How soon a photo is a row: seconds from PutObject to the published CSV on the local stack, and photos per second."""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from infra.benchmarks._report import percentile
from infra.local.stack import AT_ONCE, LocalStack
from infra.survey.photos import Photo, survey

LOOK_SECONDS = 0.01
GIVE_UP_SECONDS = 300.0

console = Console(highlight=False)


def main(argv: Sequence[str]) -> int:
    """Run the benchmark."""
    app = typer.Typer(add_completion=False)
    app.command()(measure)
    app(args=list(argv), prog_name="./infra/bench latency", standalone_mode=False)
    return 0


def measure(
    singles: Annotated[int, typer.Option(min=1, help="Photos that are put one at a time.")] = 30,
    photos: Annotated[int, typer.Option(min=1, help="Photos that are put all at once.")] = 500,
    window: Annotated[int, typer.Option(min=0, help="StreamWindowSeconds of the deployment.")] = 0,
) -> None:
    """Measure on a fresh stack; the first photo, which meets cold functions, is told apart."""
    supply = survey(1 + singles + photos, seed=time.time_ns())
    with tempfile.TemporaryDirectory() as folder:
        with console.status("starting the stack ...") as status:
            stack = LocalStack(
                data=Path(folder),
                parameters={"StreamWindowSeconds": str(window)},
                tell=lambda step: status.update(f"{step} ..."),
            )
        with stack:
            cold = _seconds_to_row(stack, next(supply))
            seconds = [
                _seconds_to_row(stack, next(supply)) for _ in track(range(singles), "one at a time", console=console)
            ]
            with console.status(f"{photos} photos at once ..."):
                all_seconds = _seconds_to_rows(stack, supply, 1 + singles + photos)
    _report(cold, seconds, photos, all_seconds, window)


def _seconds_to_row(stack: LocalStack, photo: Photo) -> float:
    """Put one photo and wait until a reader finds its row."""
    begun = time.perf_counter()
    answer = stack.s3.put_object(Bucket=stack.deployment.images_bucket, Key=photo.key, Body=photo.body)
    etag = answer["ETag"].strip('"').encode()
    for csv in _published(stack, begun):
        if etag in csv:
            break
    return time.perf_counter() - begun


def _seconds_to_rows(stack: LocalStack, photos: Iterator[Photo], rows: int) -> float:
    """Put photos in parallel and wait until the CSV has so many rows."""

    def put(photo: Photo) -> None:
        stack.s3.put_object(Bucket=stack.deployment.images_bucket, Key=photo.key, Body=photo.body)

    begun = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(put, photos))
    for csv in _published(stack, begun):
        if csv.count(b"\n") == rows + 1:
            break
    return time.perf_counter() - begun


def _published(stack: LocalStack, begun: float) -> Iterator[bytes]:
    """Give the CSV, each time that it has changed."""
    version = ""
    while time.perf_counter() - begun < GIVE_UP_SECONDS:
        now = stack.csv_version()
        if now != version:
            version = now
            yield stack.csv()
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"the CSV is not current after {GIVE_UP_SECONDS:g} s")


def _report(cold: float, seconds: Sequence[float], photos: int, all_seconds: float, window: int) -> None:
    median, p95 = statistics.median(seconds), percentile(seconds, 95)
    table = Table(title=f"Local stack, StreamWindowSeconds {window}", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for what, figure in (
        ("first photo, functions cold", f"{cold:.2f} s"),
        (f"one at a time, median of {len(seconds)}", f"{median:.2f} s"),
        ("one at a time, 95th percentile", f"{p95:.2f} s"),
        (f"{photos} at once, until all are rows", f"{all_seconds:.2f} s"),
        ("photos per second", f"{photos / all_seconds:.1f}"),
    ):
        table.add_row(what, figure)
    console.print(table)
    result = {
        "median_s": round(median, 3),
        "p95_s": round(p95, 3),
        "photos_per_second": round(photos / all_seconds, 1),
        "cold_s": round(cold, 3),
        "photos": photos,
        "window_s": window,
    }
    print(json.dumps(result))
