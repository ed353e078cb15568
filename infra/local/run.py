"""`./infra/run`: the whole pipeline on this machine, from a folder of photos to image-data.csv."""

import csv
import io
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.local.deploy import STACK, DeploymentError
from infra.local.emulator import AlreadyRunningError
from infra.local.servers import ServerError
from infra.local.stack import LocalStack, etag_of, files_of
from infra.paths import HOME
from infra.survey.photos import write_survey
from operations.page.photos import PhotoReader
from operations.page.server import page_server

FOLLOW_SECONDS = 1.0
# The processor's time-out and some: work that has not moved for so long is not under way but failed.
STALLED_SECONDS = 75.0
REASON = "The reason stands in emulator.log, beside the data."
SHOWN_ROWS = 10
TO_THE_MINUTE = "2026-06-21 12:00"
OTHER_COLUMNS_WIDTH = 70
console = Console(highlight=False)
app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@dataclass(frozen=True, slots=True)
class Csv:
    """A published CSV as this command shows it."""

    path: Path
    rows: list[dict[str, str]]

    @classmethod
    def download(cls, stack: LocalStack, path: Path) -> "Csv":
        """Fetch the CSV and put it in its place whole."""
        content = stack.csv()
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(content)
        unfinished.replace(path)
        return cls(path, list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))))

    @property
    def images(self) -> int:
        """Objects that hold an image."""
        return sum(int(row["copies"] or 0) for row in self.rows)

    @property
    def warned(self) -> int:
        """Rows of images that could not be read in full."""
        return sum(1 for row in self.rows if row["warnings"])


