"""Extraction: images a second on one core, bytes and GETs per image, peak memory, beside ExifTool on the same files.

    ./infra/bench extraction FOLDER [--seconds S]

Every file below FOLDER is extracted as ImageProcessor would from S3: through the block cache that S3Source uses, so
that GETs and bytes are those of S3 (time on the network is not in the rate). ExifTool reads the same files in one
process, all metadata by groups, as JSON, starting included. Both run on one core, the same one where the system allows.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from image_processor.columns.extract import extract
from image_processor.reading.ranged import FileSource
from infra.benchmarks._report import percentile

EXIFTOOL = ("exiftool", "-j", "-G1", "-struct", "-n", "-q", "-q", "-@", "-")


@dataclass(frozen=True)
class Cost:
    """What one image cost.

    Attributes:
        path: the file.
        is_image: whether it gave a record.
        requests: GETs.
        bytes_read: bytes of all GETs.
        peak: most memory that its extraction had in use at once, in bytes (Python's allocations).
    """

    path: Path
    is_image: bool
    requests: int
    bytes_read: int
    peak: int


def measure(path: Path) -> Cost:
    """Extract one file and note what it cost."""
    source = FileSource(path)
    tracemalloc.start()
    record = extract(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Cost(path, record is not None, source.requests, source.bytes_read, peak)


def rate(run: Callable[[], None], images: int, seconds: float) -> tuple[float, int]:
    """Run over all images again and again for about `seconds`; return images a second of the best round, and rounds."""
    best, rounds, end = float("inf"), 0, time.perf_counter() + seconds
    while not rounds or time.perf_counter() < end:
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
        rounds += 1
    return images / best, rounds


def run_ours(paths: list[Path]) -> None:
    """Extract all files, one after the other."""
    for path in paths:
        extract(FileSource(path))


def exiftool_version() -> str | None:
    """Return ExifTool's version, None if it is not installed."""
    if shutil.which(EXIFTOOL[0]) is None:
        return None
    return subprocess.run([EXIFTOOL[0], "-ver"], capture_output=True, text=True, check=True).stdout.strip()


def run_exiftool(paths: list[Path]) -> None:
    """Read all files in one process; damaged ones make it exit with an error, which is theirs and not ours."""
    names = "\n".join(map(str, paths)).encode()
    done = subprocess.run(EXIFTOOL, input=names, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if not done.stdout.strip():
        raise SystemExit("ExifTool gave no output")


def stay_on_one_core() -> None:
    """Keep this process and its children on one core, so that both tools are measured on the same."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def files(folder: Path) -> list[Path]:
    """Return the files below a folder that could be images: all but hidden ones, texts and JSON."""
    others = (".json", ".md", ".txt", ".csv")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.suffix.lower() not in others
    )


def table(costs: list[Cost]) -> Table:
    """Return the cost of an image as a table: median, 95th percentile and maximum."""
    shown = Table(title=f"Cost of one image, of {len(costs)}")
    for heading in ("", "median", "p95", "max", "most"):
        shown.add_column(heading, justify="left" if heading in ("", "most") else "right")
    jpegs = [cost for cost in costs if cost.path.suffix.lower() in (".jpg", ".jpeg")]
    for label, group in (("all", costs), ("JPEG", jpegs)):
        for unit, of in (("GETs", "requests"), ("bytes", "bytes_read"), ("peak bytes", "peak")):
            values = [getattr(cost, of) for cost in group]
            if values:
                most = max(group, key=attrgetter(of))
                row = (percentile(values, 50), percentile(values, 95), max(values))
                shown.add_row(f"{label}: {unit}", *(f"{value:,}" for value in row), most.path.name)
    return shown


def compare(paths: list[Path], ours: tuple[float, int], seconds: float, console: Console) -> float | None:
    """Time ExifTool on the same files and show both; return its images a second, None if it is not installed."""
    speeds = Table(title="Images a second on one core, best of the rounds")
    for heading in ("", "images/s", "rounds"):
        speeds.add_column(heading, justify="right" if heading else "left")
    speeds.add_row("Skyledger", f"{ours[0]:,.0f}", str(ours[1]))
    version, theirs = exiftool_version(), None
    if version is None:
        console.print("ExifTool is not installed (Debian: apt-get install libimage-exiftool-perl): no comparison")
    else:
        with console.status("Reading with ExifTool ..."):
            theirs, rounds = rate(lambda: run_exiftool(paths), len(paths), seconds)
        speeds.add_row(f"ExifTool {version}", f"{theirs:,.0f}", str(rounds))
    console.print(speeds)
    return theirs


def summary(costs: list[Cost], ours: float, theirs: float | None, resident_kb: int) -> dict[str, float | None]:
    """Return the figures of the last line; `peak_mb` is of one image, `peak_rss_mb` of the whole process."""
    sizes, gets = [cost.bytes_read for cost in costs], [cost.requests for cost in costs]
    return {
        "images": len(costs),
        "images_per_second": round(ours, 1),
        "exiftool_images_per_second": theirs and round(theirs, 1),
        "ratio": theirs and round(ours / theirs, 2),
        "bytes_median": percentile(sizes, 50),
        "bytes_p95": percentile(sizes, 95),
        "bytes_max": max(sizes),
        "gets_median": percentile(gets, 50),
        "gets_p95": percentile(gets, 95),
        "gets_max": max(gets),
        "peak_mb": round(max(cost.peak for cost in costs) / 1e6, 1),
        "peak_rss_mb": round(resident_kb / 1e3, 1),
    }


def main(argv: list[str]) -> int:
    """Measure, print tables, and as the last line one JSON object."""
    parser = argparse.ArgumentParser(prog="extraction", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=5, help="how long each tool is repeated (default 5)")
    arguments = parser.parse_args(argv)
    console = Console()
    paths = files(arguments.folder)
    stay_on_one_core()
    with console.status("Extracting ..."):
        ours = rate(lambda: run_ours(paths), len(paths), arguments.seconds) if paths else (0.0, 0)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # before tracemalloc, which needs memory itself
    costs = [measure(path) for path in track(paths, "Cost of each image", console=console, transient=True)]
    images = [cost for cost in costs if cost.is_image]
    if not images:
        console.print(f"No images among the {len(paths)} files in {arguments.folder}")
        return 2
    console.print(table(images))
    if len(images) < len(costs):
        console.print(f"{len(costs) - len(images)} of {len(costs)} files are no images by their content")
    theirs = compare(paths, ours, arguments.seconds, console)
    print(json.dumps(summary(images, ours[0], theirs, resident)))
    return 0
