"""`./infra/run`: the whole pipeline on this machine, from a folder of photos to image-data.csv."""

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.deploy import DeploymentError
from infra.local.display import console
from infra.local.emulator import AlreadyRunningError
from infra.local.following import Run
from infra.local.servers import ServerError
from infra.local.stack import LocalStack
from infra.local.uploads import check_room
from infra.paths import HOME
from infra.survey.photos import write_survey

ROOM_BYTES = 400_000_000  # the functions of an empty stack, unpacked and running, and some
app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})


@app.command()
def run(
    folder: Annotated[
        Path | None, typer.Argument(help="Photos to upload. Without it, a synthetic drone survey.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when the CSV is current.")] = False,
    photos: Annotated[int, typer.Option(min=1, help="How many photos the synthetic survey has.")] = 24,
    bucket: Annotated[
        str | None, typer.Option(metavar="NAME", help="Follow this bucket, too: one that was there before the stack.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep what earlier runs uploaded from other folders.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin with nothing: forget all earlier runs.")] = False,
    home: Annotated[Path, typer.Option(help="Folder for the data and the CSV.", show_default=".skyledger")] = HOME,
) -> None:
    """Run the whole pipeline on this machine: photos in, image-data.csv out.

    Without --once it stays up until Ctrl-C and follows FOLDER (added, changed, renamed and removed files) and whatever
    is put into the images buckets. Data is kept from run to run: running again does what has changed meanwhile. What
    earlier runs uploaded from another FOLDER is deleted from the bucket; the files themselves are never touched.
    """
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    pipeline: Run | None = None
    try:
        if folder is None:
            folder = home / "survey"
            write_survey(folder, photos)
        _check(folder)
        home.mkdir(parents=True, exist_ok=True)
        check_room(home, ROOM_BYTES)
        with _running_stack(home / "stack", bucket, fresh) as stack:
            pipeline = Run(stack, folder, home, keep=keep)
            pipeline.bring_up_to_date(begun)
            if not once:
                pipeline.follow()
    except AlreadyRunningError:
        _fail("Skyledger is running here already; end that one first (Ctrl-C).", 2)
    except (ServerError, DeploymentError, BotoCoreError, Boto3Error, ClientError) as error:
        _fail(str(error), 1)
    except subprocess.CalledProcessError as error:
        _fail(f"{error}: what it printed stands above", 1)
    except OSError as error:
        _fail(": ".join(filter(None, (error.strerror or str(error), error.filename))), 1)
    except KeyboardInterrupt:
        whole = pipeline is not None and pipeline.whole
        console.print("Ended." if whole else "Ended before the CSV was current; the next run goes on from here.")
    raise typer.Exit(0 if pipeline and pipeline.whole else 1)


def _check(folder: Path) -> None:
    """Refuse what is no folder of photos, in one line."""
    if not folder.exists():
        _fail(f"There is no folder {folder}.", 2)
    if not folder.is_dir():
        _fail(f"{folder} is a file; name the folder that it is in.", 2)


@contextmanager
def _running_stack(data: Path, bucket: str | None, fresh: bool) -> Iterator[LocalStack]:
    with console.status("") as status:
        stack = LocalStack(
            data=data, existing=[bucket] if bucket else [], fresh=fresh, tell=lambda step: status.update(f"{step} ...")
        )
    if stack.emulator.put_aside:
        console.print("[yellow]The last run ended hard, so its tables and buckets disagree: beginning anew.[/]")
        console.print(f"Its data is in {stack.emulator.put_aside}", soft_wrap=True)
    if stack.emulator.other_port:
        console.print(f"Port {stack.emulator.other_port}, that of the last run, is taken; this run has another.")
    console.print(f"Pipeline up at [bold]{stack.emulator.endpoint_url}[/]")
    try:
        yield stack
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would end it hard
        with console.status("finishing what is under way and saving ..."):
            exported = stack.stop()
        if not exported:
            console.print("[red]Not everything could be exported; the next run begins anew.[/]")
            console.print(f"The reason stands in {data / 'emulator.log'}", soft_wrap=True)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    app(prog_name="./infra/run")