@app.command()
def run(
    folder: Annotated[
        Path | None,
        typer.Argument(exists=True, file_okay=False, help="Photos to upload. Without it, a synthetic drone survey."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when the CSV is current.")] = False,
    photos: Annotated[int, typer.Option(min=1, help="How many photos the synthetic survey has.")] = 24,
    bucket: Annotated[
        str | None, typer.Option(metavar="NAME", help="Follow this bucket, too: one that was there before the stack.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what earlier runs uploaded.")] = False,
    home: Annotated[Path, typer.Option(help="Folder for the data and the CSV.", show_default=".skyledger")] = HOME,
) -> None:
    """Run the whole pipeline on this machine: photos in, image-data.csv out.

    Data is kept from run to run, and running again adds nothing twice. Without --once the pipeline stays up
    and follows what is added to FOLDER or put into the images buckets, until Ctrl-C.
    """
    begun, whole = time.monotonic(), False
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    if folder is None:
        folder = home / "survey"
        write_survey(folder, photos)
    try:
        with _running_stack(home / "stack", bucket, fresh) as stack:
            whole = _bring_up_to_date(stack, folder, home / "image-data.csv", begun)
            if not once:
                with _page(stack) as address:
                    console.print(f"Page: [bold]{address}[/]", soft_wrap=True)
                    _follow(stack, folder, home / "image-data.csv")
    except AlreadyRunningError:
        _fail("Skyledger is running here already; end that one first (Ctrl-C).", 2)
    except (ServerError, DeploymentError, BotoCoreError, ClientError) as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        console.print("Ended." if whole else "Ended before the CSV was current; the next run goes on from here.")
    raise typer.Exit(0 if whole else 1)


@contextmanager
def _running_stack(data: Path, bucket: str | None, fresh: bool) -> Iterator[LocalStack]:
    with console.status("") as status:
        stack = LocalStack(
            data=data, existing=[bucket] if bucket else [], fresh=fresh, tell=lambda step: status.update(f"{step} ...")
        )
    if stack.emulator.put_aside:
        console.print("[yellow]The last run ended hard, so its tables and buckets disagree: beginning anew.[/]")
        console.print(f"Its data is in {stack.emulator.put_aside}")
    console.print(f"Pipeline up at [bold]{stack.emulator.endpoint_url}[/]")
    try:
        yield stack
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would end it hard
        with console.status("finishing what is under way and saving ..."):
            exported = stack.stop()
        if not exported:
            console.print(f"[red]Not everything could be exported; the next run begins anew.[/] {REASON}")


def _bring_up_to_date(stack: LocalStack, folder: Path, to: Path, begun: float) -> bool:
    """Upload, wait and show; whether everything came through."""
    files = files_of(folder)
    uploaded = _upload_changed(stack, files)
    whole = _wait_with_progress(stack)
    published = Csv.download(stack, to)
    _show(published)
    seconds = time.monotonic() - begun
    buckets = stack.deployment.image_buckets
    objects = sum(len(stack.objects(bucket)) for bucket in buckets)
    where = "the bucket" if len(buckets) == 1 else f"{len(buckets)} buckets"
    console.print(
        f"{uploaded} of {len(files)} files uploaded now; {objects} objects in {where}, {published.images} images"
    )
    rows = f"[bold]{len(published.rows)} rows[/] (distinct images)"
    console.print(f"{rows}, {published.warned} with warnings, {seconds:.1f} s in all")
    lost = stack.dead_letters()
    if lost:
        console.print(f"[red]{lost} events could not be processed[/] and lie in the dead-letter queue. {REASON}")
    console.print(f"CSV: [bold]{published.path}[/]")
    return whole and not lost


def _upload_changed(stack: LocalStack, files: dict[str, Path]) -> int:
    present = stack.uploaded()
    changed = [(key, path) for key, path in files.items() if present.get(key) != etag_of(path)]
    if not changed:
        return 0
    with _progress() as progress:
        task = progress.add_task("uploading", total=len(changed))
        for _ in stack.upload(changed):
            progress.advance(task)
    return len(changed)


def _wait_with_progress(stack: LocalStack) -> bool:
    """Wait until the CSV is current; False if work is left that does not move."""
    with _progress() as progress:
        most, last, moved = 0, None, time.monotonic()
        task = progress.add_task("reading images", total=None)
        while backlog := stack.backlog():
            left = backlog.waiting + backlog.under_way
            most = max(most, left)
            progress.update(
                task,
                total=most or None,
                completed=most - left,
                description="reading images" if left else "writing the CSV",
            )
            if backlog != last:
                last, moved = backlog, time.monotonic()
            if time.monotonic() - moved > STALLED_SECONDS:
                console.print(f"[red]{left} events do not get through[/]; they are tried again in minutes. {REASON}")
                return False
        progress.update(task, description="CSV is current", total=most or 1, completed=most or 1)
    return True


@contextmanager
def _page(stack: LocalStack) -> Iterator[str]:
    """Serve the page, and give its address."""
    store, photos = stack.export_store(), PhotoReader(stack.s3, set(stack.deployment.image_buckets))
    server = page_server(store, photos)
    thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
    thread.start()
    try:
        yield server.address
    finally:
        server.shutdown()
        server.server_close()


def _follow(stack: LocalStack, folder: Path, to: Path) -> None:
    """Upload what is added to the folder, and report every new version of the CSV, until interrupted."""
    buckets = stack.deployment.image_buckets
    console.print(f"\nFollowing [bold]{folder}[/] and {_named(buckets)}; Ctrl-C ends.", soft_wrap=True)
    where = f"--endpoint-url {stack.emulator.endpoint_url}"
    hints = [f"  aws {where} s3 cp PHOTO s3://{bucket}/\n" for bucket in buckets]
    if len(buckets) > 1:
        hints.append(f"  skyledger ingest --stack {STACK} {where}   (what was there before)\n")
    console.print(f"{''.join(hints)}  (access key and secret key: test)", style="dim", soft_wrap=True)
    version, seen = stack.csv_version(), _dates(folder)
    while True:
        time.sleep(FOLLOW_SECONDS)
        dates = _dates(folder)
        if dates != seen:
            seen = dates
            _upload_changed(stack, files_of(folder))
        now = stack.csv_version()
        if now != version:
            version = now
            published = Csv.download(stack, to)
            console.print(f"{time.strftime('%H:%M:%S')}  {len(published.rows)} rows, {published.warned} with warnings")


def _named(buckets: Sequence[str]) -> str:
    return "the images bucket" if len(buckets) == 1 else f"the buckets {', '.join(buckets)}"


def _dates(folder: Path) -> dict[Path, float]:
    return {path: path.stat().st_mtime for path in files_of(folder).values() if path.exists()}


def _show(published: Csv) -> None:
    title = f"The first {min(SHOWN_ROWS, len(published.rows))} of {len(published.rows)} rows"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("photo", no_wrap=True, max_width=max(12, console.width - OTHER_COLUMNS_WIDTH))
    for column, width in (("model", 7), ("captured at", len(TO_THE_MINUTE))):
        table.add_column(column, no_wrap=True, width=width)
    for column in ("lat (deg)", "lon (deg)", "h (m)"):
        table.add_column(column, no_wrap=True, width=max(7, len(column)), justify="right")
    for row in published.rows[:SHOWN_ROWS]:
        table.add_row(
            row["key"].rpartition("/")[2],
            row["model"],
            row["captured_at"][: len(TO_THE_MINUTE)].replace("T", " "),
            row["gps_latitude_deg"][:9],
            row["gps_longitude_deg"][:9],
            row["relative_altitude_m"],
        )
    console.print(table)


def _progress() -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> None:
    Console(stderr=True).print(f"[red]{message}[/]")
    raise typer.Exit(code)


if __name__ == "__main__":
    app(prog_name="./infra/run")
